"""The drills: what is done to the site while somebody pays, and how it comes back.

Each hurts a site that is whole and heals what does not heal itself. The goals are the longest
silences that a merchant may see.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab import clocks
from tests.lab.cluster import Cluster
from tests.lab.commands import LabError
from tests.lab.machine import DATA, Machine
from tests.lab.waiting import wait_until

Undo = Callable[[], None]
PRIMARY_GOAL_S, BALANCER_GOAL_S, API_GOAL_S = 15.0, 2.0, 1.0
WRITE = "CREATE TABLE public.drill_write (); DROP TABLE public.drill_write"
TOKENS = "/var/lib/rizzpay-hsm/tokens"
CLOCK_JUMP_S, CLOCK_STAY_S = 3600, 5.0
# A Patroni whose clock went back waits by it, so that its lease of 20 s runs out.
CLOCK_GOAL_S = 30.0
# A machine that answers is not silent: its lease of 20 s runs out before there is an election.
FROZEN_GOAL_S, FROZEN_S = 35.0, 60.0


@dataclass(frozen=True)
class Drill:
    """`hurt` returns what has to be done by hand afterwards."""

    name: str
    title: str
    goal_s: float
    hurt: Callable[[Cluster], Undo]
    arrange: Callable[[Cluster], None] = lambda _: None
    # What is asked besides a whole site before the machine counts as back.
    is_back: Callable[[Cluster], bool] = lambda _: True
    tidy: Callable[[Cluster], None] = lambda _: None


def kill_postgres(cluster: Cluster) -> Undo:
    """Kill every process of the primary's PostgreSQL."""
    cluster.primary().run("pkill", "-9", "-x", "postgres")
    return _nothing


def freeze_postgres(cluster: Cluster) -> Undo:
    """Stop every process of the primary's PostgreSQL where it is, and let it go on a minute later.

    Connections stay open and are accepted, and nothing answers.
    """
    old, frozen_s = cluster.primary(), time.monotonic()
    old.run("pkill", "-STOP", "-x", "postgres")

    def thaw() -> None:
        time.sleep(max(0.0, FROZEN_S - (time.monotonic() - frozen_s)))
        old.run("pkill", "-CONT", "-x", "postgres")
        wait_until(lambda: not _takes_writes(old), "the old primary to refuse", timeout_s=30)

    return thaw


def cut_primary(cluster: Cluster) -> Undo:
    """Take the power of the primary's machine away."""
    return _cut(cluster.primary())


def isolate_primary(cluster: Cluster) -> Undo:
    """Let the switch drop everything of the primary's machine; it must stop taking writes."""
    return _away(cluster, lambda old: cluster.lab.network.isolate(old.name),
                 lambda old: cluster.lab.network.rejoin(old.name))  # fmt: skip


def separate_primary(cluster: Cluster) -> Undo:
    """Separate the primary from the other machines only: clients still reach it."""
    network = cluster.lab.network

    def part(old: Machine) -> None:
        others = [name for name in cluster.lab.machines if name != old.name]
        network.separate(old.name, others)

    return _away(cluster, part, lambda _: network.unite())


def lose_etcd(cluster: Cluster) -> Undo:
    """Kill etcd on the primary's machine, and keep it from coming back."""
    machine = cluster.primary()
    machine.attempt("systemctl", "kill", "-s", "KILL", "etcd")
    machine.run("systemctl", "stop", "etcd")
    return lambda: _do(machine, "systemctl", "start", "etcd")


def cut_balancer(cluster: Cluster) -> Undo:
    """Take the power of the machine that holds the virtual address away."""
    holder = cluster.holder()
    if holder is None:
        raise LabError("nobody has the virtual address")
    return _cut(holder)


def stop_api(cluster: Cluster) -> Undo:
    """Kill the API processes of one machine, and keep them from coming back."""
    machine = cluster.bystander()
    machine.shell("systemctl kill -s KILL 'rizzpay-api@*'; systemctl stop 'rizzpay-api@*'")
    return lambda: _do(machine, "systemctl", "start", "rizzpay.target")


def cut_standby(cluster: Cluster) -> Undo:
    """Take the power of the synchronous standby's machine away."""
    return _cut(cluster.synchronous_standby())


def fill_disk(cluster: Cluster) -> Undo:
    """Fill the disk of the primary's data to the last byte."""
    machine = cluster.primary()
    file = f"/{DATA}/filler"
    machine.attempt("dd", "if=/dev/zero", f"of={file}", "bs=1M")
    return lambda: _do(machine, "rm", file)


def take_token(cluster: Cluster) -> Undo:
    """Take the token away from under every HSM daemon, and restart the daemons."""
    machines = [cluster.lab.machines[name] for name in cluster.lab.hosts("apis")]
    for machine in machines:
        machine.shell(f"mv {TOKENS} {TOKENS}.away && pkill -9 -f 'rizzpay hsmd$'")

    def bring_back() -> None:
        for machine in machines:
            machine.shell(f"rm -rf {TOKENS} && mv {TOKENS}.away {TOKENS}")

    return bring_back


def jump_clock(cluster: Cluster) -> Undo:
    """Put the clock of the primary's machine an hour forward, then two back, then right."""
    machine = cluster.primary()
    clocks.put(cluster, machine, CLOCK_JUMP_S)

    def back_and_right() -> None:
        for seconds in (-CLOCK_JUMP_S, 0):
            clocks.put(cluster, machine, seconds)
            time.sleep(CLOCK_STAY_S)

    return back_and_right


def has_token(cluster: Cluster) -> bool:
    """Tell whether every service reaches its token."""
    asked = ("/usr/local/sbin/rizzpay", "health", "--json")
    machines = [cluster.lab.machines[name] for name in cluster.lab.hosts("apis")]
    said = [machine.attempt(*asked).stdout for machine in machines]
    return all(json.loads(one)["checks"]["hsm"]["state"] == "up" for one in said)


def arrange_idle_holder(cluster: Cluster) -> None:
    """Let the virtual address be on a machine that has neither the primary nor its standby."""
    balancers = cluster.lab.hosts("loadbalancers")
    if cluster.bystander().name not in balancers:
        cluster.confirm(cluster.bystander())
    wanted, holder = cluster.bystander(), cluster.holder()
    if holder is not None and holder.name != wanted.name:
        holder.run("systemctl", "restart", "keepalived")
        wait_until(lambda: cluster.holder() == wanted, "the address to move", timeout_s=20)


def _cut(machine: Machine) -> Undo:
    machine.cut_power()
    return machine.boot


def _away(
    cluster: Cluster, part: Callable[[Machine], None], unite: Callable[[Machine], None]
) -> Undo:
    """Part the primary from the others; when they have a new one, the old must refuse writes."""
    old = cluster.primary()
    part(old)

    def check_and_unite() -> None:
        try:
            wait_until(lambda: not _takes_writes(old), "the old primary to refuse", timeout_s=30)
        finally:
            unite(old)

    return check_and_unite


def _takes_writes(machine: Machine) -> bool:
    psql = ("runuser", "-u", "postgres", "--", "psql", "-X", "-d", "rizzpay", "-Atqc", WRITE)
    return machine.attempt("timeout", "5", *psql).returncode == 0


def _do(machine: Machine, *command: str) -> None:
    machine.run(*command)


def _nothing() -> None:
    """Nothing is left to be done by hand."""


DRILLS = (
    Drill("postgres_killed", "kill -9 of the primary's PostgreSQL", PRIMARY_GOAL_S, kill_postgres),
    Drill("postgres_frozen", "SIGSTOP of the primary's PostgreSQL, a minute later SIGCONT",
          FROZEN_GOAL_S, freeze_postgres),
    Drill("primary_off", "power-off of the primary's machine", PRIMARY_GOAL_S, cut_primary),
    Drill("primary_isolated", "partition of the primary", PRIMARY_GOAL_S, isolate_primary),
    Drill("primary_separated", "partition of the primary, clients still reach it", PRIMARY_GOAL_S,
          separate_primary),
    Drill("etcd_lost", "loss of one etcd node", API_GOAL_S, lose_etcd),
    Drill("balancer_off", "power-off of the active load balancer", BALANCER_GOAL_S, cut_balancer,
          arrange_idle_holder),
    Drill("api_lost", "loss of an API node", API_GOAL_S, stop_api),
    Drill("standby_off", "power-off of the synchronous standby", PRIMARY_GOAL_S, cut_standby),
    Drill("disk_full", "full disk on the primary", PRIMARY_GOAL_S, fill_disk),
    Drill("token_gone", "HSM token gone and back", API_GOAL_S, take_token, is_back=has_token),
    Drill("clock_jump", "clock of the primary's machine jumps by an hour, both ways", CLOCK_GOAL_S,
          jump_clock, clocks.install, tidy=clocks.remove),
)  # fmt: skip
