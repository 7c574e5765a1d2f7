-- What each column means is written with the tables of SQLite, which are the same. Ids are compared byte by byte, so that
-- "begins with" is a range of an index whatever the database's locale is.

CREATE TABLE cv_upload (
    id            text   COLLATE "C" PRIMARY KEY,
    owner         text   NOT NULL,
    kind          text   NOT NULL CHECK (kind IN ('cv', 'project')),
    format        text   NOT NULL CHECK (format IN ('pdf', 'docx', 'txt')),
    file_name     text   NOT NULL,
    size_bytes    bigint NOT NULL,
    sha256        text   NOT NULL,
    created_at_ms bigint NOT NULL
);
CREATE INDEX cv_upload_by_owner ON cv_upload (owner, created_at_ms);
CREATE INDEX cv_upload_by_time ON cv_upload (created_at_ms, id);

CREATE TABLE cv_upload_chunk (
    upload_id text   COLLATE "C" NOT NULL,
    part      bigint NOT NULL,
    bytes     bytea  NOT NULL,
    PRIMARY KEY (upload_id, part)
);

CREATE TABLE cv_upload_pending (
    upload_id     text   COLLATE "C" PRIMARY KEY,
    created_at_ms bigint NOT NULL
);
CREATE INDEX cv_upload_pending_by_time ON cv_upload_pending (created_at_ms);

CREATE TABLE cv_evaluation (
    id                      text   COLLATE "C" PRIMARY KEY,
    owner                   text   NOT NULL,
    status                  text   NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed')),
    cv_id                   text   COLLATE "C" NOT NULL REFERENCES cv_upload (id),
    project_id              text   COLLATE "C" NOT NULL REFERENCES cv_upload (id),
    job_description         text,
    study_case_brief        text,
    scoring_rubric          text,
    idempotency_key         text,
    body_sha256             text   NOT NULL,
    job_id                  bigint,
    attempts                bigint NOT NULL DEFAULT 0,
    error_code              text,
    error_message           text,
    failure_receipt         text,
    spent_calls             bigint NOT NULL DEFAULT 0,
    spent_prompt_tokens     bigint,
    spent_completion_tokens bigint,
    created_at_ms           bigint NOT NULL,
    updated_at_ms           bigint NOT NULL
);
CREATE UNIQUE INDEX cv_evaluation_idempotency ON cv_evaluation (owner, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX cv_evaluation_by_time ON cv_evaluation (created_at_ms, id);
CREATE INDEX cv_evaluation_by_status ON cv_evaluation (status, created_at_ms, id);
CREATE INDEX cv_evaluation_by_cv ON cv_evaluation (cv_id, created_at_ms, id);
CREATE INDEX cv_evaluation_by_project ON cv_evaluation (project_id, created_at_ms, id);
CREATE INDEX cv_evaluation_by_job ON cv_evaluation (job_id);
CREATE INDEX cv_evaluation_by_owner ON cv_evaluation (owner, created_at_ms);

CREATE TABLE cv_result (
    evaluation_id    text             COLLATE "C" PRIMARY KEY REFERENCES cv_evaluation (id) ON DELETE CASCADE,
    cv_match_rate    double precision NOT NULL CHECK (cv_match_rate BETWEEN 0 AND 1),
    cv_feedback      text             NOT NULL,
    project_score    double precision NOT NULL CHECK (project_score BETWEEN 1 AND 10),
    project_feedback text             NOT NULL,
    overall_summary  text             NOT NULL,
    parameters       text             NOT NULL,
    receipt          text             NOT NULL,
    created_at_ms    bigint           NOT NULL
);

CREATE TABLE cv_counter (
    name  text             NOT NULL,
    shard bigint           NOT NULL,
    value double precision NOT NULL,
    PRIMARY KEY (name, shard)
) WITH (fillfactor = 50); -- a handful of rows that change all the time: their new versions stay on the page
