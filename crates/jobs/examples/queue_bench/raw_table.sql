-- What the ceiling works on: as little as a queue could be, no lease, no fence, no priority, no count.
DROP TABLE IF EXISTS raw_job;
CREATE TABLE raw_job (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken   boolean NOT NULL DEFAULT false,
    payload text    NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0)
