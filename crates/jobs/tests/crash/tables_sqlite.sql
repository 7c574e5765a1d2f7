CREATE TABLE request (n INTEGER PRIMARY KEY, job INTEGER);

-- No constraint against doubles: finding them is the checker's business.
CREATE TABLE result (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER, job INTEGER, token INTEGER, worker TEXT);

CREATE TABLE history (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT, job INTEGER, token INTEGER, attempt INTEGER);
CREATE TRIGGER h_job   AFTER INSERT ON plimsoll_job   BEGIN INSERT INTO history (event, job) VALUES ('new', NEW.id); END;
CREATE TRIGGER h_gone  AFTER DELETE ON plimsoll_job   BEGIN INSERT INTO history (event, job) VALUES ('gone', OLD.id); END;
CREATE TRIGGER h_lease AFTER INSERT ON plimsoll_lease BEGIN
    INSERT INTO history (event, job, token, attempt) VALUES ('lease', NEW.job, NEW.token, NEW.attempt);
END;
CREATE TRIGGER h_end   AFTER DELETE ON plimsoll_lease BEGIN
    INSERT INTO history (event, job, token, attempt) VALUES ('end', OLD.job, OLD.token, OLD.attempt);
END;
CREATE TRIGGER h_dead  AFTER INSERT ON plimsoll_dead  BEGIN
    INSERT INTO history (event, job, attempt) VALUES ('dead', NEW.job, NEW.attempts);
END;
