-- Warnings that do not count, as JSON: codes, or `code:subject`.
ALTER TABLE jobs ADD COLUMN acknowledged_warnings TEXT NOT NULL DEFAULT '[]';
