-- Waits for those who are about to refer to it, so that the next statement sees what they did.
SELECT id FROM cv_upload WHERE id = $1 FOR UPDATE
