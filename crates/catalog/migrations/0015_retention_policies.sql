-- Which backups of a job are kept at a destination. Policies are shared by jobs.
CREATE TABLE retention_policies (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    -- As JSON.
    rules TEXT NOT NULL,
    -- Days between the mark and the deletion.
    grace_days BIGINT NOT NULL,
    revision BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
-- NULL keeps everything.
ALTER TABLE job_destinations ADD COLUMN retention_policy_id TEXT REFERENCES retention_policies (id);
