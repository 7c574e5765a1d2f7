-- Whose data a message carries: for erasure.
ALTER TABLE plimsoll_outbox ADD COLUMN owner TEXT;
ALTER TABLE plimsoll_outbox_dead ADD COLUMN owner TEXT;
CREATE INDEX plimsoll_outbox_owner ON plimsoll_outbox (owner) WHERE owner IS NOT NULL;
CREATE INDEX plimsoll_outbox_dead_owner ON plimsoll_outbox_dead (owner) WHERE owner IS NOT NULL;
