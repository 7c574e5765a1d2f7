-- One claimer at a time counts and fills a lane with a limit; others pass it by.
SELECT pg_try_advisory_xact_lock(hashtextextended($1 || chr(1) || $2, 20260101))
