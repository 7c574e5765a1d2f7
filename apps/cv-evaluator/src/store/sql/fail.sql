-- Completed and failed are final here; only an operator's requeue leaves them.
UPDATE cv_evaluation
SET status = 'failed', attempts = $2, error_code = $3, error_message = $4, failure_receipt = $5, updated_at_ms = $6
WHERE id = $1 AND status IN ('queued', 'processing')
