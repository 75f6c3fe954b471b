-- Replicas of a hub that share a history: each record tells whose it is. It is empty in a hub without a name.

CREATE TABLE replicas (name text PRIMARY KEY, seen double precision NOT NULL);
-- `seen`: when the replica opened the database, or last looked for old records.

ALTER TABLE positions ADD COLUMN replica text NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN replica text NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN replica text NOT NULL DEFAULT '';
ALTER TABLE changes ADD COLUMN replica text NOT NULL DEFAULT '';
ALTER TABLE sign_ins ADD COLUMN replica text NOT NULL DEFAULT '';

CREATE INDEX calls_replica ON calls (replica, at, id) WHERE replica <> '';
CREATE INDEX changes_replica ON changes (replica, at, id) WHERE replica <> '';
CREATE INDEX sign_ins_replica ON sign_ins (replica, at, id) WHERE replica <> '';
CREATE INDEX sessions_replica ON sessions (replica, began, id) WHERE replica <> '';
