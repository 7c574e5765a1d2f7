SELECT id FROM job WHERE queue = ?1 AND unique_key = ?2
