SELECT format, size_bytes FROM cv_upload WHERE id = $1
