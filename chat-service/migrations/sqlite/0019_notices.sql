-- Notices of operators: what is to be sent when, and to whom. Their texts are entries of logs; whom one is for stands
-- here alone.
CREATE TABLE notices (
    tenant           TEXT NOT NULL,
    -- Also the client id of its entry.
    id               TEXT NOT NULL,
    -- Whose log its entry is in, and its place there; NULL until it is stored.
    conversation_id  TEXT NOT NULL,
    seq              INTEGER,
    -- JSON.
    audience         TEXT NOT NULL,
    content          TEXT NOT NULL,
    priority         INTEGER NOT NULL,
    created_by       TEXT NOT NULL,
    created_at_ms    INTEGER NOT NULL,
    starts_at_ms     INTEGER NOT NULL,
    expires_at_ms    INTEGER NOT NULL,
    withdrawn_at_ms  INTEGER,
    -- Users that it was for when it was taken, where that is known.
    targets          INTEGER,
    -- What is to be done: 0 nothing, 1 append it, 2 push it, 3 tell that it is withdrawn.
    work             INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    -- Until when whoever claimed it works on it.
    claimed_until_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX notices_due ON notices (starts_at_ms) WHERE work <> 0;
CREATE INDEX notices_by_time ON notices (tenant, created_at_ms, id);
CREATE INDEX notices_by_place ON notices (tenant, conversation_id, seq);

-- How far users have received and read the notices of their tenant. These users are no members of the log: everybody of
-- the tenant reads it. A row of each user who ever received one, and no index on what changes.
CREATE TABLE notice_cursors (
    tenant        TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    -- The first place that the user was sent.
    from_seq      INTEGER NOT NULL,
    delivered_seq INTEGER NOT NULL,
    read_seq      INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id)
) WITHOUT ROWID;

-- What users did with notices: a row for each act of a person.
CREATE TABLE notice_receipts (
    tenant    TEXT NOT NULL,
    notice_id TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    -- 1 shown, 2 read, 3 clicked, 4 dismissed.
    mark      INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,
    client_id TEXT NOT NULL,
    PRIMARY KEY (tenant, notice_id, user_id, mark)
) WITHOUT ROWID;
