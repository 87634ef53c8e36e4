-- The pinned messages of conversations: see the migration of the same number for Postgres.
CREATE TABLE pins (
    tenant          TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    pinned_seq      INTEGER NOT NULL,
    by_user         TEXT NOT NULL,
    PRIMARY KEY (tenant, conversation_id, seq)
) WITHOUT ROWID;
