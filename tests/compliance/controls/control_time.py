"""Controls of the clock: who keeps it, after whom, how well."""

import pytest

from tests.compliance.asking import in_container, lines, nothing_is_said, told
from tests.compliance.plugin import not_applicable

OFFSET_S = 0.050


@pytest.mark.control("RP-TIME-001")
def test_chrony_alone_keeps_the_clock(host):
    state = host.run("systemctl is-enabled chrony.service").stdout.strip()
    assert state == "enabled", f"chrony.service is {state or 'not there'}"
    nothing_is_said(
        host,
        "systemctl is-active systemd-timesyncd ntp ntpsec openntpd 2>/dev/null | grep -x active"
        " || true",
        "another service keeps the time as well",
    )


@pytest.mark.control("RP-TIME-002")
def test_the_clock_follows_two_sources(host):
    found = lines(host, "grep -E '^(server|peer|pool) ' /etc/chrony/chrony.conf || true")
    assert len(found) >= 2, f"{len(found)} sources"


@pytest.mark.control("RP-TIME-003")
def test_clocks_of_the_site_agree(host):
    if in_container(host) and host.run("systemctl is-active --quiet chrony").failed:
        not_applicable("a container has the clock of its machine and may not set it")
    fields = told(host, "chronyc -c tracking").strip().split(",")
    offset_s = abs(float(fields[4]))
    assert fields[13] == "Normal", f"chrony says {fields[13]}"
    assert offset_s < OFFSET_S, f"{offset_s * 1000:.0f} ms"


@pytest.mark.control("RP-TIME-004")
def test_only_root_changes_the_source_of_time(host):
    nothing_is_said(
        host, "find /etc/chrony \\( ! -user root -o -perm /022 \\) ! -type l"
        " ! -path '*/chrony.keys' -print", "others may change it"
    )  # fmt: skip


@pytest.mark.control("RP-TIME-005")
def test_the_host_writes_utc(host):
    zone = told(host, "date +%Z").strip()
    assert zone == "UTC", f"it writes {zone}"
