UPDATE plimsoll_job SET unique_key = NULL WHERE id = ?1 AND unique_key IS NOT NULL
