-- Since when a job has its schedule: slots that have passed since then are missed if nothing ran.
ALTER TABLE jobs ADD COLUMN scheduled_since BIGINT NOT NULL DEFAULT 0;
UPDATE jobs SET scheduled_since = updated_at;
