-- What changes have made of messages, one row for each message that was changed: written with the entry that changes it.
-- `state` is JSON as clients see it and holds for all entries up to `as_of`. `gone` is final: 1 when the content is gone for
-- ever, and such a row is not written again.
CREATE TABLE message_state (
    tenant          text COLLATE "C" NOT NULL,
    conversation_id uuid NOT NULL,
    -- The message.
    seq             bigint NOT NULL,
    as_of           bigint NOT NULL,
    state           text NOT NULL,
    gone            smallint NOT NULL DEFAULT 0,
    -- When its reactions are to be counted again, in Unix milliseconds; of a message whose reactions are rows.
    tally_due_ms    bigint,
    PRIMARY KEY (tenant, conversation_id, seq)
) WITH (fillfactor = 70);
CREATE INDEX message_state_due ON message_state (tally_due_ms) WHERE tally_due_ms IS NOT NULL;

-- The reactions to messages that have too many for their state: of large conversations, or of more than a hundred users.
CREATE TABLE reactions (
    tenant          text COLLATE "C" NOT NULL,
    conversation_id uuid NOT NULL,
    -- The message.
    seq             bigint NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,
    -- Of the operation that wrote the row.
    client_id       uuid NOT NULL,
    at_ms           bigint NOT NULL,
    PRIMARY KEY (tenant, conversation_id, seq, user_id, key)
);

-- Messages that are pinned already.
INSERT INTO message_state (tenant, conversation_id, seq, as_of, state)
SELECT tenant, conversation_id, seq, pinned_seq,
    json_build_object('as_of', pinned_seq, 'pinned', json_build_object('seq', pinned_seq, 'by', by_user))::text
FROM pins;
