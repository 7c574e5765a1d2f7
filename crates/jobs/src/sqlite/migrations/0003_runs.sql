-- What comes as a batch is kept as a batch: jobs with following numbers that became ready together are one row of `ready`,
-- and the jobs of one claim share the row of their lease. A job of a batch then costs no entry in any index.

DROP INDEX plimsoll_ready_age;
ALTER TABLE plimsoll_ready RENAME TO plimsoll_ready_each;
CREATE TABLE plimsoll_ready (
    queue       TEXT    NOT NULL,
    lane        TEXT    NOT NULL,
    priority    INTEGER NOT NULL,
    ready_at_ms INTEGER NOT NULL,
    first_job   INTEGER NOT NULL,
    last_job    INTEGER NOT NULL, -- all from the first to the last are ready
    attempts    INTEGER NOT NULL, -- already used, by each of them
    PRIMARY KEY (queue, lane, priority, ready_at_ms, first_job)
) WITHOUT ROWID;
INSERT INTO plimsoll_ready (queue, lane, priority, ready_at_ms, first_job, last_job, attempts)
SELECT queue, lane, priority, ready_at_ms, job, job, attempts FROM plimsoll_ready_each;
DROP TABLE plimsoll_ready_each;
CREATE INDEX plimsoll_ready_age ON plimsoll_ready (queue, ready_at_ms) WHERE lane <> '';

DROP INDEX plimsoll_lease_until;
DROP INDEX plimsoll_lease_lane;
ALTER TABLE plimsoll_lease RENAME TO plimsoll_lease_each;
CREATE TABLE plimsoll_lease (
    token         INTEGER PRIMARY KEY AUTOINCREMENT, -- the fencing token: it only ever rises
    queue         TEXT    NOT NULL,
    lane          TEXT    NOT NULL,
    worker        TEXT    NOT NULL,
    until_ms      INTEGER NOT NULL,
    claimed_at_ms INTEGER NOT NULL,
    first_job     INTEGER NOT NULL, -- what it holds is among the jobs from here
    last_job      INTEGER NOT NULL  -- to here; the row goes with the last of them
);
-- Jobs in a worker's hands, each under one lease.
CREATE TABLE plimsoll_held (
    job      INTEGER PRIMARY KEY,
    token    INTEGER NOT NULL,
    attempt  INTEGER NOT NULL, -- this one included
    cancel   INTEGER NOT NULL DEFAULT 0,
    permille INTEGER,          -- progress, as the handler reports it
    note     TEXT
);
INSERT INTO plimsoll_lease (token, queue, lane, worker, until_ms, claimed_at_ms, first_job, last_job)
SELECT token, queue, lane, worker, until_ms, claimed_at_ms, job, job FROM plimsoll_lease_each;
INSERT INTO plimsoll_held (job, token, attempt, cancel, permille, note)
SELECT job, token, attempt, cancel, permille, note FROM plimsoll_lease_each;
-- Tokens go on where they were.
DELETE FROM sqlite_sequence WHERE name = 'plimsoll_lease';
INSERT INTO sqlite_sequence (name, seq) SELECT 'plimsoll_lease', seq FROM sqlite_sequence WHERE name = 'plimsoll_lease_each';
DROP TABLE plimsoll_lease_each;
CREATE INDEX plimsoll_lease_until ON plimsoll_lease (queue, until_ms);
CREATE INDEX plimsoll_lease_lane ON plimsoll_lease (queue, lane) WHERE lane <> '';
