DELETE FROM plimsoll_failure WHERE job = ?1;

DELETE FROM plimsoll_job WHERE id = ?1;
