-- Every key begins with the tenant, so that adding tenants moves no data. Ids that people chose are
-- compared byte by byte ("C"): order and equality never depend on a locale.
-- No foreign keys: each inserted entry would lock its conversation's row once more, and nothing
-- here is deleted apart from its owner.

CREATE TABLE store_epoch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch    uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO store_epoch DEFAULT VALUES;

CREATE TABLE users (
    tenant        text COLLATE "C" NOT NULL,
    id            text COLLATE "C" NOT NULL,
    name          text NOT NULL,
    avatar        text NOT NULL,
    updated_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX users_by_lower_id ON users (tenant, lower(id) COLLATE "C" text_pattern_ops);
CREATE INDEX users_by_lower_name ON users (tenant, lower(name) COLLATE "C" text_pattern_ops);

CREATE TABLE conversations (
    tenant        text COLLATE "C" NOT NULL,
    id            uuid NOT NULL,
    kind          smallint NOT NULL,
    title         text NOT NULL,
    created_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE members (
    tenant          text COLLATE "C" NOT NULL,
    conversation_id uuid NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    role            smallint NOT NULL,
    -- Entries before it were written before the member came.
    from_seq        bigint NOT NULL,
    delivered_seq   bigint NOT NULL,
    read_seq        bigint NOT NULL,
    PRIMARY KEY (tenant, conversation_id, user_id)
-- Cursors move often: room for their new versions on the same page keeps the indexes out of it.
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX members_by_user ON members (tenant, user_id, conversation_id);

-- The log. The primary key is also what makes two writers of one seq impossible.
CREATE TABLE entries (
    tenant          text COLLATE "C" NOT NULL,
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    id              uuid NOT NULL,
    kind            text COLLATE "C" NOT NULL,
    sender_id       text COLLATE "C" NOT NULL,
    client_id       uuid NOT NULL,
    content         text NOT NULL,
    reply_to        bigint,
    mentions        text,
    is_important    boolean NOT NULL,
    extra           text,
    created_at_ms   bigint NOT NULL,
    PRIMARY KEY (tenant, conversation_id, seq)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);

-- What makes a repeated operation harmless.
CREATE TABLE client_ids (
    tenant          text COLLATE "C" NOT NULL,
    sender_id       text COLLATE "C" NOT NULL,
    client_id       uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    entry_id        uuid NOT NULL,
    digest          bigint NOT NULL,
    created_at_ms   bigint NOT NULL,
    PRIMARY KEY (tenant, sender_id, client_id)
);
-- With this line the sum of the file is another one: builds that do not fit the tables since 0012 refuse them.
