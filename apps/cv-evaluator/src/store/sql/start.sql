-- Only work that is still to be done: a late starter cannot touch a finished evaluation.
UPDATE cv_evaluation SET status = 'processing', attempts = $2, updated_at_ms = $3
WHERE id = $1 AND status IN ('queued', 'processing')
