-- How far each partition of a topic has been moved into the queue. The row is written in the transaction that holds
-- the jobs, and `generation` fences: it rises with every consumer that takes the partition over.
CREATE TABLE plimsoll_kafka_position (
    consumer_group text    NOT NULL,
    topic          text    NOT NULL,
    partition      integer NOT NULL,
    next_offset    bigint  NOT NULL, -- the first record that is not yet in the queue
    generation     bigint  NOT NULL,
    owner          text    NOT NULL, -- for people
    record_at_ms   bigint,          -- time of the last record moved, by its producer
    updated_at_ms  bigint  NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
);

-- Records that no job can be made of. They keep their bytes, so that a mended program can take them again.
CREATE TABLE plimsoll_kafka_dead (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer_group text    NOT NULL,
    topic          text    NOT NULL,
    partition      integer NOT NULL,
    record_offset  bigint  NOT NULL,
    record_at_ms   bigint,
    record_key     bytea,
    record_value   bytea,
    headers        text    NOT NULL,
    reason         text    NOT NULL,
    died_at_ms     bigint  NOT NULL,
    UNIQUE (consumer_group, topic, partition, record_offset)
);
CREATE INDEX plimsoll_kafka_dead_age ON plimsoll_kafka_dead (died_at_ms);

-- What is to be published. A row is written in the transaction of what it tells about, and deleted when the broker
-- has acknowledged it. Never read by position: a row may become visible after one with a higher number.
CREATE TABLE plimsoll_outbox (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id    text    NOT NULL UNIQUE,
    topic         text    NOT NULL,
    message_key   bytea,
    message_value bytea,
    headers       text    NOT NULL,
    bytes         bigint  NOT NULL,
    created_at_ms bigint  NOT NULL
) WITH (
    -- By count, not by share: what matters is how many dead rows a look at the oldest meets.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);

-- Messages that the broker refuses for good.
CREATE TABLE plimsoll_outbox_dead (
    id            bigint PRIMARY KEY,
    message_id    text    NOT NULL,
    topic         text    NOT NULL,
    message_key   bytea,
    message_value bytea,
    headers       text    NOT NULL,
    bytes         bigint  NOT NULL,
    created_at_ms bigint  NOT NULL,
    reason        text    NOT NULL,
    died_at_ms    bigint  NOT NULL
);
CREATE INDEX plimsoll_outbox_dead_age ON plimsoll_outbox_dead (died_at_ms);

-- Which process publishes: one at a time, or messages of one key could change places.
CREATE TABLE plimsoll_outbox_publisher (
    name            text    PRIMARY KEY,
    generation      bigint  NOT NULL,
    owner           text    NOT NULL,
    until_ms        bigint  NOT NULL,
    published_total bigint  NOT NULL DEFAULT 0
);
