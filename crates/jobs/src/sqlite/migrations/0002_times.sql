-- How long jobs waited (kind 0) and ran (kind 1), as buckets: workers add theirs up here about once a second.
CREATE TABLE plimsoll_time (
    queue  TEXT    NOT NULL,
    kind   INTEGER NOT NULL,
    le_ms  INTEGER NOT NULL, -- upper bound of the bucket; the greatest number there is for the last one
    n      INTEGER NOT NULL,
    sum_ms INTEGER NOT NULL,
    PRIMARY KEY (queue, kind, le_ms)
) WITHOUT ROWID;
