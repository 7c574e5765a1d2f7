-- Its result goes with it.
DELETE FROM cv_evaluation WHERE id = $1
