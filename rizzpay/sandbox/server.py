"""Puts the sandbox together and runs it: one process, one thread for everything but sending."""

from collections.abc import Callable
from dataclasses import replace

import falcon
from gevent.event import Event

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
from rizzpay.sandbox.running import listen, run
from rizzpay.sandbox.settings import Settings
from rizzpay.sandbox.wire import CaptureIn, ChargeIn, RefundIn, Refused, VoidIn

LOOK_AGAIN_S = 1.0  # at the latest, even when nothing says that something is due


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
    listener, address = listen(settings.host, settings.port)
    settings = replace(settings, public_url=(settings.public_url or address).rstrip("/"))
    sandbox = Sandbox(settings)
    run(listener, create_app(sandbox, settings), lambda: ready(address), sandbox.work)
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
