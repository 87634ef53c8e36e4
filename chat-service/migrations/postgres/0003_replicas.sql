-- Which chat services are alive, for the balance of partitions only. Unlogged: after a crash of the
-- database the replicas write themselves again with their next beat.
CREATE UNLOGGED TABLE chat_replicas (
    replica_id text COLLATE "C" PRIMARY KEY,
    beat_at    timestamptz NOT NULL
-- Each row is updated every few seconds: room for its new versions on the same page.
) WITH (fillfactor = 50);
