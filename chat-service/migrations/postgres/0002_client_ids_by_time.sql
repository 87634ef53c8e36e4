-- Client ids are UUIDv7: led by them, the key grows at its end instead of everywhere.
ALTER TABLE client_ids DROP CONSTRAINT client_ids_pkey, ADD PRIMARY KEY (tenant, client_id, sender_id);
