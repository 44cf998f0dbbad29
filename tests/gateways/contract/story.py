"""What our own decisions make of a connector's outcomes: one payment, told of again and again."""

from msgspec.structs import replace

from rizzpay.payments import authorizing
from rizzpay.payments.model import Snapshot
from tests.unit.test_payment_decisions import context, new_payment


class Story:
    """A payment of a request, and the transfers that its outcomes brought about."""

    def __init__(self, request):
        payment = replace(new_payment(request.money.minor), money=request.money)
        beginning = authorizing.Beginning(payment, request.attempt_id, None)
        changes = authorizing.begin(beginning, context())
        self.snapshot = Snapshot(payment, (), ()).after(changes)
        self.attempt_id = request.attempt_id
        self.captured = 0

    def tell(self, *outcomes):
        """Apply outcomes, one after the other; returns itself."""
        for outcome in outcomes:
            changes = authorizing.conclude(self.snapshot, self.attempt_id, outcome, context())
            self.captured += sum(t.amount for t in changes.transfers if t.code == "capture")
            self.snapshot = self.snapshot.after(changes)
        return self

    @property
    def status(self):
        return self.snapshot.payment.status.value
