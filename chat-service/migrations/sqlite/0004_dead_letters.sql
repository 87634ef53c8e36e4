-- Frames that could not be worked on, kept for an operator: listed, shown, replayed, dropped.
CREATE TABLE dead_letters (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    bus_partition INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    body BLOB NOT NULL,
    times INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

-- Frames that were in the hands of a process when it ended; they go when they are acknowledged.
CREATE TABLE suspects (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    deaths INTEGER NOT NULL,
    alone INTEGER NOT NULL,
    marked_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
