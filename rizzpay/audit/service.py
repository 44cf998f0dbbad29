"""The trail: written with the change, sealed into a hash chain, signed by the HSM, verified.

`append` takes part in the caller's transaction. Sealing comes afterwards, by the worker, because
a chain inside the payment's transaction would make every payment wait for every other. Until a
row is sealed, and a checkpoint signed over it, the database's own walls protect it; then nobody
can change it unnoticed who does not have the HSM.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from rizzpay.audit import model, store
from rizzpay.audit.model import GENESIS, Checkpoint, Entry, Head, Link, Row, Status
from rizzpay.audit.verifying import Finding, Kind, SignatureCheck, Walk
from rizzpay.core import clock
from rizzpay.core.errors import Misconfigured, RizzPayError
from rizzpay.infra import log
from rizzpay.infra.database import Connection, Database
from rizzpay.infra.hsm.inventory import AUDIT_SIGNER
from rizzpay.infra.pipeline import Sender

SEAL_LIMIT = 5_000  # rows a transaction: some 0.2 s of work, so that a busy worker is responsive
SEAL_CHUNK = 250  # rows hashed at a stretch: some 3 ms of one core, and as much of PostgreSQL's
REST = 2  # times what a stretch took: payments have the cores meanwhile
SIGNATURE_BYTES = 64  # r and s of P-256
OUTSIDE_MAX = 20  # rows outside the chain that a report names
PROGRESS_EVERY = 10_000  # links


Progress = Callable[[int, int], None]


class TrailBroken(RizzPayError):
    """The chain does not continue from its last checkpoint; nothing more is signed over it."""


class Signer(Protocol):
    """What of the HSM a checkpoint needs."""

    def sign_active(self, family: str, message: bytes) -> tuple[str, bytes]:
        """Return the signing key's label, and r and s of ECDSA P-256 over SHA-256, 32 bytes each.

        Signs with the family's active version.
        """
        ...


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that was written down outside, on paper or in another system."""

    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Scope:
    """What to verify: from which position on (its predecessor is trusted), against which anchor."""

    from_position: int = 1
    anchor: Anchor | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What verification found; `ok` means that nothing is wrong with what is sealed."""

    ok: bool
    from_position: int
    links: int
    head: Head
    checkpoints: int
    last_checkpoint: Checkpoint | None
    unsealed: int
    oldest_unsealed_s: int | None
    findings: tuple[Finding, ...]
    truncated: bool  # there are more findings than listed


def append(conn: Sender, entries: Sequence[Entry]) -> None:
    """Add entries of any number of merchants to the trail, in the caller's transaction.

    Raises ValueError when a detail is not plain: floats, odd keys, deep nesting.
    """
    for entry in entries:
        model.check_detail(entry.detail)
    if entries:
        store.append(conn, entries)


def seal(
    database: Database, limit: int = SEAL_LIMIT, rest: Callable[[float], None] | None = None
) -> int:
    """Chain up to `limit` settled rows in one transaction and return how many; worker's role.

    Only one process seals at a time; another one's call returns 0 at once. Between two stretches
    `rest` is called with seconds to wait, for whoever has something more urgent.
    """
    with database.transaction() as conn:
        if not store.try_lock(conn):
            return 0
        sealed, head, below = 0, store.head(conn) or Head(0, GENESIS), store.mark(conn)
        while sealed < limit:
            began_s = clock.monotonic_s()
            rows = _next_rows(conn, below, min(SEAL_CHUNK, limit - sealed))
            if not rows:
                break
            head = _chain(conn, head, rows)
            below = _mark_of(rows[-1]) if not below.ahead else store.mark(conn)
            sealed += len(rows)
            if rest is not None and len(rows) == SEAL_CHUNK:
                rest(REST * (clock.monotonic_s() - began_s))
    return sealed


def checkpoint(database: Database, hsm: Signer, now: datetime) -> Checkpoint | None:
    """Sign the head of the chain with the active audit key and keep the signature.

    None when the chain is empty or its head is signed already. The log gets the head as well:
    kept elsewhere, it is an anchor that no intruder in the database can change. Raises TrailBroken
    when the last checkpoint is contradicted, and Unavailable or HsmRefused.
    """
    with database.transaction() as conn:
        head, last = store.head(conn), store.last_checkpoint(conn)
        if last is not None and store.hash_at(conn, last.position) != last.hash:
            raise TrailBroken(f"position {last.position} is not what was signed; run audit verify")
    if head is None or (last is not None and last.position == head.position):
        return None
    signed_at = model.moment_text(now)
    message = model.checkpoint_message(head.position, head.hash, signed_at)
    key_label, signature = hsm.sign_active(AUDIT_SIGNER, message)
    made = Checkpoint(head.position, head.hash, signed_at, key_label, signature)
    with database.transaction() as conn:
        if not store.add_checkpoint(conn, made):
            return None  # another worker was faster
    log.get(__name__).info(
        "audit.checkpoint", position=made.position, hash=made.hash.hex(), key_label=key_label
    )
    return made


def status(database: Database, now: datetime) -> Status:
    """Return how far sealing has come."""
    with database.transaction() as conn:
        waiting, oldest = store.unsealed(conn, _mark(conn))
        return Status(
            head=store.head(conn) or Head(0, GENESIS),
            unsealed=waiting,
            oldest_unsealed_s=_age_s(oldest, now),
            checkpoint=store.last_checkpoint(conn),
        )


def signing_labels(database: Database) -> list[str]:
    """Return the labels of all keys that signed checkpoints: whose public keys `verify` needs."""
    with database.transaction() as conn:
        return store.key_labels(conn)


def verify(
    database: Database,
    public_keys: Mapping[str, bytes],
    now: datetime,
    scope: Scope = Scope(),
    progress: Progress | None = None,
) -> Report:
    """Recompute the chain and check every checkpoint; reads 10,000 links at a time.

    `public_keys` are DER SPKI by label. `progress` hears how many links of how many are done.
    Raises Misconfigured when `from_position` has no predecessor or a key is not a P-256 key.
    """
    check = _signature_check(public_keys)
    with database.transaction() as conn:
        signed = store.last_checkpoint(conn)
        walk = Walk(_start(conn, scope.from_position), check)
        total = (store.head(conn) or walk.head).position - walk.head.position
        for step in store.walk(conn, scope.from_position):
            walk.step(step.link, step.row, step.checkpoint)
            if progress is not None and walk.links % PROGRESS_EVERY == 0:
                progress(walk.links, total)
        _check_tail(walk, signed)
        _check_anchor(conn, walk, scope.anchor)
        _check_outside(conn, walk)
        waiting, oldest = store.unsealed(conn, _mark(conn))
    findings = walk.finish()
    return Report(
        ok=not findings,
        from_position=scope.from_position,
        links=walk.links,
        head=walk.head,
        checkpoints=walk.checkpoints,
        last_checkpoint=walk.last_checkpoint,
        unsealed=waiting,
        oldest_unsealed_s=_age_s(oldest, now),
        findings=tuple(findings),
        truncated=walk.truncated,
    )


def export(database: Database, from_position: int = 1) -> Iterator[str]:
    """Yield the sealed trail as lines of JSON, one a position, for a verifier outside."""
    with database.transaction() as conn:
        for step in store.walk(conn, from_position):
            yield model.export_line(step.link, step.row, step.checkpoint)


def _next_rows(conn: Connection, below: store.Mark, limit: int) -> list[Row]:
    """Return up to `limit` rows above a mark to be sealed next, and not what a dump had sealed."""
    found = store.settled_ahead(conn, limit) if below.ahead else []
    if below.ahead:
        below = store.BEGINNING
    while not found:
        candidates = store.settled_after(conn, below, limit)
        if not candidates:
            return []
        below = _mark_of(candidates[-1].row)
        found = [one for one in candidates if not one.is_sealed]
    return [one.row for one in found]


def _mark_of(row: Row) -> store.Mark:
    return store.Mark(str(row.xid), row.id, ahead=False)


def _chain(conn: Connection, head: Head, rows: Sequence[Row]) -> Head:
    """Append links for rows behind the head; returns the new one."""
    position, previous = head.position, head.hash
    links: list[Link] = []
    for row in rows:
        content = model.canonical(row)
        if content is None:
            raise RuntimeError(f"audit row {row.id} holds a detail that we cannot have written")
        position, previous = position + 1, model.link_hash(previous, content)
        links.append(Link(position, row.id, previous))
    store.add_links(conn, links)
    return Head(position, previous)


def _mark(conn: Connection) -> store.Mark:
    """Return the mark above which unsealed rows are to be looked for."""
    below = store.mark(conn)
    return store.BEGINNING if below.ahead else below


def _start(conn: Connection, from_position: int) -> Head:
    if from_position <= 1:
        return Head(0, GENESIS)
    before = store.hash_at(conn, from_position - 1)
    if before is None:
        raise Misconfigured(f"the chain has no position {from_position - 1} to start from")
    return Head(from_position - 1, before)


def _check_tail(walk: Walk, signed: Checkpoint | None) -> None:
    if signed is not None and signed.position > walk.head.position:
        text = f"a checkpoint of {signed.signed_at} signs position {signed.position}"
        walk.note(Kind.TAIL_MISSING, walk.head.position + 1, None, f"{text}; the chain ends before")


def _check_anchor(conn: Connection, walk: Walk, anchor: Anchor | None) -> None:
    if anchor is None or store.hash_at(conn, anchor.position) == anchor.hash:
        return
    text = "the chain does not have the hash that was written down for this position"
    walk.note(Kind.ANCHOR_CONTRADICTED, anchor.position, None, text)


def _check_outside(conn: Connection, walk: Walk) -> None:
    below = store.mark(conn)
    if below.ahead:
        return  # restored from a dump and not sealed since: the mark says nothing yet
    for audit_id in store.outside(conn, below, OUTSIDE_MAX):
        text = "later rows are sealed and this is not: inserted afterwards, or its link was removed"
        walk.note(Kind.INSERTED, None, audit_id, text)


def _signature_check(public_keys: Mapping[str, bytes]) -> SignatureCheck:
    keys = {label: _public_key(label, der) for label, der in public_keys.items()}

    def check(made: Checkpoint) -> bool | None:
        key = keys.get(made.key_label)
        if key is None:
            return None
        if len(made.signature) != SIGNATURE_BYTES:
            return False
        half = SIGNATURE_BYTES // 2
        numbers = (int.from_bytes(part) for part in (made.signature[:half], made.signature[half:]))
        message = model.checkpoint_message(made.position, made.hash, made.signed_at)
        try:
            key.verify(encode_dss_signature(*numbers), message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    return check


def _public_key(label: str, der: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_der_public_key(der)
    except ValueError:
        raise Misconfigured(f"the public key of {label} is not DER SubjectPublicKeyInfo") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Misconfigured(f"the public key of {label} is not a P-256 key")
    return key


def _age_s(oldest: datetime | None, now: datetime) -> int | None:
    return None if oldest is None else max(0, int((now - oldest).total_seconds()))
