-- The one writer needs no further lock.
SELECT id FROM cv_upload WHERE owner = $1 LIMIT 1
