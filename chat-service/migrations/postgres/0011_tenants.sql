-- The list of revocations is one for all tenants: gateways read it as one, and its version is one.
DROP INDEX revocations_by_version;
CREATE UNIQUE INDEX revocations_by_version ON revocations (version);
DROP INDEX revocations_by_end;
CREATE INDEX revocations_by_end ON revocations (until_ms);
DROP INDEX device_tokens_by_end;
CREATE INDEX device_tokens_by_end ON device_tokens (until_ms);
