UPDATE plimsoll_job SET cancel = true WHERE id = $1
