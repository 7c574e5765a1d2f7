SELECT version, sha256 FROM plimsoll_schema WHERE component = $1 ORDER BY version
