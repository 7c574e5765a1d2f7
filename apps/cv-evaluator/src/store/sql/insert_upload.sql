INSERT INTO cv_upload (id, owner, kind, format, file_name, size_bytes, sha256, created_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
