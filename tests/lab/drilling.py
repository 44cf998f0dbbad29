"""Runs a drill: a whole site, a client that pays, the fault, the way back, and the books."""

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab.books import IMBALANCE, PAYMENTS, Row, judge
from tests.lab.client import Outcome, acknowledged, longest_silence_s
from tests.lab.cluster import Cluster
from tests.lab.commands import LabError
from tests.lab.drills import DRILLS, Drill
from tests.lab.lab import ROOT
from tests.lab.till import Paying, Till
from tests.lab.waiting import wait_until

RESULTS = ROOT / "var" / "lab" / "drills.json"
PER_SECOND = 10.0  # of all machines on one computer with two cores
CALM_S = 5.0  # payments before the fault, and after it before the way back
WHOLE_S_MAX = 180.0
BACK_S_MAX = 90.0


@dataclass(frozen=True)
class Result:
    """A row of var/lab/drills.json."""

    drill: str
    title: str
    acknowledged: int
    unanswered: int
    lost: int
    doubled: int
    imbalance: int
    outage_s: float
    goal_s: float
    calm_s: float  # the longest silence before the fault: this computer's own noise
    rejoined: bool
    rejoined_s: float
    retried: int
    refused: dict[str, int]
    troubles: dict[str, int]  # what attempts met that were made again
    note: str = ""

    @property
    def kept_every_payment(self) -> bool:
        """Whether nothing was lost, doubled or out of balance."""
        return self.lost == self.doubled == self.imbalance == 0 and self.acknowledged > 0

    @property
    def bugs(self) -> int:
        """How often the service met what it does not know."""
        return sum(count for name, count in self.troubles.items() if name.startswith("500"))


def run(drill: Drill, cluster: Cluster, till: Till) -> Result:
    """Run one drill on a whole site, and leave a whole site; raises LabError if it cannot."""
    cluster.wait_until_whole(WHOLE_S_MAX)
    drill.arrange(cluster)
    paying = till.pay(drill.name, PER_SECOND)
    note = ""
    try:
        _wait_for_payments(paying, since=time.monotonic(), count=int(PER_SECOND * CALM_S))
        calm = longest_silence_s(paying.noted())
        undo = drill.hurt(cluster)
        try:
            _wait_for_payments(paying, since=time.monotonic(), count=int(PER_SECOND * CALM_S))
        except LabError as error:
            note = str(error)
        finally:
            undo()
        healed = time.monotonic()
        try:
            cluster.wait_until_whole(WHOLE_S_MAX)
            wait_until(
                lambda: drill.is_back(cluster), "what was away", timeout_s=BACK_S_MAX, step_s=1.0
            )
            rejoined = True
        except LabError as error:
            rejoined, note = False, f"{note} {error}".strip()
        rejoined_s = time.monotonic() - healed
        _wait_for_payments(paying, since=time.monotonic(), count=int(PER_SECOND))
    finally:
        outcomes = paying.stop()
        drill.tidy(cluster)
    return _judged(drill, cluster, outcomes, calm_s=calm, rejoined=rejoined,
                   rejoined_s=rejoined_s, note=note)  # fmt: skip


def _wait_for_payments(paying: Paying, *, since: float, count: int) -> None:
    """Wait until so many payments that began after a moment are acknowledged."""

    def enough() -> bool:
        fresh = [one for one in acknowledged(paying.noted()) if one.started_s >= since]
        return len(fresh) >= count

    wait_until(enough, f"{count} acknowledged payments", timeout_s=BACK_S_MAX, step_s=0.5)


def _judged(
    drill: Drill, cluster: Cluster, outcomes: list[Outcome], *,
    calm_s: float, rejoined: bool, rejoined_s: float, note: str,
) -> Result:  # fmt: skip
    prefix = outcomes[0].key.rpartition("-")[0]
    rows = [
        Row(reference, payment_id, status, int(captured))
        for reference, payment_id, status, captured in cluster.query(PAYMENTS.format(prefix=prefix))
    ]
    verdict = judge(outcomes, rows)
    refused: dict[str, int] = {}
    troubles: Counter[str] = Counter()
    for one in outcomes:
        troubles.update(one.troubles)
        if one.status is not None and one not in acknowledged([one]):
            reason = f"{one.status} {one.state}"
            refused[reason] = refused.get(reason, 0) + 1
    return Result(
        drill=drill.name,
        title=drill.title,
        acknowledged=verdict.acknowledged,
        unanswered=sum(one.status is None for one in outcomes),
        lost=len(verdict.lost),
        doubled=len(verdict.doubled),
        imbalance=len(cluster.query(IMBALANCE.format(prefix=prefix))),
        outage_s=round(longest_silence_s(outcomes), 2),
        goal_s=drill.goal_s,
        calm_s=round(calm_s, 2),
        rejoined=rejoined,
        rejoined_s=round(rejoined_s, 1),
        retried=sum(one.sent > 1 for one in outcomes),
        refused=refused,
        troubles=dict(troubles),
        note=note,
    )


def write(result: Result, file: Path) -> None:
    """Write a row, in place of an earlier one of its drill, for whoever reads it later."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = json.loads(file.read_text()) if file.exists() else []
    rows = [row for row in rows if row["drill"] != result.drill] + [asdict(result)]
    order = [one.name for one in DRILLS]
    rows.sort(key=lambda row: order.index(row["drill"]) if row["drill"] in order else len(order))
    file.write_text(json.dumps(rows, indent=2) + "\n")


def table(results: list[Result]) -> str:
    """Return the rows for people."""
    head = f"{'drill':<18} {'acknowledged':>12} {'lost':>5} {'doubled':>8} {'imbalance':>10} "
    head += f"{'outage s':>9} {'goal s':>7} {'rejoined':>9}"
    lines = [head]
    for one in results:
        line = f"{one.drill:<18} {one.acknowledged:>12} {one.lost:>5} {one.doubled:>8} "
        line += f"{one.imbalance:>10} {one.outage_s:>9.2f} {one.goal_s:>7.1f} "
        lines.append(line + f"{'yes' if one.rejoined else 'NO':>9}  {one.note}".rstrip())
    return "\n".join(lines)


def page(file: Path) -> str:
    """Return the rows of a file as docs/operate.md has them."""
    lines = [
        "| drill | acknowledged | lost | doubled | outage, s | goal, s | back by itself |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in json.loads(file.read_text()):
        cells = (row["title"], row["acknowledged"], row["lost"], row["doubled"], row["outage_s"],
                 f"{row['goal_s']:g}", "yes" if row["rejoined"] else "no")  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)
