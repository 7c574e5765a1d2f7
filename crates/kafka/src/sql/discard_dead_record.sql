DELETE FROM plimsoll_kafka_dead WHERE id = $1 AND consumer_group = $2
