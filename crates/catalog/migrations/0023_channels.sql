-- Ways of telling people, and which events are told through which.
CREATE TABLE channels (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    secret_settings TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    -- Since when nothing could be delivered, and why; NULL while it works.
    failing_since BIGINT,
    last_error TEXT,
    last_sent_at BIGINT,
    revision BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE notification_rules (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    -- As JSON.
    rule TEXT NOT NULL,
    -- Counts the changes of what was told: of two servers that judge at once, the second has to look again.
    pass BIGINT NOT NULL DEFAULT 0,
    -- Up to when digests have been sent.
    digest_at BIGINT,
    revision BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- The channels of each rule, once more, so that none is removed that a rule uses.
CREATE TABLE notification_rule_channels (
    rule_id TEXT NOT NULL REFERENCES notification_rules (id) ON DELETE CASCADE,
    channel_id TEXT NOT NULL REFERENCES channels (id),
    PRIMARY KEY (rule_id, channel_id)
);
CREATE INDEX notification_rule_channels_channel ON notification_rule_channels (channel_id);
