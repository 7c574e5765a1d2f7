DELETE FROM cv_upload WHERE owner = $1
