SELECT kind FROM cv_upload WHERE id = $1 AND owner = $2
