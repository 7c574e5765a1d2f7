-- What an owner has is found without reading a whole table.
CREATE INDEX cv_evaluation_by_owner ON cv_evaluation (owner, created_at_ms);
