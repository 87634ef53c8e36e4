-- Offline push: see the migration of the same number for Postgres.
CREATE TABLE push_devices (
    tenant       TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    device_id    TEXT NOT NULL,
    provider     INTEGER NOT NULL,
    token        TEXT NOT NULL,
    token_sha256 TEXT NOT NULL,
    app          TEXT NOT NULL,
    locale       TEXT NOT NULL,
    content      INTEGER,
    seen_at_ms   INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, device_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX push_devices_tokens ON push_devices (tenant, provider, token_sha256);
CREATE INDEX push_devices_seen ON push_devices (seen_at_ms);

CREATE TABLE push_sent (
    tenant          TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, conversation_id)
) WITHOUT ROWID;

CREATE TABLE push_retries (
    tenant     TEXT NOT NULL,
    id         TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    device_id  TEXT NOT NULL,
    provider   INTEGER NOT NULL,
    note       TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    made_at_ms INTEGER NOT NULL,
    next_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX push_retries_due ON push_retries (next_at_ms);

CREATE TABLE push_dead (
    tenant          TEXT NOT NULL,
    id              TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    device_id       TEXT NOT NULL,
    provider        INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    reason          TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX push_dead_newest ON push_dead (tenant, at_ms, id);

-- The follower `push` rests while there is no device: see 0017.
CREATE TRIGGER push_devices_are_followed AFTER INSERT ON push_devices BEGIN
    UPDATE followers SET is_resting = 0 WHERE name = 'push';
END;
