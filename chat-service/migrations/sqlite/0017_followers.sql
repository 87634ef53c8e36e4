-- What follows the log by cursor (`chat-service/src/followers`), and what operators did.
-- It has nothing to do, and needs no rows of `appends`. Whoever adds to the table that it waits for sets this to 0 in the same
-- transaction, by a trigger.
ALTER TABLE followers ADD COLUMN is_resting INTEGER NOT NULL DEFAULT 0;

-- What a follower could not work on, alone and after several tries: it has gone on.
CREATE TABLE follower_dead (
    tenant          TEXT NOT NULL,
    follower        TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    error           TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (tenant, follower, conversation_id, seq)
) WITHOUT ROWID;

-- Webhooks. How far each is stands in `followers`, under its name.
-- `config`: url, types, filter and bounds as JSON. `secrets`: JSON, the newest first. `state`: 1 enabled, 2 disabled.
-- `attempt`, `next_at_ms`: while its receiver fails, when it is tried again. `version` grows with each change by an operator.
CREATE TABLE subscribers (
    tenant           TEXT NOT NULL,
    id               TEXT NOT NULL,
    config           TEXT NOT NULL,
    secrets          TEXT NOT NULL,
    state            INTEGER NOT NULL,
    reason           TEXT NOT NULL DEFAULT '',
    attempt          INTEGER NOT NULL DEFAULT 0,
    next_at_ms       INTEGER NOT NULL DEFAULT 0,
    failing_since_ms INTEGER,
    last_errors      TEXT NOT NULL DEFAULT '[]',
    version          INTEGER NOT NULL DEFAULT 1,
    created_by       TEXT NOT NULL,
    created_at_ms    INTEGER NOT NULL,
    updated_at_ms    INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

-- Conversations that a webhook did not get on with while others went on: it has still to get what is from `next_seq` on.
CREATE TABLE subscriber_blocked (
    tenant          TEXT NOT NULL,
    subscriber_id   TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    next_seq        INTEGER NOT NULL,
    attempt         INTEGER NOT NULL,
    next_at_ms      INTEGER NOT NULL,
    last_error      TEXT NOT NULL,
    PRIMARY KEY (tenant, subscriber_id, conversation_id)
) WITHOUT ROWID;

-- What a webhook did not take after the last attempt. `replay_at_ms`: an operator wants it tried again.
CREATE TABLE subscriber_dead (
    tenant          TEXT NOT NULL,
    subscriber_id   TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    event_type      TEXT NOT NULL,
    error           TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    replay_at_ms    INTEGER,
    PRIMARY KEY (tenant, subscriber_id, conversation_id, seq)
) WITHOUT ROWID;

-- What operators did.
CREATE TABLE audit (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant  TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    ip      TEXT NOT NULL,
    action  TEXT NOT NULL,
    target  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant, n);
