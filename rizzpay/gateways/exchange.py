"""One exchange with a gateway, for all connectors: from a request to an answer, or to an outcome.

Knows no gateway. What a connector never does is in this room as well: raising for a network fault,
believing a body that is not what was documented, and taking an enquiry that failed for news.
"""

from typing import TypeVar

import msgspec

from rizzpay.config import GatewaySettings
from rizzpay.gateways.declines import declined
from rizzpay.gateways.port import Declined, NotSent, Outcome, Unknown
from rizzpay.infra import http_client
from rizzpay.infra.http_client import HttpClient, HttpRequest, HttpResponse

OKAY = frozenset({200, 201})
TOO_MANY = 429
WRONG_KEYS = frozenset({401, 403})

Entity = TypeVar("Entity")


class Exchange:
    """Sends the requests of one configured gateway."""

    def __init__(self, http: HttpClient, settings: GatewaySettings) -> None:
        """Keep client and deadlines; nothing is connected before the first request."""
        self._http = http
        self._settings = settings

    def ask(self, request: HttpRequest) -> HttpResponse | NotSent | Unknown:
        """Send a request once and return the whole answer, or what is to be thought without it."""
        try:
            return self._http.send(
                request,
                connect_timeout_s=self._settings.connect_timeout_s,
                answer_timeout_s=self._settings.answer_timeout_s,
            )
        except http_client.NotSent as error:
            return NotSent(str(error))
        except http_client.NoAnswer as error:
            return Unknown(str(error))


def decoded(response: HttpResponse, kind: type[Entity]) -> Entity | None:
    """Return the JSON body as a type; None when it is not one."""
    try:
        return msgspec.json.decode(response.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def refused(response: HttpResponse) -> Declined | NotSent | Unknown:
    """Return what an answer other than 2xx means for any request, by its status alone."""
    if response.status in WRONG_KEYS:
        return declined("gateway_rejected_credentials", f"http_{response.status}")
    if response.status == TOO_MANY:
        return NotSent("the gateway takes no more requests just now")
    return Unknown(f"HTTP {response.status}")


def told(outcome: Outcome) -> Outcome:
    """An enquiry that did not get through, or may not be made, is no news about the request."""
    if isinstance(outcome, NotSent):
        return Unknown(f"the enquiry failed: {outcome.detail}")
    if isinstance(outcome, Declined) and outcome.reason == "gateway_rejected_credentials":
        return Unknown("the enquiry failed: the gateway rejects our credentials")
    return outcome
