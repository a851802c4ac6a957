-- How full a destination was, once a day; `day` counts from 1970-01-01 (UTC).
CREATE TABLE destination_space (
    destination_id TEXT NOT NULL REFERENCES destinations (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    used BIGINT NOT NULL,
    allowed BIGINT,
    PRIMARY KEY (destination_id, day)
);
