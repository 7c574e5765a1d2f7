-- How far each partition of a topic has been moved into the queue. The row is written in the transaction that holds
-- the jobs, and `generation` fences: it rises with every consumer that takes the partition over.
CREATE TABLE plimsoll_kafka_position (
    consumer_group TEXT    NOT NULL,
    topic          TEXT    NOT NULL,
    partition      INTEGER NOT NULL,
    next_offset    INTEGER NOT NULL, -- the first record that is not yet in the queue
    generation     INTEGER NOT NULL,
    owner          TEXT    NOT NULL, -- for people
    record_at_ms   INTEGER,          -- time of the last record moved, by its producer
    updated_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
) WITHOUT ROWID;

-- Records that no job can be made of. They keep their bytes, so that a mended program can take them again.
CREATE TABLE plimsoll_kafka_dead (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer_group TEXT    NOT NULL,
    topic          TEXT    NOT NULL,
    partition      INTEGER NOT NULL,
    record_offset  INTEGER NOT NULL,
    record_at_ms   INTEGER,
    record_key     BLOB,
    record_value   BLOB,
    headers        TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    died_at_ms     INTEGER NOT NULL,
    UNIQUE (consumer_group, topic, partition, record_offset)
);
CREATE INDEX plimsoll_kafka_dead_age ON plimsoll_kafka_dead (died_at_ms);

-- What is to be published. A row is written in the transaction of what it tells about, and deleted when the broker
-- has acknowledged it. Never read by position: a row may become visible after one with a higher number.
CREATE TABLE plimsoll_outbox (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id    TEXT    NOT NULL UNIQUE,
    topic         TEXT    NOT NULL,
    message_key   BLOB,
    message_value BLOB,
    headers       TEXT    NOT NULL,
    bytes         INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL
);

-- Messages that the broker refuses for good.
CREATE TABLE plimsoll_outbox_dead (
    id            INTEGER PRIMARY KEY,
    message_id    TEXT    NOT NULL,
    topic         TEXT    NOT NULL,
    message_key   BLOB,
    message_value BLOB,
    headers       TEXT    NOT NULL,
    bytes         INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    reason        TEXT    NOT NULL,
    died_at_ms    INTEGER NOT NULL
);
CREATE INDEX plimsoll_outbox_dead_age ON plimsoll_outbox_dead (died_at_ms);

-- Which process publishes: one at a time, or messages of one key could change places.
CREATE TABLE plimsoll_outbox_publisher (
    name            TEXT    PRIMARY KEY,
    generation      INTEGER NOT NULL,
    owner           TEXT    NOT NULL,
    until_ms        INTEGER NOT NULL,
    published_total INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
