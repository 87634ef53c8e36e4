-- Tokens that do not come in any more. `what` is empty for all of a user, 'd:' and a device, or 't:' and the
-- identity of one token in hexadecimal digits.
CREATE TABLE revocations (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    what TEXT NOT NULL,
    issued_until_secs INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, what)
) WITHOUT ROWID;

CREATE UNIQUE INDEX revocations_by_version ON revocations (tenant, version);
CREATE INDEX revocations_by_end ON revocations (tenant, until_ms);

-- One row for each tenant, locked by whoever revokes: versions become visible in their order.
CREATE TABLE revocation_versions (
    tenant TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO revocation_versions (tenant, version) VALUES ('default', 0);

-- Which tokens a device used. The row without a device says up to when those were issued that were forgotten.
CREATE TABLE device_tokens (
    tenant TEXT NOT NULL,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    token_id TEXT NOT NULL,
    issued_secs INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    noted_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, device_id, token_id)
) WITHOUT ROWID;

CREATE INDEX device_tokens_by_end ON device_tokens (tenant, until_ms);
