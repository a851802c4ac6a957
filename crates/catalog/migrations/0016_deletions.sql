-- What of the backups is to be deleted, and what must not be.

-- Locked by a user of this server; and by the sidecar, as it was last read.
ALTER TABLE copies ADD COLUMN locked BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE copies ADD COLUMN sidecar_locked BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE copies ADD COLUMN note TEXT;
-- Whether those that were read before lock their backups is not known: the next scans read them again.
UPDATE copies SET sidecar = 'unread' WHERE sidecar = 'read';
-- Grows with each copy that arrives at the destination, whatever the clocks say.
ALTER TABLE copies ADD COLUMN arrival BIGINT NOT NULL DEFAULT 0;
UPDATE copies SET arrival = first_seen_at;
CREATE INDEX copies_arrival ON copies (destination_id, arrival);
CREATE INDEX backups_job ON backups (job_id);

-- Copies that are marked for deletion.
CREATE TABLE deletions (
    copy_id TEXT PRIMARY KEY REFERENCES copies (id) ON DELETE CASCADE,
    job_id TEXT NOT NULL,
    -- The name of the policy.
    policy TEXT NOT NULL,
    -- As JSON.
    reasons TEXT NOT NULL,
    -- The file that was marked: another one at its path is not deleted.
    stored_size BIGINT NOT NULL,
    stored_at BIGINT,
    marked_at BIGINT NOT NULL,
    -- When the grace period is over.
    due_at BIGINT NOT NULL,
    -- Whether a user has confirmed the mark.
    confirmed BOOLEAN NOT NULL DEFAULT FALSE,
    attempts BIGINT NOT NULL DEFAULT 0,
    last_error TEXT,
    -- Not tried before; NULL until an attempt failed.
    retry_at BIGINT
);
CREATE INDEX deletions_due ON deletions (due_at);
