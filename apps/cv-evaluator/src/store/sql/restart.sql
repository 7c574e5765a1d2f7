-- An operator took this evaluation's own job back from the dead letters.
UPDATE cv_evaluation
SET status = 'processing', attempts = $2, error_code = NULL, error_message = NULL, failure_receipt = NULL, updated_at_ms = $3
WHERE id = $1 AND status = 'failed' AND job_id = $4
