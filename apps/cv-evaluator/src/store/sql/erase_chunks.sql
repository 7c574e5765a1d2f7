DELETE FROM cv_upload_chunk WHERE upload_id IN (SELECT id FROM cv_upload WHERE owner = $1)
