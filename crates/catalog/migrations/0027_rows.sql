-- Rows of a database and its tables at the moment of its backup, as far as they are known.
ALTER TABLE run_items ADD COLUMN row_count BIGINT;
ALTER TABLE run_items ADD COLUMN table_count BIGINT;
ALTER TABLE backups ADD COLUMN row_count BIGINT;
ALTER TABLE backups ADD COLUMN table_count BIGINT;
