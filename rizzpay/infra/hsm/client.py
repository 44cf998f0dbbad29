"""What the rest of RizzPay calls: rizzpay-hsmd over its Unix socket. No PKCS#11 here.

Plain standard library sockets and locks: in a process that gevent has patched a call waits
without stopping the others; in a command line process it blocks. One connection a call, so that
clients share nothing and a restarted daemon is met at the next call.

What may pile up is bounded: few calls at a time, a short queue, and after some calls in a row
without an answer nobody asks for a second (circuit breaker). All of that is Unavailable("hsm");
HsmRefused is the daemon's no.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from rizzpay.core import clock
from rizzpay.core.errors import Unavailable
from rizzpay.core.secret import Secret
from rizzpay.infra.hsm import protocol
from rizzpay.infra.hsm.protocol import FRAME_MAX, LENGTH, HsmRefused, HsmStatus, KeyInfo

PARALLEL = 4  # calls of this process at a time; the daemon has one thread anyway
WAITING_MAX = 64  # calls that may wait for their turn; one more is told Unavailable at once
BREAK_AFTER = 3  # calls in a row without an answer
BROKEN_S = 1.0  # how long nobody asks after that
Expected = TypeVar("Expected")


class HsmClient:
    """Calls of one process to the daemon; may be shared by threads and greenlets."""

    def __init__(self, socket_path: str, timeout_s: float = 5.0) -> None:
        """Keep the path; nothing is opened before the first call. `timeout_s` is for a call."""
        self._path = socket_path
        self._timeout_s = timeout_s
        self._turn = threading.BoundedSemaphore(PARALLEL)
        self._breaker = _Breaker()

    # Each raises Unavailable("hsm") when the daemon or the token does not answer, HsmRefused else.

    def status(self) -> HsmStatus:
        """Return how the token is; answered by the daemon even when the token is away."""
        return self._call(protocol.Status(), HsmStatus)

    def active(self, family: str) -> str:
        """Return the label of a family's active version, as in `kek-data-v2`."""
        status = self.status()
        if not status.ready:
            raise Unavailable("hsm", status.detail)
        if family not in status.active:
            raise HsmRefused("no_such_key", f"there is no {family} key; run `rizzpay keys init`")
        return status.active[family]

    def unwrap(self, kek_label: str, mechanism: str, wrapped: bytes) -> Secret[bytes]:
        """Return the 32 bytes of a data key; any version of the KEK unwraps."""
        request = protocol.Unwrap(kek_label, mechanism, wrapped)
        return Secret(self._call(request, protocol.Bytes).value)

    def wrap(self, kek_label: str, plain: Secret[bytes]) -> tuple[str, bytes]:
        """Wrap 32 bytes under the active version; returns mechanism and wrapped key."""
        answer = self._call(protocol.Wrap(kek_label, plain.reveal()), protocol.Wrapped)
        return answer.mechanism, answer.wrapped

    def new_data_key(self, kek_label: str) -> tuple[str, bytes]:
        """Have a data key made in the token; returns mechanism and wrapped key."""
        answer = self._call(protocol.NewDataKey(kek_label), protocol.Wrapped)
        return answer.mechanism, answer.wrapped

    def rewrap(
        self, kek_label: str, mechanism: str, wrapped: bytes, new_kek_label: str
    ) -> tuple[str, bytes]:
        """Wrap a data key anew under the active version; it stays in the token."""
        request = protocol.Rewrap(kek_label, mechanism, wrapped, new_kek_label)
        answer = self._call(request, protocol.Wrapped)
        return answer.mechanism, answer.wrapped

    def sign(self, label: str, message: bytes) -> bytes:
        """Sign with ECDSA P-256 over SHA-256; raw r and s. Only the active version signs."""
        return self._call(protocol.Sign(label, message), protocol.Signed).signature

    def sign_active(self, family: str, message: bytes) -> tuple[str, bytes]:
        """Sign with whatever version is active now; returns its label and the signature."""
        answer = self._call(protocol.Sign(family, message), protocol.Signed)
        return answer.label, answer.signature

    def sign_der(self, family: str, message: bytes) -> bytes:
        """Sign with the active version; returns the signature in DER, as X.509 has it."""
        _, raw = self.sign_active(family, message)
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))

    def public_key(self, label: str) -> bytes:
        """Return the public part of any version as DER SubjectPublicKeyInfo."""
        return self._call(protocol.PublicKey(label), protocol.Bytes).value

    def list_keys(self) -> tuple[KeyInfo, ...]:
        """Return every key of the token with its attributes."""
        return self._call(protocol.ListKeys(), protocol.KeyList).keys

    def mechanisms(self) -> tuple[protocol.MechanismRow, ...]:
        """Return the inventory's mechanisms, and how each did in its trial."""
        return self._call(protocol.Mechanisms(), protocol.MechanismList).rows

    def generate(self, label: str) -> None:
        """Make the next version of a family; for root and the daemon's own user."""
        self._call(protocol.Generate(label), protocol.Done)

    def destroy(self, label: str) -> None:
        """Destroy the secret part of an old version; for root and the daemon's own user."""
        self._call(protocol.Destroy(label), protocol.Done)

    def _call(self, request: protocol.Request, expected: type[Expected]) -> Expected:
        deadline_s = clock.monotonic_s() + self._timeout_s
        with self._breaker.guarding(), self._in_turn(deadline_s):
            answer = self._exchange(protocol.frame(request), deadline_s)
        if isinstance(answer, protocol.Failure):
            if answer.code == "unavailable":
                raise Unavailable("hsm", answer.message)
            raise HsmRefused(answer.code, answer.message)
        if not isinstance(answer, expected):
            raise HsmRefused("malformed", "this answers another question")
        return answer

    @contextmanager
    def _in_turn(self, deadline_s: float) -> Iterator[None]:
        if not self._turn.acquire(timeout=max(0.0, deadline_s - clock.monotonic_s())):
            raise Unavailable("hsm", "too many calls at a time")
        try:
            yield
        finally:
            self._turn.release()

    def _exchange(self, frame: bytes, deadline_s: float) -> protocol.Answer:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.settimeout(_left_s(deadline_s))
                sock.connect(self._path)
                with suppress(BrokenPipeError, ConnectionResetError):
                    sock.sendall(frame)  # one that does not let us in says why, and hangs up
                (length,) = LENGTH.unpack(_receive(sock, LENGTH.size, deadline_s))
                if length > FRAME_MAX:
                    raise Unavailable("hsm", "this is not rizzpay-hsmd")
                return protocol.read_answer(_receive(sock, length, deadline_s))
        except TimeoutError:
            raise Unavailable("hsm", "rizzpay-hsmd did not answer in time") from None
        except OSError as error:
            raise Unavailable("hsm", f"rizzpay-hsmd: {error.strerror or error}") from None


class _Breaker:
    """Counts calls without an answer, and who waits; opens, and lets one through to look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._failed = 0
        self._closed_from_s = 0.0

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Refuse at once when the breaker is open or the queue is full."""
        self._enter()
        try:
            yield
        except Unavailable:
            self._leave(answered=False)
            raise
        except BaseException:  # ours, or a killed greenlet: says nothing about the daemon
            self._leave(answered=None)
            raise
        else:
            self._leave(answered=True)

    def _enter(self) -> None:
        with self._lock:
            now_s = clock.monotonic_s()
            if self._failed >= BREAK_AFTER and now_s < self._closed_from_s:
                raise Unavailable("hsm", "rizzpay-hsmd did not answer just now")
            if self._inside >= PARALLEL + WAITING_MAX:
                raise Unavailable("hsm", "too many calls wait")
            if self._failed >= BREAK_AFTER:  # this one looks; the others wait for what it finds
                self._closed_from_s = now_s + BROKEN_S
            self._inside += 1

    def _leave(self, *, answered: bool | None) -> None:
        with self._lock:
            self._inside -= 1
            if answered is True:
                self._failed = 0
            elif answered is False:
                self._failed += 1
                self._closed_from_s = clock.monotonic_s() + BROKEN_S


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - clock.monotonic_s()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _receive(sock: socket.socket, size: int, deadline_s: float) -> bytes:
    received = bytearray()
    while len(received) < size:
        sock.settimeout(_left_s(deadline_s))
        part = sock.recv(size - len(received))
        if not part:
            raise ConnectionResetError("closed by rizzpay-hsmd")
        received += part
    return bytes(received)
