-- The newest evaluations of a file without reading the others.
DROP INDEX cv_evaluation_by_cv;
CREATE INDEX cv_evaluation_by_cv ON cv_evaluation (cv_id, created_at_ms, id);
DROP INDEX cv_evaluation_by_project;
CREATE INDEX cv_evaluation_by_project ON cv_evaluation (project_id, created_at_ms, id);
-- Old files are looked through in pages.
DROP INDEX cv_upload_by_time;
CREATE INDEX cv_upload_by_time ON cv_upload (created_at_ms, id);

-- A failed evaluation says what it took as well: the receipt of its last attempt.
ALTER TABLE cv_evaluation ADD COLUMN failure_receipt TEXT;
-- What all attempts together were answered by the provider, failed ones included; null where it did not count.
ALTER TABLE cv_evaluation ADD COLUMN spent_calls BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cv_evaluation ADD COLUMN spent_prompt_tokens BIGINT;
ALTER TABLE cv_evaluation ADD COLUMN spent_completion_tokens BIGINT;
