-- Waits for requests that are about to refer to one of them, so that the next statements see what those did.
SELECT id FROM cv_upload WHERE owner = $1 ORDER BY id FOR UPDATE
