-- What happened in a run, per database and destination. `runs.result` keeps the rest: warnings of the run itself, and what a restore or
-- the copy of a stored backup came to.
CREATE TABLE run_items (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- In the order of their turns.
    position BIGINT NOT NULL,
    database TEXT NOT NULL,
    -- waiting, dumping, proving; NULL once nothing more is to come
    stage TEXT,
    held_since BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    dumped_bytes BIGINT,
    error TEXT,
    code TEXT,
    warnings TEXT NOT NULL,
    PRIMARY KEY (run_id, position)
);

CREATE TABLE run_copies (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- Of the database in run_items.
    item BIGINT NOT NULL,
    position BIGINT NOT NULL,
    -- The run's, so that copies are found without it. NULL for none; a deleted job's stays.
    job_id TEXT,
    database TEXT NOT NULL,
    destination_id TEXT NOT NULL,
    -- The destination's name at the time.
    destination TEXT NOT NULL,
    -- stored, missing
    state TEXT NOT NULL,
    path TEXT,
    plain_size BIGINT,
    stored_size BIGINT,
    -- By algorithm, as JSON.
    checksum TEXT,
    -- ownHash, readBack, sizeAndTag
    verified_by TEXT,
    stored_at BIGINT,
    error TEXT,
    code TEXT,
    PRIMARY KEY (run_id, item, position)
);
-- The last good copy of a database at a destination.
CREATE INDEX run_copies_stored ON run_copies (job_id, database, destination_id, run_id) WHERE state = 'stored';

-- Why a run failed, for programs.
ALTER TABLE runs ADD COLUMN code TEXT;
