"""A small drawing board: line charts and stacked bars as inline SVG. Pure.

Colours are CSS variables of the page, so a chart follows light and dark. Every point and bar has a
<title>, which browsers show as a tooltip and read aloud. Series differ by mark as well.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 76, 32, 36, 56
COLOURS = 8  # --c0 … --c7 of the page
TICKS = 5
DECADE = 10
ROW = 34  # height of a stacked bar with its gap


@dataclass(frozen=True, slots=True)
class Series:
    """Points (x, y) in order; `band` are (x, low, high); `joined` draws the line."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    joined: bool = True
    marked: bool = True


@dataclass(frozen=True, slots=True)
class Axis:
    """Title with unit, and whether it is logarithmic; `labels` replace numbers at given places."""

    title: str
    log: bool = False
    labels: Sequence[tuple[float, str]] = ()
    from_zero: bool = True


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps values to pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        low, high, here = self.low, self.high, value
        if self.log:
            low, high, here = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        share = (here - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def lines(title: str, series: Sequence[Series], x: Axis, y: Axis) -> str:
    """Return a chart of lines; an empty text when there is no point."""
    points = [point for one in series for point in one.points]
    points += [(at, edge) for one in series for at, low, high in one.band for edge in (low, high)]
    if not points:
        return ""
    x_scale = _scale([p[0] for p in points], x, LEFT, WIDTH - RIGHT)
    y_scale = _scale([p[1] for p in points], y, HEIGHT - BOTTOM, TOP)
    body = _frame(x, y, x_scale, y_scale)
    for number, one in enumerate(series):
        body += _series(one, number % COLOURS, x_scale, y_scale)
    body += _legend([one.name for one in series])
    return _svg(title, HEIGHT, body)


def bars(title: str, rows: Sequence[tuple[str, Sequence[tuple[str, float]]]], unit: str) -> str:
    """Return stacked horizontal bars: for each row its name and its parts (name, value)."""
    whole = max((sum(value for _, value in parts) for _, parts in rows), default=0.0)
    if whole <= 0:
        return ""
    names = list(dict.fromkeys(name for _, parts in rows for name, _ in parts))
    left, height = 190, TOP + ROW * len(rows) + BOTTOM
    scale = _Scale(0, _nice(whole), left, WIDTH - RIGHT - 50, log=False)
    body = []
    for tick in _ticks(0, _nice(whole)):
        at = scale(tick)
        body.append(
            f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>'
        )
        body.append(
            f'<text class="tick" x="{at:.1f}" y="{height - BOTTOM + 18}" '
            f'text-anchor="middle">{number(tick)}</text>'
        )
    for row, (label, parts) in enumerate(rows):
        top, at = TOP + ROW * row + 5, scale(0)
        body.append(
            f'<text class="name" x="{left - 10}" y="{top + 16}" '
            f'text-anchor="end">{escape(label)}</text>'
        )
        for name, value in parts:
            end = at + scale(value) - scale(0)
            body.append(
                f'<rect class="f{names.index(name) % COLOURS}" x="{at:.1f}" y="{top}" '
                f'width="{max(0.0, end - at):.1f}" height="{ROW - 10}">'
                f"<title>{escape(f'{label}, {name}: {number(value)} {unit}')}</title></rect>"
            )
            at = end
        total = sum(value for _, value in parts)
        body.append(f'<text class="tick" x="{at + 6:.1f}" y="{top + 16}">{number(total)}</text>')
    middle = (left + WIDTH - RIGHT) / 2
    body.append(
        f'<text class="axis" x="{middle:.0f}" y="{height - 12}" '
        f'text-anchor="middle">{escape(unit)}</text>'
    )
    return _svg(title, height, body + _legend(names))


def number(value: float) -> str:
    """Return a number as people read it: 12,300, 4.5, 0.02."""
    if value == 0:
        return "0"
    if abs(value) >= 100:  # noqa: PLR2004 - no decimals from here on
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _svg(title: str, height: int, body: Sequence[str]) -> str:
    inner = "\n".join(body)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">\n'
        f"<title>{escape(title)}</title>\n{inner}\n</svg>"
    )


def _series(one: Series, colour: int, x: _Scale, y: _Scale) -> list[str]:
    found = []
    if one.band:
        upper = [f"{x(at):.1f},{y(high):.1f}" for at, _, high in one.band]
        lower = [f"{x(at):.1f},{y(low):.1f}" for at, low, _ in reversed(one.band)]
        found.append(
            f'<polygon class="band f{colour}" points="{" ".join(upper + lower)}">'
            f"<title>{escape(one.name)}: 90 % confidence</title></polygon>"
        )
    if one.joined and len(one.points) > 1:
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in one.points)
        found.append(f'<polyline class="line s{colour}" points="{path}"/>')
    if one.marked:
        found += [
            _mark(colour, x(at), y(value), f"{one.name}: {number(at)}, {number(value)}")
            for at, value in one.points
        ]
    return found


def _mark(colour: int, x: float, y: float, said: str) -> str:
    """Return a mark whose form goes with its colour: circle, square, diamond, triangle."""
    title = f"<title>{escape(said)}</title>"
    kind = colour % 4
    if kind == 0:
        return f'<circle class="f{colour}" cx="{x:.1f}" cy="{y:.1f}" r="4">{title}</circle>'
    forms = {
        1: ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        2: ((0, -5), (5, 0), (0, 5), (-5, 0)),
        3: ((0, -5), (5, 4), (-5, 4)),
    }
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in forms[kind])
    return f'<polygon class="f{colour}" points="{points}">{title}</polygon>'


def _frame(x: Axis, y: Axis, x_scale: _Scale, y_scale: _Scale) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    found = []
    for at, label in _labels(y, y_scale):
        found.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        found.append(
            f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" '
            f'text-anchor="end">{escape(label)}</text>'
        )
    for at, label in _labels(x, x_scale):
        found.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>')
        found.append(
            f'<text class="tick" x="{at:.1f}" y="{bottom + 18}" '
            f'text-anchor="middle">{escape(label)}</text>'
        )
    middle = (TOP + bottom) / 2
    found.append(
        f'<text class="axis" x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 12}" '
        f'text-anchor="middle">{escape(x.title)}</text>'
    )
    found.append(
        f'<text class="axis" x="18" y="{middle:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 18 {middle:.0f})">{escape(y.title)}</text>'
    )
    return found


def _labels(axis: Axis, scale: _Scale) -> list[tuple[float, str]]:
    if axis.labels:
        return [(scale(at), label) for at, label in axis.labels]
    ticks = _decades(scale.low, scale.high) if axis.log else _ticks(scale.low, scale.high)
    return [(scale(at), number(at)) for at in ticks]


def _legend(names: Sequence[str]) -> list[str]:
    found, at = [], 76.0
    for colour, name in enumerate(names):
        found.append(
            f"<g>{_mark(colour % COLOURS, at, 16, name)}"
            f'<text class="name" x="{at + 9:.0f}" y="20">{escape(name)}</text></g>'
        )
        at += 26 + 6.6 * len(name)
    return found


def _scale(values: Sequence[float], axis: Axis, start: float, end: float) -> _Scale:
    edges = [*values, *(at for at, _ in axis.labels)]
    low, high = min(edges), max(edges)
    if axis.log:
        least = min(value for value in edges if value > 0) if high > 0 else 1.0
        below = DECADE ** math.floor(math.log10(least))
        above = DECADE ** math.ceil(math.log10(max(high, least)))
        if axis.labels:
            below, above = least, high
        return _Scale(below, above if above > below else below * DECADE, start, end, log=True)
    if axis.from_zero:
        low = 0.0
    return _Scale(low, high if axis.labels else _nice(high), start, end, log=False)


def _nice(value: float) -> float:
    """Return the next round number that is not below `value`."""
    return _chosen(value, lambda step: step >= value)


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / TICKS or 1.0
    step = _chosen(rough, lambda one: one >= rough)
    first = math.ceil(low / step - 1e-9) * step
    count = int((high - first) / step + 1e-9) + 1
    return [round(first + step * index, 10) for index in range(count)]


def _chosen(value: float, fits: Callable[[float], bool]) -> float:
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        power * step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 20) if fits(power * step)
    )


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 2 else (1,)  # noqa: PLR2004 - decades
    found = [10.0**power * step for power in range(first, last + 1) for step in steps]
    return [one for one in found if low * 0.999 <= one <= high * 1.001]
