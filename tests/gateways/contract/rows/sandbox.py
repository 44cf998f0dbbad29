"""The sandbox acquirer: `rizzpay sandbox`."""

from rizzpay.gateways.port import Declined, UpiIntent
from rizzpay.sandbox.magic import CARD_DECLINES
from tests.gateways.acquirer import KEYS, Acquirer, card, order
from tests.gateways.acquirer import held as held_card
from tests.gateways.contract.row import Held, secret_file

RENAMED = {"restricted_card": "card_not_permitted", "lost_stolen": "card_lost_or_stolen"}


class Row:
    """Plays the customer with the hosted pages, and declines by magic tokens."""

    kind = "sandbox"
    signature = "x-sandbox-signature"
    letters = 1
    signs_time = True
    declines = tuple((code, RENAMED.get(code, code)) for code in CARD_DECLINES)
    pending_refund = 110
    finds_lost = True

    def __init__(self, directory, callback_url):
        del callback_url  # each request names its own
        self._acquirer = Acquirer(directory, {"--hang-s": "5"})
        self.url = self._acquirer.url
        self.key_id = KEYS.key_id
        self.secret_file = str(secret_file(directory / "key", KEYS.secret.reveal()))
        callback = KEYS.callback_secret.reveal()
        self.callback_secret_file = str(secret_file(directory / "callback", callback))

    def waiting(self, callback_url):
        return order(UpiIntent(), callback_url=callback_url)

    def holding(self, callback_url):
        return held_card(callback_url=callback_url)

    def pay(self, asked):
        status, _, text = self._acquirer.http(
            "POST", f"/customer/{asked.gateway_reference}/approve"
        )
        assert status < 400, text

    def decline(self, connector, how, callback_url):
        outcome = connector.authorize(card(f"tok_decline_{how}", callback_url=callback_url))
        assert isinstance(outcome, Declined)
        return outcome

    def held(self, request):
        moved = self._acquirer.moved(request.payment_id)
        return Held(moved.get("captured", 0), moved.get("refunded", 0))

    def stop(self):
        return self._acquirer.stop()
