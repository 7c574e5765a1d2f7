-- Uploaded files, byte for byte as they came. `format` is what the content was found to be, never the name's claim.
CREATE TABLE cv_upload (
    id            TEXT   PRIMARY KEY,
    owner         TEXT   NOT NULL,
    kind          TEXT   NOT NULL CHECK (kind IN ('cv', 'project')),
    format        TEXT   NOT NULL CHECK (format IN ('pdf', 'docx', 'txt')),
    file_name     TEXT   NOT NULL,
    size_bytes    BIGINT NOT NULL,
    sha256        TEXT   NOT NULL,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX cv_upload_by_owner ON cv_upload (owner, created_at_ms);
CREATE INDEX cv_upload_by_time ON cv_upload (created_at_ms);

-- In pieces, so that neither side ever holds more than one of them for the database's sake. No reference to
-- cv_upload: the pieces of a large file are written before its row, in short transactions of their own.
CREATE TABLE cv_upload_chunk (
    upload_id TEXT   NOT NULL,
    part      BIGINT NOT NULL,
    bytes     BLOB   NOT NULL,
    PRIMARY KEY (upload_id, part)
);

-- Large files whose pieces are being written; what is left here by a crash is swept.
CREATE TABLE cv_upload_pending (
    upload_id     TEXT   PRIMARY KEY,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX cv_upload_pending_by_time ON cv_upload_pending (created_at_ms);

CREATE TABLE cv_evaluation (
    id               TEXT   PRIMARY KEY,
    owner            TEXT   NOT NULL,
    status           TEXT   NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed')),
    cv_id            TEXT   NOT NULL REFERENCES cv_upload (id),
    project_id       TEXT   NOT NULL REFERENCES cv_upload (id),
    job_description  TEXT,
    study_case_brief TEXT,
    scoring_rubric   TEXT,
    idempotency_key  TEXT,
    body_sha256      TEXT   NOT NULL,
    job_id           BIGINT,
    attempts         BIGINT NOT NULL DEFAULT 0,
    error_code       TEXT,
    error_message    TEXT,
    created_at_ms    BIGINT NOT NULL,
    updated_at_ms    BIGINT NOT NULL
);
-- One key means one evaluation: the database says so, not a look before the leap.
CREATE UNIQUE INDEX cv_evaluation_idempotency ON cv_evaluation (owner, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX cv_evaluation_by_time ON cv_evaluation (created_at_ms, id);
CREATE INDEX cv_evaluation_by_status ON cv_evaluation (status, created_at_ms, id);
CREATE INDEX cv_evaluation_by_cv ON cv_evaluation (cv_id);
CREATE INDEX cv_evaluation_by_project ON cv_evaluation (project_id);
CREATE INDEX cv_evaluation_by_job ON cv_evaluation (job_id);

CREATE TABLE cv_result (
    evaluation_id    TEXT             PRIMARY KEY REFERENCES cv_evaluation (id) ON DELETE CASCADE,
    cv_match_rate    DOUBLE PRECISION NOT NULL CHECK (cv_match_rate BETWEEN 0 AND 1),
    cv_feedback      TEXT             NOT NULL,
    project_score    DOUBLE PRECISION NOT NULL CHECK (project_score BETWEEN 1 AND 10),
    project_feedback TEXT             NOT NULL,
    overall_summary  TEXT             NOT NULL,
    parameters       TEXT             NOT NULL, -- JSON: the rubric's lines with their scores and evidence
    receipt          TEXT             NOT NULL, -- JSON: who scored, how, and what it took
    created_at_ms    BIGINT           NOT NULL
);

-- Totals for the dashboard, moved by the transactions that move the rows: no page ever counts a table. Several
-- rows for each name, so that concurrent transactions seldom wait for the same one.
CREATE TABLE cv_counter (
    name  TEXT             NOT NULL,
    shard BIGINT           NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (name, shard)
);
