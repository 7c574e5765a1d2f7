UPDATE cv_evaluation
SET status = 'queued', attempts = 0, error_code = NULL, error_message = NULL, failure_receipt = NULL, updated_at_ms = $2
WHERE id = $1 AND status = 'failed'
RETURNING owner, job_id
