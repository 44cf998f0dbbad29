"""Composition root of the API: from a configuration and its parts to a falcon application.

`create_app` wires what it is given; tests call it with what they started. `build` opens the
parts of an installation and calls it; wsgi.py calls that.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rizzpay.api import docs, refusals
from rizzpay.api.application import Application
from rizzpay.api.cursors import Cursors
from rizzpay.api.gate import Gate
from rizzpay.api.readiness import Neighbours, Readiness
from rizzpay.api.refusals import App
from rizzpay.api.resources.api_keys import ApiKeyResource, ApiKeysResource
from rizzpay.api.resources.balance import BalanceResource
from rizzpay.api.resources.callbacks import CallbacksResource
from rizzpay.api.resources.capabilities import CapabilitiesResource
from rizzpay.api.resources.deliveries import DeliveriesResource
from rizzpay.api.resources.events import EventResource, EventsResource, ReplayResource
from rizzpay.api.resources.gateways import GatewayResource, GatewaysResource
from rizzpay.api.resources.payments import (
    CancelResource,
    CaptureResource,
    PaymentResource,
    PaymentsResource,
)
from rizzpay.api.resources.qr_codes import (
    CloseQrCodeResource,
    QrCodeImageResource,
    QrCodePaymentsResource,
    QrCodeResource,
    QrCodesResource,
)
from rizzpay.api.resources.refunds import RefundResource, RefundsResource
from rizzpay.api.resources.routing import (
    ApprovalResource,
    EvaluationResource,
    RuleSetResource,
    RuleSetsResource,
)
from rizzpay.api.resources.service import (
    LiveResource,
    MetricsResource,
    OpenApiResource,
    PageResource,
    ReadyResource,
)
from rizzpay.api.resources.webhook_endpoints import (
    RotateSecretResource,
    WebhookEndpointResource,
    WebhookEndpointsResource,
)
from rizzpay.api.routes import ROUTES
from rizzpay.api.views import Renderer
from rizzpay.config import Config
from rizzpay.core.errors import RizzPayError, Unavailable
from rizzpay.gateways import catalog
from rizzpay.gateways.router import SHARE_EVERY_S, Router
from rizzpay.infra import collector, envelope, log, metrics, stalls
from rizzpay.infra.cache import Cache
from rizzpay.infra.database import Database, Role
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.http_client import HttpClient
from rizzpay.merchants.service import Merchants
from rizzpay.payments.assembly import assemble
from rizzpay.payments.qr_codes.service import QrCodes
from rizzpay.payments.resolving import Resolver
from rizzpay.payments.service import Payments
from rizzpay.webhooks.service import Webhooks

FLUSH_EVERY_S = 60.0  # when keys were last used
PUBLISH_EVERY_S = 1.0  # figures and the lines of requests
START_PATIENCE_S = 60.0  # how long a start waits for PostgreSQL and the HSM
START_RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the API works with."""

    database: Database
    envelope: envelope.Envelope
    cache: Cache
    hsm: HsmClient
    router: Router
    merchants: Merchants
    payments: Payments
    resolver: Resolver
    webhooks: Webhooks
    http: HttpClient

    def close(self) -> None:
        """Close every connection to the outside."""
        self.http.close()
        self.payments.close()
        self.cache.close()
        self.database.close()


def create_app(config: Config, parts: Collaborators) -> App:
    """Return the application; opens nothing and starts nothing."""
    app = Application(Gate(parts.merchants, parts.cache))
    refusals.register(app)
    resources = _resources(config, parts)
    for path in dict.fromkeys(route.path for route in ROUTES):
        name = next(route.resource for route in ROUTES if route.path == path)
        app.add_route(path, resources[name])
    return app


def build(config: Config) -> App:
    """Open the parts of an installation, start what runs beside requests, return the application.

    Waits for PostgreSQL and the HSM; raises Unavailable when they do not come.
    """
    parts = collaborators(config)
    parts.router.refresh()
    _every(FLUSH_EVERY_S, parts.merchants.flush_used)
    _every(PUBLISH_EVERY_S, metrics.publish)
    _every(PUBLISH_EVERY_S, log.flush)
    _every(envelope.FRESH_S, parts.envelope.reload)
    _every(SHARE_EVERY_S, parts.router.refresh)
    app = create_app(config, parts)
    collector.settle()
    stalls.watch(parts.database)
    return app


def collaborators(config: Config) -> Collaborators:
    """Open the parts that an installation's configuration names."""
    database = Database(config.database, Role.APP)
    hsm = HsmClient(config.hsm.socket)
    keys = _patiently(lambda: envelope.load(database, hsm))
    http = HttpClient()
    gateways = catalog.build(config, http)
    payments = assemble(config, database, keys, gateways, Renderer())
    return Collaborators(
        database=database,
        envelope=keys,
        cache=Cache(config.cache),
        hsm=hsm,
        router=payments.parts.router,
        merchants=Merchants(database, keys),
        payments=payments,
        resolver=Resolver(payments),
        webhooks=Webhooks(database, keys, config.webhooks, http),
        http=http,
    )


def _resources(config: Config, parts: Collaborators) -> dict[str, object]:
    """Return the object behind each name of the route table."""
    cursors = Cursors(parts.envelope)
    codes = QrCodes(parts.payments.parts, parts.hsm)
    gateways = parts.router.gateways
    neighbours = Neighbours(parts.database, parts.cache, parts.hsm, gateways)
    return {
        "payments": PaymentsResource(parts.payments, cursors),
        "payment": PaymentResource(parts.payments, parts.resolver),
        "capture": CaptureResource(parts.payments),
        "cancel": CancelResource(parts.payments),
        "qr_codes": QrCodesResource(codes, cursors),
        "qr_code": QrCodeResource(codes),
        "qr_code_png": QrCodeImageResource(codes, "png"),
        "qr_code_svg": QrCodeImageResource(codes, "svg"),
        "close_qr_code": CloseQrCodeResource(codes),
        "qr_code_payments": QrCodePaymentsResource(codes, cursors),
        "refunds": RefundsResource(parts.payments, cursors),
        "refund": RefundResource(parts.payments),
        "events": EventsResource(parts.webhooks),
        "event": EventResource(parts.webhooks),
        "replay": ReplayResource(parts.webhooks),
        "webhook_endpoints": WebhookEndpointsResource(parts.webhooks),
        "webhook_endpoint": WebhookEndpointResource(parts.webhooks),
        "rotate_secret": RotateSecretResource(parts.webhooks),
        "deliveries": DeliveriesResource(parts.webhooks, cursors),
        "balance": BalanceResource(parts.database),
        "api_keys": ApiKeysResource(parts.merchants),
        "api_key": ApiKeyResource(parts.merchants),
        "capabilities": CapabilitiesResource(gateways),
        "gateways": GatewaysResource(parts.router),
        "gateway": GatewayResource(parts.router),
        "routing_evaluation": EvaluationResource(parts.router),
        "rule_sets": RuleSetsResource(parts.router),
        "rule_set": RuleSetResource(parts.router),
        "rule_set_approval": ApprovalResource(parts.router),
        "callbacks": CallbacksResource(parts.database, parts.envelope, gateways),
        "live": LiveResource(),
        "ready": ReadyResource(Readiness(neighbours, config.service)),
        "metrics": MetricsResource(config.service),
        "openapi": OpenApiResource(config.service.public_url),
        "docs": PageResource(docs.routes_page(config.service.public_url)),
        "error_docs": PageResource(docs.errors_page()),
    }


def _patiently(load: Callable[[], envelope.Envelope]) -> envelope.Envelope:
    """Try until it works; a restart of everything at once is no reason to give up."""
    for _ in range(int(START_PATIENCE_S / START_RETRY_S)):
        try:
            return load()
        except Unavailable as error:
            log.get(__name__).warning("start.waiting", part=error.part, error=str(error))
            time.sleep(START_RETRY_S)
    return load()


def _every(seconds: float, task: Callable[[], None]) -> None:
    """Run a task beside the requests for as long as the process lives."""

    def run() -> None:
        while True:
            time.sleep(seconds)
            try:
                task()
            except RizzPayError as error:
                log.get(__name__).warning("task.failed", task=task.__name__, error=str(error))

    threading.Thread(target=run, name=task.__name__, daemon=True).start()
