-- What an entry gets more, for operations that change earlier entries, for threads, for devices of one type and for
-- messages that expire. Columns with constant defaults: no table is rewritten.
-- `xid` is the place of the entry in the tail of the store (`chat-service/src/store/tail.rs`): that of the transaction
-- which wrote it. Rows of before have 0 and no place. It is a default, so that a writer of before fills it, too.
ALTER TABLE entries
    ADD COLUMN sender_type smallint NOT NULL DEFAULT 1,
    ADD COLUMN device_type smallint,
    ADD COLUMN target bigint,
    ADD COLUMN thread bigint,
    ADD COLUMN also_in_main boolean NOT NULL DEFAULT false,
    ADD COLUMN expires_at_ms bigint,
    ADD COLUMN xid bigint NOT NULL DEFAULT 0;
ALTER TABLE entries ALTER COLUMN xid SET DEFAULT pg_current_xact_id()::text::bigint;

-- Transaction ids of another cluster, which a dump is restored into, begin anew: what is added to them, so that places in
-- the tail only grow.
CREATE TABLE store_origin (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    xid_offset bigint NOT NULL DEFAULT 0
);
INSERT INTO store_origin DEFAULT VALUES;

-- Who follows the tail: how far, in which epoch of the store, and which process does it now. Times are the database's.
CREATE TABLE followers (
    name        text COLLATE "C" PRIMARY KEY,
    position    bigint NOT NULL,
    epoch       uuid,
    owner       text COLLATE "C",
    lease_until timestamptz,
    moved_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What the follower `counts` has counted.
CREATE TABLE entry_counts (
    tenant  text COLLATE "C" NOT NULL,
    kind    text COLLATE "C" NOT NULL,
    entries bigint NOT NULL,
    PRIMARY KEY (tenant, kind)
);
