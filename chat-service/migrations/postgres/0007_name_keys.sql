-- What a name is searched by: case folded and composed by the service, so that every database finds the same. Null in
-- rows of earlier versions until a service has filled it in.
ALTER TABLE users ADD COLUMN name_key text COLLATE "C";
CREATE INDEX users_by_name_key ON users (tenant, name_key);
CREATE INDEX users_by_id_key ON users (tenant, lower(id));
-- A long name did not fit into this one.
DROP INDEX users_by_lower_name;
DROP INDEX users_by_lower_id;
