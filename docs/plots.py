"""Small plots of an operation and its derivative as SVG, which takes its colours from the page around it."""

import math
from collections.abc import Callable

#: The drawing's size, and the margins for the numbers at the axes.
WIDTH, HEIGHT, LEFT, BOTTOM, EDGE = 340.0, 190.0, 34.0, 18.0, 6.0
POINTS = 239  # an odd number of steps: no point falls on the middle or on a whole number, where the kinks are
LIMIT = 6.0  # what is larger is cut off

Point = tuple[float, float]
Runs = list[list[Point]]


def samples(lower: float, upper: float) -> list[float]:
    """Places between two ends, which belong to them up to a ten-thousandth of the way."""
    width = upper - lower
    return [lower + width * (1e-4 + (1.0 - 2e-4) * k / POINTS) for k in range(POINTS + 1)]


def runs(curve: Callable[[float], float], places: list[float]) -> Runs:
    """The curve as connected runs of points: broken where it is not finite, and where it jumps."""
    found: Runs = [[]]
    for x in places:
        y = curve(x)
        if not math.isfinite(y):
            found.append([])
            continue
        last = found[-1]
        if last and _jumps(last, (x, y)):
            found.append([])
        found[-1].append((x, y))
    return [run for run in found if len(run) > 1]


def _jumps(run: list[Point], point: Point) -> bool:
    """Whether the curve moves much more in this step than in the one before, or passes through infinity."""
    (_, last), (_, y) = run[-1], point
    if abs(last) > LIMIT and abs(y) > LIMIT and last * y < 0.0:
        return True
    before = abs(last - run[-2][1]) if len(run) > 1 else abs(y - last)
    return abs(y - last) > max(0.2, 8.0 * before)


def window(curves: list[Runs]) -> tuple[float, float]:
    """The lower and upper end of the vertical axis: what most points need, at most ±LIMIT."""
    values = sorted(min(max(y, -LIMIT), LIMIT) for run in (r for c in curves for r in c) for _, y in run)
    lower, upper = min(values[len(values) // 40], 0.0), max(values[-1 - len(values) // 40], 0.0)
    if upper - lower < 0.5:
        lower, upper = lower - 0.5, upper + 0.5
    space = 0.06 * (upper - lower)
    return lower - space, upper + space


def svg(curves: list[Runs], ends: Point, title: str) -> str:
    """One line of SVG: the axes through 0, numbers at the ends, and a path for each curve, of class `curve0`, `curve1`."""
    lower, upper = window(curves)
    wide, high = WIDTH - LEFT - EDGE, HEIGHT - BOTTOM - EDGE

    def across(x: float) -> float:
        return LEFT + wide * (x - ends[0]) / (ends[1] - ends[0])

    def down(y: float) -> float:
        return EDGE + high * (upper - y) / (upper - lower)

    parts = [
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{title}">',
        f'<path class="axis" d="M{LEFT:g} {down(0):.1f}H{WIDTH - EDGE:g}"/>',
    ]
    if ends[0] <= 0.0 <= ends[1]:
        parts.append(f'<path class="axis" d="M{across(0):.1f} {EDGE:g}V{HEIGHT - BOTTOM:g}"/>')
    at = f'y="{HEIGHT - 5:g}" text-anchor="middle"'
    parts += [f'<text x="{across(x):.1f}" {at}>{x:g}</text>' for x in _ticks(*ends)]
    at = f'x="{LEFT - 6:g}" text-anchor="end"'
    parts += [f'<text {at} y="{down(y) + 3.5:.1f}">{y:g}</text>' for y in _ticks(lower, upper)]
    box = f"{LEFT:g} {EDGE:g} {wide:g} {high:g}"
    parts.append(f'<svg x="{LEFT:g}" y="{EDGE:g}" width="{wide:g}" height="{high:g}" viewBox="{box}">')
    for k, curve in enumerate(curves):
        path = "".join(_path(run, across, down) for run in curve)
        parts.append(f'<path class="curve{k}" d="{path}"/>')
    return "".join([*parts, "</svg></svg>"])


def _ticks(lower: float, upper: float) -> list[float]:
    """About four round numbers between two ends."""
    rough = (upper - lower) / 4.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough * 0.99)
    first = math.ceil(lower / step - 1e-9)
    return [round(k * step, 10) + 0.0 for k in range(first, math.floor(upper / step + 1e-9) + 1)]


def _path(run: list[Point], across: Callable[[float], float], down: Callable[[float], float]) -> str:
    """The points of a run, without the inner ones of level pieces; far outside of the window, which cuts off, all is one."""
    points = [(f"{across(x):.1f}", f"{min(max(down(y), -HEIGHT), 2.0 * HEIGHT):.1f}") for x, y in run]
    heights = [y for _, y in points]
    level = zip(["", *heights], heights, [*heights[1:], ""], strict=False)
    return "M" + "L".join(f"{x} {y}" for (x, y), around in zip(points, level, strict=True) if len(set(around)) > 1)
