-- The history of one hub. Indexes of SQLite end with the row's id by themselves.
-- Every question of the pages is answered by an index: docs/history-queries.md.

CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
-- The last id of each table, the number of stored calls, and the most that there were before retention deleted any.
INSERT INTO counters VALUES ('calls', 0), ('changes', 0), ('sign_ins', 0), ('stored', 0), ('peak', 0);

CREATE TABLE positions (file TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE lost (at INTEGER PRIMARY KEY, records INTEGER NOT NULL);
-- `at` is the begin of an hour.

CREATE TABLE calls (
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  seconds REAL NOT NULL,
  waited REAL NOT NULL,
  workspace TEXT NOT NULL,
  session TEXT NOT NULL,
  principal TEXT NOT NULL,
  address TEXT NOT NULL,
  transport TEXT NOT NULL,
  era TEXT NOT NULL,
  method TEXT NOT NULL,
  server TEXT NOT NULL,
  tool TEXT NOT NULL,
  outcome TEXT NOT NULL,
  code TEXT NOT NULL,
  correlation TEXT NOT NULL,
  trace TEXT NOT NULL,
  arguments_size INTEGER,
  result_size INTEGER
);
CREATE INDEX calls_at ON calls (at);
CREATE INDEX calls_workspace ON calls (workspace, at);
CREATE INDEX calls_server ON calls (server, at);
CREATE INDEX calls_tool ON calls (tool, at);
CREATE INDEX calls_principal ON calls (principal, at);
CREATE INDEX calls_session ON calls (session, at) WHERE session <> '';
CREATE INDEX calls_correlation ON calls (correlation, at) WHERE correlation <> '';
CREATE INDEX calls_failed ON calls (at) WHERE outcome <> 'ok';
CREATE INDEX calls_outcome ON calls (outcome, at) WHERE outcome <> 'ok';

CREATE TABLE call_details (id INTEGER PRIMARY KEY, arguments TEXT, result TEXT, cut INTEGER NOT NULL);

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  principal TEXT NOT NULL,
  transport TEXT NOT NULL,
  client TEXT NOT NULL,
  began REAL NOT NULL,
  ended REAL,
  calls INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX sessions_began ON sessions (began, id);
CREATE INDEX sessions_workspace ON sessions (workspace, began, id);

CREATE TABLE principals (
  name TEXT PRIMARY KEY,
  first_seen REAL NOT NULL,
  last_seen REAL NOT NULL,
  calls INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX principals_last_seen ON principals (last_seen, name);

CREATE TABLE changes (
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  principal TEXT NOT NULL,
  source TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  change TEXT NOT NULL,
  hash_before TEXT NOT NULL,
  hash_after TEXT NOT NULL,
  diff TEXT NOT NULL
);
CREATE INDEX changes_at ON changes (at);
CREATE INDEX changes_principal ON changes (principal, at);
CREATE INDEX changes_source ON changes (source, at);
CREATE INDEX changes_subject ON changes (subject, at);

CREATE TABLE sign_ins (
  id INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  principal TEXT NOT NULL,
  address TEXT NOT NULL,
  way TEXT NOT NULL,
  outcome TEXT NOT NULL
);
CREATE INDEX sign_ins_at ON sign_ins (at);

-- Figures of calls by interval (recorder/usage.py); b0 to b16 count durations by bucket (bridge/durations.py).
CREATE TABLE usage (
  scope TEXT NOT NULL,
  width INTEGER NOT NULL,
  at INTEGER NOT NULL,
  workspace TEXT NOT NULL,
  server TEXT NOT NULL,
  name TEXT NOT NULL,
  calls INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  seconds REAL NOT NULL,
  b0 INTEGER NOT NULL,
  b1 INTEGER NOT NULL,
  b2 INTEGER NOT NULL,
  b3 INTEGER NOT NULL,
  b4 INTEGER NOT NULL,
  b5 INTEGER NOT NULL,
  b6 INTEGER NOT NULL,
  b7 INTEGER NOT NULL,
  b8 INTEGER NOT NULL,
  b9 INTEGER NOT NULL,
  b10 INTEGER NOT NULL,
  b11 INTEGER NOT NULL,
  b12 INTEGER NOT NULL,
  b13 INTEGER NOT NULL,
  b14 INTEGER NOT NULL,
  b15 INTEGER NOT NULL,
  b16 INTEGER NOT NULL,
  PRIMARY KEY (scope, width, at, name, workspace, server)
) WITHOUT ROWID;
