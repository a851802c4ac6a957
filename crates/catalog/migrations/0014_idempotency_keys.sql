-- Answers to requests that carried an Idempotency-Key, so that a repeated one does nothing twice.
CREATE TABLE idempotency_keys (
    -- A hash of the user and the key.
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- A keyed digest of the method, the address and the body, which may hold passwords.
    request TEXT NOT NULL,
    -- Status, headers and body as JSON; NULL while the request is carried out. Answers may hold a new token.
    secret_answer TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_time ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_user ON idempotency_keys (user_id, created_at);
