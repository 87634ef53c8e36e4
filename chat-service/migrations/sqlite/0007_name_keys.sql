-- What a name is searched by: case folded and composed by the service, so that every database finds the same. Null in
-- rows of earlier versions until a service has filled it in.
ALTER TABLE users ADD COLUMN name_key TEXT;
CREATE INDEX users_by_name_key ON users (tenant, name_key);
CREATE INDEX users_by_id_key ON users (tenant, lower(id));
