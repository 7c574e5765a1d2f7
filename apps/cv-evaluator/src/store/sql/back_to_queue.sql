UPDATE cv_evaluation SET status = 'queued', updated_at_ms = $2 WHERE id = $1 AND status = 'processing'
