-- 0008 events_as_text
-- why:   an event's data is written by every payment and read back whole, never searched: as json
--        PostgreSQL checks it and keeps the text, as jsonb it took it apart (7 of 20 us an event)
-- locks: ACCESS EXCLUSIVE on events while it is rewritten
-- time:  milliseconds for a new installation; it rewrites the table, about 1 s for 300,000 events
-- proof: sql/checks/0008_events_as_text.sql

ALTER TABLE rizzpay.events ALTER COLUMN data TYPE json USING data::json;
