-- Touches a table of ours, for a database without them is of no use; this one has a handful of rows.
SELECT COUNT(*) FROM cv_counter
