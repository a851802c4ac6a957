-- Which place a scan has read, in the storage's own terms: destinations with the same one share their files.
ALTER TABLE scans ADD COLUMN place TEXT;
