-- As raw_table.sql, for SQLite.
CREATE TABLE raw_job (
    id      INTEGER PRIMARY KEY,
    taken   INTEGER NOT NULL DEFAULT 0,
    payload TEXT    NOT NULL
)
