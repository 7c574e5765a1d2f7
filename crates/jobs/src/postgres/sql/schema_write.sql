INSERT INTO plimsoll_schema (component, version, name, sha256) VALUES ($1, $2, $3, $4)
