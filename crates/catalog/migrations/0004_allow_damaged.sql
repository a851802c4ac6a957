-- Whether a database with damaged pages is backed up nevertheless (SQLite).
ALTER TABLE jobs ADD COLUMN allow_damaged BOOLEAN NOT NULL DEFAULT FALSE;
