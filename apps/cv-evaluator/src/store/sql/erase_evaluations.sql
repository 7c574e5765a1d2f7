-- Results go with them.
DELETE FROM cv_evaluation WHERE owner = $1
