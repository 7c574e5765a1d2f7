-- See the third migration.
SELECT plimsoll_complete($1, $2, $3, $4, $5)
