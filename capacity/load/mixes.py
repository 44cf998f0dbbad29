"""Which bytes are sent: the mixes. A mix has steps; the last but `counted` ones may only prepare.

create    POST /v1/payments, UPI intent -> 201; counted when acknowledged
collect   create, then the acquirer's signed callback as docs/sandbox.md describes it; counted when
          the payment is captured in the database
refund    a card payment that the sandbox acquirer approves, then its refund
read      GET of payments that were made before

Whatever can be made beforehand is: a request is one formatting of bytes.
"""

import base64
import hmac
import time
from collections.abc import Sequence
from typing import Protocol

from capacity.errors import WrongUse
from capacity.installation import Shop
from capacity.load.line import Line

CREATED, OK = 201, 200
NAMES = ("create", "collect", "refund", "read")
# Key numbers have 12 digits and amounts 5, so that every request has the same length. Amounts are
# whole rupees: other endings have a meaning for the sandbox acquirer.
UPI = b'{"amount":%d00,"currency":"INR","method":{"type":"upi","flow":"intent"}}'
CARD = b'{"amount":%d00,"currency":"INR","method":{"type":"card","token":"tok_approve"}}'
REFUND = b'{"payment_id":"%b","amount":100}'
PAYMENT_ID_BYTES = 30  # pay_ and a ULID
RUPEES_MIN, RUPEES_RANGE = 100, 900


class Acknowledged:
    """What was answered with success: who, which idempotency key, which payment."""

    __slots__ = ("captures", "payments", "refunds", "refused")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.payments: list[tuple[int, int, bytes]] = []  # merchant, key number, payment id
        self.captures: list[bytes] = []  # payments whose callback was taken in
        self.refunds: list[bytes] = []  # payments that have a refund
        self.refused = 0  # payments answered otherwise, which may be written all the same


class Mix(Protocol):
    """Makes requests and reads answers; `steps` are their names, the last is what counts."""

    steps: tuple[str, ...]
    acknowledged: Acknowledged

    def begin(self, line: Line) -> bytes:
        """Return the first request for the merchant and number that `line` has."""

    def go_on(self, line: Line) -> bytes | None:
        """Read the answer in `line`; return the next request, or None when this one is done."""

    def is_good(self, line: Line) -> bool:
        """Tell whether the answer in `line` is a success of its step."""


class Wording:
    """What all requests of a run share: address, merchants, and the begin of its keys."""

    def __init__(self, authority: str, shops: Sequence[Shop], run: str) -> None:
        """Make the heads; `run` tells this run's idempotency keys from all others."""
        self.authority, self.shops, self.run = authority, shops, run
        self._authorizations = [
            base64.b64encode(f"{one.key_id}:{one.key_secret}".encode()).decode() for one in shops
        ]

    def posts(self, path: str, length: int, key: str = "") -> list[bytes]:
        """Return for each merchant the head of a POST up to the number of its key."""
        return [
            (
                f"POST {path} HTTP/1.1\r\nHost: {self.authority}\r\nAuthorization: Basic {one}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
                f"Idempotency-Key: {self.run}{key}"
            ).encode()
            for one in self._authorizations
        ]

    def get_ends(self) -> list[bytes]:
        """Return for each merchant what follows the path of a GET."""
        return [
            f" HTTP/1.1\r\nHost: {self.authority}\r\nAuthorization: Basic {one}\r\n\r\n".encode()
            for one in self._authorizations
        ]

    def key(self, number: int) -> str:
        """Return the idempotency key of a payment."""
        return f"{self.run}{number:012d}"


class Create:
    """One payment."""

    def __init__(self, wording: Wording, body: bytes = UPI) -> None:
        """Make the heads."""
        self.steps: tuple[str, ...] = ("create",)
        self.acknowledged = Acknowledged()
        self._heads = wording.posts("/v1/payments", len(body % RUPEES_MIN))
        self._tail = b"%b%012d\r\n\r\n" + body

    def begin(self, line: Line) -> bytes:
        """Return the creation of a payment."""
        number = line.number
        rupees = RUPEES_MIN + number % RUPEES_RANGE
        return self._tail % (self._heads[line.merchant], number, rupees)

    def go_on(self, line: Line) -> bytes | None:
        """Note the payment."""
        if line.status == CREATED:
            self.note(line)
        else:
            self.acknowledged.refused += 1
        return None

    def note(self, line: Line) -> bytes:
        """Keep what was acknowledged; return the payment's id."""
        body = line.body
        at = body.find(b'"pay_') + 1
        found = body[at : body.find(b'"', at)]
        self.acknowledged.payments.append((line.merchant, line.number, found))
        return found

    def is_good(self, line: Line) -> bool:
        """Tell whether it was created."""
        return line.status == CREATED


class Collect(Create):
    """A payment by UPI, and the callback that says that the customer paid."""

    def __init__(self, wording: Wording, gateway: str, secret: str) -> None:
        """`secret` signs the callbacks of `gateway`."""
        super().__init__(wording)
        self.steps = ("create", "callback")
        self._secret = secret.encode()
        self._run = wording.run.encode()
        # RRNs are unique for ever. 12 digits: six of the second of the start, six that count on
        # from there, so that a run which begins later stays ahead of this one for eleven days.
        self._rrn = int(time.time()) % 10**6 * 10**6
        self._head = (
            f"POST /webhooks/{gateway} HTTP/1.1\r\nHost: {wording.authority}\r\n"
            "Content-Type: application/json\r\n"
        ).encode() + b"Content-Length: %d\r\nX-Sandbox-Id: %b\r\nX-Sandbox-Timestamp: %d\r\n"

    def go_on(self, line: Line) -> bytes | None:
        """Let the customer pay; note the payment as paid when the callback was taken in."""
        if line.step == 1:
            if line.status == OK:
                self.acknowledged.captures.append(line.note)
            return None
        if line.status != CREATED:
            self.acknowledged.refused += 1
            return None
        line.note = self.note(line)
        return self._callback(line)

    def is_good(self, line: Line) -> bool:
        """Tell whether the payment was created, or the callback taken in."""
        return line.status == (OK if line.step else CREATED)

    def _callback(self, line: Line) -> bytes:
        body = line.body
        at = body.find(b"tr=") + 3
        reference = body[at : body.find(b"&", at)]
        now = int(time.time())
        content = (
            b'{"type":"charge.approved","created":%d,"result":{"attempt_id":"att_%b",'
            b'"kind":"charge","status":"approved","reference":"%b","amount":%d00,'
            b'"currency":"INR","captured":true,"rrn":"%012d"}}'
        ) % (
            *(now, reference[3:], reference, RUPEES_MIN + line.number % RUPEES_RANGE),
            (self._rrn + line.number) % 10**12,
        )
        event = b"%b%012d" % (self._run, line.number)
        signed = hmac.digest(self._secret, b"%b.%d.%b" % (event, now, content), "sha256").hex()
        return (self._head % (len(content), event, now)) + (
            b"X-Sandbox-Signature: %b\r\n\r\n%b" % (signed.encode(), content)
        )


class Refund(Create):
    """A card payment that is approved at once, and a refund of a part of it."""

    def __init__(self, wording: Wording) -> None:
        """Make the heads."""
        super().__init__(wording, CARD)
        self.steps = ("create", "refund")
        length = len(REFUND % (b"-" * PAYMENT_ID_BYTES))
        self._refunds = wording.posts("/v1/refunds", length, "r")
        self._end = b"%b%012d\r\n\r\n" + REFUND

    def go_on(self, line: Line) -> bytes | None:
        """Refund what was paid."""
        if line.step == 1:
            if line.status == CREATED:
                self.acknowledged.refunds.append(line.note)
            return None
        if line.status != CREATED:
            self.acknowledged.refused += 1
            return None
        line.note = self.note(line)
        return self._end % (self._refunds[line.merchant], line.number, line.note)


class Read:
    """Payments that exist; `known` are (merchant, key number, id)."""

    def __init__(self, wording: Wording, known: Sequence[tuple[int, int, bytes]]) -> None:
        """Make one request for each."""
        if not known:
            raise WrongUse("the mix `read` found no payment that it could read")
        self.steps: tuple[str, ...] = ("read",)
        self.acknowledged = Acknowledged()
        ends = wording.get_ends()
        begin = b"GET /v1/payments/"
        self._requests = [begin + payment + ends[merchant] for merchant, _, payment in known]

    def begin(self, line: Line) -> bytes:
        """Return the next of them."""
        return self._requests[line.number % len(self._requests)]

    def go_on(self, line: Line) -> bytes | None:
        """Nothing follows."""
        del line
        return None

    def is_good(self, line: Line) -> bool:
        """Tell whether it was found."""
        return line.status == OK
