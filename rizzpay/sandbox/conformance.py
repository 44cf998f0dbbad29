"""What every conformance server has: its settings, its start, and a courier for its webhooks.

A conformance server speaks the public wire format of one gateway. It keeps its books in memory, so
they end with the process, and it shares no code with the connector that it tests.
"""

from collections.abc import Callable
from dataclasses import dataclass

import gevent
from gevent.threadpool import ThreadPool

from rizzpay.core import clock
from rizzpay.core.secret import Secret
from rizzpay.sandbox.letters import Letter, Post
from rizzpay.sandbox.running import App, listen, run

BACKOFF_S = (0.1, 0.3, 1.0, 3.0)  # the vendors try for hours and days; this is for tests
SENDERS = 4
BODY_MAX_BYTES = 65_536
PENDING_S = 0.3  # how long a refund takes that is not done at once
PENDING = {2: True, 3: False}  # whether such a refund succeeds, by the last two digits


@dataclass(frozen=True, slots=True)
class Settings:
    """How one conformance server is set up; the command line fills it in."""

    host: str
    port: int
    key_id: str
    secret: Secret[str]
    webhook_secret: Secret[str]
    webhook_url: str


class Courier:
    """Brings webhooks in the background, at least once, to the one address of an account."""

    def __init__(self, url: str) -> None:
        """`url` may be empty: then nobody is told."""
        self._url = url
        self._post = Post(None)
        self._senders = ThreadPool(SENDERS)

    def bring(self, number: str, headers: dict[str, str], body: bytes) -> None:
        """Send a signed body; `number` names it in the log."""
        if self._url:
            gevent.spawn(self._send, number, headers, body)

    def _send(self, number: str, headers: dict[str, str], body: bytes) -> None:
        for tries, wait_s in enumerate((0.0, *BACKOFF_S)):
            gevent.sleep(wait_s)
            letter = Letter(0, number, self._url, body, tries + 1)
            if self._senders.apply(self._post.send, (letter, headers)):
                return


def serve(
    settings: Settings, create_app: Callable[[Settings], App], ready: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the URL. Raises Misconfigured at the start."""
    listener, address = listen(settings.host, settings.port)
    run(listener, create_app(settings), lambda: ready(address))


def now_s() -> int:
    """Return the time as vendors write it: Unix seconds."""
    return clock.unix_s(clock.now())
