-- Who, what and on what, each on its own: for filters, names and links.

-- The name of the user, and that of the API token if there was one; empty for nobody and for the server itself.
ALTER TABLE audit ADD COLUMN user_name TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN token_name TEXT NOT NULL DEFAULT '';
-- A stable word: job.run. Empty in entries of earlier versions.
ALTER TABLE audit ADD COLUMN event TEXT NOT NULL DEFAULT '';
-- What it was done to: job; its id; its name at that time. Empty if it was no one thing.
ALTER TABLE audit ADD COLUMN object_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN object_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN object_name TEXT NOT NULL DEFAULT '';
UPDATE audit SET user_name = substr(actor, 6) WHERE actor LIKE 'user %';
CREATE INDEX audit_user ON audit (user_name, id);
CREATE INDEX audit_event ON audit (event, id);
CREATE INDEX audit_object ON audit (object_id, id);
