-- :rows evaluations, all of one owner, made one a millisecond after each other, of a tenth as many files. Every other one is of
-- the same CV, and all of them of a few project reports: the worst a list or a search can meet.
WITH RECURSIVE s (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :rows / 10)
INSERT INTO cv_upload (id, owner, kind, format, file_name, size_bytes, sha256, created_at_ms)
SELECT 'u' || (100000000 + n), 'big', CASE WHEN n < 10 THEN 'project' ELSE 'cv' END, 'txt', 'f.txt', 1, '00', n + 1 FROM s;

WITH RECURSIVE s (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :rows)
INSERT INTO cv_evaluation (id, owner, status, cv_id, project_id, body_sha256, job_id, attempts, created_at_ms, updated_at_ms)
SELECT 'e' || (100000000 + n), 'big',
    CASE n % 100 WHEN 0 THEN 'failed' WHEN 1 THEN 'queued' ELSE 'completed' END,
    'u' || (100000000 + CASE WHEN n % 2 = 0 THEN 10 ELSE 10 + n / 2 % (:rows / 10 - 10) END), 'u' || (100000000 + n % 10),
    '00', -1 - n, 1, 1000000000 + n, 1000000000 + n
FROM s;

WITH RECURSIVE s (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :rows)
INSERT INTO cv_result (evaluation_id, cv_match_rate, cv_feedback, project_score, project_feedback, overall_summary, parameters, receipt, created_at_ms)
SELECT 'e' || (100000000 + n), 0.5, 'a', 5, 'b', 'c', '[]', '{}', 1 FROM s WHERE n % 100 > 1;

WITH RECURSIVE s (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :rows / 10)
INSERT INTO cv_upload_pending (upload_id, created_at_ms)
SELECT 'p' || (100000000 + n), 99000000000000 + n FROM s;

-- Another owner with little, as many have.
INSERT INTO cv_upload (id, owner, kind, format, file_name, size_bytes, sha256, created_at_ms) VALUES
    ('small-cv', 'small', 'cv', 'txt', 'f.txt', 1, '00', 2000000000), ('small-project', 'small', 'project', 'txt', 'f.txt', 1, '00', 2000000000);
INSERT INTO cv_upload_chunk (upload_id, part, bytes) VALUES ('small-cv', 0, 'x');
WITH RECURSIVE s (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :rows / 10)
INSERT INTO cv_upload_chunk (upload_id, part, bytes)
SELECT 'u' || (100000000 + n), 0, (SELECT bytes FROM cv_upload_chunk WHERE upload_id = 'small-cv') FROM s;
