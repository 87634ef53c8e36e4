-- What users set for all of their devices, written with the entries of their self logs. What is as where nothing was ever
-- set has no row.
CREATE TABLE own_settings (
    tenant          text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    -- What it is for; all zero for what is for no conversation.
    conversation_id uuid NOT NULL,
    what            text COLLATE "C" NOT NULL,
    -- The first message of the thread that it is for; 0 for what is for no thread.
    thread          bigint NOT NULL,
    -- JSON.
    value           text NOT NULL,
    -- Of `mute` until when, in Unix milliseconds, and of `hidden` before which entry; else 0.
    number          bigint NOT NULL,
    -- The entry of the self log that set it.
    as_of           bigint NOT NULL,
    PRIMARY KEY (tenant, user_id, conversation_id, what, thread)
);

-- Drafts, written with the entries of self logs.
CREATE TABLE drafts (
    tenant          text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    conversation_id uuid NOT NULL,
    -- The first message of the thread that it is for; 0 for the conversation itself.
    thread          bigint NOT NULL,
    -- JSON.
    content         text NOT NULL,
    -- The entry of the self log that has it.
    as_of           bigint NOT NULL,
    at_ms           bigint NOT NULL,
    PRIMARY KEY (tenant, user_id, conversation_id, thread)
);
