-- Every open reads the schema, and every use of a grant moves a record: less of both. What nothing
-- asks for goes (the events say it), and events are counted by the statement that tells what they
-- made of the record.

DROP TRIGGER events_count;
DROP TRIGGER records_keep_what_was_agreed;
-- What has a use put aside is open for good: `records_all_open` finds it.
DROP INDEX records_reserved;
ALTER TABLE records DROP COLUMN phase;
ALTER TABLE records DROP COLUMN until;
ALTER TABLE records DROP COLUMN max_uses;
ALTER TABLE records DROP COLUMN unattested;

CREATE TRIGGER records_follow BEFORE UPDATE ON records
WHEN NEW.events IS NOT OLD.events + 1 OR NEW.id IS NOT OLD.id OR NEW.person IS NOT OLD.person
  OR NEW.repository IS NOT OLD.repository OR NEW.entitlement IS NOT OLD.entitlement
  OR NEW.asked_at IS NOT OLD.asked_at
BEGIN SELECT RAISE(ABORT, 'a record moves with its next event, and what was asked for never'); END;
