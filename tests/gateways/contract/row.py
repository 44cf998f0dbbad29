"""What a row of the catalog has to bring for the contract suite, and how its row is found.

The row of a kind is `tests/gateways/contract/rows/<kind>.py` with a class `Row`. It starts the
kind's conformance server as a process and plays the customer. A kind without one fails the suite.
"""

import importlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from rizzpay.config import GatewaySettings
from rizzpay.gateways import catalog
from rizzpay.gateways.port import Approved, AuthorizeRequest, Declined
from rizzpay.infra.http_client import HttpClient

KINDS = sorted(catalog.CAPABILITIES)


@dataclass(frozen=True)
class Held:
    """What the gateway itself says of one payment: what it took, and what it gave back."""

    captured: int = 0
    refunded: int = 0


@dataclass(frozen=True)
class Letter:
    """A callback as it came over the wire."""

    headers: dict[str, str]
    body: bytes


class Row(Protocol):
    """One conformance server, and its customer."""

    kind: str
    url: str
    key_id: str
    signature: str  # the header, in small letters
    letters: int  # callbacks about a payment that waited and was paid
    signs_time: bool  # whether a callback that is old or early is refused
    declines: tuple[tuple[str, str], ...]  # how a customer is declined, and our reason
    pending_refund: int  # an amount whose refund is not done at once
    finds_lost: bool  # whether what was made and never told of is found by our id

    def waiting(self, callback_url: str) -> AuthorizeRequest:
        """Return a request that waits for its customer."""
        ...

    def holding(self, callback_url: str) -> AuthorizeRequest:
        """Return a request whose money is held until it is captured."""
        ...

    def pay(self, asked: Any) -> None:
        """Let the customer pay what `authorize` answered with."""
        ...

    def decline(self, connector: Any, how: str, callback_url: str) -> Declined:
        """Make a payment that is declined, and return what we learn of it."""
        ...

    def held(self, request: AuthorizeRequest) -> Held:
        """Ask the server what it did."""
        ...

    def stop(self) -> int:
        """End the server; return its exit status."""
        ...


@dataclass
class Bench:
    """A row with its server running and a receiver of its callbacks."""

    row: Any
    receiver: Any
    http: HttpClient
    directory: Path
    names: dict[str, str] = field(default_factory=dict)

    def connector(self, base_url: str | None = None, **changes: Any) -> Any:
        """Return a connector with what we remember; `secret` replaces the right one."""
        return Remembering(self.plain(base_url, **changes), self.names)

    def plain(self, base_url: str | None = None, **changes: Any) -> Any:
        """Return a connector as the catalog makes it."""
        secret = changes.pop("secret", None)
        values = {
            "kind": self.row.kind,
            "base_url": base_url or self.row.url,
            "livemode": False,
            "key_id": self.row.key_id,
            "secret_file": self.file(secret) if secret else self.row.secret_file,
            "callback_secret_file": self.row.callback_secret_file,
            "checkout_name": "Kirana Store",
            "return_url": "https://shop.example/thanks",
            "answer_timeout_s": 1.0,
            "connect_timeout_s": 1.0,
            **changes,
        }
        settings = GatewaySettings(**values)
        gateways = catalog.build(_Settings({"it": settings}), self.http)
        return gateways.get("it").connector

    def now(self) -> datetime:
        """Return the moment for which a callback is read."""
        return datetime.now(UTC)

    def file(self, text: str) -> str:
        return str(secret_file(self.directory / secrets.token_hex(8), text))

    def letters(self, connector: Any, attempt_id: str, count: int = 1) -> list[Letter]:
        """Return the callbacks about one of our ids, in the order in which they came."""
        return self.receiver.about(connector, attempt_id, count)

    def taken(self, connector: Any) -> tuple[AuthorizeRequest, Approved]:
        """Return a payment that its customer has paid."""
        request = self.row.waiting(self.receiver.url)
        asked = connector.authorize(request)
        self.row.pay(asked)
        return request, self.approved(connector, request)

    def kept_back(self, connector: Any) -> tuple[AuthorizeRequest, Approved]:
        """Return a payment whose money is held; skips the test of a row that holds nothing."""
        self.skip_unless_it_holds()
        request = self.row.holding(self.receiver.url)
        asked = connector.authorize(request)
        if not isinstance(asked, Approved):
            self.row.pay(asked)
        return request, self.approved(connector, request)

    def skip_unless_it_holds(self) -> None:
        if not catalog.CAPABILITIES[self.row.kind].manual_capture:
            pytest.skip(f"{self.row.kind} holds nothing")

    def approved(self, connector: Any, request: AuthorizeRequest) -> Approved:
        outcome = connector.enquire(request.attempt_id)
        assert isinstance(outcome, Approved), outcome
        return outcome


class Remembering:
    """A connector and what our store remembers for it: what the gateway called each attempt."""

    def __init__(self, connector: Any, names: dict[str, str]) -> None:
        self._connector = connector
        self._names = names

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def authorize(self, request: AuthorizeRequest) -> Any:
        return self._noted(request.attempt_id, self._connector.authorize(request))

    def enquire(self, attempt_id: str, *, about: Any = None) -> Any:
        if about is not None:
            return self._connector.enquire(attempt_id, about=about)
        name = self._names.get(attempt_id)
        return self._noted(attempt_id, self._connector.enquire(attempt_id, reference=name))

    def _noted(self, attempt_id: str, outcome: Any) -> Any:
        if name := getattr(outcome, "gateway_reference", None):
            self._names[attempt_id] = name
        return outcome


class _Settings:
    """The part of the configuration that the catalog reads."""

    def __init__(self, gateways: dict[str, GatewaySettings]) -> None:
        self.gateways = gateways


def secret_file(path: Path, text: str) -> Path:
    """Write a secret that only we can read."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def row_of(kind: str, directory: Path, callback_url: str) -> Any:
    """Start the row of a kind; ModuleNotFoundError when it has none."""
    return importlib.import_module(f"tests.gateways.contract.rows.{kind}").Row(
        directory, callback_url
    )
