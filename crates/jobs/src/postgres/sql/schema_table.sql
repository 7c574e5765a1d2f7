CREATE TABLE IF NOT EXISTS plimsoll_schema (
    component text   NOT NULL,
    version   bigint NOT NULL,
    name      text   NOT NULL,
    sha256    text   NOT NULL,
    PRIMARY KEY (component, version)
)
