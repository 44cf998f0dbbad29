"""Disks that fail and cables that are cut, `script/test --vm`: no part of the ordinary tests.

A container shares its host's kernel and cannot show this, so a whole machine is emulated: Debian's
kernel, four disks, two network cards. Each test leaves the machine whole, so their order is free.
"""

import pytest

from tests.vm.box import DISK, MOUNTED
from tests.vm.machine import BOX_ADDRESS, CARDS

pytestmark = pytest.mark.timeout(2400)

ROLES = ("network_bond", "raid10")
FAILOVER_S = 5.0  # an emulated machine; the kernel looks every 100 ms


@pytest.mark.parametrize("role", ROLES)
def test_a_check_of_a_fresh_server_passes_and_says_what_would_change(first_runs, role):
    assert first_runs[role, "check"].ok, first_runs[role, "check"].text
    assert first_runs[role, "check"].changed > 0


@pytest.mark.parametrize("role", ROLES)
def test_a_second_run_changes_nothing(box, role):
    for options in ((), ("--check", "--diff")):
        run = box.apply(role, *options)
        assert run.ok, run.text
        assert run.changed == 0, run.text


def test_a_disk_is_pulled_and_replaced_under_writes_and_none_is_lost(box):
    old, new = box.disks[2], max(box.disks) + 1
    with box.traffic() as traffic:
        box.machine.pull_disk(old)
        box.machine.wait_until(lambda: "[4/3]" in box.mdstat(), "the disk is missed", 120)
        box.machine.insert_disk(new)
        box.machine.wait_until(lambda: box.exists(DISK.format(new)), "the new disk is seen", 60)
        box.disks[2] = new
        run = box.apply("raid10")
        assert run.ok, run.text
        box.wait_until_whole()
    assert traffic.seen.connections == 1
    for event in ("DeviceDisappeared", "Fail", "RebuildStarted", "SpareActive"):
        print(event, box.exists(f"/var/lib/prometheus/node-exporter/rizzpay_raid10_{event}.prom"))


def test_a_pair_that_differs_is_found_by_the_scrub(box):
    box.machine.shell("systemctl start rizzpay-raid10-scrub")
    metrics = box.machine.shell("cat /var/lib/prometheus/node-exporter/rizzpay_raid10_scrub.prom")
    assert "rizzpay_raid_mismatch_sectors 0\n" in metrics


@pytest.mark.parametrize("mode", ["active-backup"])
def test_a_cut_link_breaks_no_connection(box, mode):
    assert f"Bonding Mode: fault-tolerance ({mode})" in box.bonding()
    with box.traffic() as traffic:
        for card in CARDS:
            box.machine.set_link(card, up=False)
            box.wait_for_links(1)
            box.wait_for_more()
            box.machine.set_link(card, up=True)
            box.wait_for_links(2)
            box.wait_for_more()
    assert traffic.seen.connections == 1
    assert traffic.seen.silence_s < FAILOVER_S


def test_a_power_cut_loses_no_acknowledged_record(box):
    before = box.machine.boot()
    with box.traffic() as traffic:
        box.machine.cut_power()
        box.wait_for_another_start(before)
    assert traffic.seen.connections > 1
    box.wait_until_whole()
    box.wait_for_links(2)


def test_a_restart_brings_the_array_and_the_bond_back(box):
    before = box.machine.boot()
    with box.traffic():
        box.machine.shell("systemctl reboot")
        box.wait_for_another_start(before)
    assert "active raid10" in box.mdstat()
    assert "[4/4] [UUUU]" in box.mdstat()
    box.wait_for_links(2)
    assert box.machine.shell(f"findmnt -no SOURCE {MOUNTED}").startswith("/dev/md")


def test_a_disk_that_holds_data_is_refused_and_left_alone(box):
    number = max(box.disks) + 1
    box.machine.insert_disk(number)
    disk = DISK.format(number)
    box.machine.wait_until(lambda: box.exists(disk), "the disk is seen", 60)
    unknown = f"echo ledger | dd of={disk} bs=512 seek=100 conv=notrunc"
    for content in (f"mkfs.ext4 -q {disk}", unknown):
        box.machine.shell(content)
        digest = box.machine.shell(f"sha256sum {disk}")
        devices = [DISK.format(one) for one in (*box.disks[:3], number)]
        run = box.apply("raid10", raid10_devices=devices)
        assert not run.ok
        assert f"{disk}" in run.text
        assert "holds data" in run.text
        assert run.changed == 0
        assert box.machine.shell(f"sha256sum {disk}") == digest
        box.machine.shell(f"wipefs --quiet --all {disk}; dd if=/dev/zero of={disk} bs=1M count=1")
    box.machine.pull_disk(number)


def test_a_network_that_cannot_be_reached_is_taken_back(box):
    lost = box.apply(
        "network_bond", network_bond_addresses=["203.0.113.10/24"], network_bond_rollback_s=40
    )
    assert not lost.ok
    box.machine.wait_for_shell()
    assert BOX_ADDRESS in box.machine.shell("ip -brief address show bond0")
    again = box.apply("network_bond")
    assert again.ok, again.text
    assert "203.0.113.10" not in box.machine.shell("cat /etc/systemd/network/*")
