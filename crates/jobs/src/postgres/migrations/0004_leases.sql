-- A lease of many jobs has a row of kilobytes. Kept in the page as it is: trying to compress it costs every claim more
-- than its place does, for the row is gone as soon as its jobs are.
ALTER TABLE plimsoll_lease SET (toast_tuple_target = 8160);
