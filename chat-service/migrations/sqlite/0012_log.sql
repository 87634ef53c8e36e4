-- What an entry gets more: see the migration of the same number for Postgres. The tail is apart: a row for each
-- transaction that appended, with the places of its entries as JSON, [[tenant, conversation, seq], ...].
ALTER TABLE entries ADD COLUMN sender_type INTEGER NOT NULL DEFAULT 1;
ALTER TABLE entries ADD COLUMN device_type INTEGER;
ALTER TABLE entries ADD COLUMN target INTEGER;
ALTER TABLE entries ADD COLUMN thread INTEGER;
ALTER TABLE entries ADD COLUMN also_in_main INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN expires_at_ms INTEGER;
CREATE INDEX entries_targets ON entries (tenant, conversation_id, target, seq) WHERE target IS NOT NULL;
CREATE INDEX entries_threads ON entries (tenant, conversation_id, thread, seq) WHERE thread IS NOT NULL;
CREATE INDEX entries_expiry ON entries (expires_at_ms) WHERE expires_at_ms IS NOT NULL AND content <> '{}';

-- AUTOINCREMENT: a place is never given twice, whatever was deleted.
CREATE TABLE appends (
    pos    INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms  INTEGER NOT NULL,
    places TEXT NOT NULL
);

CREATE TABLE followers (
    name           TEXT PRIMARY KEY,
    position       INTEGER NOT NULL,
    epoch          TEXT,
    owner          TEXT,
    lease_until_ms INTEGER,
    moved_at_ms    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE entry_counts (
    tenant  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    entries INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind)
) WITHOUT ROWID;
