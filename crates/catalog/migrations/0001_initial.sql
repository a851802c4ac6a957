-- One text for SQLite and PostgreSQL. Times are milliseconds since 1970 (UTC), ids are UUIDs of version 7 (they sort by age),
-- *_key columns are names in lower case, lists and structures are JSON. Columns named secret_* hold what the vault has sealed.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash TEXT NOT NULL UNIQUE,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX api_tokens_user ON api_tokens (user_id);

CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TABLE sources (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    secret_settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE destinations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    secret_settings TEXT NOT NULL,
    -- The OAuth refresh token, and what is known of the authorization.
    secret_grant TEXT,
    authorization_state TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE profiles (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    recipients TEXT NOT NULL,
    secret_identity TEXT,
    exported_at BIGINT,
    created_at BIGINT NOT NULL
);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    source_id TEXT NOT NULL REFERENCES sources (id),
    -- All of the source's where NULL.
    databases TEXT,
    compression TEXT NOT NULL,
    profile_id TEXT REFERENCES profiles (id),
    cron TEXT,
    time_zone TEXT NOT NULL,
    timeout_seconds BIGINT,
    enabled BOOLEAN NOT NULL,
    next_run_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX jobs_due ON jobs (next_run_at);
CREATE INDEX jobs_source ON jobs (source_id);
CREATE INDEX jobs_profile ON jobs (profile_id);

CREATE TABLE job_destinations (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    destination_id TEXT NOT NULL REFERENCES destinations (id),
    position BIGINT NOT NULL,
    PRIMARY KEY (job_id, destination_id)
);
CREATE INDEX job_destinations_destination ON job_destinations (destination_id);

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    -- A deleted job's runs stay.
    job_id TEXT REFERENCES jobs (id) ON DELETE SET NULL,
    title TEXT NOT NULL,
    -- What a restore is about; a backup's is its job.
    request TEXT,
    cause TEXT NOT NULL,
    -- The scheduled time; a slot fires once.
    slot BIGINT,
    state TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    -- Grows with every change of hands: whoever holds an older one may not write any more.
    fence BIGINT NOT NULL,
    worker TEXT,
    lease_until BIGINT,
    cancel_requested BOOLEAN NOT NULL,
    dumped_bytes BIGINT NOT NULL,
    stored_bytes BIGINT NOT NULL,
    sent_bytes BIGINT NOT NULL,
    error TEXT,
    result TEXT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    UNIQUE (job_id, slot)
);
CREATE INDEX runs_job ON runs (job_id, id);
CREATE INDEX runs_state ON runs (state, id);
-- One run per job at a time.
CREATE UNIQUE INDEX runs_active ON runs (job_id) WHERE state IN ('queued', 'running');

CREATE TABLE run_log (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    level TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (run_id, number)
);

CREATE TABLE authorizations (
    state_hash TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    -- Who began it: a session or an API token, by its id.
    credential TEXT NOT NULL,
    mode TEXT NOT NULL,
    secret_verifier TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE download_links (
    token_hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    raw BOOLEAN NOT NULL,
    expires_at BIGINT NOT NULL
);
