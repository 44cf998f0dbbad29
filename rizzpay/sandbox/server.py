"""Puts the sandbox together and runs it: one process, one thread for everything but sending."""

import signal
import sys
from collections.abc import Callable
from dataclasses import replace

import falcon
import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from rizzpay.core import clock
from rizzpay.core.errors import Misconfigured
from rizzpay.sandbox import links
from rizzpay.sandbox.acquirer import Acquirer
from rizzpay.sandbox.customers import Act, Front, Page, Scan
from rizzpay.sandbox.door import Door, answer, refuse, refuse_http
from rizzpay.sandbox.inbox import Inbox
from rizzpay.sandbox.letters import Letters
from rizzpay.sandbox.protocol import Attempts, Enquiries, Ledger, Operations, Summary
from rizzpay.sandbox.records import Records
from rizzpay.sandbox.settings import Settings
from rizzpay.sandbox.silence import Handler
from rizzpay.sandbox.wire import CaptureIn, ChargeIn, RefundIn, Refused, VoidIn

CONNECTIONS_MAX = 4096
BACKLOG = 1024
LOOK_AGAIN_S = 1.0  # at the latest, even when nothing says that something is due
STOP_S = 0.3  # for requests under way; idle connections would wait for ever


class Health:
    """GET /health."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say that requests are answered."""
        del req
        answer(resp, {"status": "ok"})


class Sandbox:
    """The records, the acquirer and its letters, and the loop that does what is due."""

    def __init__(self, settings: Settings) -> None:
        """Open the records; raises Misconfigured."""
        self._due = Event()
        self.kept = Records(settings.data)
        self.letters = Letters(self.kept, settings, self._due.set)
        _check_own_links(self.letters, settings)
        self.acquirer = Acquirer(self.kept, self.letters, settings, self._due.set)

    def work(self) -> None:
        """Do what is due, then sleep until the next moment or until something is new."""
        while True:
            self._due.clear()
            now = clock.now()
            moments = [self.acquirer.run_due(now), self.letters.run_due(now)]
            next_ms = min((moment for moment in moments if moment is not None), default=None)
            wait_s = LOOK_AGAIN_S
            if next_ms is not None:
                wait_s = min(max(next_ms / 1000 - clock.now().timestamp(), 0), LOOK_AGAIN_S)
            self._due.wait(wait_s)


def create_app(sandbox: Sandbox, settings: Settings) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the WSGI application."""
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    app.add_error_handler(Refused, refuse)
    app.add_error_handler(falcon.HTTPError, refuse_http)
    acquirer, door = sandbox.acquirer, Door(settings)
    parts = (acquirer, door, settings)
    app.add_route("/v1/charges", Operations(parts, ChargeIn))
    app.add_route("/v1/charges/{reference}/capture", Operations(parts, CaptureIn))
    app.add_route("/v1/charges/{reference}/void", Operations(parts, VoidIn))
    app.add_route("/v1/refunds", Operations(parts, RefundIn))
    app.add_route("/v1/enquiries", Enquiries(acquirer, door))
    app.add_route("/v1/attempts/{attempt_id}", Attempts(acquirer, door))
    app.add_route("/v1/ledger", Ledger(sandbox.kept, door))
    app.add_route("/v1/ledger/summary", Summary(sandbox.kept, door))
    app.add_route("/customer/scan", Scan(acquirer, settings))
    app.add_route("/customer/{reference}", Page(acquirer))
    app.add_route("/customer/{reference}/approve", Act(acquirer, approve=True))
    app.add_route("/customer/{reference}/decline", Act(acquirer, approve=False))
    app.add_route("/inbox/{name}", Inbox(sandbox.kept))
    app.add_route("/health", Health())
    app.add_route("/", Front(settings))
    return app


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the URL. Raises Misconfigured at the start."""
    listener = _listen(settings.host, settings.port)
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    settings = replace(settings, public_url=(settings.public_url or address).rstrip("/"))
    sandbox = Sandbox(settings)
    server = WSGIServer(
        listener,
        create_app(sandbox, settings),
        handler_class=Handler,
        spawn=Pool(CONNECTIONS_MAX),
        log=None,
        error_log=sys.stderr,
    )
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    server.start()
    worker = gevent.spawn(sandbox.work)
    worker.link_exception(lambda _: stop.set())
    ready(address)
    stop.wait()
    server.stop(timeout=STOP_S)
    worker.kill()
    sandbox.kept.close()


def _check_own_links(letters: Letters, settings: Settings) -> None:
    """Refuse half a registration, or an address that this sandbox may not call."""
    if bool(settings.upi_payee_vpa) is not bool(settings.upi_callback_url):
        raise Misconfigured("--upi-payee-vpa and --upi-callback-url belong together")
    if settings.upi_payee_vpa == links.PAYEE:
        raise Misconfigured(f"--upi-payee-vpa: {links.PAYEE} is the sandbox's own payee")
    if settings.upi_callback_url:
        try:
            letters.check_url(settings.upi_callback_url)
        except Refused as error:
            raise Misconfigured(f"--upi-callback-url: {error.detail}") from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it: an answer in two packets would wait for a delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Misconfigured(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener
