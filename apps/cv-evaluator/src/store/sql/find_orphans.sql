-- Unfinished evaluations whose job is a dead letter of the queue (table `dead` of plimsoll-jobs).
SELECT e.id, e.job_id, d.attempts, d.reason
FROM cv_evaluation e JOIN dead d ON d.job = e.job_id
WHERE e.status IN ('queued', 'processing')
LIMIT 100
