-- $2 is the dead job: an evaluation that has another job by now is none of its business.
UPDATE cv_evaluation
SET status = 'failed', attempts = $3, error_code = $4, error_message = $5, updated_at_ms = $6
WHERE id = $1 AND job_id = $2 AND status IN ('queued', 'processing')
