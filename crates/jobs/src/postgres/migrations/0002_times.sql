-- How long jobs waited (kind 0) and ran (kind 1), as buckets: workers add theirs up here about once a second. The
-- changes touch no index, so with room in the page they are heap-only.
CREATE TABLE plimsoll_time (
    queue  text     NOT NULL,
    kind   smallint NOT NULL,
    le_ms  bigint   NOT NULL, -- upper bound of the bucket; the greatest number there is for the last one
    n      bigint   NOT NULL,
    sum_ms bigint   NOT NULL,
    PRIMARY KEY (queue, kind, le_ms)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
