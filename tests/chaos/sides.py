"""What a run needs of a gateway beyond its contract row: customers who refuse, and its books."""

from types import SimpleNamespace
from typing import Any

Held = list[tuple[int, int]]  # captured and refunded, of each charge that took money


class Sandbox:
    """The sandbox acquirer; its ledger is read at once."""

    def __init__(self, row: Any) -> None:
        """Take a running row."""
        self._row = row
        self._acquirer = row._acquirer

    def pay(self, asked: Any) -> None:
        """Let the customer pay."""
        self._row.pay(asked)

    def refuse(self, asked: Any) -> None:
        """Let the customer say no."""
        status, _, text = self._acquirer.http(
            "POST", f"/customer/{asked.gateway_reference}/decline"
        )
        assert status < 400, text

    def books(self, attempts: list[tuple[str, str]]) -> dict[str, Held]:
        """Return what it holds of payments; `attempts` are (payment id, attempt id)."""
        del attempts
        charges: dict[tuple[str, str], dict[str, int]] = {}
        for row in self._acquirer.ledger():
            sums = charges.setdefault((row["payment_id"], row["reference"]), {})
            sums[row["kind"]] = sums.get(row["kind"], 0) + row["amount"]
        found: dict[str, Held] = {}
        for (payment_id, _), sums in charges.items():
            if "captured" in sums:
                pair = (sums["captured"], sums.get("refunded", 0))
                found.setdefault(payment_id, []).append(pair)
        return found


class Razorpay:
    """Razorpay's conformance server; an order is asked for by its receipt, our attempt."""

    def __init__(self, row: Any) -> None:
        """Take a running row."""
        self._row = row

    def pay(self, asked: Any) -> None:
        """Let the customer pay."""
        self._row.pay(asked)

    def refuse(self, asked: Any) -> None:
        """Let the customer's bank say no."""
        self._row.act(self._row.begin(asked), "failure?reason=payment_cancelled")

    def books(self, attempts: list[tuple[str, str]]) -> dict[str, Held]:
        """Return what it holds of payments; `attempts` are (payment id, attempt id)."""
        found: dict[str, Held] = {}
        for payment_id, attempt_id in attempts:
            orders = self._row.api(f"/v1/orders?receipt={attempt_id}&expand[]=payments")["items"]
            taken = [it for order in orders for it in order["payments"]["items"] if it["captured"]]
            pairs = [(payment["amount"], payment["amount_refunded"]) for payment in taken]
            if pairs:
                found.setdefault(payment_id, []).extend(pairs)
        return found


class Stripe:
    """Stripe's conformance server; what it holds is asked for as a list."""

    def __init__(self, row: Any) -> None:
        """Take a running row."""
        self._row = row

    def pay(self, asked: Any) -> None:
        """Let the customer pay."""
        self._row.pay(asked)

    def refuse(self, asked: Any) -> None:
        """Let the card be declined, and the customer go away."""
        self._row.act(asked, "decline?code=generic_decline")
        self._row.act(asked, "expire")

    def books(self, attempts: list[tuple[str, str]]) -> dict[str, Held]:
        """Return what it holds of payments; `attempts` are (payment id, attempt id)."""
        payment_of = {attempt_id: payment_id for payment_id, attempt_id in attempts}
        found: dict[str, Held] = {}
        for intent in self._row.intents():
            payment_id = payment_of.get(intent["metadata"].get("rizzpay_attempt", ""))
            if payment_id is None or not intent["amount_received"]:
                continue
            path = f"/v1/refunds?payment_intent={intent['id']}&limit=100"
            refunds = [one for one in self._row.api(path)["data"] if one["status"] != "failed"]
            pair = (intent["amount_received"], sum(one["amount"] for one in refunds))
            found.setdefault(payment_id, []).append(pair)
        return found


class Cashfree:
    """Cashfree's conformance server; an order has the id of our attempt."""

    def __init__(self, row: Any) -> None:
        """Take a running row."""
        self._row = row

    def pay(self, asked: Any) -> None:
        """Let the customer pay."""
        self._row.pay(asked)

    def refuse(self, asked: Any) -> None:
        """Let the customer's bank say no, and the order end."""
        self._row.act(asked, "failure?reason=payment_declined")
        self._row.act(asked, "expire")

    def books(self, attempts: list[tuple[str, str]]) -> dict[str, Held]:
        """Return what it holds of payments; `attempts` are (payment id, attempt id)."""
        found: dict[str, Held] = {}
        for payment_id, attempt_id in attempts:
            held = self._row.held(SimpleNamespace(attempt_id=attempt_id))
            if held.captured:
                found.setdefault(payment_id, []).append((held.captured, held.refunded))
        return found


SIDES = {"sandbox": Sandbox, "razorpay": Razorpay, "stripe": Stripe, "cashfree": Cashfree}
