"""Passes what arrives at a port inside a lab on to a port outside: python -m tests.lab.relay.

A socket stays in the namespace in which it was made; so this process makes the listening one in the
lab's, where there is no way out, and connects in its own.
"""

import asyncio
import ctypes
import os
import socket
import sys
from pathlib import Path

CLONE_NEWNET = 0x40000000  # linux/sched.h


def listening(namespace: Path, address: str, port: int) -> socket.socket:
    """Return a socket that listens in another network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as own, namespace.open() as other:
        if libc.setns(other.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
        try:
            return socket.create_server((address, port))
        finally:
            if libc.setns(own.fileno(), CLONE_NEWNET) != 0:
                os._exit(1)  # in the wrong network there is nothing right to do


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side ends."""
    try:
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass  # the other side has gone: then so do we
    finally:
        writer.close()


async def serve(listener: socket.socket, target: int) -> None:
    """Pass connections on until somebody ends the process."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs_in, theirs_out = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, theirs_out), copy(theirs_in, writer))

    server = await asyncio.start_server(connected, sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    there, at, on, to = sys.argv[1:]
    asyncio.run(serve(listening(Path(there), at, int(on)), int(to)))
