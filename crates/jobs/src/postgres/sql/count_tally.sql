-- More rows than this many? Reads no more than that.
SELECT count(*) FROM (SELECT 1 FROM plimsoll_tally LIMIT 200) AS few
