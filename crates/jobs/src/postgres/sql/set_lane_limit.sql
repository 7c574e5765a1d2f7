INSERT INTO plimsoll_lane_limit (queue, lane, max_leased) VALUES ($1, $2, $3)
ON CONFLICT (queue, lane) DO UPDATE SET max_leased = excluded.max_leased
