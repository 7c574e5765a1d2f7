DELETE FROM cv_evaluation WHERE id = $1 AND status IN ('completed', 'failed')
