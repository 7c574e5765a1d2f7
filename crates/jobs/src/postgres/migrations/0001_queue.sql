-- Postgres writes a new version of a row for every change and leaves the old one behind. So a job is inserted
-- once, changed once (by the claim, and that change touches no index: a heap-only update) and deleted once.
-- A lease is one row per claim, however many jobs the claim took; a heartbeat is one update of that row.

CREATE SEQUENCE plimsoll_token;

CREATE TABLE plimsoll_job (
    id             bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    enqueued_at_ms bigint   NOT NULL,
    ready_at_ms    bigint   NOT NULL, -- ready or leased: since when; scheduled: when; dead: when it died
    deadline_ms    bigint,
    keep_ms        bigint   NOT NULL,
    token          bigint   NOT NULL DEFAULT 0, -- of the lease that holds it; 0: none
    attempts       integer  NOT NULL DEFAULT 0, -- started
    max_attempts   integer  NOT NULL,
    priority       smallint NOT NULL,
    state          smallint NOT NULL, -- 0 ready or leased, 1 scheduled, 2 dead
    failed         boolean  NOT NULL DEFAULT false, -- has rows in plimsoll_failure
    cancel         boolean  NOT NULL DEFAULT false,
    permille       smallint,
    queue          text     NOT NULL,
    lane           text     COLLATE "C" NOT NULL, -- compared as the program compares
    payload        text     NOT NULL,
    owner          text,
    unique_key     text,
    note           text,
    reason         text
) WITH (
    -- Room in each page for the claim's version beside the first one.
    fillfactor = 60,
    -- By count, not by share: what matters is how many dead rows a scan meets, not how long the queue is.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000
);
-- In the order in which a lane's jobs are claimed. Holds the leased ones too, or a claim would have to write to it.
CREATE INDEX plimsoll_job_claim ON plimsoll_job (queue, lane, priority, ready_at_ms, id) WHERE state = 0;
CREATE INDEX plimsoll_job_due ON plimsoll_job (queue, ready_at_ms, id) WHERE state = 1;
CREATE INDEX plimsoll_job_dead ON plimsoll_job (queue, ready_at_ms, id) WHERE state = 2;
CREATE INDEX plimsoll_job_age ON plimsoll_job (queue, ready_at_ms) WHERE state = 0 AND lane <> '';
CREATE UNIQUE INDEX plimsoll_job_unique ON plimsoll_job (queue, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX plimsoll_job_owner ON plimsoll_job (owner, id) WHERE owner IS NOT NULL;

CREATE TABLE plimsoll_lease (
    token         bigint   PRIMARY KEY,
    until_ms      bigint   NOT NULL,
    claimed_at_ms bigint   NOT NULL,
    remaining     integer  NOT NULL, -- jobs that this lease may still hold; the row goes with the last
    queue         text     NOT NULL,
    lane          text     NOT NULL,
    worker        text     NOT NULL,
    jobs          bigint[] NOT NULL
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX plimsoll_lease_until ON plimsoll_lease (queue, until_ms);

CREATE TABLE plimsoll_lane_limit (
    queue      text    NOT NULL,
    lane       text    NOT NULL,
    max_leased integer NOT NULL,
    PRIMARY KEY (queue, lane)
);

CREATE TABLE plimsoll_failure (
    id      bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order in which they happened
    job     bigint  NOT NULL,
    attempt integer NOT NULL,
    at_ms   bigint  NOT NULL,
    worker  text    NOT NULL,
    message text    NOT NULL
);
CREATE INDEX plimsoll_failure_of ON plimsoll_failure (job, id);

CREATE TABLE plimsoll_finished (
    job            bigint  PRIMARY KEY,
    enqueued_at_ms bigint  NOT NULL,
    finished_at_ms bigint  NOT NULL,
    expires_at_ms  bigint  NOT NULL,
    attempts       integer NOT NULL,
    queue          text    NOT NULL,
    owner          text,
    state          text    NOT NULL
);
CREATE INDEX plimsoll_finished_expiry ON plimsoll_finished (expires_at_ms);
CREATE INDEX plimsoll_finished_owner ON plimsoll_finished (owner) WHERE owner IS NOT NULL;

CREATE TABLE plimsoll_idempotency (
    owner         text   NOT NULL,
    key           text   NOT NULL,
    body_sha256   text   NOT NULL,
    job           bigint NOT NULL,
    expires_at_ms bigint NOT NULL,
    PRIMARY KEY (owner, key)
);
CREATE INDEX plimsoll_idempotency_expiry ON plimsoll_idempotency (expires_at_ms);

CREATE TABLE plimsoll_cron (
    name       text   PRIMARY KEY,
    schedule   text   NOT NULL,
    job        text   NOT NULL,
    next_at_ms bigint NOT NULL
);

-- Counts as differences, one row per transaction that changed them: a row of totals would be fought over by all
-- writers. Workers add old rows up every second.
CREATE TABLE plimsoll_tally (
    queue           text   NOT NULL,
    ready           bigint NOT NULL DEFAULT 0,
    scheduled       bigint NOT NULL DEFAULT 0,
    leased          bigint NOT NULL DEFAULT 0,
    dead            bigint NOT NULL DEFAULT 0,
    enqueued        bigint NOT NULL DEFAULT 0,
    completed       bigint NOT NULL DEFAULT 0,
    failed_attempts bigint NOT NULL DEFAULT 0,
    leases_lost     bigint NOT NULL DEFAULT 0,
    deaths          bigint NOT NULL DEFAULT 0
) WITH (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);
