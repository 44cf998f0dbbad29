"""A merchant of an installation that has one account at one outside gateway.

A test module says which: `NAME` is the gateway's name in the settings, `ROW` the row of the
contract suite that plays the other side. The fixtures are in conftest.py.
"""

from dataclasses import dataclass

from rizzpay import worker
from rizzpay.config import GatewaySettings
from rizzpay.core import clock
from rizzpay.gateways.port import ActionRequired
from rizzpay.infra import jobs
from rizzpay.infra.jobs import Done
from rizzpay.webhooks import inbound
from tests.gateways.conftest import Receiver
from tests.gateways.contract.faults import Proxy

RESULTS = "SELECT result, count(*) FROM rizzpay.gateway_callbacks WHERE gateway = %s GROUP BY 1"
ATTEMPT = "SELECT id FROM rizzpay.payment_attempts WHERE payment_id = %s AND kind = 'authorize'"
CAPTURES = """
SELECT count(*), coalesce(sum(amount), 0) FROM rizzpay.ledger_transfers
WHERE payment_id = %s AND code = 'capture' AND phase IN ('posted', 'post')
"""
LEFT_BEHIND = "DELETE FROM rizzpay.jobs WHERE kind IN ('callback.apply', 'callbacks.apply')"
HEADERS = ("x-", "content-type", "stripe-signature", "authorization")


@dataclass
class Shop:
    """The merchant, its customers, and the network between us and the gateway."""

    name: str
    client: object
    row: object
    proxy: Proxy
    receiver: Receiver
    parts: worker.Parts
    delivered: int = 0

    def pay(self, **more):
        return self.client.pay(method=more.pop("method", {"type": "card"}), **more)

    def asked(self, payment):
        """Return what the row's customer is handed."""
        return ActionRequired("of_no_matter", payment["next_action"])

    def webhooks(self, count):
        """Bring our API as many webhooks as the gateway sends; let the worker apply them."""
        letters = self.receiver.wait(self.delivered + count)[self.delivered :]
        self.delivered += len(letters)
        statuses = [self.deliver(*letter) for letter in letters]
        self.work()
        return statuses

    def deliver(self, headers, body):
        keep = {name: value for name, value in headers.items() if name.startswith(HEADERS)}
        return self.client.send("POST", f"/webhooks/{self.name}", body, headers=keep).status

    def work(self):
        kinds = dict.fromkeys((inbound.APPLY_ONE, inbound.APPLY_SET), 100)
        with self.parts.database.transaction() as conn:
            leased = jobs.lease(conn, clock.now(), kinds, 60)
        assert worker.apply_callbacks(self.parts, leased) == [Done()] * len(leased)
        with self.parts.database.transaction() as conn:
            jobs.finish(conn, *leased)

    def get(self, payment):
        return self.client.get(f"/v1/payments/{payment['id']}").json()

    def sync(self, payment):
        return self.client.get(f"/v1/payments/{payment['id']}?sync=true").json()

    def booked(self, payment):
        return self._ask(CAPTURES, payment["id"]).fetchone()

    def held(self, payment):
        """Return what the gateway itself says."""
        attempt_id = self._ask(ATTEMPT, payment["id"]).fetchone()[0]
        return self.row.held(type("Asked", (), {"attempt_id": attempt_id}))

    def results(self):
        return dict(self._ask(RESULTS, self.name).fetchall())

    def _ask(self, query, value):
        with self.parts.database.transaction() as conn:
            return conn.execute(query, (value,))


def settings_of(row, proxy):
    """Return the settings of the account, reached over the proxy."""
    return GatewaySettings(
        kind=row.kind,
        base_url=proxy.url,
        livemode=False,
        key_id=row.key_id,
        secret_file=row.secret_file,
        callback_secret_file=row.callback_secret_file,
        checkout_name="Kirana Store",
        return_url="https://shop.example/thanks",
        answer_timeout_s=1.0,
    )
