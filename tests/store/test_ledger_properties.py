"""Random transfers against a naive reckoning: the books always agree with it and balance."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from rizzpay.ledger import model, service
from rizzpay.ledger.model import (
    FEES,
    MERCHANT_PENDING,
    REFUNDS,
    AccountKey,
    Phase,
    Reason,
    Sums,
)
from tests.store.books import GATEWAY, record, refusal, resolve, sums_of, transfer
from tests.store.people import new_tenant


class Books(RuleBasedStateMachine):
    """Random legal and illegal transfers; the database must agree with a naive reckoning."""

    app = None
    holds = Bundle("holds")
    accounts = st.sampled_from([GATEWAY, MERCHANT_PENDING, FEES, REFUNDS])
    amounts = st.integers(min_value=1, max_value=1000)

    def __init__(self):
        super().__init__()
        self.tenant = new_tenant()
        self.moves = []  # accepted transfers, in order
        self.resolved = {}  # id of the hold -> what resolved it

    def accept(self, *transfers):
        record(self.app, *transfers)
        self.moves += transfers

    @rule(debit=accounts, credit=accounts, amount=amounts)
    def post_at_once(self, debit, credit, amount):
        one = transfer(self.tenant, amount=amount, debit=debit, credit=credit)
        if debit == credit:
            assert refusal(self.app, one) is Reason.ACCOUNTS_MUST_BE_DIFFERENT
        else:
            self.accept(one)

    @rule(target=holds, amounts=st.lists(amounts, min_size=1, max_size=4), debit=accounts)
    def hold(self, amounts, debit):
        credit = model.SUSPENSE
        batch = [
            transfer(self.tenant, Phase.PENDING, amount=amount, debit=debit, credit=credit)
            for amount in amounts
        ]
        self.accept(*batch)
        return multiple(*batch)

    @rule(hold=holds, amount=amounts, phase=st.sampled_from([Phase.POST, Phase.VOID]))
    def resolve(self, hold, amount, phase):
        one = resolve(hold, phase, amount=hold.amount if phase is Phase.VOID else amount)
        if amount > hold.amount and phase is Phase.POST:
            assert refusal(self.app, one) is Reason.EXCEEDS_PENDING_TRANSFER_AMOUNT
        elif hold.id in self.resolved:
            expected = model.already_resolved(self.resolved[hold.id])
            assert refusal(self.app, one) is expected
        else:
            self.accept(one)
            self.resolved[hold.id] = phase

    @rule(amount=amounts, part=amounts)
    def hold_and_post_together(self, amount, part):
        hold = transfer(self.tenant, Phase.PENDING, amount=amount)
        self.accept(hold, resolve(hold, amount=min(amount, part)))
        self.resolved[hold.id] = Phase.POST

    def reckon(self):
        """Sum up the moves the slow way: an unresolved hold is pending, the rest is posted."""
        sums = {}
        for one in self.moves:
            posted = one.amount if one.phase in {Phase.POSTED, Phase.POST} else 0
            open_hold = one.phase is Phase.PENDING and one.id not in self.resolved
            pending = one.amount if open_hold else 0
            debit, credit = (AccountKey(self.tenant, "INR", n) for n in (one.debit, one.credit))
            sums[debit] = sums.get(debit, Sums()).debited(posted, pending)
            sums[credit] = sums.get(credit, Sums()).credited(posted, pending)
        return {
            ("INR", key.name): (
                one.debits_posted,
                one.credits_posted,
                one.debits_pending,
                one.credits_pending,
            )
            for key, one in sums.items()
        }

    @invariant()
    def the_books_agree_with_the_reckoning_and_balance(self):
        assert sums_of(self.app, self.tenant) == self.reckon()
        with self.app.transaction(self.tenant) as conn:
            assert model.all_zero(service.prove(conn))


def test_any_sequence_of_transfers_keeps_the_books_balanced(app):
    Books.app = app
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
