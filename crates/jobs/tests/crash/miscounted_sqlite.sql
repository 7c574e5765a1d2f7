SELECT ready - (SELECT count(*) FROM plimsoll_ready r WHERE r.queue = name),
       scheduled - (SELECT count(*) FROM plimsoll_scheduled s WHERE s.queue = name),
       leased - (SELECT count(*) FROM plimsoll_lease l WHERE l.queue = name),
       dead - (SELECT count(*) FROM plimsoll_dead d WHERE d.queue = name),
       enqueued_total - completed_total - dead - (SELECT count(*) FROM plimsoll_job j WHERE j.queue = name)
           + (SELECT count(*) FROM plimsoll_dead d WHERE d.queue = name)
FROM plimsoll_queue
WHERE ready <> (SELECT count(*) FROM plimsoll_ready r WHERE r.queue = name)
   OR scheduled <> (SELECT count(*) FROM plimsoll_scheduled s WHERE s.queue = name)
   OR leased <> (SELECT count(*) FROM plimsoll_lease l WHERE l.queue = name)
   OR dead <> (SELECT count(*) FROM plimsoll_dead d WHERE d.queue = name)
   OR enqueued_total - completed_total <> (SELECT count(*) FROM plimsoll_job j WHERE j.queue = name)
