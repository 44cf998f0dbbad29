"""Callbacks of gateways: verified and stored before they are told 200; the worker applies them."""

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


class CallbacksResource:
    """The inbox, one address a gateway."""

    def __init__(self, database: Database, envelope: Envelope, gateways: Gateways) -> None:
        """Keep where callbacks go and who can read them."""
        self._database = database
        self._envelope = envelope
        self._gateways = gateways

    def on_post(self, req: ApiRequest, resp: falcon.Response, gateway: str) -> None:
        """Keep a callback once; a second copy of it is told 200 as well."""
        if gateway not in self._gateways:
            raise Refused("not_found")
        body = bodies.read(req)
        headers = {
            name.lower(): value
            for name, value in req.headers.items()
            if name.lower() not in NOT_KEPT
        }
        now = clock.now()
        connector = self._gateways.get(gateway).connector
        try:
            callback = connector.read_callback(headers, body, now)
        except BadCallback as error:
            log.get(__name__).warning("callback.rejected", gateway=gateway, reason=str(error))
            raise Refused("callback_rejected") from None
        event_id = callback.provider_event_id
        sealed = inbound.seal(self._envelope, gateway, event_id, headers, body)
        with self._database.transaction() as conn:
            inbound.store_callback(conn, gateway, event_id, sealed, now)
        send(resp, 200, ReceivedObject())
