-- $1 is a JSON list of ids.
SELECT id, owner, kind FROM cv_upload WHERE id IN (SELECT value FROM json_each($1))
