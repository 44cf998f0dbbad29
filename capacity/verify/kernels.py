"""The kernel's files, disks, network cards and interrupts against the plan."""

from collections.abc import Callable, Iterator

from capacity.probe import networks
from capacity.probe.tree import Tree, chosen
from capacity.render import files
from capacity.sizing.plan import Plan, Setting
from capacity.verify.findings import Finding, Unchecked, same, same_mask

Answer = Finding | Unchecked | None


def compare(plan: Plan, tree: Tree) -> Iterator[Answer]:
    """Yield a finding, what was not checked, or None for what agrees: one for each setting."""
    for row in plan.settings.sysctl:
        path = f"proc/sys/{row.name.replace('.', '/')}"
        yield _file(tree, row, path, files.SYSCTL, lambda row, now: same(row.value, "", now, ""))
    for row in [*plan.settings.kernel, *plan.settings.disks]:
        yield _file(
            tree, row, row.name.lstrip("/"), files.TMPFILES, lambda row, now: row.value == now
        )
    for row in plan.settings.irqs:
        yield _file(tree, row, row.name.lstrip("/"), files.TMPFILES, _same_irq)
    yield from _cards(plan, tree)
    yield from _huge_pages(plan, tree)


def _same_irq(row: Setting, now: str) -> bool:
    return same_mask(str(row.value), now) if row.unit == "mask" else row.value == now


def _file(
    tree: Tree, row: Setting, path: str, file: str, agrees: Callable[[Setting, str], bool]
) -> Answer:
    texts = {place: tree.text(place) for place in _places(tree, path)}
    values = {place: chosen(text) for place, text in texts.items() if text is not None}
    if not values:
        return Unchecked(what=row.name, reason=f"/{path} cannot be read")
    for place, now in values.items():
        if not agrees(row, now):
            wanted = str(row.value)
            where = f"/{place}"
            return Finding(setting=row.name, wanted=wanted, found=now, file=file, where=where)
    return None


def _places(tree: Tree, path: str) -> list[str]:
    """Return the files that a path with `*` means; without one, the path."""
    if "*" not in path:
        return [path]
    return sorted(found.relative_to(tree.root).as_posix() for found in tree.root.glob(path))


def _cards(plan: Plan, tree: Tree) -> Iterator[Answer]:
    cards = {nic.name: nic for nic in networks.nics(tree)} if plan.settings.network else {}
    for row in plan.settings.network:
        name, what, part = row.name.split(" ")
        nic = cards.get(name)
        if nic is None:
            yield Unchecked(what=row.name, reason=f"there is no card {name}")
            continue
        ring = nic.rx_ring if part == "rx" else nic.tx_ring
        now = nic.queues_rx if what == "queues" else ring.now if ring else None
        if now is None:
            yield Unchecked(what=row.name, reason="the driver does not say")
        elif now != row.value:
            yield Finding(
                setting=row.name,
                wanted=str(row.value),
                found=str(now),
                file=files.NETWORK,
                where=f"ethtool {'-l' if what == 'queues' else '-g'} {name}",
            )
        else:
            yield None


def _huge_pages(plan: Plan, tree: Tree) -> Iterator[Answer]:
    """Look whether PostgreSQL has them: with huge_pages = try it starts without, and is silent."""
    if not any(row.name == "vm.nr_hugepages" for row in plan.settings.sysctl):
        return
    counts = {}
    for line in tree.lines("proc/meminfo"):
        name, _, value = line.partition(":")
        counts[name] = value.split()[:1]
    total, free = (int((counts.get(f"HugePages_{name}") or ["0"])[0]) for name in ("Total", "Free"))
    reserved = int((counts.get("HugePages_Rsvd") or ["0"])[0])
    if total - free + reserved > 0:
        yield None
    else:
        yield Finding(
            setting="huge pages in use",
            wanted="PostgreSQL's shared memory",
            found="0 pages",
            file=files.postgresql_path(plan),
            where="/proc/meminfo",
        )
