-- 0014 room_to_mark
-- why:   a callback is marked once, milliseconds after it came; in a full page the marked row went
--        to another one and into both indexes again, beside it it goes into none
-- locks: SHARE UPDATE EXCLUSIVE on gateway_callbacks for a moment; pages that are full stay so
-- time:  milliseconds
-- proof: sql/checks/0014_room_to_mark.sql

ALTER TABLE rizzpay.gateway_callbacks SET (fillfactor = 50);
