-- What the planner is to believe of the tables. Without statistics it takes the tenant, with which every key begins, for
-- something that picks ten rows, and reads all memberships or all client ids of a tenant where an index has the few that
-- are meant. Statistics of a young file would say the same. These say how the columns pick at any size; a new index gets
-- its line here, and a test reads the plans of the statements.
ANALYZE store_epoch;
DELETE FROM sqlite_stat1;
-- Rows of the index, then how many of them share its first column, its first two, and so on.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('users', 'users', '100000 100000 1'),
    ('users', 'users_by_id_key', '100000 100000 1'),
    ('users', 'users_by_name_key', '100000 100000 2'),
    ('conversations', 'conversations', '100000 100000 1'),
    ('members', 'members', '1000000 1000000 10 1'),
    ('members', 'members_by_user', '1000000 1000000 10 1'),
    ('entries', 'entries', '10000000 10000000 100 1'),
    ('client_ids', 'client_ids', '10000000 10000000 1 1'),
    ('dead_letters', 'dead_letters', '1000 1000 1'),
    ('suspects', 'suspects', '1000 1000 1'),
    ('revocations', 'revocations', '100000 100000 4 1'),
    ('revocations', 'revocations_by_version', '100000 100000 1'),
    ('revocations', 'revocations_by_end', '100000 100000 10'),
    ('device_tokens', 'device_tokens', '100000 100000 8 2 1'),
    ('device_tokens', 'device_tokens_by_end', '100000 100000 10'),
    ('chosen_statuses', 'chosen_statuses', '100000 100000 1');
-- Read again by this connection; others read them when they open the file.
ANALYZE sqlite_schema;
