-- The history of one hub, in its own schema.
-- Every question of the pages is answered by an index: docs/history-queries.md.

CREATE TABLE counters (name text PRIMARY KEY, value bigint NOT NULL);
-- The last id of each table, the number of stored calls, and the most that there were before retention deleted any.
INSERT INTO counters VALUES ('calls', 0), ('changes', 0), ('sign_ins', 0), ('stored', 0), ('peak', 0);

CREATE TABLE positions (file text PRIMARY KEY, bytes bigint NOT NULL);

CREATE TABLE lost (at bigint PRIMARY KEY, records bigint NOT NULL);
-- `at` is the begin of an hour.

CREATE TABLE calls (
  id bigint PRIMARY KEY,
  at double precision NOT NULL,
  seconds double precision NOT NULL,
  waited double precision NOT NULL,
  workspace text NOT NULL,
  session text NOT NULL,
  principal text NOT NULL,
  address text NOT NULL,
  transport text NOT NULL,
  era text NOT NULL,
  method text NOT NULL,
  server text NOT NULL,
  tool text NOT NULL,
  outcome text NOT NULL,
  code text NOT NULL,
  correlation text NOT NULL,
  trace text NOT NULL,
  arguments_size bigint,
  result_size bigint
);
CREATE INDEX calls_at ON calls (at, id);
CREATE INDEX calls_workspace ON calls (workspace, at, id);
CREATE INDEX calls_server ON calls (server, at, id);
CREATE INDEX calls_tool ON calls (tool, at, id);
CREATE INDEX calls_principal ON calls (principal, at, id);
CREATE INDEX calls_session ON calls (session, at, id) WHERE session <> '';
CREATE INDEX calls_correlation ON calls (correlation, at, id) WHERE correlation <> '';
CREATE INDEX calls_failed ON calls (at, id) WHERE outcome <> 'ok';
CREATE INDEX calls_outcome ON calls (outcome, at, id) WHERE outcome <> 'ok';

CREATE TABLE call_details (id bigint PRIMARY KEY, arguments text, result text, cut boolean NOT NULL);

CREATE TABLE sessions (
  id text PRIMARY KEY,
  workspace text NOT NULL,
  principal text NOT NULL,
  transport text NOT NULL,
  client text NOT NULL,
  began double precision NOT NULL,
  ended double precision,
  calls bigint NOT NULL DEFAULT 0
);
CREATE INDEX sessions_began ON sessions (began, id);
CREATE INDEX sessions_workspace ON sessions (workspace, began, id);

CREATE TABLE principals (
  name text PRIMARY KEY,
  first_seen double precision NOT NULL,
  last_seen double precision NOT NULL,
  calls bigint NOT NULL
);
CREATE INDEX principals_last_seen ON principals (last_seen, name);

CREATE TABLE changes (
  id bigint PRIMARY KEY,
  at double precision NOT NULL,
  principal text NOT NULL,
  source text NOT NULL,
  kind text NOT NULL,
  subject text NOT NULL,
  change text NOT NULL,
  hash_before text NOT NULL,
  hash_after text NOT NULL,
  diff text NOT NULL
);
CREATE INDEX changes_at ON changes (at, id);
CREATE INDEX changes_principal ON changes (principal, at, id);
CREATE INDEX changes_source ON changes (source, at, id);
CREATE INDEX changes_subject ON changes (subject, at, id);

CREATE TABLE sign_ins (
  id bigint PRIMARY KEY,
  at double precision NOT NULL,
  principal text NOT NULL,
  address text NOT NULL,
  way text NOT NULL,
  outcome text NOT NULL
);
CREATE INDEX sign_ins_at ON sign_ins (at, id);

-- Figures of calls by interval (recorder/usage.py); b0 to b16 count durations by bucket (bridge/durations.py).
CREATE TABLE usage (
  scope text NOT NULL,
  width integer NOT NULL,
  at bigint NOT NULL,
  workspace text NOT NULL,
  server text NOT NULL,
  name text NOT NULL,
  calls integer NOT NULL,
  failed integer NOT NULL,
  seconds double precision NOT NULL,
  b0 integer NOT NULL,
  b1 integer NOT NULL,
  b2 integer NOT NULL,
  b3 integer NOT NULL,
  b4 integer NOT NULL,
  b5 integer NOT NULL,
  b6 integer NOT NULL,
  b7 integer NOT NULL,
  b8 integer NOT NULL,
  b9 integer NOT NULL,
  b10 integer NOT NULL,
  b11 integer NOT NULL,
  b12 integer NOT NULL,
  b13 integer NOT NULL,
  b14 integer NOT NULL,
  b15 integer NOT NULL,
  b16 integer NOT NULL,
  PRIMARY KEY (scope, width, at, name, workspace, server)
);
