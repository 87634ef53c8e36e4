-- Mentions, and who has read which thread how far: see the migration of the same number for Postgres.
ALTER TABLE entries ADD COLUMN flags INTEGER;
ALTER TABLE entries ADD COLUMN forwarded TEXT;
ALTER TABLE members ADD COLUMN steps TEXT;

CREATE TABLE mentions (
    tenant          TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    thread          INTEGER,
    at_ms           INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, conversation_id, seq)
) WITHOUT ROWID;
CREATE INDEX mentions_by_time ON mentions (tenant, user_id, at_ms, conversation_id, seq);

CREATE TABLE thread_reads (
    tenant          TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    thread          INTEGER NOT NULL,
    read_seq        INTEGER NOT NULL,
    followed_ms     INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id, conversation_id, thread)
) WITHOUT ROWID;
CREATE INDEX thread_reads_by_time ON thread_reads (tenant, user_id, followed_ms);

-- What the planner is to believe of them: see 0010_statistics.sql. That of threads has a line since it is asked for.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('mentions', 'mentions', '1000000 1000000 20 2 1'),
    ('mentions', 'mentions_by_time', '1000000 1000000 20 1 1 1'),
    ('thread_reads', 'thread_reads', '1000000 1000000 20 2 1'),
    ('thread_reads', 'thread_reads_by_time', '1000000 1000000 20 1'),
    ('entries', 'entries_threads', '1000000 1000000 50 10 1');
ANALYZE sqlite_schema;
