"""A place to receive webhooks while developing: records whatever comes, answers as it is told.

Unsigned and open to whoever reaches the port: for a developer's machine, not for secrets.
"""

import base64
import re
from typing import Any

import falcon
import gevent
import msgspec

from rizzpay.core import clock
from rizzpay.sandbox import records
from rizzpay.sandbox.door import answer, read_body
from rizzpay.sandbox.records import Records
from rizzpay.sandbox.wire import Refused

BODY_MAX_BYTES = 262_144
KEPT_MAX = 10_000  # webhooks over all inboxes; the oldest are dropped
PAGE_MAX = 1000
DELAY_MAX_MS = 60_000
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Inbox:
    """POST, GET and DELETE /inbox/{name}."""

    def __init__(self, kept: Records) -> None:
        """Take the open records."""
        self._kept = kept

    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Record a webhook, then answer with ?status= after ?delay_ms=."""
        status = req.get_param_as_int("status", min_value=200, max_value=599, default=200)
        delay_ms = req.get_param_as_int("delay_ms", min_value=0, max_value=DELAY_MAX_MS, default=0)
        webhook = {
            "name": _checked(name),
            "at_ms": int(clock.now().timestamp() * 1000),
            "status": status,
            "headers": msgspec.json.encode({k.lower(): v for k, v in req.headers.items()}),
            "body": read_body(req, BODY_MAX_BYTES),
        }
        with self._kept.change():
            seq = self._kept.rows(records.ADD_INBOX, webhook)[0]["seq"]
            self._kept.run(records.SHRINK_INBOX, {"seq": seq - KEPT_MAX})
        if delay_ms:
            gevent.sleep(delay_ms / 1000)
        answer(resp, {"seq": seq}, status)

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """List webhooks with `seq` greater than ?after=, oldest first."""
        limit = req.get_param_as_int("limit", min_value=1, max_value=PAGE_MAX, default=PAGE_MAX)
        after = req.get_param_as_int("after", min_value=0, default=0)
        values = {"name": _checked(name), "after": after, "limit": limit + 1}
        rows = self._kept.rows(records.PAGE_INBOX, values)
        data = [_view(row) for row in rows[:limit]]
        answer(resp, {"data": data, "has_more": len(rows) > limit})

    def on_delete(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Forget the webhooks of this inbox."""
        del req
        self._kept.run(records.CLEAR_INBOX, {"name": _checked(name)})
        resp.status = falcon.HTTP_204


def _view(row: Any) -> dict[str, Any]:
    body: bytes = row["body"]
    return {
        "seq": row["seq"],
        "received_at_ms": row["at_ms"],
        "answered": row["status"],
        "headers": msgspec.json.decode(row["headers"]),
        "body": body.decode(errors="replace"),
        "body_base64": base64.b64encode(body).decode(),
    }


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Refused(422, "invalid", "An inbox name has 1 to 64 letters, digits, - and _.")
    return name
