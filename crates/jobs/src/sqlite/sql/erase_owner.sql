DELETE FROM plimsoll_finished WHERE owner = ?1;

DELETE FROM plimsoll_idempotency WHERE owner = ?1;
