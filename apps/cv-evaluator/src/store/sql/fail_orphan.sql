UPDATE cv_evaluation
SET status = 'failed', attempts = $3, error_code = $4, error_message = $5, updated_at_ms = $6
WHERE id = $1 AND job_id = $2 AND status IN ('queued', 'processing')
    AND EXISTS (SELECT 1 FROM dead WHERE dead.job = $2)
