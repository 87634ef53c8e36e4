-- The list of revocations is one for all tenants: gateways read it as one, and its version is one.
DROP INDEX revocations_by_version;
CREATE UNIQUE INDEX revocations_by_version ON revocations (version);
DROP INDEX revocations_by_end;
CREATE INDEX revocations_by_end ON revocations (until_ms);
DROP INDEX device_tokens_by_end;
CREATE INDEX device_tokens_by_end ON device_tokens (until_ms);
DELETE FROM sqlite_stat1 WHERE idx IN ('revocations_by_version', 'revocations_by_end', 'device_tokens_by_end');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('revocations', 'revocations_by_version', '100000 1'),
    ('revocations', 'revocations_by_end', '100000 10'),
    ('device_tokens', 'device_tokens_by_end', '100000 10');
-- Read again by this connection; others read them when they open the file.
ANALYZE sqlite_schema;
