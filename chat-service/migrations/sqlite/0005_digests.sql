-- The same as for Postgres.
ALTER TABLE client_ids ADD COLUMN sha256 BLOB;
