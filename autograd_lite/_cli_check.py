# ruff: noqa: T201 - a command line prints
"""The command `check`: the derivatives of every primitive and composed function against finite differences."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import autograd_lite as al
from autograd_lite._cli_draw import ELEMENTWISE
from autograd_lite.primitives import PRIMITIVES, Primitive

# Away from kinks: no coordinate and no quotient of a pair is so near an integer that the stencil could reach it.
SAMPLES: dict[int, tuple[tuple[float, ...], ...]] = {
    1: ((-2.64,), (-1.73,), (-0.45,), (0.31,), (0.72,), (1.37,), (2.64,)),
    2: ((0.72, 1.37), (2.64, 0.72), (1.37, 2.64), (-1.73, 0.72), (-0.45, -1.73), (0.31, -0.45)),
    3: ((0.72, -0.45, 1.37), (1.37, 0.31, 0.72), (-0.45, 0.31, 1.37), (-1.73, 2.64, -0.45)),
}
VECTORS = ([0.72, -0.45, 1.37], [-1.73, 0.31, 2.64, 0.72])


def _dot(v: Any) -> Any:
    return al.dot(v, [0.31 * (i + 1) for i in range(len(v))])


def _last(name: str) -> Callable[[Any], Any]:
    def last(v: Any) -> Any:
        return getattr(al, name)(v)[-1]

    return last


def _with_ones(primitive: Primitive, varies: list[bool]) -> Callable[..., Any]:
    if all(varies):
        return primitive

    def function(*free: Any) -> Any:
        rest = iter(free)
        return primitive(*(next(rest) if v else 1.0 for v in varies))

    function.__name__ = primitive.name
    return function


# Composed functions: those of one number, then those of a vector (where the result is one, its last element).
COMPOSED: dict[str, tuple[Callable[..., Any], Sequence[tuple[Any, ...]]]] = {
    **{name: (getattr(al, name), SAMPLES[1]) for name in ELEMENTWISE},
    **{name: (getattr(al, name), [(v,) for v in VECTORS]) for name in ("sum", "prod", "mean", "norm", "logsumexp")},
    **{name: (_last(name), [(v,) for v in VECTORS]) for name in ("softmax", "log_softmax")},
    "dot": (_dot, [(v,) for v in VECTORS]),
}


# The rule that stops a gradient: its derivative is, on purpose, not that of its value.
ON_PURPOSE = frozenset({"hold", "plain"})


def cases() -> Iterator[tuple[str, Callable[..., Any], list[tuple[Any, ...]]]]:
    """Yield each function with its points: those of its domain at which it has a value."""
    for name, primitive in sorted(PRIMITIVES.items()):
        if name in ON_PURPOSE or not primitive.built_in:
            continue
        # A partial that is always NaN belongs to a whole-number argument, such as the order of polygamma: keep it at 1.
        varies = [callable(partial) or not math.isnan(partial) for partial in primitive.partials]
        points = dict.fromkeys(
            tuple(x if v else 1.0 for x, v in zip(p, varies, strict=True)) for p in SAMPLES[len(varies)]
        )
        inside = [
            point
            for point in points
            if all(interval.contains(x) for interval, x in zip(primitive.domain, point, strict=True))
            and math.isfinite(primitive(*point))
        ]
        free = [tuple(x for x, v in zip(point, varies, strict=True) if v) for point in inside]
        yield name, _with_ones(primitive, varies), free
    for name, (function, samples) in COMPOSED.items():
        yield name, function, list(samples)


def run(*, colour: bool) -> int:
    """Print the table; return 1 if a derivative misses."""
    missed = {}
    count = 0
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
    print(f"\n{count - len(missed)} of {count} functions agree" + (f"; not: {', '.join(missed)}" if missed else ""))
    return 1 if missed else 0
