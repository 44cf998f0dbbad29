"""The gateways of this installation: what each kind can do, and the configured ones of each kind.

The only place that knows which connector serves which kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from rizzpay.config import Config, GatewaySettings, read_secret
from rizzpay.core.errors import Misconfigured
from rizzpay.core.secret import Secret
from rizzpay.gateways import routing, upi_links
from rizzpay.gateways.cashfree.connector import CashfreeGateway
from rizzpay.gateways.port import Callbacks, CaptureMethod, Charges, Invites
from rizzpay.gateways.razorpay.connector import RazorpayGateway
from rizzpay.gateways.routing import NoRoute, Route
from rizzpay.gateways.sandbox.connector import Keys, SandboxGateway
from rizzpay.gateways.signing import CallbackSecrets
from rizzpay.gateways.stripe.connector import StripeGateway
from rizzpay.gateways.upi_links import Signing
from rizzpay.infra.http_client import HttpClient
from rizzpay.upi.model import Payee

# Type of the method, currency, livemode, when it is captured: what a payment's route depends on.
Question = tuple[str, str, bool, CaptureMethod]


class Connector(Charges, Callbacks, Protocol):
    """What every kind of today can do."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What a kind of gateway can do, by the API's method types.

    `card` is a card by its token, `card_page` one that the gateway's own page asks for.
    """

    methods: frozenset[str]
    currencies: frozenset[str]
    manual_capture: frozenset[str]
    partial_capture: bool
    multiple_captures: bool
    voids: bool
    refunds: bool
    partial_refunds: bool
    own_upi_links: bool  # its customers can pay by links that we make


CAPABILITIES: Mapping[str, Capability] = {
    "sandbox": Capability(
        methods=frozenset({"card", "upi", "netbanking", "wallet", "bank_transfer"}),
        currencies=frozenset({"INR"}),
        manual_capture=frozenset({"card"}),
        partial_capture=True,
        multiple_captures=True,
        voids=True,
        refunds=True,
        partial_refunds=True,
        own_upi_links=True,
    ),
    # Its hosted checkout takes all of them, and every one can wait to be captured, whole and once;
    # the API lets only cards wait. What is not captured is given back by itself, not when we ask.
    "razorpay": Capability(
        methods=frozenset({"card_page", "upi", "netbanking", "wallet"}),
        currencies=frozenset({"INR"}),
        manual_capture=frozenset({"card_page"}),
        partial_capture=False,
        multiple_captures=False,
        voids=False,
        refunds=True,
        partial_refunds=True,
        own_upi_links=False,
    ),
    # Its page takes what the order names. An account with pre-authorization is not served.
    "cashfree": Capability(
        methods=frozenset({"card_page", "upi", "netbanking", "wallet"}),
        currencies=frozenset({"INR"}),
        manual_capture=frozenset(),
        partial_capture=False,
        multiple_captures=False,
        voids=False,
        refunds=True,
        partial_refunds=True,
        own_upi_links=False,
    ),
    # Its hosted Checkout asks for the card. What a capture leaves is released at once.
    "stripe": Capability(
        methods=frozenset({"card_page"}),
        currencies=frozenset({"INR"}),
        manual_capture=frozenset({"card_page"}),
        partial_capture=True,
        multiple_captures=False,
        voids=True,
        refunds=True,
        partial_refunds=True,
        own_upi_links=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Gateway:
    """One configured gateway."""

    name: str
    connector: Connector
    settings: GatewaySettings
    capability: Capability
    invites: Invites | None = None  # None: the gateway is asked for every payment
    payee: Payee | None = None  # whom QR codes that stand for many payments name
    signing: Signing | None = None  # of those QR codes


class Gateways:
    """All configured gateways, in the order of the settings; they do not change while we run."""

    def __init__(self, by_name: Mapping[str, Gateway]) -> None:
        """Take what `build` made."""
        self.by_name = by_name
        self._chosen: dict[Question, tuple[Route, ...] | NoRoute] = {}

    def get(self, name: str) -> Gateway:
        """Return one; raises KeyError when the settings have none of that name."""
        return self.by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """Return what routing chooses from, in order of preference."""
        return tuple(_route(gateway) for gateway in self.by_name.values())

    def choose(self, question: Question) -> tuple[Route, ...] | NoRoute:
        """Return what `routing.choose` says of these gateways; asked once, questions are few."""
        chosen = self._chosen.get(question)
        if chosen is None:
            chosen = self._chosen[question] = routing.choose(self.routes, *question)
        return chosen


def _route(gateway: Gateway) -> Route:
    return Route(
        gateway=gateway.name,
        livemode=gateway.settings.livemode,
        methods=gateway.capability.methods,
        currencies=gateway.capability.currencies,
        manual_capture=gateway.capability.manual_capture,
    )


def build(config: Config, http: HttpClient) -> Gateways:
    """Make a connector for each configured gateway; raises Misconfigured."""
    return Gateways(
        {name: _gateway(name, settings, http) for name, settings in config.gateways.items()}
    )


def _gateway(name: str, settings: GatewaySettings, http: HttpClient) -> Gateway:
    maker = MAKERS.get(settings.kind)
    if maker is None:
        known = ", ".join(sorted(MAKERS))
        raise Misconfigured(f"gateways.{name}.kind is {settings.kind!r}; known kinds: {known}")
    capability = CAPABILITIES[settings.kind]
    payee, signing = upi_links.payee_of(name, settings), upi_links.signing_of(name, settings)
    if payee is not None and not capability.own_upi_links:
        raise Misconfigured(f"gateways.{name}.upi_links: {settings.kind} must make them itself")
    invites = upi_links.UpiLinks(payee) if payee and settings.upi_links == "own" else None
    connector = maker(name, settings, http)
    return Gateway(name, connector, settings, capability, invites, payee, signing)


def _sandbox(name: str, settings: GatewaySettings, http: HttpClient) -> Connector:
    keys = Keys(
        key_id=settings.key_id,
        secret=read_secret(settings.secret_file),
        callback_secret=read_secret(settings.callback_secret_file),
        old_callback_secret=_old_callback_secret(settings),
    )
    return SandboxGateway(name, settings, http, keys)


def _razorpay(name: str, settings: GatewaySettings, http: HttpClient) -> Connector:
    if not settings.checkout_name:
        raise Misconfigured(f"gateways.{name}.checkout_name: the checkout has to show a business")
    secret = read_secret(settings.secret_file)
    return RazorpayGateway(name, settings, http, secret, _callback_secrets(settings))


def _cashfree(name: str, settings: GatewaySettings, http: HttpClient) -> Connector:
    secret = read_secret(settings.secret_file)
    return CashfreeGateway(name, settings, http, secret, _callback_secrets(settings))


def _stripe(name: str, settings: GatewaySettings, http: HttpClient) -> Connector:
    _need_return_url(name, settings)
    secret = read_secret(settings.secret_file)
    return StripeGateway(name, settings, http, secret, _callback_secrets(settings))


def _need_return_url(name: str, settings: GatewaySettings) -> None:
    if not settings.return_url.startswith(("https://", "http://")):
        raise Misconfigured(f"gateways.{name}.return_url: its page has to send customers somewhere")


def _callback_secrets(settings: GatewaySettings) -> CallbackSecrets:
    old = _old_callback_secret(settings)
    new = read_secret(settings.callback_secret_file)
    return CallbackSecrets(new) if old is None else CallbackSecrets(new, old)


def _old_callback_secret(settings: GatewaySettings) -> Secret[str] | None:
    file = settings.old_callback_secret_file
    return read_secret(file) if file else None


MAKERS: Mapping[str, Callable[[str, GatewaySettings, HttpClient], Connector]] = {
    "sandbox": _sandbox,
    "cashfree": _cashfree,
    "razorpay": _razorpay,
    "stripe": _stripe,
}
