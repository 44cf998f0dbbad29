"""How the events of a change look, in the shapes that the API owns."""

from collections.abc import Callable
from dataclasses import dataclass

from rizzpay.core import ids
from rizzpay.payments.model import Changes
from rizzpay.payments.qr_codes.model import QrCode
from rizzpay.payments.types import Payment, Refund
from rizzpay.webhooks.model import EventData, NewEvent


@dataclass(frozen=True, slots=True)
class Rendering:
    """How events look; given by the API, which owns the shape of objects."""

    payment_event: Callable[[Payment], EventData]
    refund_event: Callable[[Refund], EventData]
    code_event: Callable[[QrCode], EventData]

    def events(self, changes: Changes) -> list[NewEvent]:
        """Return what a change says, in order."""
        refunds = {refund.id: refund for refund in changes.refunds}
        events = []
        for said in changes.said:
            subject: Payment | Refund | QrCode = changes.payment
            if said.about_code and changes.code is not None:
                subject = changes.code
                data = self.code_event(subject)
            elif said.refund_id is None:
                data = self.payment_event(changes.payment)
            else:
                subject = refunds[said.refund_id]
                data = self.refund_event(subject)
            events.append(
                NewEvent(
                    id=ids.new_id("event", changes.payment.updated_at),
                    tenant=subject.tenant,
                    type=said.type,
                    object_id=subject.id,
                    object_sequence=subject.version,
                    data=data,
                    created_at=changes.payment.updated_at,
                )
            )
        return events
