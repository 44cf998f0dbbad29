"""Universal Scalability Law (N. J. Gunther): X(n) = λ·n / (1 + σ·(n-1) + κ·n·(n-1)). Pure.

λ is what one does alone, σ the share that has to queue, κ what it costs that all have to agree with
all. n·λ/X is linear in σ and κ, so n/X = a + b(n-1) + c·n(n-1) is fitted by least squares with
a > 0 and b, c ≥ 0, weighted so that relative errors of X count the same. Confidence is by
bootstrap over the residuals. Few points, or points that do not bend, leave the parameters open:
then the answer is "not identifiable", with the reason, and nothing is extrapolated.
"""

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

LEVELS_MIN = 4  # different n; three parameters fit three points whatever they are
DRAWS = 500
CONFIDENCE = (0.05, 0.95)
SPREAD_MAX = 4.0  # upper over lower end at the wanted n: wider says nothing

Point = tuple[float, float]  # n, throughput


@dataclass(frozen=True, slots=True)
class Law:
    """The parameters of a fit."""

    rate_of_one: float
    contention: float
    coherency: float

    def at(self, n: float) -> float:
        """Return the throughput at n."""
        return self.rate_of_one * n / (1 + self.contention * (n - 1) + self.coherency * n * (n - 1))

    @property
    def peak(self) -> float | None:
        """Return the n after which it falls; None when it does not."""
        if self.coherency <= 0:
            return None
        return math.sqrt(max(0.0, 1 - self.contention) / self.coherency)


@dataclass(frozen=True, slots=True)
class Fit:
    """A law, what the bootstrap says of it, and why it may not be believed."""

    law: Law | None
    draws: tuple[Law, ...]
    r_squared: float
    why_not: str  # empty when it is identifiable

    def band(self, n: float) -> tuple[float, float] | None:
        """Return the lower and upper end of the throughput at n with 90 % confidence."""
        if not self.draws:
            return None
        ordered = sorted(one.at(n) for one in self.draws)
        low, high = (ordered[int(share * (len(ordered) - 1))] for share in CONFIDENCE)
        return low, high


def fit(points: Sequence[Point], wanted: float | None = None, seed: int = 1) -> Fit:
    """Fit points; `wanted` is the n that is to be extrapolated to and has to be certain enough."""
    levels = {n for n, x in points if n > 0 and x > 0}
    if len(levels) < LEVELS_MIN:
        return Fit(
            None,
            (),
            0.0,
            f"not identifiable: measured at {len(levels)} levels, and {LEVELS_MIN} are needed",
        )
    usable = [(n, x) for n, x in points if n > 0 and x > 0]
    law = solve(usable)
    if law is None:
        return Fit(None, (), 0.0, "not identifiable: no law of this form fits")
    mean = sum(x for _, x in usable) / len(usable)
    left = sum((x - law.at(n)) ** 2 for n, x in usable)
    spread = sum((x - mean) ** 2 for _, x in usable)
    r_squared = 1 - left / spread if spread else 0.0
    draws = tuple(_bootstrap(usable, law, random.Random(seed)))  # noqa: S311 - statistics
    found = Fit(law, draws, r_squared, "")
    why_not = _doubt(found, levels, wanted)
    return Fit(law, draws, r_squared, why_not)


def solve(points: Sequence[Point]) -> Law | None:
    """Return the best law with λ > 0 and σ, κ ≥ 0: the best of all sets of free parameters."""
    best: tuple[float, Law] | None = None
    for free in ((0, 1, 2), (0, 1), (0, 2), (0,)):
        parameters = _least_squares(points, free)
        if parameters is None or parameters[0] <= 0 or min(parameters[1:]) < 0:
            continue
        a, b, c = parameters
        law = Law(1 / a, b / a, c / a)
        error = sum(((x - law.at(n)) / x) ** 2 for n, x in points)
        if best is None or error < best[0]:
            best = (error, law)
    return best[1] if best else None


def _least_squares(points: Sequence[Point], free: Sequence[int]) -> tuple[float, ...] | None:
    """Solve the normal equations for those of a, b, c that are free; the others are 0."""
    size = len(free)
    matrix = [[0.0] * (size + 1) for _ in range(size)]
    for n, x in points:
        row = (1.0, n - 1, n * (n - 1))
        weight = (x / n) ** 2  # an error of y = n/X is y·(relative error of X)
        for i, j in itertools.product(range(size), repeat=2):
            matrix[i][j] += weight * row[free[i]] * row[free[j]]
        for i in range(size):
            matrix[i][size] += weight * row[free[i]] * n / x
    solved = _gauss(matrix)
    if solved is None:
        return None
    found = [0.0, 0.0, 0.0]
    for position, value in zip(free, solved, strict=True):
        found[position] = value
    return tuple(found)


def _gauss(matrix: list[list[float]]) -> list[float] | None:
    """Solve a small linear system with partial pivoting; None when it is singular."""
    size = len(matrix)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(matrix[row][column]))
        if abs(matrix[pivot][column]) < 1e-12:  # noqa: PLR2004 - nothing left in doubles
            return None
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        for row in range(size):
            if row != column:
                factor = matrix[row][column] / matrix[column][column]
                matrix[row] = [
                    left - factor * right
                    for left, right in zip(matrix[row], matrix[column], strict=True)
                ]
    return [matrix[row][size] / matrix[row][row] for row in range(size)]


def _bootstrap(points: Sequence[Point], law: Law, chance: random.Random) -> list[Law]:
    """Fit again with residuals (relative, widened for the three parameters) dealt out anew."""
    freedom = max(1, len(points) - 3)
    wider = math.sqrt(len(points) / freedom)
    residuals = [(x / law.at(n) - 1) * wider for n, x in points]
    found = []
    for _ in range(DRAWS):
        drawn = [(n, max(1e-9, law.at(n) * (1 + chance.choice(residuals)))) for n, _ in points]
        again = solve(drawn)
        if again is not None:
            found.append(again)
    return found


def _doubt(found: Fit, levels: set[float], wanted: float | None) -> str:
    """Return why nothing may be said for `wanted`; empty when it may."""
    if wanted is None:
        return ""
    band = found.band(wanted)
    if band is None:
        return "not identifiable: no draw of the bootstrap gave a law"
    low, high = band
    if low <= 0 or high / low > SPREAD_MAX:
        return (
            f"not identifiable: at {wanted:g} it could be {low:,.0f} or {high:,.0f} a second; "
            f"measure more levels than {', '.join(f'{n:g}' for n in sorted(levels))}"
        )
    return ""
