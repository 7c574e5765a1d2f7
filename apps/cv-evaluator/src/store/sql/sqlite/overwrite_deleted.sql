-- Deleted bytes are overwritten with zeros, not merely marked as free.
PRAGMA secure_delete = ON
