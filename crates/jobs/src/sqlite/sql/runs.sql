-- The first ?3 runs of lane ?2 of queue ?1, in the order in which they are claimed. The sum as the limit spares a new plan for each call.
SELECT json_group_array(json_array(priority, ready_at_ms, first_job, last_job, attempts)) FROM (
    SELECT priority, ready_at_ms, first_job, last_job, attempts FROM plimsoll_ready
    WHERE queue = ?1 AND lane = ?2
    ORDER BY priority, ready_at_ms, first_job LIMIT ?3 + 0
)
