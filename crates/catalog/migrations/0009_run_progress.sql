-- How far each destination of a run is, as JSON.
ALTER TABLE runs ADD COLUMN destinations TEXT NOT NULL DEFAULT '[]';
