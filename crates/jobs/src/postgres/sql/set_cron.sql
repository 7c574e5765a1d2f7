-- A schedule that is unchanged keeps its next time: restarting a process must not postpone it.
INSERT INTO plimsoll_cron AS there (name, schedule, job, next_at_ms) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET
    next_at_ms = CASE WHEN there.schedule = excluded.schedule THEN there.next_at_ms ELSE excluded.next_at_ms END,
    schedule = excluded.schedule,
    job = excluded.job
