-- Personal access tokens. `body` holds what never changes after a token was made, `hash` is the
-- SHA-256 of its secret; `sum` tells a row that the disk has changed. Instants are microseconds.

CREATE TABLE tokens (
  id TEXT PRIMARY KEY,
  person TEXT NOT NULL,
  until INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  body TEXT NOT NULL,
  sum INTEGER NOT NULL,
  revoked_at INTEGER,
  revoked_by TEXT,
  last_used INTEGER,
  last_refused INTEGER,
  CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_person ON tokens (person, id);

CREATE TRIGGER tokens_stay BEFORE DELETE ON tokens
BEGIN SELECT RAISE(ABORT, 'tokens are kept'); END;
CREATE TRIGGER tokens_keep_what_was_agreed BEFORE UPDATE ON tokens
BEGIN SELECT CASE
  WHEN NEW.id IS NOT OLD.id OR NEW.person IS NOT OLD.person OR NEW.until IS NOT OLD.until
    OR NEW.hash IS NOT OLD.hash OR NEW.body IS NOT OLD.body OR NEW.sum IS NOT OLD.sum
  THEN RAISE(ABORT, 'a token never changes')
  WHEN OLD.revoked_at IS NOT NULL
    AND (NEW.revoked_at IS NOT OLD.revoked_at OR NEW.revoked_by IS NOT OLD.revoked_by)
  THEN RAISE(ABORT, 'a revoked token stays revoked')
END; END;
