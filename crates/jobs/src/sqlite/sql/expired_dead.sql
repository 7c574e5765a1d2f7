-- Some dead letters of any queue that died before ?1.
SELECT job FROM plimsoll_dead WHERE died_at_ms < ?1 LIMIT ?2
