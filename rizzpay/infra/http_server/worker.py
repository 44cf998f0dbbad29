"""The gunicorn worker: gunicorn's arbiter, signals, settings and heartbeat; our HTTP.

It serves Unix sockets only, behind HAProxy, which speaks TLS and meets the internet. Of gunicorn's
settings it obeys worker_connections, timeout and graceful_timeout; limits and times of HTTP stand
in parsing.py and connection.py. There is no access log here, the application writes its one line;
no hooks for requests, and no max_requests.

How it stops (SIGTERM; SIGHUP of the arbiter does it to the old worker): it takes the connections
that wait to be accepted, and no more; every answer says `Connection: close`; after a moment, in
which HAProxy sends the next request on what it still believes open, the idle connections are shut.
So nothing that was sent is lost, whatever HAProxy believed.
"""

import socket
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

from rizzpay.core import clock
from rizzpay.core.errors import Misconfigured
from rizzpay.infra import service_manager

TICK_S = 0.5  # heartbeat, Date, and the clock that connections are held against
LAST_TICK_S = 0.02  # while it stops
# HAProxy uses the connection that was used last, so what is idle after this it does not use.
SHUT_IDLE_AFTER_S = 1.0


class Worker(GeventWorker):  # type: ignore[misc] # gunicorn ships no types
    """`--worker-class=rizzpay.infra.http_server.worker.Worker`."""

    def init_process(self) -> None:
        """Refuse what is no Unix socket; then patch, load the application and run."""
        for listener in self.sockets:
            if listener.FAMILY != socket.AF_UNIX:
                raise Misconfigured("this worker serves Unix sockets only; HAProxy stands before")
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application, which may wait for its parts; the event loop shows its life."""
        gevent.spawn(self._show_life)
        super().load_wsgi()

    def run(self) -> None:
        """Serve until told to stop, then stop without losing a request."""
        # Only now is the standard library gevent's, and the arbiter never loads these.
        from rizzpay.infra import log  # noqa: PLC0415
        from rizzpay.infra.http_server.answering import Date  # noqa: PLC0415
        from rizzpay.infra.http_server.connection import Patience, Site  # noqa: PLC0415
        from rizzpay.infra.http_server.door import Door  # noqa: PLC0415

        site = Site(self.wsgi, Patience(), Date(clock.now()), self._resume)
        self._doors = [Door(listener, site, self.worker_connections) for listener in self.sockets]
        site.tick()
        self._resume()
        service_manager.tell("READY=1")
        while self.alive:
            self.notify()
            site.tick()
            self._resume()
            gevent.sleep(TICK_S)
        self._stop(site)
        if site.connections:
            log.get(__name__).warning("worker.cut_off", connections=len(site.connections))

    def _show_life(self) -> None:
        """Feed the service manager's watchdog as long as the event loop turns."""
        while every_s := service_manager.alive_every_s():
            service_manager.tell("WATCHDOG=1")
            gevent.sleep(every_s)

    def _resume(self) -> None:
        """Take connections again, when there was no room for them."""
        for door in self._doors:
            door.open()

    def _stop(self, site: Any) -> None:
        site.stopping = True
        for door in self._doors:
            door.close()
        began_s = clock.monotonic_s()
        while site.connections and site.now_s < began_s + self.cfg.graceful_timeout:
            self.notify()
            site.tick()
            if site.now_s > began_s + SHUT_IDLE_AFTER_S:
                site.close_idle()
            gevent.sleep(LAST_TICK_S)
