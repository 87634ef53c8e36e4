-- What users set for all of their devices: see the migration of the same number for Postgres.
CREATE TABLE own_settings (
    tenant          TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    what            TEXT NOT NULL,
    thread          INTEGER NOT NULL,
    value           TEXT NOT NULL,
    number          INTEGER NOT NULL,
    as_of           INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, conversation_id, what, thread)
) WITHOUT ROWID;

-- Drafts, written with the entries of self logs.
CREATE TABLE drafts (
    tenant          TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    -- The first message of the thread that it is for; 0 for the conversation itself.
    thread          INTEGER NOT NULL,
    -- JSON.
    content         TEXT NOT NULL,
    -- The entry of the self log that has it.
    as_of           INTEGER NOT NULL,
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, conversation_id, thread)
) WITHOUT ROWID;
