SELECT bytes FROM cv_upload_chunk WHERE upload_id = $1 ORDER BY part
