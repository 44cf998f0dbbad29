"""Accepting: the connections of one listening socket, as long as there is room for them."""

from typing import Any

import gevent
from gevent import socket as gevent_socket

from rizzpay.infra import log
from rizzpay.infra.http_server.connection import Connection, Site

ACCEPT_MAX = 64  # connections taken at once; requests come between


class Door:
    """Accepts the connections of one listening socket, as long as there is room."""

    def __init__(self, listener: gevent_socket.socket, site: Site, room: int) -> None:
        """Accept nothing yet."""
        self._listener = listener
        self._site = site
        self._room = room
        self._is_open = self._is_closed = False
        listener.settimeout(0.0)
        hub: Any = gevent.get_hub()
        self._watcher = hub.loop.io(listener.fileno(), 1)

    def open(self) -> None:
        """Accept when somebody comes."""
        if not self._is_open and not self._is_closed:
            self._is_open = True
            self._watcher.start(self._accept)

    def close(self) -> None:
        """Take those who wait already; then there is no door any more."""
        self._is_closed = True
        while self._accept():
            pass
        self._watcher.stop()
        self._watcher.close()
        self._listener.close()

    def _rest(self) -> None:
        self._watcher.stop()
        self._is_open = False

    def _accept(self) -> bool:
        """Take some connections; tell whether there may be more."""
        for _ in range(ACCEPT_MAX):
            if len(self._site.connections) >= self._room and not self._is_closed:
                self._rest()
                return False
            try:
                accepted, _ = self._listener.accept()
            except BlockingIOError:
                return False
            except OSError as error:  # no descriptor left, as a rule; the next tick tries again
                self._rest()
                log.get(__name__).error("worker.cannot_accept", error=str(error))
                return False
            gevent.spawn(Connection(self._site, accepted).serve)
        return True
