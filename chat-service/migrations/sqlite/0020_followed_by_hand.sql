-- Whether a thread has a cursor only because its user said so (`follow_thread`): it is followed while that is set. Whoever has
-- to do with the thread follows it from then on.
ALTER TABLE thread_reads ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;
