"""Clocks that a drill can put forward and back.

Machines share this computer's clock, which nobody may set. What a machine's clock says is therefore
changed where its programs ask: a library before the C library answers for it, in PostgreSQL,
Patroni, the API, the workers and the HSM daemon, and leaves the monotonic clock alone, as setting
the clock does. Programs that do not ask the C library, such as etcd, keep the true time.
"""

import time

from tests.lab.cluster import Cluster
from tests.lab.machine import Machine
from tests.lab.waiting import wait_until

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
OFFSET = "/etc/drill-clock"
UNITS = ("patroni.service", "rizzpay-hsmd.service", "rizzpay-api@.service",
         "rizzpay-worker@.service")  # fmt: skip
DROP_IN = f"""[Service]
Environment=LD_PRELOAD={LIBRARY} FAKETIME_TIMESTAMP_FILE={OFFSET} FAKETIME_CACHE_DURATION=1
Environment=FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1
"""
RESTART = "systemctl daemon-reload && systemctl restart patroni rizzpay.target"
WHOLE_S_MAX = 180.0
TOLERANCE_S = 5


def install(cluster: Cluster) -> None:
    """Let every machine's services take the time from a file, one machine after the other."""
    for machine in cluster.machines:
        machine.shell(f"test -e {LIBRARY} || apt-get install -qy libfaketime", timeout_s=120)
        _write(machine, 0)
        for unit in UNITS:
            directory = f"/run/systemd/system/{unit}.d"
            machine.shell(f"mkdir -p {directory} && cat >{directory}/drill-clock.conf <<'END'\n"
                          f"{DROP_IN}END")  # fmt: skip
        machine.shell(RESTART, timeout_s=120)
        cluster.wait_until_whole(WHOLE_S_MAX)


def remove(cluster: Cluster) -> None:
    """Give every machine's services the true time again."""
    for machine in cluster.machines:
        machine.shell(f"rm -f /run/systemd/system/*.d/drill-clock.conf && {RESTART}",
                      timeout_s=120)  # fmt: skip
        cluster.wait_until_whole(WHOLE_S_MAX)


def put(cluster: Cluster, machine: Machine, seconds: int) -> None:
    """Put a machine's clock so far before or behind the true time; its PostgreSQL must see it."""
    _write(machine, seconds)

    def sees() -> bool:
        ((said,),) = cluster.query("SELECT extract(epoch FROM clock_timestamp())::bigint", machine)
        return abs(int(said) - time.time() - seconds) < TOLERANCE_S

    wait_until(sees, f"{machine.name} to be {seconds} s off", timeout_s=20)


def _write(machine: Machine, seconds: int) -> None:
    machine.shell(f"echo '{seconds:+d}' >{OFFSET}.new && mv {OFFSET}.new {OFFSET}")
