-- Backups and their copies at the destinations. The storage is the truth: a scan reconciles what is here with what lies there.

-- The latest scan of each destination. Its number orders what is known of copies, since clocks jump.
CREATE TABLE scans (
    destination_id TEXT PRIMARY KEY REFERENCES destinations (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    state TEXT NOT NULL,
    -- One scan per destination at a time, also where servers share the database. By the database's clock.
    lease_until BIGINT,
    cancel_requested BOOLEAN NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    -- When a scan last read all that there is.
    complete_at BIGINT,
    found BIGINT NOT NULL,
    adopted BIGINT NOT NULL,
    missing BIGINT NOT NULL,
    error TEXT,
    -- Folders that could not be read, as JSON.
    unreadable TEXT NOT NULL
);

CREATE TABLE backups (
    id TEXT PRIMARY KEY,
    -- What copies of one backup have in common: a hash of run, job, database, time and digests in its sidecar. NULL where only its name is known.
    identity TEXT UNIQUE,
    -- As the sidecar says: the job and the run can be another server's, or deleted.
    job_id TEXT,
    run_id TEXT,
    job TEXT NOT NULL,
    source TEXT,
    host TEXT,
    engine TEXT NOT NULL,
    database TEXT,
    created_at BIGINT NOT NULL,
    dumped_size BIGINT,
    -- By algorithm, as JSON.
    dump_hashes TEXT NOT NULL,
    compression TEXT,
    encrypted BOOLEAN NOT NULL,
    encrypted_to TEXT NOT NULL,
    warnings TEXT NOT NULL,
    -- The version of its sidecar's format; NULL where none was read.
    sidecar_version BIGINT
);

-- What copies are listed by: all of one destination, job and database.
CREATE TABLE series (
    id TEXT PRIMARY KEY,
    destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    job TEXT NOT NULL,
    -- Empty for engines with one database per source.
    database TEXT NOT NULL,
    -- Job and database in lower case.
    search_key TEXT NOT NULL,
    UNIQUE (destination_id, job, database)
);

CREATE TABLE copies (
    id TEXT PRIMARY KEY,
    backup_id TEXT NOT NULL REFERENCES backups (id),
    -- Not a foreign key: removing a destination would look for copies of each of its series.
    series_id TEXT NOT NULL,
    destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    -- The same for all spellings of a path: some storages list a path in another case than it was written.
    path_key TEXT NOT NULL,
    -- The backup's, for the order of lists.
    created_at BIGINT NOT NULL,
    -- present, missing, deleting, deleted
    state TEXT NOT NULL,
    state_at BIGINT NOT NULL,
    -- The destination's scan that saw it last, or that was the latest when this server last changed it.
    scan BIGINT NOT NULL,
    stored_size BIGINT NOT NULL,
    stored_at BIGINT,
    encrypted BOOLEAN NOT NULL,
    -- By algorithm, as JSON: as its sidecar says.
    hashes TEXT NOT NULL,
    -- read, unread, unreadable, absent
    sidecar TEXT NOT NULL,
    -- Size and time of the sidecar that was read: another one is read again. NULL until a scan has seen it.
    sidecar_size BIGINT,
    sidecar_at BIGINT,
    -- unsigned, wrong, or the public key that has signed it
    signature TEXT,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    -- The last verification.
    verified_at BIGINT,
    verified_by TEXT,
    verified_how TEXT,
    verified_result TEXT,
    UNIQUE (destination_id, path)
);
CREATE INDEX copies_time ON copies (created_at, id) WHERE state <> 'deleted';
CREATE INDEX copies_destination ON copies (destination_id, created_at, id) WHERE state <> 'deleted';
CREATE INDEX copies_series ON copies (series_id, created_at, id) WHERE state <> 'deleted';
CREATE INDEX copies_missing ON copies (created_at, id) WHERE state = 'missing';
CREATE INDEX copies_altered ON copies (created_at, id) WHERE verified_result = 'altered';
CREATE INDEX copies_bare ON copies (created_at, id) WHERE sidecar IN ('absent', 'unreadable');
CREATE INDEX copies_path_key ON copies (destination_id, path_key);
CREATE INDEX copies_backup ON copies (backup_id);
CREATE INDEX copies_unread ON copies (destination_id, created_at, id) WHERE sidecar = 'unread';
CREATE INDEX copies_deleted ON copies (state_at) WHERE state = 'deleted';

CREATE TABLE verifications (
    id TEXT PRIMARY KEY,
    copy_id TEXT NOT NULL REFERENCES copies (id) ON DELETE CASCADE,
    verified_at BIGINT NOT NULL,
    verified_by TEXT NOT NULL,
    -- ownHash, readBack, sizeAndTag, deep
    how TEXT NOT NULL,
    -- whole, unknown, altered
    result TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX verifications_copy ON verifications (copy_id, id);

-- What is removed once it is old enough.
CREATE INDEX run_log_time ON run_log (at);
CREATE INDEX audit_time ON audit (at);
