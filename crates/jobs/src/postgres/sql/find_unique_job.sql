SELECT id FROM plimsoll_job WHERE queue = $1 AND unique_key = $2
