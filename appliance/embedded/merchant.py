"""The merchant of the embedded appliance, and a key in test mode that may do everything."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.embedded.layout import write_private
from rizzpay.config import Config
from rizzpay.core import clock
from rizzpay.core.tenant import Tenant
from rizzpay.infra import envelope
from rizzpay.infra.database import Database, Role
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.merchants.model import SCOPES, NewKey, NewMerchant
from rizzpay.merchants.service import Merchants

ACTOR = "operator:embedded"
# 6211, securities brokers: one of the few trades whose customers may still be asked for money by
# UPI collect, so that every method can be tried. The limit is above what a load test reaches.
PROFILE = NewMerchant(
    name="Demo Broker",
    mcc="6211",
    tier="enterprise",
    requests_per_minute=600_000,
    collect_exemption="mcc_6211",
    upi_vpa="demo.broker@rizzpay",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A merchant's id, and a key with its secret in clear: only for a file of mode 0600."""

    merchant_id: str
    key_id: str
    key_secret: str


def ensure(config: Config, file: Path) -> Credentials:
    """Return the credentials in `file`; make merchant or key when there is none that works."""
    database = Database(config.database, Role.WORKER, size=1)
    try:
        keys = envelope.load(database, HsmClient(config.hsm.socket))
        merchants = Merchants(database, keys)
        known = Credentials(**json.loads(file.read_text())) if file.exists() else None
        if known is not None and _is_usable(merchants, known):
            return known
        made = _make(merchants, known.merchant_id if known else None)
    finally:
        database.close()
    write_private(file, json.dumps(asdict(made), indent=2) + "\n")
    return made


def _is_usable(merchants: Merchants, known: Credentials) -> bool:
    now = clock.now()
    return any(
        key.id == known.key_id
        and key.revoked_at is None
        and (key.expires_at is None or now < key.expires_at)
        for key in merchants.keys(Tenant(known.merchant_id, livemode=False))
    )


def _make(merchants: Merchants, merchant_id: str | None) -> Credentials:
    now = clock.now()
    if merchant_id is None:
        merchant_id = merchants.create(PROFILE, ACTOR, now).id
    tenant = Tenant(merchant_id, livemode=False)
    new = NewKey(label="embedded appliance", scopes=tuple(sorted(SCOPES)))
    made = merchants.create_key(tenant, new, SCOPES, ACTOR, now)
    return Credentials(merchant_id, made.key.id, made.secret.reveal())
