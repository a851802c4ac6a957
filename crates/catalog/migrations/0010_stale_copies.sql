-- Copies that carry the number of an earlier scan were seen before the destination was changed: it may be another place now.
ALTER TABLE scans ADD COLUMN valid_from BIGINT NOT NULL DEFAULT 0;

-- The interrupted run that a run makes up for.
ALTER TABLE runs ADD COLUMN retry_of TEXT;
CREATE INDEX runs_retry ON runs (retry_of) WHERE state = 'queued';
