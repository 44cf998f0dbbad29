"""Callbacks of gateways: verified and stored before they are told 200; the worker applies them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import falcon

from rizzpay.api import bodies
from rizzpay.api.answers import send
from rizzpay.api.facts import ApiRequest
from rizzpay.api.objects import ReceivedObject
from rizzpay.core import clock
from rizzpay.core.errors import Refused
from rizzpay.gateways.catalog import Gateways
from rizzpay.gateways.port import BadCallback
from rizzpay.infra import log
from rizzpay.infra.database import Database
from rizzpay.infra.envelope import Envelope
from rizzpay.webhooks import inbound

NOT_KEPT = frozenset({"authorization", "cookie"})  # headers that no connector needs later
NAMES_MAX = 256  # of headers, remembered with their spelling


class CallbacksResource:
    """The inbox, one address a gateway."""

    def __init__(self, database: Database, envelope: Envelope, gateways: Gateways) -> None:
        """Keep where callbacks go and who can read them."""
        self._inbox = inbound.Inbox(database)
        self._envelope = envelope
        self._gateways = gateways

    def on_post(self, req: ApiRequest, resp: falcon.Response, gateway: str) -> None:
        """Keep a callback once; a second copy of it is told 200 as well."""
        if gateway not in self._gateways:
            raise Refused("not_found")
        body = bodies.read(req)
        headers = _headers(req.env)
        now = clock.now()
        connector = self._gateways.get(gateway).connector
        try:
            callback = connector.read_callback(headers, body, now)
        except BadCallback as error:
            log.get(__name__).warning("callback.rejected", gateway=gateway, reason=str(error))
            raise Refused("callback_rejected") from None
        event_id = callback.provider_event_id
        sealed = inbound.seal(self._envelope, gateway, event_id, headers, body)
        self._inbox.keep(inbound.Arrived(gateway, event_id, sealed, now))
        send(resp, 200, ReceivedObject())


def _headers(env: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a request under lower-case names, without those that are not kept."""
    found = {}
    for key, value in env.items():
        name = _name(key)
        if name:
            found[name] = value
    return found


@lru_cache(NAMES_MAX)
def _name(key: str) -> str:
    """Return the header that a key of the WSGI environment holds; empty for what is none."""
    if key in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        name = key
    elif key.startswith("HTTP_"):
        name = key.removeprefix("HTTP_")
    else:
        return ""
    name = name.replace("_", "-").lower()
    return "" if name in NOT_KEPT else name
