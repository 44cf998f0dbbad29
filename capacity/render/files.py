"""Where each part of a plan is written, and the texts themselves.

`verify` names the same paths, so that a finding says which file to look at. Every file is whole:
nothing edits a line of somebody else's.
"""

import json
import textwrap

from capacity.sizing.plan import Plan, Setting, Unit, named, setting

POSTGRESQL = "/etc/postgresql/{version}/main/conf.d/50-rizzpay-capacity.conf"
SYSCTL = "/etc/sysctl.d/60-rizzpay-capacity.conf"
HAPROXY = "/etc/haproxy/capacity.cfg"
TMPFILES = "/etc/tmpfiles.d/rizzpay-capacity.conf"
NETWORK = "/etc/systemd/system/rizzpay-network.service"
DROP_IN = "/etc/systemd/system/{unit}.d/50-rizzpay-capacity.conf"
ANSIBLE = "group_vars/rizzpay/capacity.yml"
POSTGRESQL_VERSIONS = {12: 15, 13: 17}
COLUMNS = 98
HEAD = "Written by rizzpay-capacity render --for {kind}; changes are lost."


def postgresql(plan: Plan) -> dict[str, str]:
    """Return PostgreSQL's file; postgresql.conf of Debian includes the directory conf.d."""
    lines = [_head("postgresql", plan)]
    lines += [f"{_comment(row)}{row.name} = {parameter(row)}\n" for row in plan.settings.postgresql]
    return {postgresql_path(plan): "\n".join(lines)}


def postgresql_path(plan: Plan) -> str:
    """Return where Debian's PostgreSQL of the planned release reads it."""
    return POSTGRESQL.format(version=POSTGRESQL_VERSIONS[plan.target.debian])


def parameter(row: Setting) -> str:
    """Return a value with its unit, as PostgreSQL writes it: 6024MB."""
    return f"{row.value}{row.unit}" if isinstance(row.value, int | float) else str(row.value)


def sysctl(plan: Plan) -> dict[str, str]:
    """Return the file of sysctl.d."""
    lines = [_head("sysctl", plan)]
    lines += [f"{_comment(row)}{row.name} = {row.value}\n" for row in plan.settings.sysctl]
    return {SYSCTL: "\n".join(lines)}


def haproxy(plan: Plan) -> dict[str, str]:
    """Return a section `global` to load after haproxy.cfg: haproxy -f haproxy.cfg -f it."""
    lines = [_head("haproxy", plan), "global"]
    lines += [
        textwrap.indent(f"{_comment(row)}{row.name} {row.value}\n", "    ")
        for row in plan.settings.haproxy
        if row.name != "limit_nofile"  # its unit's, below systemd
    ]
    return {HAPROXY: "\n".join(lines)}


def systemd(plan: Plan) -> dict[str, str]:
    """Return drop-ins of units, a unit for the network cards, and a file of tmpfiles.d."""
    files = {DROP_IN.format(unit=unit.name): _drop_in(plan, unit) for unit in plan.units}
    rows = [*plan.settings.kernel, *plan.settings.disks, *plan.settings.irqs]
    if rows:
        lines = [_head("systemd", plan)]
        lines += [f"{_comment(row)}w {row.name} - - - - {row.value}\n" for row in rows]
        files[TMPFILES] = "\n".join(lines)
    if plan.settings.network:
        files[NETWORK] = _network(plan)
    return files


def ansible(plan: Plan) -> dict[str, str]:
    """Return the variables of a group; each value is JSON, which YAML is a superset of."""
    groups = named(plan)
    values = {
        "capacity_verdict": plan.verdict,
        "capacity_peak_tps": plan.target.peak_tps,
        "capacity_peak_tps_held": plan.peak_tps_held,
        "postgresql_settings": {row.name: parameter(row) for row in groups["postgresql"]},
        "haproxy_settings": _values(groups["haproxy"]),
        "valkey_settings": {row.name: _sized(row) for row in groups["valkey"]},
        "rizzpay_settings": _values(groups["service"]),
        "base_sysctl": _values(groups["sysctl"]),
        "base_kernel_files": _values([*groups["kernel"], *groups["disks"], *groups["irqs"]]),
        "network_bond_ethtool": ethtool(groups["network"]),
        "rizzpay_units": [
            {"name": unit.name, "cpus": unit.cpus, "node": unit.node} for unit in plan.units
        ],
    }
    lines = ["---", _head("ansible", plan)]
    for name, value in values.items():
        text = json.dumps(value, indent=2, ensure_ascii=False)
        lines.append(f"{name}: {textwrap.indent(text, '  ').strip()}")
    return {ANSIBLE: "\n".join(lines) + "\n"}


def ethtool(rows: list[Setting]) -> list[str]:
    """Return the arguments of ethtool that set rings and queues, a line for each."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        nic, what, part = row.name.split(" ")
        option = {"ring": "-G", "queues": "-L"}[what]
        found.setdefault((option, nic), []).append(f"{part} {row.value}")
    return [f"{option} {nic} {' '.join(parts)}" for (option, nic), parts in found.items()]


def _network(plan: Plan) -> str:
    rows = plan.settings.network
    nics = sorted({row.name.split(" ")[0] for row in rows})
    devices = " ".join(f"sys-subsystem-net-devices-{_escaped(nic)}.device" for nic in nics)
    lines = [
        _head("systemd", plan),
        "[Unit]",
        "Description=Ring buffers and queues of the network cards, by the capacity plan",
        f"After={devices}",
        "Before=network-pre.target",
        "Wants=network-pre.target",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        "# ethtool fails when nothing has to change, so its exit status says nothing",
        *(f"ExecStart=-/usr/sbin/ethtool {line}" for line in ethtool(rows)),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _drop_in(plan: Plan, unit: Unit) -> str:
    lines = [_head("systemd", plan), "[Service]", f"CPUAffinity={unit.cpus.replace(',', ' ')}"]
    if unit.node is not None:
        lines += [
            "# memory of the same node; of another one rather than none",
            "NUMAPolicy=preferred",
            f"NUMAMask={unit.node}",
        ]
    if unit.name.startswith("rizzpay-api@"):
        lines.append(f"LimitNOFILE={setting(plan.settings.service, 'api_limit_nofile').value}")
    if unit.name == "haproxy.service":
        lines.append(f"LimitNOFILE={setting(plan.settings.haproxy, 'limit_nofile').value}")
    return "\n".join(lines) + "\n"


def _escaped(nic: str) -> str:
    """Return an interface's name as systemd writes it in a unit's name."""
    return "".join(
        letter
        if letter.isascii() and (letter.isalnum() or letter in ":_.")
        else f"\\x{ord(letter):02x}"
        for letter in nic
    )


def _values(rows: list[Setting]) -> dict[str, int | float | str]:
    return {row.name: row.value for row in rows}


def _sized(row: Setting) -> int | float | str:
    return f"{row.value}{row.unit}" if row.unit == "mb" else row.value


def _head(kind: str, plan: Plan) -> str:
    lines = [HEAD.format(kind=kind), *_promise(plan)]
    return "".join(f"# {line}\n" for line in lines).rstrip("\n")


def _promise(plan: Plan) -> list[str]:
    asked = f"{plan.target.tps:,} payments a second, at the peak {plan.target.peak_tps:,}"
    if plan.verdict == "holds":
        return [f"For {asked}."]
    return [f"REFUSED for {asked}: this holds about {plan.peak_tps_held:,}."]


def _comment(row: Setting) -> str:
    lines = [*textwrap.wrap(row.why, COLUMNS), row.source]
    return "".join(f"# {line}\n" for line in lines)


RENDERERS = {
    "postgresql": postgresql,
    "sysctl": sysctl,
    "haproxy": haproxy,
    "systemd": systemd,
    "ansible": ansible,
}
