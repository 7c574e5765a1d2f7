TRUNCATE plimsoll_job, plimsoll_lease, plimsoll_lane_limit, plimsoll_failure, plimsoll_finished, plimsoll_idempotency,
    plimsoll_cron, plimsoll_tally, plimsoll_time RESTART IDENTITY
