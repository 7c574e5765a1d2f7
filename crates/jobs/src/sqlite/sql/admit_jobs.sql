-- Puts the just inserted jobs ?1 to ?2 where they belong at time ?3, each by itself.
INSERT INTO plimsoll_ready (queue, lane, priority, ready_at_ms, first_job, last_job, attempts)
SELECT queue, lane, priority, run_at_ms, id, id, 0 FROM plimsoll_job
WHERE id BETWEEN ?1 AND ?2 AND run_at_ms <= ?3;

INSERT INTO plimsoll_scheduled (queue, run_at_ms, job, attempts)
SELECT queue, run_at_ms, id, 0 FROM plimsoll_job
WHERE id BETWEEN ?1 AND ?2 AND run_at_ms > ?3;

INSERT INTO plimsoll_queue (name, ready, scheduled, enqueued_total)
SELECT queue, sum(run_at_ms <= ?3), sum(run_at_ms > ?3), count(*) FROM plimsoll_job
WHERE id BETWEEN ?1 AND ?2 GROUP BY queue
ON CONFLICT (name) DO UPDATE SET
    ready = ready + excluded.ready,
    scheduled = scheduled + excluded.scheduled,
    enqueued_total = enqueued_total + excluded.enqueued_total;
