-- A job's unchanging part lives in `job`; where it stands in its life is told by which one of the small
-- tables below names it. Moving a job touches only those, never the row with the payload: claims stay cheap
-- however large payloads are, and the hot pages stay few.

CREATE TABLE plimsoll_job (
    id             INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, so an old id cannot mean a new job
    queue          TEXT    NOT NULL,
    lane           TEXT    NOT NULL,
    payload        TEXT    NOT NULL,
    owner          TEXT,
    unique_key     TEXT,
    priority       INTEGER NOT NULL,
    max_attempts   INTEGER NOT NULL,
    enqueued_at_ms INTEGER NOT NULL,
    run_at_ms      INTEGER NOT NULL,
    deadline_ms    INTEGER,
    keep_ms        INTEGER NOT NULL
);
CREATE UNIQUE INDEX plimsoll_job_unique ON plimsoll_job (queue, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX plimsoll_job_owner ON plimsoll_job (owner, id) WHERE owner IS NOT NULL;

-- Claimable jobs in the order in which a lane's are claimed.
CREATE TABLE plimsoll_ready (
    queue       TEXT    NOT NULL,
    lane        TEXT    NOT NULL,
    priority    INTEGER NOT NULL,
    ready_at_ms INTEGER NOT NULL,
    job         INTEGER NOT NULL,
    attempts    INTEGER NOT NULL, -- already used
    PRIMARY KEY (queue, lane, priority, ready_at_ms, job)
) WITHOUT ROWID;
-- The oldest of all lanes at one look-up. Queues without lanes do not pay for it.
CREATE INDEX plimsoll_ready_age ON plimsoll_ready (queue, ready_at_ms) WHERE lane <> '';

-- Jobs that wait for their time. Apart from `ready`, because a job of high priority that is due tomorrow
-- must not stand in the way of the claims of today.
CREATE TABLE plimsoll_scheduled (
    queue     TEXT    NOT NULL,
    run_at_ms INTEGER NOT NULL,
    job       INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    PRIMARY KEY (queue, run_at_ms, job)
) WITHOUT ROWID;

-- Jobs in a worker's hands. The row's own number is the fencing token: it only ever rises.
CREATE TABLE plimsoll_lease (
    token         INTEGER PRIMARY KEY AUTOINCREMENT,
    queue         TEXT    NOT NULL,
    lane          TEXT    NOT NULL,
    job           INTEGER NOT NULL,
    worker        TEXT    NOT NULL,
    until_ms      INTEGER NOT NULL,
    claimed_at_ms INTEGER NOT NULL,
    ready_at_ms   INTEGER NOT NULL, -- since when it could have been claimed
    attempt       INTEGER NOT NULL, -- this one included
    cancel        INTEGER NOT NULL DEFAULT 0,
    permille      INTEGER,          -- progress, as the handler reports it
    note          TEXT
);
CREATE INDEX plimsoll_lease_until ON plimsoll_lease (queue, until_ms);
CREATE INDEX plimsoll_lease_lane ON plimsoll_lease (queue, lane) WHERE lane <> '';

-- How many jobs of a lane may be leased at a time; lane '*' is for the lanes without a row of their own.
CREATE TABLE plimsoll_lane_limit (
    queue      TEXT    NOT NULL,
    lane       TEXT    NOT NULL,
    max_leased INTEGER NOT NULL,
    PRIMARY KEY (queue, lane)
) WITHOUT ROWID;

CREATE TABLE plimsoll_dead (
    job        INTEGER PRIMARY KEY,
    queue      TEXT    NOT NULL,
    attempts   INTEGER NOT NULL,
    died_at_ms INTEGER NOT NULL,
    reason     TEXT    NOT NULL
);
CREATE INDEX plimsoll_dead_by_time ON plimsoll_dead (queue, died_at_ms, job);

-- Why attempts of jobs that still exist failed.
CREATE TABLE plimsoll_failure (
    id      INTEGER PRIMARY KEY, -- the order in which they happened
    job     INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    worker  TEXT    NOT NULL,
    message TEXT    NOT NULL
);
CREATE INDEX plimsoll_failure_of ON plimsoll_failure (job, id);

-- What remains of finished jobs that asked to be remembered for a while.
CREATE TABLE plimsoll_finished (
    job            INTEGER PRIMARY KEY,
    queue          TEXT    NOT NULL,
    owner          TEXT,
    state          TEXT    NOT NULL,
    attempts       INTEGER NOT NULL,
    enqueued_at_ms INTEGER NOT NULL,
    finished_at_ms INTEGER NOT NULL,
    expires_at_ms  INTEGER NOT NULL
);
CREATE INDEX plimsoll_finished_expiry ON plimsoll_finished (expires_at_ms);
CREATE INDEX plimsoll_finished_owner ON plimsoll_finished (owner) WHERE owner IS NOT NULL;

-- Which request made which job, so that the same request sent twice makes one.
CREATE TABLE plimsoll_idempotency (
    owner         TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    body_sha256   TEXT    NOT NULL,
    job           INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX plimsoll_idempotency_expiry ON plimsoll_idempotency (expires_at_ms);

CREATE TABLE plimsoll_cron (
    name       TEXT    PRIMARY KEY,
    schedule   TEXT    NOT NULL,
    job        TEXT    NOT NULL, -- the job to enqueue, as JSON
    next_at_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- Counts, moved by the transactions that move the jobs: SQLite has one writer at a time, so this row is
-- never fought over, and reading the depth of a queue of a million jobs costs one look-up.
CREATE TABLE plimsoll_queue (
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
