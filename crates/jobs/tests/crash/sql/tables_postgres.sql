CREATE TABLE request (n bigint PRIMARY KEY, job bigint, cancelled bigint NOT NULL DEFAULT 0);

-- No constraint against doubles: finding them is the checker's business.
CREATE TABLE result (id bigserial PRIMARY KEY, n bigint, job bigint, token bigint, worker text);

-- Events: 0 new, 1 leased, 2 lease ended, 3 gone, 4 dead. The job's row lock makes the numbers rise in the order of what
-- happened to it.
CREATE TABLE history (seq bigserial PRIMARY KEY, event bigint, job bigint, token bigint, attempt bigint);

CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO history (event, job) VALUES (0, NEW.id);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO history (event, job) VALUES (3, OLD.id);
        IF OLD.token <> 0 THEN
            INSERT INTO history (event, job, token, attempt) VALUES (2, OLD.id, OLD.token, OLD.attempts);
        END IF;
    ELSE
        IF NEW.state = 2 AND OLD.state <> 2 THEN
            INSERT INTO history (event, job, attempt) VALUES (4, NEW.id, NEW.attempts);
        END IF;
        IF OLD.token <> 0 AND NEW.token <> OLD.token THEN
            INSERT INTO history (event, job, token, attempt) VALUES (2, OLD.id, OLD.token, OLD.attempts);
        END IF;
        IF NEW.token <> 0 AND NEW.token <> OLD.token THEN
            INSERT INTO history (event, job, token, attempt) VALUES (1, NEW.id, NEW.token, NEW.attempts);
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON plimsoll_job FOR EACH ROW EXECUTE FUNCTION remember();
