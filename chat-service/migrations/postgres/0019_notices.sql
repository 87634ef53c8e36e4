-- Notices of operators: what is to be sent when, and to whom. Their texts are entries of logs; whom one is for stands
-- here alone.
CREATE TABLE notices (
    tenant           text COLLATE "C" NOT NULL,
    -- Also the client id of its entry.
    id               uuid NOT NULL,
    -- Whose log its entry is in, and its place there; NULL until it is stored.
    conversation_id  uuid NOT NULL,
    seq              bigint,
    -- JSON.
    audience         text COLLATE "C" NOT NULL,
    content          text COLLATE "C" NOT NULL,
    priority         bigint NOT NULL,
    created_by       text COLLATE "C" NOT NULL,
    created_at_ms    bigint NOT NULL,
    starts_at_ms     bigint NOT NULL,
    expires_at_ms    bigint NOT NULL,
    withdrawn_at_ms  bigint,
    -- Users that it was for when it was taken, where that is known.
    targets          bigint,
    -- What is to be done: 0 nothing, 1 append it, 2 push it, 3 tell that it is withdrawn.
    work             bigint NOT NULL,
    attempts         bigint NOT NULL,
    -- Until when whoever claimed it works on it.
    claimed_until_ms bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX notices_due ON notices (starts_at_ms) WHERE work <> 0;
CREATE INDEX notices_by_time ON notices (tenant, created_at_ms, id);
CREATE INDEX notices_by_place ON notices (tenant, conversation_id, seq);

-- How far users have received and read the notices of their tenant. These users are no members of the log: everybody of
-- the tenant reads it. A row of each user who ever received one, and no index on what changes.
CREATE TABLE notice_cursors (
    tenant        text COLLATE "C" NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    -- The first place that the user was sent.
    from_seq      bigint NOT NULL,
    delivered_seq bigint NOT NULL,
    read_seq      bigint NOT NULL,
    PRIMARY KEY (tenant, user_id)
) WITH (fillfactor = 70);

-- What users did with notices: a row for each act of a person.
CREATE TABLE notice_receipts (
    tenant    text COLLATE "C" NOT NULL,
    notice_id uuid NOT NULL,
    user_id   text COLLATE "C" NOT NULL,
    -- 1 shown, 2 read, 3 clicked, 4 dismissed.
    mark      bigint NOT NULL,
    at_ms     bigint NOT NULL,
    client_id uuid NOT NULL,
    PRIMARY KEY (tenant, notice_id, user_id, mark)
);
