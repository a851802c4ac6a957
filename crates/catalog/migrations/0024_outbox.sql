-- Runs that have started or ended, until every rule has seen that. Written in the transaction that ends a run.
CREATE TABLE run_news (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- started, ended
    phase TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- As the job's standing had them right after the run.
    failure TEXT,
    reason TEXT,
    PRIMARY KEY (run_id, phase)
);
CREATE INDEX run_news_at ON run_news (at, run_id);

-- Problems that each rule has told or holds back.
CREATE TABLE open_causes (
    rule_id TEXT NOT NULL REFERENCES notification_rules (id) ON DELETE CASCADE,
    cause_key TEXT NOT NULL,
    -- What is wrong, as JSON.
    trouble TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    -- How often and when last it was told; NULL while it is held back.
    told BIGINT NOT NULL,
    told_at BIGINT,
    -- Set if it ended before its end could be told.
    resolved_at BIGINT,
    PRIMARY KEY (rule_id, cause_key)
);

CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    channel_id TEXT NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    rule_id TEXT,
    -- A message with the same is never written again.
    once_key TEXT NOT NULL UNIQUE,
    -- Messages about the same are delivered in their order.
    cause_key TEXT NOT NULL,
    event TEXT NOT NULL,
    -- As JSON.
    message TEXT NOT NULL,
    -- waiting, sent, failed, dropped
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    -- By the database's clock: nobody else sends it until then.
    lease_until BIGINT,
    answer TEXT,
    error TEXT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE state = 'waiting';
CREATE INDEX outbox_order ON outbox (channel_id, cause_key, id) WHERE state = 'waiting';
CREATE INDEX outbox_channel ON outbox (channel_id, id);
CREATE INDEX outbox_age ON outbox (created_at);

CREATE INDEX job_standings_warned ON job_standings (job_id) WHERE warnings > 0;
-- How many there are at each destination.
CREATE INDEX copies_altered_at ON copies (destination_id) WHERE verified_result = 'altered';
