# ruff: noqa: T201 - a command line prints
"""The command `check`: the derivatives of every primitive and composed function against finite differences."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import autograd_lite as al
from autograd_lite.primitives import PRIMITIVES

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
    return lambda v: getattr(al, name)(v)[-1]


# Composed functions: those of one number, then those of a vector (where the result is one, its last element).
COMPOSED: dict[str, tuple[Callable[..., Any], Sequence[tuple[Any, ...]]]] = {
    **{name: (getattr(al, name), SAMPLES[1]) for name in ("elu", "gelu", "selu", "silu", "softsign")},
    **{name: (getattr(al, name), [(v,) for v in VECTORS]) for name in ("sum", "prod", "mean", "norm", "logsumexp")},
    **{name: (_last(name), [(v,) for v in VECTORS]) for name in ("softmax", "log_softmax")},
    "dot": (_dot, [(v,) for v in VECTORS]),
}


def cases() -> Iterator[tuple[str, Callable[..., Any], list[tuple[Any, ...]]]]:
    """Yield each function with its points: those of its domain at which it has a value."""
    for name, primitive in sorted(PRIMITIVES.items()):
        inside = [
            point
            for point in SAMPLES[primitive.arity]
            if all(interval.contains(x) for interval, x in zip(primitive.domain, point, strict=True))
            and math.isfinite(primitive(*point))
        ]
        yield name, primitive, inside
    for name, (function, points) in COMPOSED.items():
        yield name, function, list(points)


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
