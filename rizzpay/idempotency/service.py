"""One effect a key: claim before the work, keep the answer, replay it byte for byte.

Every function takes part in the caller's transaction and never commits. The claim commits with
the intent that it guards, so there is no moment in which one exists without the other.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from rizzpay.core.tenant import Tenant
from rizzpay.idempotency import model, store
from rizzpay.idempotency.model import (
    Answer,
    Claim,
    ClaimResult,
    InProgress,
    KeyOf,
    Mismatch,
    OpenClaim,
    Replay,
    Won,
)
from rizzpay.infra.database import Connection
from rizzpay.infra.envelope import Envelope
from rizzpay.infra.pipeline import Sender, Sent

PURPOSE = "answer"
CLAIM_TRIES = 5  # a claim may be released between our attempt and our look at it; rarely twice
PURGE_BATCH = 5000  # rows a transaction: short enough not to hold back the vacuum


def claim(conn: Connection, envelope: Envelope, claims: Sequence[Claim]) -> list[ClaimResult]:
    """Claim keys of any number of merchants of one mode; results in order of the input.

    Of several claims with one key the first may win and the others are compared with it. A
    different request is a Mismatch even while the first is at work. Another transaction that is
    claiming the same key is waited for.
    """
    results: dict[int, ClaimResult] = {}
    waiting = dict(enumerate(claims))
    for _ in range(CLAIM_TRIES):
        if not waiting:
            break
        results |= _try(conn, envelope, waiting)
        waiting = {number: one for number, one in waiting.items() if number not in results}
    return [results.get(number, InProgress()) for number in range(len(claims))]


def sealed(envelope: Envelope, claims: Sequence[tuple[Claim, Answer | None]]) -> list[bytes | None]:
    """Seal the answers of claims that are about to be made, for whoever inserts them himself.

    When somebody has such a key already the insert fails with an error that `is_taken` knows.
    """
    answers = [
        (answer.body, model.context(model.key_of(claim)))
        for claim, answer in claims
        if answer is not None
    ]
    bodies = iter(envelope.seal_all(PURPOSE, answers))
    return [None if answer is None else next(bodies) for _, answer in claims]


def is_taken(error: Exception) -> bool:
    """Tell whether a transaction failed because a key that it took was not new."""
    return store.is_taken(error)


def release(conn: Connection, claims: Sequence[Claim]) -> None:
    """Give keys back after a refusal before any effect; only the request that won it can."""
    if claims:
        store.release(conn, claims)


def complete(
    conn: Connection, envelope: Envelope, answers: Sequence[tuple[Tenant, str, Answer]]
) -> int:
    """Keep the answers of open claims, sealed; return how many were open.

    The first answer stays for ever: completing a claim again changes nothing.
    """
    sent = keep(conn, envelope, answers)
    return sent.count if sent else 0


def keep(
    conn: Connection, envelope: Envelope, answers: Sequence[tuple[Tenant, str, Answer]]
) -> Sent | None:
    """Complete claims without waiting: for a transaction that runs in a pipeline."""
    if not answers:
        return None
    unique = {KeyOf(tenant, key): answer for tenant, key, answer in reversed(answers)}
    bodies = envelope.seal_all(
        PURPOSE, [(answer.body, model.context(place)) for place, answer in unique.items()]
    )
    sealed = zip(unique.items(), bodies, strict=True)
    return store.complete(conn, [(place, it.status, body) for (place, it), body in sealed])


def open_for(conn: Connection, object_ids: Iterable[str]) -> dict[str, OpenClaim]:
    """Return the open claim of each object that has one: whose request was cut off.

    Of several the newest, because an older one of the same object was answered or given up.
    """
    return ask_open(conn, object_ids)()


def ask_open(conn: Sender, object_ids: Iterable[str]) -> Callable[[], dict[str, OpenClaim]]:
    """Ask for what `open_for` returns; the answer is fetched when it is called for."""
    wanted = sorted(set(object_ids))
    if not wanted:
        return dict
    asked = store.open_for(conn, wanted)
    return lambda: dict(asked())


def purge(conn: Connection, older_than: datetime, limit: int = PURGE_BATCH) -> int:
    """Forget up to `limit` answered claims made before a moment; return how many.

    Open claims stay: their outcome is not known, and a second try must not become a second effect.
    """
    return store.purge(conn, older_than, limit)


def _try(conn: Connection, envelope: Envelope, claims: dict[int, Claim]) -> dict[int, ClaimResult]:
    """Claim what is free and judge the rest by what is stored; what vanished has no result."""
    first: dict[KeyOf, int] = {}
    for number, one in claims.items():
        first.setdefault(model.key_of(one), number)
    won = store.insert(conn, [claims[number] for number in first.values()])
    results: dict[int, ClaimResult] = {first[place]: Won() for place in won}
    lost = {number: one for number, one in claims.items() if number not in results}
    if lost:
        stored = store.read(conn, sorted({model.key_of(one) for one in lost.values()}))
        for number, one in lost.items():
            holder = stored.get(model.key_of(one))
            if holder is not None:
                results[number] = _judge(envelope, one, holder)
    return results


def _judge(envelope: Envelope, late: Claim, holder: store.Stored) -> ClaimResult:
    if late.request_hash != holder.request_hash:
        return Mismatch(holder.request_id)
    if holder.status is None or holder.body is None:
        return InProgress()
    body = envelope.open(PURPOSE, holder.body, model.context(holder.place))
    return Replay(Answer(holder.status, body))
