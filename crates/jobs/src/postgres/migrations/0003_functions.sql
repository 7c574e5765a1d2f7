-- A claim writes a second version of each row that it takes. Only if that fits into the same page is it a heap-only
-- update, which touches no index: so no page may be filled by more than its half. At 60 every third row did not fit.
ALTER TABLE plimsoll_job SET (fillfactor = 45);

-- One index instead of two: each partial index costs every insert a look at its condition.
DROP INDEX plimsoll_job_due;
DROP INDEX plimsoll_job_dead;
CREATE INDEX plimsoll_job_aside ON plimsoll_job (queue, state, ready_at_ms, id) WHERE state <> 0;

-- The two statements that run for every batch are functions for the sake of their plans: made once per connection,
-- whatever the table's size was then (a plan for a small table would read a large one from end to end), and never by
-- sequential scan, which meets every dead row.

-- Takes up to p_limit ready jobs of a lane under one lease. It looks from p_priority and p_from_ms on: the index keeps
-- entries of finished jobs until the next vacuum, and walking over them from its very beginning is what makes a
-- long-drained queue slow. With p_look it first looks whether anything else is to be done (leases that ended and jobs
-- that became due after p_quiet_ms, lanes), and if so takes nothing and says what.
CREATE FUNCTION plimsoll_claim(
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
        laned := EXISTS (SELECT 1 FROM plimsoll_job j WHERE j.queue = p_queue AND j.state = 0 AND j.lane > '')
              OR EXISTS (SELECT 1 FROM plimsoll_lane_limit m WHERE m.queue = p_queue);
        IF expired OR due OR laned THEN
            RETURN;
        END IF;
    END IF;
    picked := ARRAY(
        SELECT j.ctid FROM plimsoll_job j
        WHERE j.queue = p_queue AND j.lane = p_lane AND j.state = 0 AND j.token = 0
          AND (j.priority, j.ready_at_ms) >= (p_priority, p_from_ms)
        ORDER BY j.priority, j.ready_at_ms, j.id LIMIT p_limit FOR UPDATE SKIP LOCKED
    );
    IF cardinality(picked) = 0 THEN
        RETURN;
    END IF;
    lease := nextval('plimsoll_token');
    WITH taken AS (
        UPDATE plimsoll_job j
        SET token = lease, attempts = j.attempts + 1, cancel = false, permille = NULL, note = NULL
        WHERE j.ctid = ANY (picked)
        RETURNING j.*
    )
    SELECT count(*), array_agg(t.id), array_agg(t.payload), array_agg(t.attempts), array_agg(t.max_attempts),
           array_agg(t.priority), array_agg(t.ready_at_ms), array_agg(t.enqueued_at_ms), array_agg(t.deadline_ms),
           array_agg(t.owner), array_agg(t.keep_ms)
    INTO n, ids, payloads, attempts, max_attempts, priorities, ready_ms, enqueued_ms, deadlines_ms, owners, keeps_ms
    FROM taken t;
    INSERT INTO plimsoll_lease (token, until_ms, claimed_at_ms, remaining, queue, lane, worker, jobs)
    VALUES (lease, p_until_ms, p_now_ms, n, p_queue, p_lane, p_worker, ids);
    INSERT INTO plimsoll_tally (queue, ready, leased) VALUES (p_queue, -n, n);
END
$$;

-- Finishes jobs p_ids of one queue under tokens p_tokens. Only live leases count, and only a job's present one: this is
-- the fence. p_tidy: whether to write to the lease rows too (see complete in settle.rs).
CREATE FUNCTION plimsoll_complete(
    p_queue text, p_ids bigint[], p_tokens bigint[], p_now_ms bigint, p_tidy boolean, OUT done bigint[]
)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
    live bigint[];
    held bigint[];
    noted boolean;
    n integer;
BEGIN
    live := ARRAY(
        SELECT l.token FROM plimsoll_lease l
        WHERE l.token = ANY (ARRAY(SELECT DISTINCT unnest(p_tokens))) AND l.until_ms > p_now_ms
    );
    WITH gone AS (
        DELETE FROM plimsoll_job j
        USING unnest(p_ids, p_tokens) AS asked (id, token)
        WHERE j.id = asked.id AND j.token = asked.token AND j.token = ANY (live)
        RETURNING j.id, j.token, j.owner, j.attempts, j.enqueued_at_ms, j.keep_ms, j.failed
    ), kept AS (
        INSERT INTO plimsoll_finished (job, queue, owner, state, attempts, enqueued_at_ms, finished_at_ms, expires_at_ms)
        SELECT id, p_queue, owner, 'completed', g.attempts, enqueued_at_ms, p_now_ms, p_now_ms + keep_ms
        FROM gone g WHERE keep_ms > 0
    )
    SELECT array_agg(g.id), array_agg(g.token), bool_or(g.failed), count(*) INTO done, held, noted, n FROM gone g;
    IF n = 0 THEN
        done := '{}';
        RETURN;
    END IF;
    IF noted THEN
        DELETE FROM plimsoll_failure WHERE job = ANY (done);
    END IF;
    INSERT INTO plimsoll_tally (queue, leased, completed) VALUES (p_queue, -n, n);
    IF p_tidy THEN
        WITH per_lease AS (
            SELECT h.token, count(*)::integer AS n FROM unnest(held) AS h (token) GROUP BY h.token
        ), ended AS (
            DELETE FROM plimsoll_lease l USING per_lease p WHERE l.token = p.token AND l.remaining = p.n
        )
        UPDATE plimsoll_lease l SET remaining = l.remaining - p.n FROM per_lease p
        WHERE l.token = p.token AND l.remaining > p.n;
    END IF;
END
$$;
