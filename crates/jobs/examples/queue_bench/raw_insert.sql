INSERT INTO raw_job (payload) SELECT unnest($1::text[])
