"""Controls of the backups: there, encrypted, complete, closed."""

import json
import time

import pytest

from tests.compliance.asking import lines, nothing_is_said, settings, told

DAY_S = 26 * 3600  # a day, and the time that a backup takes


@pytest.mark.control("RP-BAK-001")
def test_a_backup_of_this_day_exists(host):
    text = told(host, "runuser -u postgres -- pgbackrest --stanza=rizzpay info --output=json")
    backups = [one for stanza in json.loads(text) for one in stanza["backup"]]
    assert backups, "there is none"
    newest = max(one["timestamp"]["stop"] for one in backups)
    age_s = time.time() - newest
    assert age_s < DAY_S, f"the newest is {age_s / 3600:.0f} hours old"
    broken = [one["label"] for one in backups if one.get("error")]
    assert not broken, f"broken: {', '.join(broken)}"
    nothing_is_said(
        host,
        "systemctl is-active rizzpay-backup@full.timer rizzpay-backup@diff.timer"
        " | grep -vx active || true",
        "a timer is",
    )


@pytest.mark.control("RP-BAK-002")
def test_backups_are_encrypted(host):
    found = settings(told(host, "grep -v cipher-pass /etc/pgbackrest.conf"))
    kind = found.get("repo1-cipher-type")
    assert kind == "aes-256-cbc", f"repo1-cipher-type is {kind}"


@pytest.mark.control("RP-BAK-003")
def test_every_change_is_kept(host):
    query = (
        "SELECT current_setting('archive_mode'), pg_is_in_recovery(),"
        " coalesce(last_failed_time > last_archived_time, false)"
        " OR (last_failed_time IS NOT NULL AND last_archived_time IS NULL) FROM pg_stat_archiver"
    )
    (row,) = lines(host, "runuser -u postgres -- psql -XAtq --command %s", query)
    mode, standby, failing = row.split("|")
    assert mode in {"on", "always"}, f"archive_mode is {mode}"
    assert standby == "t" or failing == "f", "the last change could not be archived"
    command = told(host, "runuser -u postgres -- psql -XAtq --command 'SHOW archive_command'")
    keeps = ("pgbackrest", "/usr/local/sbin/rizzpay-pgbackrest")
    assert command.startswith(keeps), f"archive_command is {command.strip()}"


@pytest.mark.control("RP-BAK-004")
def test_the_repository_is_closed(host):
    nothing_is_said(
        host,
        "find /etc/pgbackrest.conf -perm /007 -print;"
        " find /var/lib/pgbackrest -maxdepth 2 -perm /007 -print 2>/dev/null || true",
        "open to everybody",
    )
