-- A job's unchanging part lives in `job`; where it stands in its life is told by which one of the small
-- tables below names it. Moving a job touches only those, never the row with the payload: claims stay cheap
-- however large payloads are, and the hot pages stay few.

CREATE TABLE job (
    id             INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, so an old id cannot mean a new job
    queue          TEXT    NOT NULL,
    payload        TEXT    NOT NULL,
    owner          TEXT,
    unique_key     TEXT,
    priority       INTEGER NOT NULL,
    max_attempts   INTEGER NOT NULL,
    enqueued_at_ms INTEGER NOT NULL,
    run_at_ms      INTEGER NOT NULL,
    deadline_ms    INTEGER
);
CREATE UNIQUE INDEX job_unique ON job (queue, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX job_owner ON job (owner, id) WHERE owner IS NOT NULL;

-- Claimable jobs in the order in which they are claimed.
CREATE TABLE ready (
    queue       TEXT    NOT NULL,
    priority    INTEGER NOT NULL,
    rank        INTEGER NOT NULL,
    job         INTEGER NOT NULL,
    ready_at_ms INTEGER NOT NULL,
    attempts    INTEGER NOT NULL, -- already used
    PRIMARY KEY (queue, priority, rank, job)
) WITHOUT ROWID;

-- Jobs that wait for their time. Apart from `ready`, because a job of high priority that is due tomorrow
-- must not stand in the way of the claims of today.
CREATE TABLE scheduled (
    queue     TEXT    NOT NULL,
    run_at_ms INTEGER NOT NULL,
    job       INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    PRIMARY KEY (queue, run_at_ms, job)
) WITHOUT ROWID;

-- Jobs in a worker's hands. The row's own number is the fencing token: it only ever rises.
CREATE TABLE lease (
    token         INTEGER PRIMARY KEY AUTOINCREMENT,
    queue         TEXT    NOT NULL,
    job           INTEGER NOT NULL,
    worker        TEXT    NOT NULL,
    until_ms      INTEGER NOT NULL,
    claimed_at_ms INTEGER NOT NULL,
    ready_at_ms   INTEGER NOT NULL, -- since when it could have been claimed
    attempt       INTEGER NOT NULL  -- this one included
);
CREATE INDEX lease_until ON lease (queue, until_ms);

CREATE TABLE dead (
    job       INTEGER PRIMARY KEY,
    queue     TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    died_at_ms INTEGER NOT NULL,
    reason    TEXT    NOT NULL
);
CREATE INDEX dead_by_time ON dead (queue, died_at_ms, job);

-- Why attempts of jobs that still exist failed.
CREATE TABLE failure (
    job     INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    worker  TEXT    NOT NULL,
    message TEXT    NOT NULL,
    PRIMARY KEY (job, attempt, at_ms)
) WITHOUT ROWID;

-- Counts, moved by the transactions that move the jobs: SQLite has one writer at a time, so this row is
-- never fought over, and reading the depth of a queue of a million jobs costs one look-up.
CREATE TABLE queue (
    name                  TEXT PRIMARY KEY,
    ready                 INTEGER NOT NULL DEFAULT 0,
    scheduled             INTEGER NOT NULL DEFAULT 0,
    leased                INTEGER NOT NULL DEFAULT 0,
    dead                  INTEGER NOT NULL DEFAULT 0,
    enqueued_total        INTEGER NOT NULL DEFAULT 0,
    completed_total       INTEGER NOT NULL DEFAULT 0,
    failed_attempts_total INTEGER NOT NULL DEFAULT 0,
    leases_lost_total     INTEGER NOT NULL DEFAULT 0,
    dead_total            INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
