INSERT INTO raw_job (payload) SELECT value FROM json_each(?1)
