-- What changes have made of messages: see the migration of the same number for Postgres.
CREATE TABLE message_state (
    tenant          TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    as_of           INTEGER NOT NULL,
    state           TEXT NOT NULL,
    gone            INTEGER NOT NULL DEFAULT 0,
    tally_due_ms    INTEGER,
    PRIMARY KEY (tenant, conversation_id, seq)
) WITHOUT ROWID;
CREATE INDEX message_state_due ON message_state (tally_due_ms) WHERE tally_due_ms IS NOT NULL;

CREATE TABLE reactions (
    tenant          TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    user_id         TEXT NOT NULL,
    key             TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (tenant, conversation_id, seq, user_id, key)
) WITHOUT ROWID;

INSERT INTO message_state (tenant, conversation_id, seq, as_of, state)
SELECT tenant, conversation_id, seq, pinned_seq,
    json_object('as_of', pinned_seq, 'pinned', json_object('seq', pinned_seq, 'by', by_user))
FROM pins;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('entries', 'entries_targets', '1000000 1000000 50 2 1'),
    ('message_state', 'message_state', '1000000 1000000 50 1'),
    ('reactions', 'reactions', '1000000 1000000 10000 500 2 1');
ANALYZE sqlite_schema;
