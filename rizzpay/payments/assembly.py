"""Puts the payments service together, the same way for the API and for the worker."""

from typing import Protocol

from rizzpay.config import Config
from rizzpay.gateways.catalog import Gateways
from rizzpay.infra.database import Database
from rizzpay.infra.envelope import Envelope
from rizzpay.payments.asking import Asker
from rizzpay.payments.model import Clocks
from rizzpay.payments.rendering import Rendering
from rizzpay.payments.service import Parts, Payments, Renderer
from rizzpay.payments.types import Payment, Refund
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
            ),
            asker=Asker(gateways, config.service.public_url),
            renderer=views,
            settings=settings,
        )
    )
