-- A use that is put aside moves no limit: what guards limits is not looked at then, and the events
-- of a record are counted by the same statement that tells what they made of it.

DROP TRIGGER events_count;
DROP TRIGGER records_keep_what_was_agreed;
-- What has a use put aside is open for good: `records_all_open` finds it.
DROP INDEX records_reserved;

CREATE TRIGGER records_count BEFORE UPDATE OF events ON records WHEN NEW.events <> OLD.events + 1
BEGIN SELECT RAISE(ABORT, 'events are only added'); END;

CREATE TRIGGER records_keep_what_was_agreed BEFORE UPDATE OF
  id, person, repository, entitlement, asked_at, phase, until, max_uses ON records
BEGIN SELECT CASE
  WHEN NEW.id IS NOT OLD.id OR NEW.person IS NOT OLD.person
    OR NEW.repository IS NOT OLD.repository OR NEW.entitlement IS NOT OLD.entitlement
    OR NEW.asked_at IS NOT OLD.asked_at
  THEN RAISE(ABORT, 'what was asked for never changes')
  WHEN OLD.phase = 'closed' AND NEW.phase <> 'closed'
    OR OLD.phase = 'approved' AND NEW.phase = 'pending'
  THEN RAISE(ABORT, 'a closed record never moves')
  WHEN OLD.phase <> 'pending' AND NEW.max_uses IS NOT OLD.max_uses
  THEN RAISE(ABORT, 'approved limits never change')
  WHEN OLD.phase <> 'pending' AND NEW.until IS NOT OLD.until AND NOT EXISTS (
    SELECT 1 FROM events WHERE id = OLD.id AND seq = OLD.events
      AND body ->> '$.event' = 'extension-approved' AND body ->> '$.until' IS NOT NULL)
  THEN RAISE(ABORT, 'approved limits never change')
END; END;
