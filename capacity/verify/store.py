"""The one question to PostgreSQL: what are these parameters now?"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

CONNECT_TIMEOUT_S = 5

SETTINGS = """
    SELECT name, setting, coalesce(unit, '') AS unit, pending_restart,
           coalesce(sourcefile, '') AS sourcefile
    FROM pg_catalog.pg_settings
    WHERE name = ANY(%(names)s::text[])
"""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A row of pg_settings. `sourcefile` is "" for who is not a superuser."""

    name: str
    setting: str
    unit: str
    pending_restart: bool
    sourcefile: str


def parameters(conninfo: str, names: Sequence[str]) -> dict[str, Parameter]:
    """Ask PostgreSQL; `conninfo` "" leaves everything to libpq's environment.

    Raises psycopg.Error.
    """
    with (
        psycopg.connect(conninfo, connect_timeout=CONNECT_TIMEOUT_S, autocommit=True) as connection,
        connection.cursor(row_factory=class_row(Parameter)) as cursor,
    ):
        cursor.execute(SETTINGS, {"names": list(names)})
        return {row.name: row for row in cursor}
