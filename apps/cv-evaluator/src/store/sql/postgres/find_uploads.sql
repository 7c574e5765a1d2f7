-- $1 is a JSON list of ids. Locked against deletion until the evaluations that refer to them are there, and always in the
-- same order, so that nobody waits for each other.
SELECT id, owner, kind FROM cv_upload
WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))
ORDER BY id
FOR KEY SHARE
