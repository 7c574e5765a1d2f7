-- Completed and failed are final here; only an operator's requeue leaves them.
UPDATE cv_evaluation
SET status = 'completed', attempts = $2, error_code = NULL, error_message = NULL, failure_receipt = NULL, updated_at_ms = $3
WHERE id = $1 AND status IN ('queued', 'processing')
