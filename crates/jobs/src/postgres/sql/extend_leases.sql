-- Jobs $1 under tokens $2, $3 now, $4 the new end. An expired lease is not revived, even if nobody has taken it yet.
WITH kept AS (
    UPDATE plimsoll_lease SET until_ms = $4 WHERE token = ANY ($2) AND until_ms > $3 RETURNING token
)
SELECT j.id, j.cancel FROM unnest($1::bigint[], $2::bigint[]) AS asked (id, token)
JOIN kept USING (token) JOIN plimsoll_job j ON j.id = asked.id AND j.token = asked.token
