SELECT pg_notify('plimsoll_jobs', '')
