-- Instants are microseconds since 1970, UTC. What stands beside an event's body is there for the
-- indexes; what counts is in the bodies, and `sum` tells a body that the disk has changed.

CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  version INTEGER NOT NULL CHECK (version > 0),
  newest INTEGER
) STRICT;
INSERT INTO meta (one, version) VALUES (1, 1);

CREATE TABLE records (
  id TEXT PRIMARY KEY,
  events INTEGER NOT NULL,
  person TEXT NOT NULL,
  repository TEXT NOT NULL,
  entitlement TEXT NOT NULL,
  asked_at INTEGER NOT NULL,
  phase TEXT NOT NULL CHECK (phase IN ('pending', 'approved', 'closed')),
  -- Open before this instant: the end of waiting or of the grant, the end of time for what must be
  -- settled or attested whatever the clock says; NULL is never again.
  open_until INTEGER,
  until INTEGER,
  max_uses INTEGER,
  unattested INTEGER NOT NULL,
  reserved INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX records_open ON records (person, open_until) WHERE open_until IS NOT NULL;
CREATE INDEX records_all_open ON records (open_until) WHERE open_until IS NOT NULL;
CREATE INDEX records_reserved ON records (asked_at) WHERE reserved > 0;
CREATE INDEX records_asked ON records (asked_at, id);
CREATE INDEX records_person ON records (person, asked_at, id);
CREATE INDEX records_repository ON records (repository, asked_at, id);

CREATE TABLE events (
  id TEXT NOT NULL REFERENCES records (id),
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  body TEXT NOT NULL,
  sum INTEGER NOT NULL,
  PRIMARY KEY (id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE people (
  person TEXT PRIMARY KEY,
  token INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE locks (
  id TEXT PRIMARY KEY,
  until INTEGER,
  body TEXT NOT NULL,
  sum INTEGER NOT NULL,
  lifted_at INTEGER,
  lifted_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX locks_laid ON locks (until) WHERE lifted_at IS NULL;

CREATE TABLE idempotency (
  key TEXT PRIMARY KEY,
  content TEXT NOT NULL,
  id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  due INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (due, id);

-- A second wall behind the program's own checks. Every open reads them, so they are few.

CREATE TRIGGER meta_rises BEFORE UPDATE ON meta WHEN NEW.version < OLD.version
BEGIN SELECT RAISE(ABORT, 'the version only rises'); END;

CREATE TRIGGER events_follow BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT events FROM records WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'an event follows the last one'); END;
CREATE TRIGGER events_count AFTER INSERT ON events
BEGIN UPDATE records SET events = events + 1 WHERE id = NEW.id; END;
CREATE TRIGGER events_stay_as_they_are BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are only added'); END;
CREATE TRIGGER events_stay BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are only added'); END;

CREATE TRIGGER records_stay BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'records are kept'); END;
CREATE TRIGGER records_keep_what_was_agreed BEFORE UPDATE ON records
BEGIN SELECT CASE
  WHEN NEW.id IS NOT OLD.id OR NEW.person IS NOT OLD.person
    OR NEW.repository IS NOT OLD.repository OR NEW.entitlement IS NOT OLD.entitlement
    OR NEW.asked_at IS NOT OLD.asked_at
  THEN RAISE(ABORT, 'what was asked for never changes')
  WHEN NEW.events < OLD.events
  THEN RAISE(ABORT, 'events are only added')
  WHEN OLD.phase = 'closed' AND NEW.phase <> 'closed'
    OR OLD.phase = 'approved' AND NEW.phase = 'pending'
  THEN RAISE(ABORT, 'a closed record never moves')
  WHEN OLD.phase <> 'pending' AND NEW.max_uses IS NOT OLD.max_uses
  THEN RAISE(ABORT, 'approved limits never change')
  WHEN OLD.phase <> 'pending' AND NEW.until IS NOT OLD.until AND NOT EXISTS (
    SELECT 1 FROM events WHERE id = OLD.id AND seq = OLD.events - 1
      AND body ->> '$.event' = 'extension-approved' AND body ->> '$.until' IS NOT NULL)
  THEN RAISE(ABORT, 'approved limits never change')
END; END;

CREATE TRIGGER locks_stay BEFORE DELETE ON locks
BEGIN SELECT RAISE(ABORT, 'locks are kept'); END;
CREATE TRIGGER locks_are_lifted_once BEFORE UPDATE ON locks
WHEN OLD.lifted_at IS NOT NULL OR NEW.id IS NOT OLD.id OR NEW.body IS NOT OLD.body
  OR NEW.until IS NOT OLD.until
BEGIN SELECT RAISE(ABORT, 'a lock is lifted once, and never changes'); END;
