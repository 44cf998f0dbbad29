"""How PostgreSQL would run each query on grown tables, and what it touches when it does."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.architecture.queries import PLACEHOLDER, Query

MODES = ("force_custom_plan", "force_generic_plan")  # psycopg prepares after five executions


@dataclass(frozen=True)
class Look:
    """One look at a plan: where, the node types on tables, and pages touched (None: not run)."""

    role: str
    mode: str
    scans: tuple[tuple[str, str], ...]  # (node type, table)
    pages: int | None
    text: str


def literal(value: object) -> str:
    """Write a value as an untyped literal."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        inner = ",".join("NULL" if one is None else json.dumps(str(one)) for one in value)
        value = f"{{{inner}}}"
    return "'" + str(value).replace("'", "''") + "'"


def arguments(query: Query, values: Mapping[str, Any], *, run: bool) -> str:
    """Return the list of arguments in the order of the prepared statement."""
    found = list(dict.fromkeys(m[1] for m in PLACEHOLDER.finditer(query.text) if m[1]))
    missing = [name for name in found if name not in values]
    if missing and run:
        message = f"say in VALUES what a realistic {missing} of {query.name} is"
        raise KeyError(message)
    given = [literal(values[name]) if run else "NULL" for name in found]
    return f"({', '.join(given)})" if found else ""


def look(
    conn: psycopg.Connection, role: str, mode: str, query: Query, values: Mapping[str, Any]
) -> Look:
    """Plan a query, and run it unless it inserts; what it changes is rolled back."""
    text, _ = query.prepared
    run = "INSERT INTO" not in text
    conn.execute("DEALLOCATE ALL")  # of the query before, which may have failed
    with conn.transaction(force_rollback=True):
        conn.execute(f"SET LOCAL plan_cache_mode = {mode}".encode())
        conn.execute(f"PREPARE looked AS {text}".encode())
        options = "ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON" if run else "FORMAT JSON"
        explain = f"EXPLAIN ({options}) EXECUTE looked {arguments(query, values, run=run)}"
        (plan,) = conn.execute(explain.encode()).fetchone()[0]
    nodes = list(walk(plan["Plan"]))
    scans = tuple((n["Node Type"], n["Relation Name"]) for n in nodes if "Relation Name" in n)
    top = plan["Plan"]
    pages = top["Shared Hit Blocks"] + top["Shared Read Blocks"] if run else None
    return Look(role, mode, scans, pages, json.dumps(plan, indent=1))


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes."""
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)
