-- What the backups of each job came to per day, and how each job stands. Written in the transaction in which a run or a job changes, so
-- that no page has to count runs.

-- Days since 1970-01-01, in the time zone that the job had when the run was queued. NULL for what is no job's backup.
ALTER TABLE runs ADD COLUMN day BIGINT;
CREATE INDEX runs_day ON runs (job_id, day);
-- The user or API token that asked for the run.
ALTER TABLE runs ADD COLUMN started_by TEXT;
-- Restores and copies are few among many backups.
CREATE INDEX runs_others ON runs (kind, state, id) WHERE kind <> 'backup';
-- Backups of jobs that were deleted are in no sum.
CREATE INDEX runs_without_job ON runs (state) WHERE job_id IS NULL AND kind = 'backup';

CREATE TABLE job_days (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    -- Numbers of runs. Those with warnings are counted among those that succeeded, too.
    succeeded BIGINT NOT NULL,
    with_warnings BIGINT NOT NULL,
    partial BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    interrupted BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    unfinished BIGINT NOT NULL,
    -- Of those that succeeded: bytes read from the source, bytes stored at each destination, milliseconds.
    dumped_bytes BIGINT NOT NULL,
    stored_bytes BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    -- When the last of those that succeeded ended.
    good_at BIGINT,
    -- The newest of the worst.
    run_id TEXT NOT NULL,
    PRIMARY KEY (job_id, day)
);

-- The sums of job_days per day.
CREATE TABLE total_days (
    day BIGINT PRIMARY KEY,
    succeeded BIGINT NOT NULL,
    with_warnings BIGINT NOT NULL,
    partial BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    interrupted BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    unfinished BIGINT NOT NULL,
    dumped_bytes BIGINT NOT NULL,
    stored_bytes BIGINT NOT NULL,
    duration BIGINT NOT NULL
);

CREATE TABLE job_standings (
    job_id TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    -- The job's, for the order of lists.
    name_key TEXT NOT NULL,
    -- 0 failed, 1 new, 2 running, 3 with warnings, 4 good, 5 paused: the most urgent first.
    status BIGINT NOT NULL,
    -- Whether the schedule counts.
    enabled BOOLEAN NOT NULL,
    -- Whether it lacks a good backup now, or a schedule that can be read.
    troubled BOOLEAN NOT NULL,
    profile_id TEXT,
    -- The ids of its destinations, sorted, as JSON.
    destinations TEXT NOT NULL,
    schedule_error TEXT,
    -- The newest run, the last that ended by itself, and the last that succeeded.
    last_run_id TEXT,
    ended_run_id TEXT,
    state TEXT,
    good_run_id TEXT,
    good_at BIGINT,
    -- How many databases it backs up; NULL where that is not known yet.
    databases BIGINT,
    backed_up BIGINT NOT NULL,
    -- How many databases are in trouble if the job is.
    lacking BIGINT NOT NULL,
    -- Warnings of the last run that are not acknowledged.
    warnings BIGINT NOT NULL,
    -- Where and why it fails, as JSON: the same for all jobs that one cure helps. NULL if it does not fail.
    failure TEXT,
    reason TEXT
);
CREATE INDEX job_standings_name ON job_standings (name_key);
CREATE INDEX job_standings_urgency ON job_standings (status, name_key);
CREATE INDEX job_standings_kinds ON job_standings (enabled, status, troubled, profile_id, destinations, good_at, databases, lacking);
CREATE INDEX job_standings_failures ON job_standings (failure, job_id) WHERE failure IS NOT NULL;
CREATE INDEX job_standings_oldest ON job_standings (good_at) WHERE enabled;

-- Lists of what is stored by job, and when it was verified.
CREATE INDEX series_job ON series (job, database);
CREATE INDEX jobs_exact_name ON jobs (name);
CREATE INDEX copies_verified ON copies (series_id, verified_at) WHERE verified_at IS NOT NULL;

-- What each job takes of a destination, as its folder says; counted when its copies have changed. Orphans are rows whose job is none.
CREATE TABLE destination_usage (
    destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    job TEXT NOT NULL,
    -- Copies that are present, and their bytes.
    copies BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    newest_at BIGINT NOT NULL,
    PRIMARY KEY (destination_id, job)
);
CREATE INDEX destination_usage_bytes ON destination_usage (destination_id, bytes DESC, job, copies);
