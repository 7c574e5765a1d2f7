SELECT ready - (SELECT count(*) FROM ready r WHERE r.queue = name),
       scheduled - (SELECT count(*) FROM scheduled s WHERE s.queue = name),
       leased - (SELECT count(*) FROM lease l WHERE l.queue = name),
       dead - (SELECT count(*) FROM dead d WHERE d.queue = name),
       enqueued_total - completed_total - dead - (SELECT count(*) FROM job j WHERE j.queue = name)
           + (SELECT count(*) FROM dead d WHERE d.queue = name)
FROM queue
WHERE ready <> (SELECT count(*) FROM ready r WHERE r.queue = name)
   OR scheduled <> (SELECT count(*) FROM scheduled s WHERE s.queue = name)
   OR leased <> (SELECT count(*) FROM lease l WHERE l.queue = name)
   OR dead <> (SELECT count(*) FROM dead d WHERE d.queue = name)
   OR enqueued_total - completed_total <> (SELECT count(*) FROM job j WHERE j.queue = name)
