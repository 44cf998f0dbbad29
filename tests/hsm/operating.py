"""What tests of `rizzpay keys` look at: the command's answers, and the table of data keys."""

import json
from datetime import UTC, datetime

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def done(result):
    """Return what a command that has to succeed says in JSON."""
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def findings(daemon):
    """Return what `keys verify` complains about."""
    result = daemon.rizzpay("keys", "verify", "--json")
    told = json.loads(result.stdout)
    assert result.returncode == (0 if told["ok"] else 1), result.stderr
    return {finding["subject"]: finding["problem"] for finding in told["findings"]}


def add_old_keys(table, daemon, count):
    """Add data keys that only open, as years of rotations leave them; returns id → value."""
    values = {}
    for number in range(count):
        key_id = f"dek_{number:026d}"
        mechanism, wrapped = daemon.client.new_data_key("kek-data-v1")
        table.execute(
            "INSERT INTO rizzpay.data_keys (id, purpose, kek_label, mechanism, wrapped, status,"
            " created_at) VALUES (%s, 'personal', 'kek-data-v1', %s, %s, 'decrypt_only', %s)",
            (key_id, mechanism, wrapped, NOW),
        )
        values[key_id] = daemon.client.unwrap("kek-data-v1", mechanism, wrapped)
    return values


def unwrapped(table, daemon):
    """Return id → value of every data key, through the token."""
    rows = table.execute("SELECT id, kek_label, mechanism, wrapped FROM rizzpay.data_keys")
    return {row[0]: daemon.client.unwrap(*row[1:]) for row in rows}


def under(table, label):
    row = table.execute(
        "SELECT count(*) FROM rizzpay.data_keys WHERE kek_label = %s", (label,)
    ).fetchone()
    return row[0]


def days_pass(table, days):
    """Make every data key older."""
    table.execute(
        "UPDATE rizzpay.data_keys SET created_at = created_at - make_interval(days => %s)", (days,)
    )
