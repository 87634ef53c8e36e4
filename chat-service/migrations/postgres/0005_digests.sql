-- SHA-256 of what an operation says. `digest` is a short hash of how it was written, which two texts can share: it
-- is no longer read, and stays for builds of before, which run beside newer ones during a rolling update. Rows
-- of theirs have no SHA-256, and a repeat of one is answered with what is stored.
ALTER TABLE client_ids ADD COLUMN sha256 bytea, ALTER COLUMN digest SET DEFAULT 0;
