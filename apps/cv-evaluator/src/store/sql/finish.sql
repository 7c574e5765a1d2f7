-- Completed and failed are final here; only an operator's requeue leaves them.
UPDATE cv_evaluation
SET status = $2, attempts = $3, error_code = $4, error_message = $5, updated_at_ms = $6
WHERE id = $1 AND status IN ('queued', 'processing')
