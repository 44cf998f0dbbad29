"""Puts the payments service together, the same way for the API and for the worker."""

from functools import partial
from typing import Protocol

from rizzpay.config import Config
from rizzpay.gateways import router as routers
from rizzpay.gateways.catalog import Gateways
from rizzpay.gateways.router import Router
from rizzpay.infra.database import Database
from rizzpay.infra.envelope import Envelope
from rizzpay.payments.asking import Asker
from rizzpay.payments.model import Clocks
from rizzpay.payments.rendering import Rendering
from rizzpay.payments.service import Parts, Payments, Renderer
from rizzpay.payments.states import AttemptStatus
from rizzpay.payments.types import Attempt, AttemptKind, Payment, Refund
from rizzpay.payments.writer import Writer

# The writer has a connection of its own for each mode: it waits for nobody, and its plans and
# memory stay warm. Going between two cost PostgreSQL a third more (2026-11-21).
WRITER_CONNECTIONS = 1


class Views(Renderer, Protocol):
    """How answers and events look; given by the API, which owns the shape of objects."""

    def payment_event_json(self, it: Payment) -> bytes:
        """Show a payment as events carry it."""

    def refund_event_json(self, it: Refund) -> bytes:
        """Show a refund as events carry it."""


def assemble(
    config: Config,
    database: Database,
    envelope: Envelope,
    gateways: Gateways,
    views: Views,
) -> Payments:
    """Return the service; `database` is for reading, and says whose role the writer takes."""
    settings = config.payments
    router = routers.build(config.routing, database, gateways)
    size = WRITER_CONNECTIONS if settings.commit_together else database.size
    writing = {
        livemode: Database(database.settings, database.role, size=size)
        for livemode in (True, False)
    }
    return Payments(
        Parts(
            database=database,
            writing=writing,
            envelope=envelope,
            writer=Writer(
                writing,
                envelope,
                Rendering(
                    views.payment_event_json, views.refund_event_json, views.qr_code_event_json
                ),
                Clocks(
                    first_enquiry_s=settings.resolve_schedule_s[0],
                    authorization_expiry_s=settings.authorization_expiry_s,
                ),
                together=settings.commit_together,
                hear=partial(_hear, router),
            ),
            asker=Asker(gateways, config.service.public_url),
            router=router,
            renderer=views,
            settings=settings,
        )
    )


def _hear(router: Router, payment: Payment, attempt: Attempt) -> None:
    """Let routing know what became of the money."""
    if attempt.kind is not AttemptKind.AUTHORIZE:
        return
    if attempt.status is AttemptStatus.APPROVED:
        router.concluded(attempt.gateway, payment.method, None)
    elif attempt.status is AttemptStatus.DECLINED and attempt.decline is not None:
        router.concluded(attempt.gateway, payment.method, attempt.decline["reason"])
