SELECT part, bytes FROM cv_upload_chunk WHERE upload_id = $1 AND part >= $2 ORDER BY part LIMIT $3
