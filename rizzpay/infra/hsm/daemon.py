"""rizzpay-hsmd: serves one token on a Unix socket. One process, one native thread, no gevent.

The loop never waits for a client: a frame that comes slowly, an answer that nobody fetches and a
silent connection cost a slot and are cut off. It waits for the token, because one thread may.
Clients are told from each other by the uid that the kernel vouches for (SO_PEERCRED).

It starts without a token, answers `unavailable` until there is one, and logs in again by itself.
"""

import ctypes
import fcntl
import os
import pwd
import resource
import selectors
import signal
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, assert_never

from rizzpay.config import HsmSettings
from rizzpay.core import clock
from rizzpay.core.errors import Misconfigured
from rizzpay.infra import log, service_manager
from rizzpay.infra.hsm import protocol
from rizzpay.infra.hsm.inventory import DATA_KEK, Inventory
from rizzpay.infra.hsm.protocol import FRAME_MAX, LENGTH, HsmRefused
from rizzpay.infra.hsm.token import LibraryStuck, Lost, Token

CONNECTIONS_MAX = 256
FRAME_S = 5.0  # a request has to be whole, and an answer fetched, within this time
IDLE_S = 60.0  # a connection without a request
TICK_S = 0.5  # how often the loop looks at its clocks
LOGIN_EVERY_S = 1.0  # while the token is away
WATCH_EVERY_S = 5.0  # asks an idle token whether it is still there
READ_BYTES = 64 * 1024
EXIT_STUCK = 75  # EX_TEMPFAIL of sysexits.h: the supervisor starts us anew
PR_SET_DUMPABLE = 4  # linux/prctl.h
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid; unix(7)


@dataclass(slots=True)
class Connection:
    """A client and what is half read or half written."""

    sock: socket.socket
    uid: int
    since_s: float
    incoming: bytearray = field(default_factory=bytearray)
    outgoing: bytearray = field(default_factory=bytearray)

    def overdue(self, now_s: float) -> bool:
        """Tell whether the client let us wait for too long."""
        busy = bool(self.incoming or self.outgoing)
        return now_s - self.since_s > (FRAME_S if busy else IDLE_S)


class Daemon:
    """The loop; `serve` returns after `stop`."""

    def __init__(
        self, settings: HsmSettings, inventory: Inventory, notify: Callable[[str], None]
    ) -> None:
        """Take the socket; `notify` tells the service manager (sd_notify states)."""
        self._settings = settings
        self._token = Token(settings, inventory)
        self._notify = notify
        self._log = log.get("hsmd")
        self._detail = "not tried yet"
        self._ready = False
        self._next_login_s = self._next_watch_s = self._next_sign_s = 0.0
        self._operations: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._busy_s = 0.0
        self._stopping = False
        self._connections: dict[int, Connection] = {}
        named = _uids(settings)
        self._allowed = named or frozenset((os.getuid(),))
        self._lock = _lock(settings.socket)
        self._listener = _listen(settings.socket, shared=bool(named))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._wake, self._woken = socket.socketpair()
        for end in (self._wake, self._woken):
            end.setblocking(False)  # noqa: FBT003 - the name of the standard library
        self._selector.register(self._woken, selectors.EVENT_READ)

    def stop(self, _: int = 0, __: FrameType | None = None) -> None:
        """End `serve` soon; also a signal handler."""
        self._stopping = True

    def serve(self) -> int:
        """Serve until `stop`; returns the exit status."""
        previous = signal.set_wakeup_fd(self._wake.fileno())
        self._notify(f"READY=1\nMAINPID={os.getpid()}")
        self._log.info("hsmd.ready", socket=self._settings.socket, uids=sorted(self._allowed))
        try:
            while not self._stopping:
                self._show_life()
                self._watch_token()
                for key, events in self._selector.select(TICK_S):
                    self._on_event(key, events)
                self._cut_off_slow()
            with suppress(LibraryStuck):  # the process ends anyway
                self._token.disconnect()
        except LibraryStuck as error:
            self._log.error("hsmd.library_stuck", error=str(error))
            return EXIT_STUCK
        finally:
            signal.set_wakeup_fd(previous)
            self._close()
        self._log.info("hsmd.stopped")
        return 0

    def _show_life(self) -> None:
        """Feed the service manager's watchdog; a module that never returns ends our life so."""
        every_s, now_s = service_manager.alive_every_s(), clock.monotonic_s()
        if every_s is not None and now_s >= self._next_sign_s:
            self._next_sign_s = now_s + every_s
            self._notify("WATCHDOG=1")

    # ------------------------------------------------------------------------------ the token

    def _watch_token(self) -> None:
        now_s = clock.monotonic_s()
        if self._ready and now_s >= self._next_watch_s:
            self._next_watch_s = now_s + WATCH_EVERY_S
            if not self._token.alive():
                self._lost("the token does not answer")
        if not self._ready and now_s >= self._next_login_s:
            self._log_in()

    def _log_in(self) -> None:
        try:
            self._token.connect()
        except Lost as lost:
            self._lost(str(lost))
        else:
            self._ready, self._detail = True, "logged in"
            self._next_watch_s = clock.monotonic_s() + WATCH_EVERY_S
            self._notify("STATUS=logged in")
            self._log.info(
                "token.logged_in",
                model=self._token.model,
                times=self._token.logins,
                mechanism=self._token.wrap_mechanism(DATA_KEK),
            )

    def _lost(self, detail: str) -> None:
        if self._ready or detail != self._detail:
            self._notify(f"STATUS=no token: {detail}")
            self._log.warning("token.lost", detail=detail)
        self._ready, self._detail = False, detail
        self._next_login_s = clock.monotonic_s() + LOGIN_EVERY_S

    # ------------------------------------------------------------------------------ requests

    def _answer(self, body: bytes, uid: int) -> protocol.Answer:
        name = "unknown"
        started_s = clock.monotonic_s()
        try:
            request = protocol.read_request(body)
            name = type(request).__name__
            self._operations[name] += 1
            return self._do(request, uid)
        except HsmRefused as refused:
            self._failures[refused.code] += 1
            self._log.warning("request.refused", request=name, code=refused.code, uid=uid)
            return protocol.Failure(refused.code, refused.message)
        except Lost as lost:
            self._failures["unavailable"] += 1
            self._lost(str(lost))
            return protocol.Failure("unavailable", self._detail)
        finally:
            self._busy_s += clock.monotonic_s() - started_s

    def _do(self, request: protocol.Request, uid: int) -> protocol.Answer:
        token = self._token
        if isinstance(request, protocol.Status):
            return self._status()
        if not self._ready:
            self._failures["unavailable"] += 1
            return protocol.Failure("unavailable", self._detail)
        match request:
            case protocol.ListKeys():
                return token.run(token.list_keys)
            case protocol.Mechanisms():
                return protocol.MechanismList(token.mechanisms)
            case protocol.PublicKey(label):
                return token.run(lambda: protocol.Bytes(token.public_key(label)))
            case protocol.Generate(label):
                self._admit_administrator("Generate", uid)
                token.run(lambda: token.generate(label))
                self._log.info("key.generated", label=label, uid=uid)
                return protocol.Done(label)
            case protocol.Destroy(label):
                self._admit_administrator("Destroy", uid)
                token.run(lambda: token.destroy(label))
                self._log.info("key.destroyed", label=label, uid=uid)
                return protocol.Done(label)
            case _:
                return self._use(request)

    def _use(self, request: protocol.Use) -> protocol.Answer:
        token, run = self._token, self._token.run
        match request:
            case protocol.NewDataKey(kek_label):
                return run(lambda: token.new_data_key(kek_label))
            case protocol.Wrap(kek_label, plain):
                return run(lambda: token.wrap(kek_label, plain))
            case protocol.Unwrap(kek_label, mechanism, wrapped):
                return run(
                    lambda: protocol.Bytes(token.unwrap(kek_label, mechanism, wrapped)),
                    otherwise="bad_wrapped_key",
                )
            case protocol.Rewrap(kek_label, mechanism, wrapped, new_label):
                return run(
                    lambda: token.rewrap(kek_label, mechanism, wrapped, new_label),
                    otherwise="bad_wrapped_key",
                )
            case protocol.Sign(label, message):
                return run(lambda: token.sign(label, message))
            case _:
                assert_never(request)

    def _admit_administrator(self, name: str, uid: int) -> None:
        """Making and destroying keys is for root and for the daemon's own user."""
        if uid not in {0, os.getuid()}:
            raise HsmRefused("not_allowed", f"{name} is not for uid {uid}")

    def _status(self) -> protocol.HsmStatus:
        if self._ready and not self._token.alive():
            self._lost("the token does not answer")
            self._log_in()
        return protocol.HsmStatus(
            ready=self._ready,
            detail=self._detail,
            token_label=self._settings.token_label,
            model=self._token.model,
            wrap_mechanism=self._token.wrap_mechanism(DATA_KEK),
            active=self._token.active(),
            logins=self._token.logins,
            operations=dict(self._operations),
            failures=dict(self._failures),
            busy_s=self._busy_s,
        )

    # ------------------------------------------------------------------------------ sockets

    def _on_event(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.fileobj is self._woken:
            self._woken.recv(READ_BYTES)
        elif key.fd in self._connections:
            connection = self._connections[key.fd]
            try:
                if events & selectors.EVENT_READ:
                    self._read(connection)
                elif events & selectors.EVENT_WRITE:
                    self._write(connection)
            except OSError:
                self._drop(connection)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # the client went away, or we have no file descriptor left
            return
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        uid = _CREDENTIALS.unpack(peer)[1]
        sock.setblocking(False)  # noqa: FBT003 - the name of the standard library
        if uid not in self._allowed and uid != 0:
            self._failures["not_allowed"] += 1
            self._log.warning("peer.refused", uid=uid)
            _refuse(sock, protocol.Failure("not_allowed", f"uid {uid} may not call"))
        elif len(self._connections) >= CONNECTIONS_MAX:
            self._failures["unavailable"] += 1
            _refuse(sock, protocol.Failure("unavailable", "too many connections"))
        else:
            self._connections[sock.fileno()] = Connection(sock, uid, clock.monotonic_s())
            self._selector.register(sock, selectors.EVENT_READ)

    def _read(self, connection: Connection) -> None:
        data = connection.sock.recv(READ_BYTES)
        if not data:
            self._drop(connection)
            return
        if not connection.incoming:
            connection.since_s = clock.monotonic_s()
        connection.incoming += data
        self._next_request(connection)

    def _next_request(self, connection: Connection) -> None:
        """Answer one whole frame, if there is one; the next one waits until it is fetched."""
        if len(connection.incoming) < LENGTH.size:
            return
        (length,) = LENGTH.unpack_from(connection.incoming)
        if length > FRAME_MAX:
            self._failures["malformed"] += 1
            self._log.warning("request.refused", code="malformed", uid=connection.uid)
            self._drop(connection)
        elif len(connection.incoming) >= LENGTH.size + length:
            body = bytes(connection.incoming[LENGTH.size : LENGTH.size + length])
            del connection.incoming[: LENGTH.size + length]
            connection.outgoing += protocol.frame(self._answer(body, connection.uid))
            connection.since_s = clock.monotonic_s()
            self._selector.modify(connection.sock, selectors.EVENT_WRITE)

    def _write(self, connection: Connection) -> None:
        sent = connection.sock.send(connection.outgoing)
        del connection.outgoing[:sent]
        if not connection.outgoing:
            connection.since_s = clock.monotonic_s()
            self._selector.modify(connection.sock, selectors.EVENT_READ)
            self._next_request(connection)

    def _cut_off_slow(self) -> None:
        now_s = clock.monotonic_s()
        for connection in [c for c in self._connections.values() if c.overdue(now_s)]:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._connections.pop(connection.sock.fileno(), None)
        self._selector.unregister(connection.sock)
        connection.sock.close()

    def _close(self) -> None:
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._selector.close()
        for end in (self._listener, self._wake, self._woken):
            end.close()
        Path(self._settings.socket).unlink(missing_ok=True)
        os.close(self._lock)
        self._notify("STOPPING=1")


def harden() -> None:
    """Leave no core dump and let no process of the same user attach or read our memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc: Any = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise Misconfigured(f"prctl(PR_SET_DUMPABLE): {os.strerror(ctypes.get_errno())}")


def _uids(settings: HsmSettings) -> frozenset[int]:
    """Return who may call, by number."""
    try:
        by_name = [pwd.getpwnam(name).pw_uid for name in settings.allowed_users]
    except KeyError as error:
        raise Misconfigured(f"hsm.allowed_users: {error.args[0]}") from None
    return frozenset((*settings.allowed_uids, *by_name))


def _lock(path: str) -> int:
    """Take the lock beside the socket; who holds it may replace a stale socket."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured(f"{path}.lock: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Misconfigured(f"another rizzpay-hsmd serves {path}") from None
    return lock


def _listen(path: str, *, shared: bool) -> socket.socket:
    """Open the socket; `shared` lets its group in, and SO_PEERCRED says who that is."""
    Path(path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117 if shared else 0o177)
    try:
        listener.bind(path)
    except OSError as error:
        listener.close()
        raise Misconfigured(f"{path}: {error.strerror or error}") from None
    finally:
        os.umask(before)
    listener.listen(CONNECTIONS_MAX)
    listener.setblocking(False)  # noqa: FBT003 - the name of the standard library
    return listener


def _refuse(sock: socket.socket, failure: protocol.Failure) -> None:
    """Say no to a connection that is not taken; it gets what fits into its buffer."""
    try:
        sock.send(protocol.frame(failure))
    except OSError:
        pass
    finally:
        sock.close()
