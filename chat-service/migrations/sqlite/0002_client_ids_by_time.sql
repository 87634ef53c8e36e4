-- Client ids are UUIDv7: led by them, the key grows at its end instead of everywhere.
CREATE TABLE client_ids_by_time (
    tenant          TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    sender_id       TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    entry_id        TEXT NOT NULL,
    digest          INTEGER NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    PRIMARY KEY (tenant, client_id, sender_id)
) WITHOUT ROWID;
INSERT INTO client_ids_by_time (tenant, client_id, sender_id, conversation_id, seq, entry_id, digest, created_at_ms)
SELECT tenant, client_id, sender_id, conversation_id, seq, entry_id, digest, created_at_ms FROM client_ids;
DROP TABLE client_ids;
ALTER TABLE client_ids_by_time RENAME TO client_ids;
