-- Adds the given differences to the counts of queue ?1: ?2 ready, ?3 scheduled, ?4 leased, ?5 dead, ?6 failed attempts, ?7 deaths.
UPDATE plimsoll_queue SET
    ready = ready + ?2,
    scheduled = scheduled + ?3,
    leased = leased + ?4,
    dead = dead + ?5,
    failed_attempts_total = failed_attempts_total + ?6,
    dead_total = dead_total + ?7
WHERE name = ?1
