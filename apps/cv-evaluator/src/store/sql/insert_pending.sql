INSERT INTO cv_upload_pending (upload_id, created_at_ms) VALUES ($1, $2)
