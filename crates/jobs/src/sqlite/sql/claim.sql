-- Takes up to ?3 ready jobs of lane ?2 of queue ?1 under leases. INSERT and DELETE see the same first rows,
-- because the transaction holds the write lock. ?4 worker, ?5 end of the lease, ?6 now.
INSERT INTO plimsoll_lease (queue, lane, job, worker, until_ms, claimed_at_ms, ready_at_ms, attempt)
SELECT queue, lane, job, ?4, ?5, ?6, ready_at_ms, attempts + 1 FROM plimsoll_ready
WHERE queue = ?1 AND lane = ?2
ORDER BY priority, ready_at_ms, job LIMIT ?3;

-- The new tokens are the last ones. One row with everything: rows are handed from SQLite's thread to ours one
-- by one, which costs more than reading them.
SELECT json_group_array(json_array(
    l.token, l.job, j.payload, l.attempt, j.max_attempts, l.ready_at_ms, j.enqueued_at_ms, j.deadline_ms, j.owner, j.keep_ms
))
FROM plimsoll_lease l JOIN plimsoll_job j ON j.id = l.job
WHERE changes() > 0 AND l.token > last_insert_rowid() - changes();

-- All up to the last one taken: nothing to look up one by one. The plus signs take the columns' affinity away: with
-- it SQLite follows the index no further than its priority, and reads all jobs of that.
DELETE FROM plimsoll_ready
WHERE queue = ?1 AND lane = ?2 AND (priority, ready_at_ms, job) <= (
    SELECT +priority, +ready_at_ms, +job FROM (
        SELECT priority, ready_at_ms, job FROM plimsoll_ready
        WHERE queue = ?1 AND lane = ?2
        ORDER BY priority, ready_at_ms, job LIMIT ?3
    )
    ORDER BY priority DESC, ready_at_ms DESC, job DESC LIMIT 1
);

UPDATE plimsoll_queue SET ready = ready - changes(), leased = leased + changes() WHERE name = ?1;
