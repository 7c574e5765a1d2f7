SELECT name, SUM(value) AS value FROM cv_counter GROUP BY name
