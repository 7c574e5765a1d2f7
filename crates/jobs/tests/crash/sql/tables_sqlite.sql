CREATE TABLE request (n INTEGER PRIMARY KEY, job INTEGER, cancelled INTEGER NOT NULL DEFAULT 0);

-- No constraint against doubles: finding them is the checker's business.
CREATE TABLE result (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER, job INTEGER, token INTEGER, worker TEXT);

-- Events: 0 new, 1 leased, 2 lease ended, 3 gone, 4 dead.
CREATE TABLE history (seq INTEGER PRIMARY KEY AUTOINCREMENT, event INTEGER, job INTEGER, token INTEGER, attempt INTEGER);
CREATE TRIGGER h_job   AFTER INSERT ON plimsoll_job   BEGIN INSERT INTO history (event, job) VALUES (0, NEW.id); END;
CREATE TRIGGER h_gone  AFTER DELETE ON plimsoll_job   BEGIN INSERT INTO history (event, job) VALUES (3, OLD.id); END;
CREATE TRIGGER h_lease AFTER INSERT ON plimsoll_held BEGIN
    INSERT INTO history (event, job, token, attempt) VALUES (1, NEW.job, NEW.token, NEW.attempt);
END;
CREATE TRIGGER h_end   AFTER DELETE ON plimsoll_held BEGIN
    INSERT INTO history (event, job, token, attempt) VALUES (2, OLD.job, OLD.token, OLD.attempt);
END;
CREATE TRIGGER h_dead  AFTER INSERT ON plimsoll_dead  BEGIN
    INSERT INTO history (event, job, attempt) VALUES (4, NEW.job, NEW.attempts);
END;
