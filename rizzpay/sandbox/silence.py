"""Not answering: how a time-out looks from the other side."""

import socket

import falcon
from gevent.pywsgi import WSGIHandler
from gevent.socket import wait_read

SOCKET = "sandbox.socket"


class Handler(WSGIHandler):
    """Gives the application the socket of its request."""

    def get_environ(self) -> dict[str, object]:
        """Add the socket to the WSGI environment."""
        environ: dict[str, object] = super().get_environ()
        environ[SOCKET] = self.socket
        return environ


def keep_silent(req: falcon.Request, seconds: float) -> None:
    """Wait until the client goes away or the time is over; then end the connection unanswered."""
    connection: socket.socket = req.env[SOCKET]
    try:
        wait_read(connection.fileno(), seconds, TimeoutError())
    except TimeoutError:
        pass
    finally:
        # What is written afterwards fails with EPIPE, which pywsgi takes for a client that left.
        connection.shutdown(socket.SHUT_RDWR)
