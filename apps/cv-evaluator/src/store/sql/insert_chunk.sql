INSERT INTO cv_upload_chunk (upload_id, part, bytes) VALUES ($1, $2, $3)
