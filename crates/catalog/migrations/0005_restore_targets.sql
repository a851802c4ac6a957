-- What operators may restore into a source: none, newDatabases, ownDatabases.
ALTER TABLE sources ADD COLUMN restore_target TEXT NOT NULL DEFAULT 'none';
-- Where a path of the machine led when an administrator saved it; NULL where only a folder allowed at the server's start makes it
-- good; '*' where it was saved before this was kept.
ALTER TABLE sources ADD COLUMN approved_path TEXT DEFAULT '*';
ALTER TABLE destinations ADD COLUMN approved_path TEXT DEFAULT '*';
