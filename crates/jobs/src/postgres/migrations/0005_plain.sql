-- Jobs without a lane, which most are, in an index of their own that compares numbers: texts in front of the others make
-- every comparison of an insert take the entry apart. Two queues of one hash would only walk over each other's entries.
-- The old index goes first: the lock that this takes must not be asked for while holding a weaker one.
DROP INDEX plimsoll_job_claim;
CREATE INDEX plimsoll_job_plain ON plimsoll_job (hashtext(queue), priority, ready_at_ms, id) WHERE state = 0 AND lane = '';
CREATE INDEX plimsoll_job_laned ON plimsoll_job (queue, lane, priority, ready_at_ms, id) WHERE state = 0 AND lane <> '';

-- As in the third migration, but what is answered is gathered where the rows are found and locked, not from what the
-- update returns, which the server would store once more.
CREATE OR REPLACE FUNCTION plimsoll_claim(
    p_queue text, p_lane text, p_limit bigint, p_worker text, p_until_ms bigint, p_now_ms bigint,
    p_priority smallint, p_from_ms bigint, p_look boolean, p_quiet_ms bigint,
    OUT expired boolean, OUT due boolean, OUT laned boolean, OUT lease bigint,
    OUT ids bigint[], OUT payloads text[], OUT attempts integer[], OUT max_attempts integer[], OUT priorities smallint[],
    OUT ready_ms bigint[], OUT enqueued_ms bigint[], OUT deadlines_ms bigint[], OUT owners text[], OUT keeps_ms bigint[]
)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
    picked tid[];
    n integer;
BEGIN
    IF p_look THEN
        expired := EXISTS (SELECT 1 FROM plimsoll_lease l
                           WHERE l.queue = p_queue AND l.until_ms > p_quiet_ms AND l.until_ms <= p_now_ms);
        due := EXISTS (SELECT 1 FROM plimsoll_job j
                       WHERE j.queue = p_queue AND j.state = 1 AND j.ready_at_ms > p_quiet_ms AND j.ready_at_ms <= p_now_ms);
        laned := EXISTS (SELECT 1 FROM plimsoll_job j WHERE j.queue = p_queue AND j.state = 0 AND j.lane <> '')
              OR EXISTS (SELECT 1 FROM plimsoll_lane_limit m WHERE m.queue = p_queue);
        IF expired OR due OR laned THEN
            RETURN;
        END IF;
    END IF;
    -- Twice the same, for each index; the hash only finds, the queue's name decides.
    IF p_lane = '' THEN
        SELECT array_agg(f.ctid), array_agg(f.id), array_agg(f.payload), array_agg(f.attempts + 1), array_agg(f.max_attempts),
               array_agg(f.priority), array_agg(f.ready_at_ms), array_agg(f.enqueued_at_ms), array_agg(f.deadline_ms),
               array_agg(f.owner), array_agg(f.keep_ms)
        INTO picked, ids, payloads, attempts, max_attempts, priorities, ready_ms, enqueued_ms, deadlines_ms, owners, keeps_ms
        FROM (
            SELECT j.ctid, j.* FROM plimsoll_job j
            WHERE hashtext(j.queue) = hashtext(p_queue) AND j.queue = p_queue AND j.lane = '' AND j.state = 0 AND j.token = 0
              AND (j.priority, j.ready_at_ms) >= (p_priority, p_from_ms)
            ORDER BY j.priority, j.ready_at_ms, j.id LIMIT p_limit FOR UPDATE SKIP LOCKED
        ) f;
    ELSE
        SELECT array_agg(f.ctid), array_agg(f.id), array_agg(f.payload), array_agg(f.attempts + 1), array_agg(f.max_attempts),
               array_agg(f.priority), array_agg(f.ready_at_ms), array_agg(f.enqueued_at_ms), array_agg(f.deadline_ms),
               array_agg(f.owner), array_agg(f.keep_ms)
        INTO picked, ids, payloads, attempts, max_attempts, priorities, ready_ms, enqueued_ms, deadlines_ms, owners, keeps_ms
        FROM (
            SELECT j.ctid, j.* FROM plimsoll_job j
            WHERE j.queue = p_queue AND j.lane = p_lane AND j.lane <> '' AND j.state = 0 AND j.token = 0
              AND (j.priority, j.ready_at_ms) >= (p_priority, p_from_ms)
            ORDER BY j.priority, j.ready_at_ms, j.id LIMIT p_limit FOR UPDATE SKIP LOCKED
        ) f;
    END IF;
    IF ids IS NULL THEN
        RETURN;
    END IF;
    lease := nextval('plimsoll_token');
    UPDATE plimsoll_job j
    SET token = lease, attempts = j.attempts + 1, cancel = false, permille = NULL, note = NULL
    WHERE j.ctid = ANY (picked);
    GET DIAGNOSTICS n = ROW_COUNT;
    -- They are locked: nobody can have moved them. Should it happen all the same, nothing of the claim may count.
    IF n <> cardinality(ids) THEN
        RAISE EXCEPTION 'claimed % of % locked jobs', n, cardinality(ids) USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO plimsoll_lease (token, until_ms, claimed_at_ms, remaining, queue, lane, worker, jobs)
    VALUES (lease, p_until_ms, p_now_ms, n, p_queue, p_lane, p_worker, ids);
    INSERT INTO plimsoll_tally (queue, ready, leased) VALUES (p_queue, -n, n);
END
$$;
