"""Signed callbacks: written with the change that they tell of, sent until they are taken.

A letter that was written survives a restart. It is sent at least once; a receiver knows a repeat by
its id. Sending is done in native threads, so that a slow receiver holds up nobody.
"""

import hashlib
import hmac
import http.client
import ipaddress
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import msgspec
from gevent.pool import Pool
from gevent.threadpool import ThreadPool

from rizzpay.core import clock, ids
from rizzpay.sandbox import records
from rizzpay.sandbox.records import Records
from rizzpay.sandbox.settings import Settings
from rizzpay.sandbox.wire import Refused, Result, plain

SENDERS = 16
TIMEOUT_S = 5
LEASE_MS = 60_000  # longer than any sending takes, so that no letter is sent twice at a time
# Seconds before each further try; then it is given up. Short: a sandbox is for developers.
BACKOFF_S = (1, 2, 4, 8, 15, 30, 60, 120, 300, 600)
ANSWER_MAX_BYTES = 65_536


class Letters:
    """Writes and sends the callbacks of one sandbox."""

    def __init__(self, kept: Records, settings: Settings, wake: Callable[[], None]) -> None:
        """Take the open records; `wake` is called when a sender has become free."""
        self._kept = kept
        self._wake = wake
        self._settings = settings
        self._senders = ThreadPool(SENDERS)
        self._sending = Pool(SENDERS)
        self._post = Post(settings.callback_ca_file)
        # What a crashed sandbox was sending, or was waiting to send, is due now.
        kept.run(records.RELEASE_CALLBACKS, {"at_ms": 0})

    def check_url(self, url: str) -> None:
        """Refuse a callback address that the operator has not opened."""
        allowed = self._settings.callback_url_prefixes
        if not (any(_begins(url, prefix) for prefix in allowed) if allowed else _loopback(url)):
            raise Refused(422, "invalid", "callback_url is not one that this sandbox may call.")

    def write(self, url: str, result: Result, copies: int, now: datetime) -> None:
        """Put `copies` of the same callback in the post; takes part in the caller's transaction."""
        body = msgspec.json.encode(
            {
                "type": f"{result.kind}.{result.status}",
                "created": clock.unix_s(now),
                "result": plain(result),
            }
        )
        letter = {
            "event_id": f"evt_{ids.ulid(now)}",
            "url": url,
            "body": body,
            "at_ms": int(now.timestamp() * 1000),
        }
        for _ in range(copies):
            self._kept.run(records.ADD_CALLBACK, letter)

    def run_due(self, now: datetime) -> int | None:
        """Begin to send what is due; return when the next is, in Unix milliseconds."""
        now_ms = int(now.timestamp() * 1000)
        free = self._sending.free_count()
        values = {"now_ms": now_ms, "limit": free}
        for row in self._kept.rows(records.PAGE_CALLBACKS, values) if free else ():
            lease = {"number": row["number"], "at_ms": now_ms + LEASE_MS}
            self._kept.run(records.SET_CALLBACK, lease)
            letter = Letter(
                row["number"], row["event_id"], row["url"], row["body"], row["tries"] + 1
            )
            self._sending.spawn(self._send, letter)
        if not self._sending.free_count():
            return None  # a sender that gets free wakes the loop
        following = self._kept.rows(records.NEXT_CALLBACK)[0][0]
        return None if following is None else int(following)

    def _send(self, letter: "Letter") -> None:
        taken = self._senders.apply(self._post.send, (letter, self._sign(letter)))
        if taken:
            self._kept.run(records.REMOVE_CALLBACK, {"number": letter.number})
        else:
            left = BACKOFF_S[letter.tries - 1 : letter.tries]
            at_ms = int(clock.now().timestamp() * 1000) + left[0] * 1000 if left else None
            self._kept.run(records.DELAY_CALLBACK, {"number": letter.number, "at_ms": at_ms})
        self._wake()

    def _sign(self, letter: "Letter") -> dict[str, str]:
        timestamp = str(clock.unix_s(clock.now()))
        message = f"{letter.event_id}.{timestamp}.".encode() + letter.body
        secret = self._settings.callback_secret.reveal().encode()
        return {
            "Content-Type": "application/json",
            "X-Sandbox-Id": letter.event_id,
            "X-Sandbox-Timestamp": timestamp,
            "X-Sandbox-Signature": hmac.new(secret, message, hashlib.sha256).hexdigest(),
        }


@dataclass(frozen=True, slots=True)
class Letter:
    """One copy of a callback; `tries` counts this try."""

    number: int
    event_id: str
    url: str
    body: bytes
    tries: int


class Post:
    """Sends from native threads; each thread keeps one connection for each receiver."""

    def __init__(self, ca_file: str | None) -> None:
        """`ca_file` is trusted beside the system's authorities."""
        self._context = ssl.create_default_context()
        if ca_file:
            self._context.load_verify_locations(ca_file)
        self._kept = threading.local()

    def send(self, letter: Letter, headers: Mapping[str, str]) -> bool:
        """Tell whether the receiver took it with a 2xx."""
        parts = urlsplit(letter.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        connections = self._kept.__dict__
        fresh = origin not in connections
        connection = connections.pop(origin, None) or self._connect(parts.scheme, parts.netloc)
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        try:
            connection.request("POST", path, letter.body, dict(headers))
            answer = connection.getresponse()
            whole = len(answer.read(ANSWER_MAX_BYTES)) < ANSWER_MAX_BYTES
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            return False if fresh else self.send(letter, headers)
        if whole:
            connections[origin] = connection
        else:
            connection.close()
        return answer.status // 100 == 2  # noqa: PLR2004

    def _connect(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        if scheme == "https":
            return http.client.HTTPSConnection(netloc, timeout=TIMEOUT_S, context=self._context)
        return http.client.HTTPConnection(netloc, timeout=TIMEOUT_S)


def _begins(url: str, prefix: str) -> bool:
    rest = url.removeprefix(prefix)
    return url.startswith(prefix) and (not rest or prefix.endswith("/") or rest[0] in "/?")


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
