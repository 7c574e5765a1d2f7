UPDATE plimsoll_outbox_publisher SET until_ms = $3, published_total = published_total + $4
WHERE name = $1 AND generation = $2
