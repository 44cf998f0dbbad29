"""The acquirer itself: takes charges, captures, voids, refunds and enquiries, and remembers them.

Every operation is one transaction: look, decide, write. An id that was seen answers what became of
it; an id that was enquired about before it was seen is closed and will never do anything.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import msgspec

from rizzpay.core import clock, ids
from rizzpay.sandbox import links, magic, records, wire
from rizzpay.sandbox.journal import Journal, unix_ms
from rizzpay.sandbox.letters import Letters
from rizzpay.sandbox.links import OwnLink
from rizzpay.sandbox.magic import Course, Script, Transport
from rizzpay.sandbox.records import Attempt, Charge, Records
from rizzpay.sandbox.settings import Settings
from rizzpay.sandbox.wire import CaptureIn, ChargeIn, RefundIn, Refused, Result, VoidIn

OPEN = frozenset({"action_required", "processing"})
Operation = ChargeIn | CaptureIn | VoidIn | RefundIn
KINDS = {ChargeIn: "charge", CaptureIn: "capture", VoidIn: "void", RefundIn: "refund"}


class Acquirer:
    """Decides by the magic tables; nothing runs by itself here."""

    def __init__(
        self, kept: Records, letters: Letters, settings: Settings, wake: Callable[[], None]
    ) -> None:
        """Take the open records; `wake` is called when something may have become due."""
        self._kept = kept
        self._wake = wake
        self._journal = Journal(kept)
        self._letters = letters
        self._settings = settings

    def transport(self, operation: Operation, reference: str) -> Transport:
        """Return what is to become of the HTTP answer, if the operation is a new one."""
        return self._script(operation, reference).transport

    def perform(
        self, operation: Operation, reference: str, now: datetime
    ) -> tuple[Result, Transport]:
        """Do it once; the same again answers the same, at once. Raises wire.Refused."""
        digest = wire.digest(KINDS[type(operation)], reference, operation)
        with self._kept.change():
            seen = self._kept.attempt(operation.attempt_id)
            if seen is not None:
                return self.result(_same(seen, digest)), Transport.ANSWER
            script = self._script(operation, reference)
            if isinstance(operation, ChargeIn):
                attempt = self._charge(operation, digest, script, now)
            else:
                charge = self._journal.find(reference)
                blank = _blank(operation, digest, charge)
                attempt = self._operate(operation, charge, blank, now)
        self._wake()
        return self.result(attempt), script.transport

    def enquire(self, attempt_id: str, now: datetime, *, keep_open: bool = False) -> Result:
        """Return what became of an id; one never seen is closed. Raises Refused(404, absent)."""
        with self._kept.change():
            seen = self._kept.attempt(attempt_id)
            if seen is None and keep_open:
                raise Refused(404, "absent", "It has not come yet.")
            if seen is None:
                closed = Attempt(attempt_id, "closed", b"", "", "", "declined", 0, "INR")
                seen = self._journal.add(closed)
            elif seen.kind == "charge" and seen.status in OPEN:
                seen = self._expire(seen, now)
        if seen.kind == "closed":
            raise Refused(404, "absent", "It never came, and it never will.", closed=True)
        return self.result(seen)

    def look(self, attempt_id: str) -> Result:
        """Return what became of an id, and change nothing; raises Refused(404, not_found)."""
        seen = self._kept.attempt(attempt_id)
        if seen is None or seen.kind == "closed":
            raise Refused(404, "not_found", "There is no such attempt.")
        return self.result(seen)

    def customer(self, reference: str, now: datetime) -> tuple[Charge, Attempt]:
        """Return a charge that a customer may look at; raises Refused(404, not_found)."""
        charge = self._kept.charge(reference)
        if charge is None:
            raise Refused(404, "not_found", "There is no such payment.")
        with self._kept.change():
            attempt = self._journal.attempt(charge.attempt_id)
            if attempt.status in OPEN:
                attempt = self._expire(attempt, now)
        return charge, attempt

    def customer_acts(self, reference: str, *, approve: bool, now: datetime) -> Attempt:
        """Let the customer approve or decline; raises Refused when it is too late for that."""
        charge, attempt = self.customer(reference, now)
        if attempt.status != "action_required":
            raise Refused(409, "over", "This payment does not wait for its customer any more.")
        with self._kept.change():
            if approve:
                decided = self._decide(charge, attempt, now)
            else:
                decided = self._journal.decline(attempt, "customer_cancelled")
                self._tell(charge, decided, 1, now)
        self._wake()
        return decided

    def pay_own_link(
        self, link: OwnLink, now: datetime, *, approve: bool = True, after_ms: int = 0
    ) -> Result:
        """Let a customer pay by a merchant's own link, or refuse to. Raises Refused.

        A link for an attempt is paid once, a code that stands for many as often as anybody likes.
        """
        if links.code_of(link.attempt_id):
            link = replace(link, attempt_id=f"{link.attempt_id}-{ids.ulid(now)}")
        method = {"type": "upi", "flow": link.flow}
        script = magic.charge_script(method, link.amount)
        if script.transport is Transport.DROPPED:
            raise Refused(503, "not_reached", "Made never to arrive by a magic value.")
        with self._kept.change():
            _refuse_again(self._kept.attempt(link.attempt_id))
            charge = self._own_charge(link, method, now)
            attempt = self._journal.add(_own_attempt(link, charge))
            if script.late:
                self._journal.later(self._settings.late_after_s * 1000, "late", attempt, now)
            if not approve:
                attempt = self._journal.decline(attempt, "customer_cancelled")
                self._tell(charge, attempt, 1, now)
            elif after_ms or script.transport is Transport.SLOW:
                self._journal.later(after_ms or self._settings.slow_ms, "decide", attempt, now)
            elif script.transport is Transport.LOST:
                attempt = self._conclude(charge, attempt, script, now)
            else:
                attempt = self._decide(charge, attempt, now)
        self._wake()
        return self.result(attempt)

    def run_due(self, now: datetime) -> int | None:
        """Do what has become due; return when the next is, in Unix milliseconds."""
        for row in self._kept.rows(records.PAGE_DUE, {"now_ms": unix_ms(now)}):
            with self._kept.change():
                self._kept.run(records.REMOVE_DUE, {"number": row["number"]})
                self._do_due(row["what"], self._journal.attempt(row["attempt_id"]), now)
        following = self._kept.rows(records.NEXT_DUE)[0][0]
        return None if following is None else int(following)

    def result(self, attempt: Attempt) -> Result:
        """Return what the protocol says about an attempt."""
        return Result(
            attempt_id=attempt.attempt_id,
            kind=attempt.kind,
            status=attempt.status,
            reference=attempt.reference,
            amount=attempt.amount,
            currency=attempt.currency,
            captured=bool(attempt.captured),
            rrn=attempt.rrn,
            decline_code=attempt.decline_code,
            action=self._action(attempt) if attempt.status == "action_required" else None,
            tr=links.code_of(attempt.attempt_id),
        )

    # ------------------------------------------------------------------------- operations

    def _charge(self, asked: ChargeIn, digest: bytes, script: Script, now: datetime) -> Attempt:
        self._letters.check_url(asked.callback_url)
        charge = Charge(
            reference=f"ch_{ids.ulid(now)}",
            attempt_id=asked.attempt_id,
            payment_id=asked.payment_id,
            asked=asked.amount,
            currency=asked.currency,
            manual_capture=int(asked.capture_method == "manual"),
            method=msgspec.json.encode(asked.method),
            description=asked.description,
            callback_url=asked.callback_url,
            return_url=asked.return_url,
            expires_at=asked.expires_at,
        )
        self._kept.run(records.ADD_CHARGE, records.charge_row(charge))
        waiting = "processing" if script.course is Course.PROCESSING else "action_required"
        attempt = self._journal.add(replace(_blank(asked, digest, charge), status=waiting))
        if script.late:
            self._journal.later(self._settings.late_after_s * 1000, "late", attempt, now)
        if script.course in {Course.SOON, Course.PROCESSING}:
            self._journal.later(self._settings.approve_after_ms, "decide", attempt, now)
        if script.course is Course.AT_ONCE:
            attempt = self._conclude(charge, attempt, script, now)
            if script.copies > 1:
                self._tell(charge, attempt, script.copies, now)
        return attempt

    def _own_charge(self, link: OwnLink, method: dict[str, str], now: datetime) -> Charge:
        charge = Charge(
            reference=f"ch_{ids.ulid(now)}",
            attempt_id=link.attempt_id,
            payment_id="",  # a link does not say it
            asked=link.amount,
            currency="INR",
            manual_capture=0,
            method=msgspec.json.encode(method),
            description="",
            callback_url=self._settings.upi_callback_url,
            return_url=None,
            expires_at=clock.unix_s(now),
        )
        self._kept.run(records.ADD_CHARGE, records.charge_row(charge))
        return charge

    def _operate(
        self, asked: CaptureIn | VoidIn | RefundIn, charge: Charge, blank: Attempt, now: datetime
    ) -> Attempt:
        match asked:
            case CaptureIn():
                return self._capture(charge, asked, blank, now)
            case VoidIn():
                return self._void(charge, asked, blank, now)
            case RefundIn():
                return self._refund(charge, asked, blank, now)

    def _capture(self, charge: Charge, asked: CaptureIn, blank: Attempt, now: datetime) -> Attempt:
        problem = self._script(asked, charge.reference).decline
        if asked.currency != charge.currency:
            problem = "wrong_currency"
        elif not charge.manual_capture or charge.held == 0:
            problem = "not_capturable"
        elif asked.amount > charge.held:
            problem = "over_capture"
        if problem:
            return self._journal.add(replace(blank, status="declined", decline_code=problem))
        released = charge.held - asked.amount if asked.final else 0
        self._journal.move(charge, blank, now, captured=asked.amount, voided=released)
        return self._journal.add(replace(blank, captured=1))

    def _void(self, charge: Charge, asked: VoidIn, blank: Attempt, now: datetime) -> Attempt:
        opened = self._journal.attempt(charge.attempt_id)
        problem = self._script(asked, charge.reference).decline
        if not problem and opened.status in OPEN:
            self._journal.decline(opened, "called_off")
            return self._journal.add(blank)
        if charge.held == 0:
            problem = "not_voidable"
        if problem:
            return self._journal.add(replace(blank, status="declined", decline_code=problem))
        self._journal.move(charge, blank, now, voided=charge.held)
        return self._journal.add(blank)

    def _refund(self, charge: Charge, asked: RefundIn, blank: Attempt, now: datetime) -> Attempt:
        attempt = replace(blank, reference=f"rf_{ids.ulid(now)}")
        script = magic.refund_script(asked.amount)
        problem = script.decline
        if asked.currency != charge.currency:
            problem = "wrong_currency"
        elif asked.amount > charge.captured - charge.refunded:
            problem = "over_refund"
        if problem:
            return self._journal.add(replace(attempt, status="declined", decline_code=problem))
        if script.course is Course.PROCESSING:
            # Promised now, so that no other refund takes it; in the ledger when it is done.
            self._journal.add_sums(charge, refunded=asked.amount)
            self._journal.later(self._settings.approve_after_ms, "refund", attempt, now)
            return self._journal.add(replace(attempt, status="processing"))
        self._journal.move(charge, attempt, now, refunded=asked.amount)
        return self._journal.with_rrn(self._journal.add(attempt))

    def _do_due(self, what: str, attempt: Attempt, now: datetime) -> None:
        charge = self._journal.find(attempt.charge)
        if what == "refund":
            self._journal.log(charge, attempt, "refunded", attempt.amount, now)
            done = self._journal.write(replace(attempt, status="approved"))
            self._tell(charge, self._journal.with_rrn(done), 1, now)
        elif what == "late" and attempt.status != "approved":
            approved = self._approve(charge, attempt, self._charge_script(charge), now)
            self._tell(charge, approved, 1, now)
        elif what == "decide" and attempt.status in OPEN:
            self._decide(charge, attempt, now)

    # ---------------------------------------------------------------------------- decisions

    def _decide(self, charge: Charge, attempt: Attempt, now: datetime) -> Attempt:
        """Settle an open charge by its script and tell the merchant's side."""
        script = self._charge_script(charge)
        decided = self._conclude(charge, attempt, script, now)
        self._tell(charge, decided, script.copies, now)
        return decided

    def _conclude(self, charge: Charge, attempt: Attempt, script: Script, now: datetime) -> Attempt:
        if script.decline:
            return self._journal.decline(attempt, script.decline)
        return self._approve(charge, attempt, script, now)

    def _approve(self, charge: Charge, attempt: Attempt, script: Script, now: datetime) -> Attempt:
        amount = charge.asked + script.extra
        taken = 0 if charge.manual_capture else amount
        self._journal.move(charge, attempt, now, authorized=amount, captured=taken)
        approved = replace(
            attempt, status="approved", amount=amount, captured=int(taken > 0), decline_code=None
        )
        return self._journal.with_rrn(self._journal.write(approved))

    def _expire(self, attempt: Attempt, now: datetime) -> Attempt:
        """Decline a charge whose customer did not act in time."""
        charge = self._journal.find(attempt.charge)
        if attempt.status != "action_required" or now.timestamp() < charge.expires_at:
            return attempt
        return self._journal.decline(attempt, "expired")

    def _tell(self, charge: Charge, attempt: Attempt, copies: int, now: datetime) -> None:
        self._letters.write(charge.callback_url, self.result(attempt), copies, now)

    # ------------------------------------------------------------------------------ looking

    def _charge_script(self, charge: Charge) -> Script:
        return magic.charge_script(msgspec.json.decode(charge.method), charge.asked)

    def _script(self, operation: Operation, reference: str) -> Script:
        match operation:
            case ChargeIn():
                return magic.charge_script(wire.plain(operation.method), operation.amount)
            case RefundIn():
                return magic.refund_script(operation.amount)
            case CaptureIn():
                return magic.OPERATIONS[self._parent(reference).on_capture]
            case VoidIn():
                return magic.OPERATIONS[self._parent(reference).on_void]

    def _parent(self, reference: str) -> Script:
        return self._charge_script(self._journal.find(reference))

    def _action(self, attempt: Attempt) -> dict[str, str]:
        """Return what the customer has to do about an open charge."""
        method = msgspec.json.decode(self._journal.find(attempt.charge).method)
        kind = method.get("flow", method["type"])
        serial = attempt.charge.removeprefix("ch_")
        match kind:
            case "intent" | "qr":
                payee = {"payee_vpa": links.PAYEE, "payee_name": "RizzPay Sandbox"}
                tail = {"payee_mcc": "5411", "reference": f"CH{serial}"}
                return {"type": "upi", "flow": kind, **payee, **tail}
            case "collect":
                return {"type": "await_approval"}
            case "bank_transfer":
                account = {"account_number": f"RZSB{serial[-12:]}", "ifsc": "RZSB0000001"}
                tail = {"beneficiary": "RizzPay Sandbox", "reference": f"CH{serial}"}
                return {"type": "bank_transfer", **account, **tail}
            case _:
                url = f"{self._settings.public_url}/customer/{attempt.charge}"
                return {"type": "redirect", "url": url}


def charge_of_upi_reference(text: str) -> str:
    """Return the charge that a `tr` of one of our links stands for."""
    return f"ch_{text.removeprefix('CH')}"


def _blank(asked: Operation, digest: bytes, charge: Charge) -> Attempt:
    """Return an attempt as it is when all goes well and nothing is taken yet."""
    return Attempt(
        attempt_id=asked.attempt_id,
        kind=KINDS[type(asked)],
        digest=digest,
        charge=charge.reference,
        reference=charge.reference,
        status="approved",
        amount=charge.held if isinstance(asked, VoidIn) else asked.amount,
        currency=charge.currency if isinstance(asked, VoidIn) else asked.currency,
    )


def _own_attempt(link: OwnLink, charge: Charge) -> Attempt:
    """Return the attempt of a customer who has acted already; no request is the same as it."""
    return Attempt(
        attempt_id=link.attempt_id,
        kind="charge",
        digest=b"",
        charge=charge.reference,
        reference=charge.reference,
        status="processing",
        amount=link.amount,
        currency=charge.currency,
    )


def _refuse_again(seen: Attempt | None) -> None:
    if seen is not None and seen.kind == "closed":
        raise Refused(409, "over", "An enquiry has closed this tr.")
    if seen is not None:
        raise Refused(409, "duplicate", "This tr was paid, or tried, before.")


def _same(seen: Attempt, digest: bytes) -> Attempt:
    if seen.kind == "closed":
        raise Refused(409, "attempt_closed", "An enquiry has closed this attempt_id.")
    if seen.digest != digest:
        raise Refused(409, "attempt_conflict", "This attempt_id was used for another request.")
    return seen
