"""Runs in the machine: writes each record that comes over the network and acknowledges it.

A record is acknowledged after fdatasync, so what the sender knows to be written has to be there
whatever happens next. One thread a connection; started as `python3 recorder.py FILE`.
"""

import os
import socketserver
import sys
from pathlib import Path

PORT = 7000


class Recorder(socketserver.StreamRequestHandler):
    """One connection; a record is a line."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Write and acknowledge until the sender has gone."""
        with Path(sys.argv[1]).open("ab", buffering=0) as file:
            for record in self.rfile:
                file.write(record)
                os.fdatasync(file.fileno())
                self.wfile.write(record.split(b" ", 1)[0] + b"\n")


class Server(socketserver.ThreadingTCPServer):
    """Listens on every address."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    Server(("", PORT), Recorder).serve_forever()
