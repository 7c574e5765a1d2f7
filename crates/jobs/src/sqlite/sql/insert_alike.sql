-- Jobs that differ in their payload only, and are ready: one entry for all of them. ?1 queue, ?2 lane, ?3 priority, ?4 ready since, ?5 how
-- many, ?6 the payloads as a JSON array, ?7 owner, ?8 attempts at most, ?9 now, ?10 deadline, ?11 how long the outcome is kept.
-- Their numbers are the last ones, without a gap, because nobody else can insert meanwhile.
INSERT INTO plimsoll_job (queue, lane, priority, run_at_ms, payload, owner, max_attempts, enqueued_at_ms, deadline_ms, keep_ms)
SELECT ?1, ?2, ?3, ?4, value, ?7, ?8, ?9, ?10, ?11 FROM json_each(?6) WHERE ?5 > 0;

INSERT INTO plimsoll_ready (queue, lane, priority, ready_at_ms, first_job, last_job, attempts)
VALUES (?1, ?2, ?3, ?4, last_insert_rowid() - ?5 + 1, last_insert_rowid(), 0);

INSERT INTO plimsoll_queue (name, ready, enqueued_total) VALUES (?1, ?5, ?5)
ON CONFLICT (name) DO UPDATE SET ready = ready + ?5, enqueued_total = enqueued_total + ?5;
