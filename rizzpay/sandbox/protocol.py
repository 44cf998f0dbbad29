"""The signed routes under /v1."""

from typing import Any

import falcon
import gevent

from rizzpay.core import clock
from rizzpay.sandbox import records
from rizzpay.sandbox.acquirer import Acquirer
from rizzpay.sandbox.door import Door, answer
from rizzpay.sandbox.magic import Transport
from rizzpay.sandbox.records import Records
from rizzpay.sandbox.settings import Settings
from rizzpay.sandbox.silence import keep_silent
from rizzpay.sandbox.wire import CaptureIn, ChargeIn, EnquiryIn, RefundIn, Refused, VoidIn, parse

PAGE_MAX = 1000


class Operations:
    """POST of one kind: a charge, a capture, a void or a refund."""

    def __init__(
        self,
        parts: tuple[Acquirer, Door, Settings],
        kind: type[ChargeIn] | type[CaptureIn] | type[VoidIn] | type[RefundIn],
    ) -> None:
        """Take the parts, and the type of the body."""
        self._acquirer, self._door, self._settings = parts
        self._kind = kind

    def on_post(self, req: falcon.Request, resp: falcon.Response, reference: str = "") -> None:
        """Do it; answer, answer late, fail, or never answer, as the magic tables say."""
        operation = parse(self._door.read(req), self._kind)
        if isinstance(operation, RefundIn):
            reference = operation.reference
        transport = self._acquirer.transport(operation, reference)
        delay_ms = self._settings.latency_ms
        if transport is Transport.SLOW:
            delay_ms += self._settings.slow_ms
        if delay_ms:
            gevent.sleep(delay_ms / 1000)
        if transport is Transport.REFUSED:
            raise Refused(429, "too_many_requests", "Made to refuse by a magic value.")
        if transport is Transport.DROPPED:
            keep_silent(req, self._settings.hang_s)
            return
        result, transport = self._acquirer.perform(operation, reference, clock.now())
        if transport is Transport.LOST:
            keep_silent(req, self._settings.hang_s)
        elif transport is Transport.BROKEN:
            answer(resp, {"error": "internal", "detail": "Made to fail by a magic value."}, 500)
        else:
            answer(resp, result)


class Enquiries:
    """POST /v1/enquiries."""

    def __init__(self, acquirer: Acquirer, door: Door) -> None:
        """Take the parts."""
        self._acquirer = acquirer
        self._door = door

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say what became of an id, or close it."""
        asked = parse(self._door.read(req), EnquiryIn)
        result = self._acquirer.enquire(asked.attempt_id, clock.now(), keep_open=asked.keep_open)
        answer(resp, result)


class Attempts:
    """GET /v1/attempts/{attempt_id}."""

    def __init__(self, acquirer: Acquirer, door: Door) -> None:
        """Take the parts."""
        self._acquirer = acquirer
        self._door = door

    def on_get(self, req: falcon.Request, resp: falcon.Response, attempt_id: str) -> None:
        """Say what became of an id; changes nothing."""
        self._door.read(req)
        answer(resp, self._acquirer.look(attempt_id))


class Ledger:
    """GET /v1/ledger: everything that really happened, in order."""

    def __init__(self, kept: Records, door: Door) -> None:
        """Take the parts."""
        self._kept = kept
        self._door = door

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List rows with `seq` greater than `after`."""
        self._door.read(req)
        limit = req.get_param_as_int("limit", min_value=1, max_value=PAGE_MAX, default=PAGE_MAX)
        after = req.get_param_as_int("after", min_value=0, default=0)
        rows = self._kept.rows(records.PAGE_LEDGER, {"after": after, "limit": limit + 1})
        answer(resp, {"data": [dict(row) for row in rows[:limit]], "has_more": len(rows) > limit})


class Summary:
    """GET /v1/ledger/summary."""

    def __init__(self, kept: Records, door: Door) -> None:
        """Take the parts."""
        self._kept = kept
        self._door = door

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Add the ledger up; count attempts, and callbacks that wait or were given up."""
        self._door.read(req)
        waiting, given_up = self._kept.rows(records.COUNT_CALLBACKS)[0]
        value: dict[str, Any] = {
            "ledger": [dict(row) for row in self._kept.rows(records.SUM_LEDGER)],
            "attempts": [dict(row) for row in self._kept.rows(records.SUM_ATTEMPTS)],
            "callbacks": {"waiting": waiting, "given_up": given_up},
        }
        answer(resp, value)
