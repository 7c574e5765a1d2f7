-- Held until the end of the transaction: of several starters one migrates.
SELECT pg_advisory_xact_lock(7021110120)
