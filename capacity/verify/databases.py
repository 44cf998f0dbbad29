"""PostgreSQL's parameters against the plan."""

import os
from pathlib import Path

import psycopg

from capacity.errors import Unreachable, WrongUse
from capacity.render import files
from capacity.sizing.plan import Plan
from capacity.verify import store
from capacity.verify.findings import Finding, Unchecked, same

# libpq's own; with none of them nobody said which database is meant.
ENVIRONMENT = ("PGSERVICE", "PGHOST", "PGDATABASE")
CONNINFO_BYTES_MAX = 4096


def conninfo(file: Path | None) -> str | None:
    """Return how to reach PostgreSQL: a file's text, "" for libpq's environment, None for neither.

    A file, because what stands on a command line everybody on the machine can read.
    """
    if file is None:
        return "" if any(os.environ.get(name) for name in ENVIRONMENT) else None
    try:
        text = file.read_text()[:CONNINFO_BYTES_MAX].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{file}: {error}") from None
    if not text:
        raise WrongUse(f"{file}: is empty; a URI or a line of libpq's keywords is needed")
    return text


def compare(plan: Plan, how: str | None) -> tuple[list[Finding], list[Unchecked], int]:
    """Return findings, what was not checked, and how many parameters were.

    Raises Unreachable when PostgreSQL was named and does not answer.
    """
    if how is None:
        reason = f"no --database-file, and none of {', '.join(ENVIRONMENT)} is set"
        return [], [Unchecked(what="postgresql", reason=reason)], 0
    names = [row.name for row in plan.settings.postgresql]
    try:
        found = store.parameters(how, names)
    except psycopg.ProgrammingError as error:
        raise WrongUse(f"--database-file: {_first_line(error)}") from None
    except psycopg.Error as error:
        raise Unreachable(f"PostgreSQL does not answer: {_first_line(error)}") from None
    findings, unchecked = [], []
    for row in plan.settings.postgresql:
        now = found.get(row.name)
        if now is None:
            reason = "this version of PostgreSQL does not know it"
            unchecked.append(Unchecked(what=row.name, reason=reason))
        elif now.pending_restart or not same(row.value, row.unit, now.setting, now.unit):
            waits = " (a restart is pending)" if now.pending_restart else ""
            findings.append(
                Finding(
                    setting=row.name,
                    wanted=files.parameter(row),
                    found=f"{_readable(now)}{waits}",
                    file=files.postgresql_path(plan),
                    where=now.sourcefile or "pg_settings",
                )
            )
    return findings, unchecked, len(names) - len(unchecked)


def _readable(now: store.Parameter) -> str:
    if not now.unit:
        return now.setting
    if now.unit[0].isdigit():
        size = int(now.unit.removesuffix("kB").removesuffix("MB"))
        return f"{int(now.setting) * size}{now.unit.lstrip('0123456789')}"
    return f"{now.setting}{now.unit}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
