"""A merchant outside the site who pays at a steady rate and remembers every acknowledgement.

python -m tests.lab.client SETTINGS runs in the client's namespace until it is told to stop. A
payment starts on its time whatever became of the earlier ones, and is sent with one idempotency key
until somebody acknowledges it. Each outcome is one line of the journal, written when it is known.
"""

import base64
import json
import random
import secrets
import signal
import ssl
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import urllib3

CONNECT_S, ANSWER_S = 1.0, 5.0
RETRY_S_MIN, RETRY_S_MAX = 0.1, 4.0  # between attempts, doubling; each is up to a half off
GIVE_UP_S = 90.0
RETRIED = {408, 409, 425, 429, 500, 502, 503}  # 504 is an answer: the payment is there, ask later
AMOUNT = 12_300  # paise


@dataclass(frozen=True)
class Settings:
    """Where to, as whom, how often, and where to write."""

    address: str
    domain: str
    ca_file: str
    key_id: str
    key_secret: str
    per_second: float
    journal: str


@dataclass(frozen=True)
class Outcome:
    """What became of a payment; times are of the system's monotonic clock."""

    key: str
    started_s: float
    ended_s: float
    sent: int  # how often
    status: int | None  # of the answer that counted; None when there was none in time
    payment_id: str | None
    state: str | None  # of the payment, as the answer had it
    troubles: dict[str, int]  # what the retried attempts met


class Client:
    """Sends payments over connections that it keeps."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pool = urllib3.HTTPSConnectionPool(
            settings.address,
            443,
            maxsize=32,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S),
            ssl_context=ssl.create_default_context(cafile=settings.ca_file),
            server_hostname=settings.domain,
            assert_hostname=settings.domain,
        )
        token = base64.b64encode(f"{settings.key_id}:{settings.key_secret}".encode()).decode()
        self._headers = {
            "Host": settings.domain,
            "Authorization": f"Basic {token}",
            "Content-Type": "application/json",
        }
        self._journal = Path(settings.journal)
        self._writing = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Start payments until `stop`, then wait for those that are under way."""
        prefix = f"lab-{secrets.token_hex(4)}"
        under_way = []
        number, begin = 0, time.monotonic()
        while not stop.is_set():
            number += 1
            thread = threading.Thread(target=self._pay, args=(f"{prefix}-{number}",))
            thread.start()
            under_way = [one for one in under_way if one.is_alive()] + [thread]
            stop.wait(max(0.0, begin + number / self.settings.per_second - time.monotonic()))
        for thread in under_way:
            thread.join()

    def _pay(self, key: str) -> None:
        body = {
            "amount": AMOUNT,
            "currency": "INR",
            "method": {"type": "card", "token": "tok_approve"},
            "reference": key,
        }
        started, sent, wait = time.monotonic(), 0, RETRY_S_MIN
        troubles: dict[str, int] = {}
        status, found = None, {}
        while time.monotonic() - started < GIVE_UP_S:
            sent += 1
            answer = self._send(key, body)
            if isinstance(answer, str):
                trouble = answer
            else:
                status, found = answer
                if not _again(status, found):
                    break
                trouble, status = f"{status} {_code(found)}", None
            troubles[trouble] = troubles.get(trouble, 0) + 1
            time.sleep(wait * random.uniform(0.5, 1.5))
            wait = min(2 * wait, RETRY_S_MAX)
        payment_id = found.get("id") or found.get("error", {}).get("payment_id")
        state = found.get("status") if "error" not in found else _code(found)
        if status is None:
            payment_id = None
        ended = time.monotonic()
        self._note(Outcome(key, started, ended, sent, status, payment_id, state, troubles))

    def _send(self, key: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | str:
        """Send once; return status and answer, or what went wrong on the way."""
        headers = {**self._headers, "Idempotency-Key": key}
        try:
            answer = self._pool.request("POST", "/v1/payments", body=json.dumps(body).encode(),
                                        headers=headers)  # fmt: skip
            return answer.status, json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return type(error).__name__
        except json.JSONDecodeError:
            return f"{answer.status} no JSON"

    def _note(self, outcome: Outcome) -> None:
        with self._writing, self._journal.open("a") as journal:
            journal.write(json.dumps(asdict(outcome)) + "\n")


def _again(status: int, found: dict[str, Any]) -> bool:
    """Tell whether the same request has to be sent again, as docs/integrate.md advises."""
    if _code(found) == "interrupted":
        return True
    if status == 409:
        return _code(found) == "idempotency_in_progress"
    # a gateway that was certainly not reached is an answer with a payment in it
    return status in RETRIED and not (status == 502 and "payment_id" in found.get("error", {}))


def _code(found: dict[str, Any]) -> str:
    return str(found.get("error", {}).get("code", ""))


def outcomes(journal: Path) -> list[Outcome]:
    """Return what a client noted, in the order in which it came to know."""
    if not journal.exists():
        return []
    return [Outcome(**json.loads(line)) for line in journal.read_text().splitlines()]


def acknowledged(found: list[Outcome]) -> list[Outcome]:
    """Return the payments that somebody acknowledged: a success, with the payment's id."""
    return [one for one in found if one.status in {200, 201, 202} and one.payment_id]


def longest_silence_s(found: list[Outcome]) -> float:
    """Return the longest time in which no acknowledgement came though payments were sent.

    What begins after the last payment was started counts for nothing: there only those are left
    that wait for a claim of their own to end, which says nothing about a new payment.
    """
    times = sorted(one.ended_s for one in acknowledged(found))
    starts = [one.started_s for one in found]
    begin, last = min(starts, default=0.0), max(starts, default=0.0)
    gaps = zip([begin, *times], times, strict=False)
    return max((b - a for a, b in gaps if a <= last), default=0.0)


if __name__ == "__main__":
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    threading.stack_size(256 * 1024)  # many wait during an outage
    Client(Settings(**json.loads(Path(sys.argv[1]).read_text()))).run(done)
