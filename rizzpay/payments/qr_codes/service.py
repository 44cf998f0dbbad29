"""What merchants do with QR codes: make, read, close; and the end of a code whose time is up.

A code is made and closed in one transaction with its claim, its entry in the trail and its event.
Money that comes by it is the writer's matter (crediting.py); both hold the lock of the code's row.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from rizzpay.audit import service as audit
from rizzpay.audit.model import Entry
from rizzpay.core import clock, ids
from rizzpay.core.errors import Refused
from rizzpay.core.money import Money
from rizzpay.core.tenant import Tenant
from rizzpay.gateways.port import UpiQr
from rizzpay.idempotency import service as idempotency
from rizzpay.idempotency.model import Answer, Claim, InProgress, Mismatch, Replay, Won
from rizzpay.infra.database import Connection
from rizzpay.infra.hsm.client import HsmClient
from rizzpay.infra.jobs import Done, Job, Verdict
from rizzpay.infra.pipeline import Sender, Sent
from rizzpay.merchants.model import Caller
from rizzpay.payments.qr_codes import making, model, store
from rizzpay.payments.qr_codes.model import CloseReason, CodeStatus, CreateQrCode, QrCode
from rizzpay.payments.qr_codes.store import Place
from rizzpay.payments.service import Parts
from rizzpay.payments.types import Payment, Served
from rizzpay.risk import service as risk
from rizzpay.webhooks import outbox
from rizzpay.webhooks.model import NewEvent

CLOSE_BY_MIN = timedelta(minutes=15)  # from now; features C-II


class QrCodes:
    """The door to QR codes, for the API and the worker."""

    def __init__(self, parts: Parts, hsm: HsmClient) -> None:
        """Share the parts of the payments service; `hsm` signs where that is set."""
        self._parts = parts
        self._hsm = hsm

    def create(
        self, caller: Caller, command: CreateQrCode, claim: Claim, request_id: str
    ) -> Served:
        """Make a code; claim.object_id is its id. Raises Refused before anything is written."""
        now = claim.created_at
        if command.close_by is not None and command.close_by < now + CLOSE_BY_MIN:
            raise Refused(
                "invalid_request", "close_by is at least 15 minutes from now.", param="close_by"
            )
        risk.assess(caller.merchant, UpiQr(), Money(command.payment_amount or 1, model.CURRENCY))
        code = self._made(caller.tenant, command, claim.object_id, now)
        answer = Answer(201, self._parts.renderer.qr_code_event_json(code))

        def write(conn: Connection) -> Answer:
            store.insert(conn, code)
            audit.append(conn, [_entry(code, caller.key_id, "qr_code.created", request_id)])
            return answer

        return self._claimed(caller.tenant, claim, write)

    def close(self, caller: Caller, code_id: str, claim: Claim | None, request_id: str) -> Served:
        """Close a code; raises Refused(qr_code_not_found, illegal_transition)."""
        now = clock.now()

        def write(conn: Connection) -> Answer:
            code = store.lock_one(conn, code_id)
            if code is None:
                raise Refused("qr_code_not_found", param="id")
            closed = model.closed(code, CloseReason.ON_DEMAND, now)
            self._write_closed(conn, closed, caller.key_id, request_id)
            return Answer(200, self._parts.renderer.qr_code_event_json(closed))

        return self._claimed(caller.tenant, claim, write)

    def expire(self, job: Job) -> Verdict:
        """Close a code whose time is up."""
        tenants = [job.tenant] if job.tenant is not None else []
        with self._parts.database.transaction(*tenants) as conn:
            code = store.lock_one(conn, job.key)
            now = clock.now()
            if code is not None and code.status is CodeStatus.ACTIVE and code.is_over(now):
                closed = model.closed(code, CloseReason.EXPIRED, now)
                self._write_closed(conn, closed, "worker", None)
        return Done()

    def get(self, tenant: Tenant, code_id: str) -> QrCode:
        """Return a code of this tenant; raises Refused(qr_code_not_found)."""
        with self._parts.database.transaction(tenant) as conn:
            return _found(conn, code_id)

    def page(self, tenant: Tenant, limit: int, after: Place) -> list[QrCode]:
        """Return codes, newest first."""
        with self._parts.database.transaction(tenant) as conn:
            return store.page(conn, tenant, limit, after)

    def payments(self, tenant: Tenant, code_id: str, limit: int, after: Place) -> list[Payment]:
        """Return the payments that came by a code, newest first, those that went back as well."""
        with self._parts.database.transaction(tenant) as conn:
            _found(conn, code_id)
            return store.page_payments(conn, code_id, limit, after)

    def _made(self, tenant: Tenant, command: CreateQrCode, code_id: str, now: datetime) -> QrCode:
        gateway, payee = making.gateway_for(self._parts.asker.gateways, livemode=tenant.livemode)
        payee = making.shown(command, payee)
        return QrCode(
            id=code_id,
            tenant=tenant,
            type=command.type,
            usage=command.usage,
            status=CodeStatus.ACTIVE,
            payment_amount=command.payment_amount,
            name=payee.name,
            description=command.description,
            gateway=gateway.name,
            content=making.content(command, code_id, payee, gateway.signing, self._hsm),
            close_by=command.close_by,
            close_reason=None,
            closed_at=None,
            payments_count_received=0,
            payments_amount_received=0,
            version=1,
            created_at=now,
            updated_at=now,
        )

    def _claimed(
        self, tenant: Tenant, claim: Claim | None, write: Callable[[Connection], Answer]
    ) -> Served:
        """Write once for a key, or say again what was said; what is refused leaves the key free."""
        envelope = self._parts.envelope
        with self._parts.database.transaction(tenant) as conn:
            if claim is None:
                return Served(write(conn), replayed=False)
            (result,) = idempotency.claim(conn, envelope, [claim])
            match result:
                case Won():
                    answer = write(conn)
                    idempotency.complete(conn, envelope, [(tenant, claim.key, answer)])
                    return Served(answer, replayed=False)
                case Replay():
                    return Served(result.answer, replayed=True)
                case InProgress():
                    raise Refused("idempotency_in_progress", extra={"retry_after_s": 1})
                case Mismatch():
                    extra = {"original_request_id": result.original_request_id}
                    raise Refused("idempotency_mismatch", extra=extra)

    def _write_closed(
        self, conn: Connection, code: QrCode, actor: str, request_id: str | None
    ) -> None:
        """Write a closed code, and say so; the event last, for its counter is every payment's."""
        store.update(conn, [code])
        audit.append(conn, [_entry(code, actor, "qr_code.closed", request_id)])
        event = NewEvent(
            id=ids.new_id("event", code.updated_at),
            tenant=code.tenant,
            type="qr_code.closed",
            object_id=code.id,
            object_sequence=code.version,
            data=self._parts.renderer.qr_code_event_json(code),
            created_at=code.updated_at,
        )
        outbox.send(conn, [event])


def queue_over(sender: Sender, since: datetime, now: datetime, most: int) -> Sent:
    """Queue the end of codes whose time ran out between two moments; for the worker's sweep."""
    return store.queue_over(sender, since, now, most)


def _found(conn: Connection, code_id: str) -> QrCode:
    code = store.get(conn, code_id)
    if code is None:
        raise Refused("qr_code_not_found", param="id")
    return code


def _entry(code: QrCode, actor: str, action: str, request_id: str | None) -> Entry:
    reason = code.close_reason.value if code.close_reason is not None else None
    return Entry(
        at=code.updated_at,
        actor=actor,
        action=action,
        object_id=code.id,
        detail={"status": code.status.value, "reason": reason, "usage": code.usage.value},
        tenant=code.tenant,
        request_id=request_id,
    )
