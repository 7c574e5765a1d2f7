-- The one writer needs no further lock.
SELECT id FROM cv_upload WHERE id = $1
