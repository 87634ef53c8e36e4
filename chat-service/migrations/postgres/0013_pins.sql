-- The pinned messages of conversations, written with the entries that pin and unpin them.
CREATE TABLE pins (
    tenant          text COLLATE "C" NOT NULL,
    conversation_id uuid NOT NULL,
    -- The message.
    seq             bigint NOT NULL,
    -- The entry that pinned it.
    pinned_seq      bigint NOT NULL,
    by_user         text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, conversation_id, seq)
);
