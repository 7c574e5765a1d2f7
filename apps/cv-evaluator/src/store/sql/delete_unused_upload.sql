DELETE FROM cv_upload
WHERE id = $1
    AND NOT EXISTS (SELECT 1 FROM cv_evaluation e WHERE e.cv_id = $1)
    AND NOT EXISTS (SELECT 1 FROM cv_evaluation e WHERE e.project_id = $1)
