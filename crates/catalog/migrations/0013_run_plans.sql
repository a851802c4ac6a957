-- What the job of a backup said when the run started, as JSON. Secrets in it are references.
ALTER TABLE runs ADD COLUMN plan TEXT;
