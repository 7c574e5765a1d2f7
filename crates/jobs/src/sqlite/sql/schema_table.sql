CREATE TABLE IF NOT EXISTS plimsoll_schema (
    component  TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    sha256     TEXT    NOT NULL,
    PRIMARY KEY (component, version)
)
