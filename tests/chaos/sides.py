"""What a run needs of a gateway beyond its contract row: customers who refuse, and its books."""

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


SIDES = {"sandbox": Sandbox, "razorpay": Razorpay}
