"""The place of a run: an appliance, five gateways behind storms, and the post between them."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.appliance.running import Appliance, free_port
from tests.chaos.crowd import Plan
from tests.chaos.post import Post
from tests.chaos.sides import SIDES
from tests.chaos.weather import Known, Storm
from tests.flows.merchant import Merchant, open_shop
from tests.gateways.contract.row import row_of

KINDS = {
    "acquirer_a": "sandbox",
    "acquirer_b": "sandbox",
    "checkout_a": "razorpay",
    "checkout_b": "stripe",
    "checkout_c": "cashfree",
}
MERCHANTS = 4
TIER = ("--tier", "enterprise", "--requests-per-minute", "1000000")
EXPIRY_S = 25
# Short clocks, so that a run ends: enquiries after 1, 2, 4 … seconds, and customers who hurry.
CLOCKS = f"""
[payments]
resolve_schedule_s = [1, 2, 3, 5, 8, 13]
upi_expiry_s = {EXPIRY_S}
redirect_expiry_s = {EXPIRY_S}
authorization_expiry_s = 60
"""
GATEWAY = """
[gateways.{name}]
kind = "{kind}"
base_url = "{url}"
livemode = false
key_id = "{key_id}"
secret_file = "{secret_file}"
callback_secret_file = "{callback_secret_file}"
checkout_name = "Kirana Store"
return_url = "https://shop.example/done"
answer_timeout_s = 0.8
connect_timeout_s = 0.8
callback_base_url = "{post}"
"""


@dataclass
class Town:
    """Everything of a run."""

    appliance: Appliance
    sides: dict[str, Any]
    merchants: list[Merchant]
    post: Post
    storms: list[Storm] = field(default_factory=list)

    def faults(self) -> dict[str, int]:
        """Return how often which fault was met."""
        met: Counter[str] = Counter()
        for storm in self.storms:
            met += storm.met
        return dict(met)


@contextmanager
def built(base: Path, seed: int, plans: list[Plan]) -> Iterator[Town]:
    """Start everything, and stop it at the end."""
    known = Known({it.amount: it.number for it in plans})
    with ExitStack() as stack:
        port = free_port()
        post = Post(f"https://127.0.0.1:{port}", seed, known)
        stack.callback(post.close)
        sides, storms, sections = {}, [], [CLOCKS]
        for name, kind in KINDS.items():
            row = row_of(kind, base / name, f"{post.url}/webhooks/{name}")
            stack.callback(row.stop)
            storm = stack.enter_context(Storm(row.url, seed, known))
            sides[name] = SIDES[kind](row)
            storms.append(storm)
            sections.append(
                GATEWAY.format(
                    name=name, kind=kind, url=storm.url, key_id=row.key_id, post=post.url,
                    secret_file=row.secret_file, callback_secret_file=row.callback_secret_file,
                )
            )  # fmt: skip
        overlay = base / "chaos.toml"
        overlay.write_text("\n".join(sections))
        appliance = Appliance.start(None, "--port", str(port), "--settings", str(overlay))
        stack.callback(appliance.remove)
        stack.callback(appliance.stop)
        post.trust(appliance.credentials["ca_file"])
        split_by_volume(appliance)
        merchants = [open_shop(appliance, f"Shop {n}", *TIER) for n in range(MERCHANTS)]
        yield Town(appliance, sides, merchants, post, storms)


def split_by_volume(appliance: Appliance) -> None:
    """Let each gateway have its share: a rule that one key proposes and another approves."""
    desk = json.loads(
        appliance.rizzpay("merchants", "create", "--json", "--name", "Desk", "--mcc", "6012")
    )
    right = {
        name: member(appliance, desk["id"], name) for name in ("routing:propose", "routing:approve")
    }
    share = 100 // len(KINDS)
    split = {"type": "volume_split", "shares": dict.fromkeys(KINDS, share)}
    body = {"rule_set": {"default": split}}
    made = right["routing:propose"].post("/v1/routing/rule_sets", body)
    assert made.status == 201, made.body
    path = f"/v1/routing/rule_sets/{made.json()['version']}/approve"
    approved = right["routing:approve"].post(path)
    assert approved.status == 200, approved.body


def member(appliance: Appliance, desk_id: str, scope: str) -> Merchant:
    """Return somebody of the desk, whose key has this right."""
    command = ("merchants", "keys", "create", "--json", desk_id, "--scope", scope)
    key = json.loads(appliance.rizzpay(*command))
    return Merchant(appliance.credentials, key=(key["id"], key["secret"]))
