"""What is refused before anything is sent: a database that may forget, too few descriptors."""

import resource

import psycopg

from capacity.errors import Unfit, Unreachable
from capacity.load import store

# synchronous_commit: `local` and `remote_write` answer before a standby has it on disk.
WANTED = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_apply"),
}
SHOWN = ("server_version", "shared_buffers", "max_wal_size", "wal_sync_method", "data_checksums")
SPARE_FILES = 64  # what we need beside the connections


def connect(conninfo: str) -> psycopg.Connection:
    """Connect, each statement a transaction of its own; raises Unreachable."""
    try:
        return psycopg.connect(conninfo, autocommit=True)
    except psycopg.OperationalError as error:
        said = str(error).strip().splitlines()
        raise Unreachable(f"the database does not answer: {said[0] if said else ''}") from None


def durable(conn: psycopg.Connection) -> dict[str, str]:
    """Return the settings that durability rests on; raises Unfit when it is switched off."""
    values = {"names": [*WANTED, *SHOWN]}
    found = {str(row[0]): str(row[1]) for row in conn.execute(store.SETTINGS, values)}
    for name, good in WANTED.items():
        if found[name] not in good:
            raise Unfit(f"database not durable: {name} is {found[name]}; a payment could be lost")
    for role, setting in conn.execute(store.OVERRIDES):
        name, _, value = str(setting).partition("=")
        if name in WANTED and value not in WANTED[name]:
            raise Unfit(f"database not durable: {name} is {value} for {role}")
    return found


def descriptors(connections: int) -> None:
    """See that so many connections can be opened; raises Unfit."""
    needed = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise Unfit(
                f"{connections} connections need {needed} file descriptors, and this process may "
                f"have {hard}; raise it (ulimit -n) or take fewer connections"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
