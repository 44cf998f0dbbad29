"""After a flow with card and personal data, no secret lies in clear anywhere on the disk."""

import os
import secrets
from pathlib import Path

import redis

from tests.flows.merchant import open_shop


def files_with(root: Path, needles: list[bytes]) -> dict[str, list[bytes]]:
    """Return the files below `root` that hold one of `needles`, whatever kind they are."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if not path.is_file() or path.is_socket():
                continue
            data = path.read_bytes()
            hits = [needle for needle in needles if needle in data]
            if hits:
                found[str(path.relative_to(root))] = hits
    return found


def everything_cached(settings) -> bytes:
    """Return all names and values that the cache holds."""
    cache = redis.Redis(
        unix_socket_path=settings.cache.socket,
        password=Path(settings.cache.password_file).read_text().strip(),
    )
    found = b"".join(key + (cache.dump(key) or b"") for key in cache.keys("*"))
    cache.close()
    return found


def test_no_secret_in_database_cache_logs_or_wal(appliance, merchant, settings):
    marker = secrets.token_hex(6)
    email, name = f"asha.{marker}@example.com", f"Asha {marker}"
    phone, vpa = "+9198" + str(int(marker, 16))[:8], f"asha{marker}@okbank"
    pan = "4539578763621486"
    fresh = open_shop(appliance, "Leak Shop")
    customer = {"name": name, "email": email, "phone": phone}
    paid = merchant.pay(10_000, customer=customer).json()
    assert paid["customer"]["email"] == email
    merchant.post(
        "/v1/payments",
        {"amount": 500, "method": {"type": "upi", "flow": "collect", "vpa": vpa}},
    )
    merchant.post("/v1/refunds", {"payment_id": paid["id"], "amount": 100})
    merchant.pay(10_000, description=f"card {pan}")
    fresh.get("/v1/payments")
    endpoint = merchant.post(
        "/v1/webhook_endpoints", {"url": appliance.credentials["webhook_url_hint"]}
    ).json()
    needles = [
        value.encode()
        for value in (email, name, phone[1:], vpa, pan, fresh.key[1], endpoint["secret"])
    ]
    cached = everything_cached(settings)
    assert cached
    assert [needle for needle in needles if needle in cached] == []
    appliance.flush_to_disk()
    leaks = files_with(appliance.data, needles)
    sandbox_side = {path for path in leaks if path.startswith("sandbox")}
    assert set(leaks) == sandbox_side, leaks
    # the customer's address is the acquirer's business; cards and our secrets are not
    for path in sandbox_side:
        assert set(leaks[path]) <= {vpa.encode()}, path


def test_customers_are_found_by_their_blind_index(merchant):
    email = f"{secrets.token_hex(6)}@example.com"
    made = merchant.pay(700, customer={"email": email.upper()}).json()
    found = merchant.get(f"/v1/payments?customer_email={email}").json()["data"]
    assert [payment["id"] for payment in found] == [made["id"]]


def test_a_card_number_in_a_path_stays_in_no_log(appliance, merchant):
    pan = "4000056655665556"
    assert merchant.get(f"/v1/payments/{pan}").status in {404, 422}
    assert merchant.get(f"/v1/payments?reference={pan}").status == 422
    assert files_with(appliance.data / "log", [pan.encode()]) == {}
