DELETE FROM plimsoll_lane_limit WHERE queue = $1 AND lane = $2
