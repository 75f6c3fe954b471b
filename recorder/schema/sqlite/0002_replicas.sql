-- Replicas of a hub: each record tells whose it is. It is empty in a hub without a name.

CREATE TABLE replicas (name TEXT PRIMARY KEY, seen REAL NOT NULL) WITHOUT ROWID;
-- `seen`: when the replica opened the database, or last looked for old records.

ALTER TABLE positions ADD COLUMN replica TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN replica TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN replica TEXT NOT NULL DEFAULT '';
ALTER TABLE changes ADD COLUMN replica TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_ins ADD COLUMN replica TEXT NOT NULL DEFAULT '';

CREATE INDEX calls_replica ON calls (replica, at) WHERE replica <> '';
CREATE INDEX changes_replica ON changes (replica, at) WHERE replica <> '';
CREATE INDEX sign_ins_replica ON sign_ins (replica, at) WHERE replica <> '';
CREATE INDEX sessions_replica ON sessions (replica, began) WHERE replica <> '';
