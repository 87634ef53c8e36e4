-- Mentions, and who has read which thread how far.

-- What few messages have, as flags: 1 says that all members are mentioned. NULL: none of them.
ALTER TABLE entries ADD COLUMN flags smallint;
-- Of a copy: the author of the message that was copied first, and when it was stored, as JSON.
ALTER TABLE entries ADD COLUMN forwarded text;
-- When the cursors of a member moved, the newest last: see `domain/steps.rs`.
ALTER TABLE members ADD COLUMN steps text COLLATE "C";

-- A row for each user whom a message mentions; the user `*` stands for all members. Written with the message.
CREATE TABLE mentions (
    tenant          text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    -- The thread that the message is said in, and there alone.
    thread          bigint,
    at_ms           bigint NOT NULL,
    PRIMARY KEY (tenant, user_id, conversation_id, seq)
);
CREATE INDEX mentions_by_time ON mentions (tenant, user_id, at_ms, conversation_id, seq);

-- The threads that users follow, each with its own cursor.
CREATE TABLE thread_reads (
    tenant          text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    conversation_id uuid NOT NULL,
    -- The first message of the thread.
    thread          bigint NOT NULL,
    read_seq        bigint NOT NULL,
    -- Since when the user follows it.
    followed_ms     bigint NOT NULL,
    PRIMARY KEY (tenant, user_id, conversation_id, thread)
) WITH (fillfactor = 70);
CREATE INDEX thread_reads_by_time ON thread_reads (tenant, user_id, followed_ms);
