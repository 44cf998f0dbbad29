"""Merchants and their keys: who is calling, making and revoking keys, setting merchants up.

A key's secret is 32 random bytes; what is stored is its HMAC-SHA256 with a pepper that only the
HSM can unwrap. Found keys are remembered for two seconds in each process: that is how long a
revoked key, a suspended merchant or a changed allow-list may still work elsewhere; the process
that made the change forgets at once.
"""

import hashlib
import hmac
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.core.secret import Secret
from rizzpay.core.tenant import Tenant
from rizzpay.infra.database import Database
from rizzpay.infra.envelope import Envelope, Unreadable
from rizzpay.merchants import store
from rizzpay.merchants.model import (
    ADMIN_SCOPES,
    BOTH,
    SCOPES,
    Address,
    ApiKey,
    Caller,
    MadeKey,
    Merchant,
    NewKey,
    NewMerchant,
    StoredKey,
    is_within,
    parse_network,
    requests_per_minute,
)

REMEMBER_S = 2.0
REMEMBERED_MAX = 10_000  # keys, also ids that do not exist; the oldest goes first
SECRET_BYTES = 32
MARKING_BYTES = 32  # of the key under which this process marks headers
KEY_ID = re.compile(r"rk_(test|live)_[0-9A-HJKMNP-TV-Z]{26}")
NO_DIGEST = bytes(32)  # what an unknown key's secret is compared with


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request shows: key id and secret, and the client's address if it can be trusted.

    `header` is what both stood in, for `Merchants.recognise`; empty where it is not to be known
    again.
    """

    key_id: str
    secret: Secret[str]
    address: Address | None
    header: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Proof:
    """That a header showed a key's secret: the secret's digest, and the pepper in it."""

    key_id: str
    pepper_id: str
    digest: bytes


class Merchants:
    """The door to merchants and their keys."""

    def __init__(self, database: Database, envelope: Envelope) -> None:
        """Keep the parts; nothing is read yet."""
        self._database = database
        self._envelope = envelope
        self._remembered: OrderedDict[str, tuple[float, StoredKey | None]] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}
        self._marking = secrets.token_bytes(MARKING_BYTES)
        self._proofs: OrderedDict[bytes, _Proof] = OrderedDict()
        self._used: dict[str, tuple[Tenant, datetime]] = {}

    def recognise(self, header: str, address: Address | None, now: datetime) -> Caller | None:
        """Return who is calling with a header that was right before and still is.

        None when it has to be read and checked by `authenticate`. Remembered is only what of a
        secret is stored too; the key itself is looked up as ever. Raises what `authenticate` does.
        """
        proof = self._proofs.get(self._mark(header))
        if proof is None or not self._envelope.has(proof.pepper_id):
            return None
        found = self._find(proof.key_id)
        if found is None or not hmac.compare_digest(proof.digest, found.digest):
            return None
        return self._admitted(found, address, now)

    def authenticate(self, presented: Presented, now: datetime) -> Caller:
        """Return who is calling; raises Refused(unauthenticated or ip_not_allowed).

        An unknown key costs the same HMAC and comparison as a wrong secret.
        """
        found = self._find(presented.key_id)
        pepper_id = found.pepper_id if found is not None else None
        try:
            _, digest = self._envelope.pepper_digest(pepper_id, presented.secret.reveal())
        except Unreadable:  # the pepper was retired, and with it the key
            raise Refused("unauthenticated") from None
        right = hmac.compare_digest(digest, found.digest if found is not None else NO_DIGEST)
        if found is None or not right:
            raise Refused("unauthenticated")
        if presented.header:
            self._proofs[self._mark(presented.header)] = _Proof(found.id, found.pepper_id, digest)
            if len(self._proofs) > REMEMBERED_MAX:
                self._proofs.popitem(last=False)
        return self._admitted(found, presented.address, now)

    def _admitted(self, found: StoredKey, address: Address | None, now: datetime) -> Caller:
        """Return who calls with a key whose secret was shown; raises as `authenticate` does."""
        if not found.usable(now):
            raise Refused("unauthenticated")
        if found.networks and not is_within(address, found.networks):
            raise Refused("ip_not_allowed")
        if found.merchant.status == "offboarded":
            raise Refused("merchant_suspended")
        self._used[found.id] = (found.caller.tenant, now)
        return found.caller

    def _mark(self, header: str) -> bytes:
        """Return what stands for a header here: nobody finds its secret, or a second one, by it."""
        return hashlib.blake2b(header.encode(), key=self._marking, digest_size=16).digest()

    def flush_used(self) -> None:
        """Write when keys were last used; called about once a minute, off the request path."""
        used, self._used = self._used, {}
        for livemode in (True, False):
            part = {
                key_id: (tenant, at)
                for key_id, (tenant, at) in used.items()
                if tenant.livemode is livemode
            }
            if part:
                with self._database.transaction(*{tenant for tenant, _ in part.values()}) as conn:
                    store.touch_keys(conn, {key_id: at for key_id, (_, at) in part.items()})

    def keys(self, tenant: Tenant) -> list[ApiKey]:
        """Return all keys of a merchant and mode, newest first, the revoked ones too."""
        with self._database.transaction(tenant) as conn:
            return store.keys(conn, tenant)

    def key(self, tenant: Tenant, key_id: str) -> ApiKey:
        """Return one key; raises Refused(not_found)."""
        with self._database.transaction(tenant) as conn:
            found = store.get_key(conn, tenant, key_id)
        if found is None:
            raise Refused("not_found", param="id")
        return found

    def create_key(
        self, tenant: Tenant, new: NewKey, granted: frozenset[str], actor: str, now: datetime
    ) -> MadeKey:
        """Make a key with some of the scopes `granted`; raises Refused.

        Codes: invalid_request, scope_not_grantable, too_many_keys.
        """
        _check_key(new, granted, now)
        mode = "live" if tenant.livemode else "test"
        key_id = f"rk_{mode}_{ids.ulid(now)}"
        secret = Secret(secrets.token_urlsafe(SECRET_BYTES))
        pepper_id, digest = self._envelope.pepper_digest(None, secret.reveal())
        row = store.KeyRow(key_id, tenant, new, digest, pepper_id, now)
        with self._database.transaction(tenant) as conn:
            # the second try is for a slot that somebody else took between look and insert
            if not store.insert_key(conn, row) and not store.insert_key(conn, row):
                raise Refused("too_many_keys")
            detail = {"scopes": list(new.scopes), "allowed_cidrs": list(new.allowed_cidrs)}
            audit.append(conn, [Entry(now, actor, "api_key.created", key_id, detail, tenant)])
            made = store.get_key(conn, tenant, key_id)
        if made is None:
            raise RuntimeError("a key that was just inserted is not there")
        return MadeKey(made, secret)

    def revoke_key(self, tenant: Tenant, key_id: str, actor: str, now: datetime) -> ApiKey:
        """Revoke a key, also the one that asks; revoking again changes nothing.

        Raises Refused(not_found). Other processes follow within REMEMBER_S seconds.
        """
        with self._database.transaction(tenant) as conn:
            if store.revoke_key(conn, tenant, key_id, now):
                audit.append(conn, [Entry(now, actor, "api_key.revoked", key_id, {}, tenant)])
            found = store.get_key(conn, tenant, key_id)
        self._remembered.pop(key_id, None)
        if found is None:
            raise Refused("not_found", param="id")
        return found

    def create(self, new: NewMerchant, actor: str, now: datetime) -> Merchant:
        """Set a merchant up; needs the worker's role. Raises Refused(invalid_request)."""
        limit = requests_per_minute(new.tier, new.requests_per_minute)
        merchant = Merchant(
            id=ids.new_id("merchant", now),
            name=new.name,
            mcc=new.mcc,
            status="active",
            tier=new.tier,
            requests_per_minute=limit,
            fee_basis_points=new.fee_basis_points,
            gst_basis_points=new.gst_basis_points,
            late_authorization=new.late_authorization,
            collect_exemption=new.collect_exemption,
            upi_vpa=new.upi_vpa,
        )
        with self._database.transaction() as conn:
            store.insert_merchant(conn, merchant, now)
            detail = {"tier": merchant.tier, "mcc": merchant.mcc}
            audit.append(conn, [Entry(now, actor, "merchant.created", merchant.id, detail)])
        return merchant

    def all(self) -> Sequence[Merchant]:
        """Return every merchant; needs the worker's role."""
        with self._database.transaction() as conn:
            return store.merchants(conn)

    def get(self, merchant_id: str) -> Merchant:
        """Return one merchant; needs the worker's role. Raises Refused(not_found)."""
        with self._database.transaction() as conn:
            return _existing(store.lock_merchant(conn, merchant_id))

    def set_status(self, merchant_id: str, status: str, actor: str, now: datetime) -> Merchant:
        """Suspend or activate; needs the worker's role. Raises Refused(not_found)."""
        with self._database.transaction() as conn:
            before = _existing(store.lock_merchant(conn, merchant_id))
            after = replace(before, status=status)
            store.change_merchant(conn, after)
            detail = {"from": before.status, "to": status}
            audit.append(conn, [Entry(now, actor, "merchant.status_set", merchant_id, detail)])
        return after

    def set_tier(
        self, merchant_id: str, tier: str, per_minute: int | None, actor: str, now: datetime
    ) -> Merchant:
        """Change the tier; needs the worker's role. Raises Refused(not_found, invalid_request)."""
        limit = requests_per_minute(tier, per_minute)
        with self._database.transaction() as conn:
            before = _existing(store.lock_merchant(conn, merchant_id))
            after = replace(before, tier=tier, requests_per_minute=limit)
            store.change_merchant(conn, after)
            detail = {"from": before.tier, "to": tier, "requests_per_minute": limit}
            audit.append(conn, [Entry(now, actor, "merchant.tier_set", merchant_id, detail)])
        return after

    def _find(self, key_id: str) -> StoredKey | None:
        """Return a key from memory or database; one look-up for all who ask meanwhile."""
        known = self._fresh(key_id)
        if known is None:
            if not KEY_ID.fullmatch(key_id):
                return None
            with self._loading.setdefault(key_id, threading.Lock()):
                known = self._fresh(key_id) or self._load(key_id)
            self._loading.pop(key_id, None)
        return known[1]

    def _fresh(self, key_id: str) -> tuple[float, StoredKey | None] | None:
        known = self._remembered.get(key_id)
        if known is not None and clock.monotonic_s() < known[0]:
            return known
        return None

    def _load(self, key_id: str) -> tuple[float, StoredKey | None]:
        with self._database.transaction() as conn:
            found = store.find_key(conn, key_id)
        known = (clock.monotonic_s() + REMEMBER_S, found)
        self._remembered[key_id] = known
        self._remembered.move_to_end(key_id)
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return known


def _existing(merchant: Merchant | None) -> Merchant:
    if merchant is None:
        raise Refused("not_found", "There is no such merchant.")
    return merchant


def _check_key(new: NewKey, granted: frozenset[str], now: datetime) -> None:
    unknown = set(new.scopes) - SCOPES - ADMIN_SCOPES
    if unknown or not new.scopes:
        raise Refused("invalid_request", "There is no such scope.", param="scopes")
    if not set(new.scopes) <= granted:
        raise Refused("scope_not_grantable", param="scopes")
    if set(new.scopes) >= BOTH:
        text = "No key both proposes and approves rules: make a second one for the other."
        raise Refused("invalid_request", text, param="scopes")
    if any(parse_network(text) is None for text in new.allowed_cidrs):
        raise Refused(
            "invalid_request",
            "A network is written like 203.0.113.0/24 or 2001:db8::/32, without host bits.",
            param="allowed_cidrs",
        )
    if new.expires_at is not None and new.expires_at <= now:
        raise Refused("invalid_request", "The time is not in the future.", param="expires_at")
