DELETE FROM cv_upload_pending WHERE upload_id = $1
