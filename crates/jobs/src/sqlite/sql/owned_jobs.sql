SELECT id FROM plimsoll_job WHERE owner = ?1
