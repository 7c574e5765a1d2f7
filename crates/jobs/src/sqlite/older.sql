-- At 100 s: jobs 1 (tried once) and 2 (more urgent) are ready, 3 is due at 105 s, 4 and 5 are held until 110 s, the lease of 6 has run out, 7 is dead.
INSERT INTO plimsoll_job (id, queue, lane, payload, priority, max_attempts, enqueued_at_ms, run_at_ms, keep_ms) VALUES
    (1, 'q', '', '1', 0, 5, 90000, 90000, 0),
    (2, 'q', '', '2', -1, 5, 95000, 95000, 0),
    (3, 'q', '', '3', 0, 5, 90000, 105000, 0),
    (4, 'q', '', '4', 0, 5, 90000, 90000, 0),
    (5, 'q', '', '5', 0, 5, 90000, 90000, 0),
    (6, 'q', '', '6', 0, 5, 90000, 90000, 0),
    (7, 'q', '', '7', 0, 5, 90000, 90000, 0);
INSERT INTO plimsoll_ready (queue, lane, priority, ready_at_ms, job, attempts) VALUES ('q', '', 0, 90000, 1, 1), ('q', '', -1, 95000, 2, 0);
INSERT INTO plimsoll_scheduled (queue, run_at_ms, job, attempts) VALUES ('q', 105000, 3, 0);
INSERT INTO plimsoll_lease (token, queue, lane, job, worker, until_ms, claimed_at_ms, ready_at_ms, attempt, permille, note) VALUES
    (31, 'q', '', 4, 'old', 110000, 95000, 90000, 2, 250, 'a quarter'),
    (32, 'q', '', 5, 'old', 110000, 95000, 90000, 2, NULL, NULL),
    (33, 'q', '', 6, 'gone', 99000, 89000, 89000, 3, NULL, NULL),
    (40, 'q', '', 7, 'gone', 99000, 89000, 89000, 5, NULL, NULL);
-- The last token that was given out belongs to no lease any more.
DELETE FROM plimsoll_lease WHERE token = 40;
INSERT INTO plimsoll_dead (job, queue, attempts, died_at_ms, reason) VALUES (7, 'q', 5, 99000, 'x');
INSERT INTO plimsoll_queue (name, ready, scheduled, leased, dead, enqueued_total) VALUES ('q', 2, 1, 3, 1, 7);
