"""Listening and serving, for every server of the sandbox, until a signal comes."""

import signal
import sys
from collections.abc import Callable

import falcon
import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from rizzpay.core.errors import Misconfigured
from rizzpay.sandbox.silence import Handler

CONNECTIONS_MAX = 4096
BACKLOG = 1024
STOP_S = 0.3  # for requests under way; idle connections would wait for ever

App = falcon.App[falcon.Request, falcon.Response]


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """Return a listening socket and its URL; raises Misconfigured."""
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
    host, port = listener.getsockname()[:2]
    return listener, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    listener: socket.socket,
    app: App,
    ready: Callable[[], None],
    work: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, or until `work`, which runs beside it, fails."""
    server = WSGIServer(
        listener,
        app,
        handler_class=Handler,
        spawn=Pool(CONNECTIONS_MAX),
        log=None,
        error_log=sys.stderr,
    )
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    server.start()
    beside = [gevent.spawn(one) for one in (work,) if one is not None]
    for greenlet in beside:
        greenlet.link_exception(lambda _: stop.set())
    ready()
    stop.wait()
    server.stop(timeout=STOP_S)
    gevent.killall(beside)
