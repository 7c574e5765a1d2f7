-- Adds the given differences to the counts of queue ?1.
UPDATE queue SET
    ready = ready + ?2,
    scheduled = scheduled + ?3,
    leased = leased + ?4,
    dead = dead + ?5,
    failed_attempts_total = failed_attempts_total + ?6,
    dead_total = dead_total + ?5
WHERE name = ?1
