-- What users change is counted, so that a change that was made of an outdated state can be refused (ETag, If-Match).
ALTER TABLE jobs ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE sources ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE destinations ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE profiles ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
