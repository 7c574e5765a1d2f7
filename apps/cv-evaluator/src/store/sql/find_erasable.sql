SELECT owner, cv_id, project_id, job_id FROM cv_evaluation WHERE id = $1
