# ruff: noqa: T201 - a command line prints
"""The command `check`: the derivatives of every primitive and composed function against finite differences."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import autograd_lite as al
from autograd_lite import core
from autograd_lite._cli_draw import ELEMENTWISE
from autograd_lite.primitives import PRIMITIVES, Interval, Primitive
from autograd_lite.tape import cache

# Away from kinks: no coordinate and no quotient of a pair is so near an integer that the stencil could reach it.
SAMPLES: dict[int, list[tuple[Any, ...]]] = {
    1: [(-2.64,), (-1.73,), (-0.45,), (0.31,), (0.72,), (1.37,), (2.64,)],
    2: [(0.72, 1.37), (2.64, 0.72), (1.37, 2.64), (-1.73, 0.72), (-0.45, -1.73), (0.31, -0.45)],
    3: [(0.72, -0.45, 1.37), (1.37, 0.31, 0.72), (-0.45, 0.31, 1.37), (-1.73, 2.64, -0.45)],
    4: [(0.72, 2.64, 0.31, 1.37), (0.31, 2.64, 0.72, 1.37), (1.37, 0.72, 0.31, 2.64)],
}
VECTORS: list[tuple[Any, ...]] = [([0.72, -0.45, 1.37],), ([-1.73, 0.31, 2.64, 0.72],)]

# The rules that stop a gradient: their derivative is, on purpose, not that of their value.
ON_PURPOSE = frozenset({"hold", "plain"})
# Derivatives of `t_cdf`, which is checked itself; they end at the second order.
OF_OTHERS = frozenset({"t_cdf_by_df"})


def cases() -> Iterator[tuple[str, Callable[..., Any], list[tuple[Any, ...]]]]:
    """Yield each function with its points: those of its domain at which it has a value."""
    for name, primitive in sorted(PRIMITIVES.items()):
        if name in ON_PURPOSE | OF_OTHERS or not primitive.built_in:
            continue
        # A partial that is always NaN belongs to a whole-number argument, such as the order of polygamma: keep it at 1.
        varies = [callable(partial) or not math.isnan(partial) for partial in primitive.partials]
        points = [tuple(x if v else 1.0 for x, v in zip(p, varies, strict=True)) for p in SAMPLES[len(varies)]]
        inside = [
            point
            for point in dict.fromkeys(points)
            if all(map(Interval.contains, primitive.domain, point)) and math.isfinite(primitive(*point))
        ]
        yield name, _with_ones(primitive, varies), [tuple(itertools.compress(point, varies)) for point in inside]
    yield from ((name, getattr(al, name), SAMPLES[1]) for name in ELEMENTWISE)
    yield from ((name, getattr(al, name), VECTORS) for name in ("sum", "prod", "mean", "norm", "logsumexp"))
    yield "softmax", lambda v: al.softmax(v)[-1], VECTORS
    yield "log_softmax", lambda v: al.log_softmax(v)[-1], VECTORS
    yield "dot", lambda v: al.dot(v, [0.31 * (i + 1) for i in range(len(v))]), VECTORS


def _with_ones(primitive: Primitive, varies: list[bool]) -> Callable[..., Any]:
    def function(*free: Any) -> Any:
        rest = iter(free)
        return primitive(*(next(rest) if v else 1.0 for v in varies))

    function.__name__ = primitive.name
    return function


def run(*, colour: bool) -> int:
    """The table, printed; 1 if a derivative misses."""
    missed, count = {}, 0
    print(f"{'function':<18}{'points':>7}   orders 1 and 2 against finite differences")
    for name, function, points in cases():
        try:
            for point in points:
                al.check_grads(function, point, order=2)
        except al.GradientCheckError as error:
            missed[name] = str(error)
        count += 1
        verdict = "MISS" if name in missed else "ok" if points else "no point inside the domain"
        if colour:
            verdict = f"\033[{31 if name in missed else 32}m{verdict}\033[0m"
        print(f"{name:<18}{len(points):>7}   {verdict}")
    for name, message in missed.items():
        print(f"\n{name}: {message}")
    print(f"\n{core.name()}, compiled code on disk: {cache.folder() or 'none'}")
    print(f"{count - len(missed)} of {count} functions agree" + (f"; not: {', '.join(missed)}" if missed else ""))
    return 1 if missed else 0
