DELETE FROM cv_upload_chunk WHERE upload_id = $1
