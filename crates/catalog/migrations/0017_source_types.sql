-- The id of the adapter that made a backup, as its sidecar says; empty where none was read. The name of the engine before.
ALTER TABLE backups RENAME COLUMN engine TO source_type;
UPDATE backups SET source_type = CASE
    WHEN sidecar_version IS NULL THEN ''
    WHEN source_type = 'PostgreSQL' THEN 'postgres'
    WHEN source_type = 'SQLite' THEN 'sqlite'
    ELSE '' END;
