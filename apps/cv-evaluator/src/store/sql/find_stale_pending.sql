SELECT upload_id FROM cv_upload_pending WHERE created_at_ms < $1 ORDER BY created_at_ms LIMIT 100
