"""Checking derivatives against finite differences, for users as well as for the library itself."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_lite.errors import ArgumentError, GradientCheckError
from autograd_lite.nests import Shape, unravel
from autograd_lite.transforms import grad, jvp, name_of, vjp
from autograd_lite.variable import Variable

EPS = 2.0**-52

#: Sixth-order central difference: f' ≈ Σ w·(f(x + kh) - f(x - kh))/h for k = 1, 2, 3; truncation error h⁶·f⁽⁷⁾/140.
STENCIL = ((1, 45.0 / 60.0), (2, -9.0 / 60.0), (3, 1.0 / 60.0))

#: A difference beyond this share of the derivative's size is a wrong derivative: a fifth of the 0.05 % to be caught.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Comparison:
    """One derivative beside its finite difference."""

    order: int
    place: str
    exact: float
    difference: float
    uncertainty: float
    scale: float

    @property
    def agrees(self) -> bool:
        """Whether the two agree to within the uncertainty of the difference."""
        if not math.isfinite(self.exact):
            return False
        return abs(self.exact - self.difference) <= max(4.0 * self.uncertainty, 1e-7 * self.scale) and self.settled

    @property
    def settled(self) -> bool:
        """Whether the finite difference is good enough to judge by."""
        return self.uncertainty <= TOLERANCE / 4.0 * self.scale

    @property
    def row(self) -> str:
        """A line of the table."""
        verdict = "ok" if self.agrees else "DIFFERS" if self.settled else "NOT SMOOTH"
        error = abs(self.exact - self.difference)
        return (
            f"{self.order:5d}  {self.place:28.28s}  {self.exact:+.10e}  {self.difference:+.10e}  {error:.1e}  "
            f"{self.uncertainty:.1e}  {verdict}"
        )


HEADER = "order  with respect to               gradient           finite difference  |error|  uncertainty"


def difference(f: Callable[[float], float], x: float) -> tuple[float, float, float]:
    """f'(x) by the 6-point stencil; its uncertainty; and the scale on which to judge.

    Steps around eps^(1/7)·max(1, |x|), and around eps^(1/7)·|x| where x is small; the two neighbours that agree best
    give the answer, and what they disagree by and the rounding error of the values are the uncertainty.
    """
    best = (math.nan, math.inf, 0.0)
    previous: float | None = None
    largest = EPS ** (1.0 / 7.0) * max(1.0, abs(x))
    steps = [largest * shrink for shrink in (4.0, 1.0, 0.25, 2.0**-4, 2.0**-6, 2.0**-9)]
    if 0.0 < abs(x) < 0.1:  # the function may live on the scale of its argument, as log does
        steps += [EPS ** (1.0 / 7.0) * abs(x) * shrink for shrink in (4.0, 1.0, 0.25)]
    for h in steps:
        h = (x + h) - x  # noqa: PLW2901 - a step that is exact
        if h == 0.0:
            break
        values = [(weight, f(x + k * h), f(x - k * h)) for k, weight in STENCIL]
        estimate = sum(weight * (above - below) for weight, above, below in values) / h
        size = max(max(abs(above), abs(below)) for _, above, below in values)
        if previous is not None and math.isfinite(estimate):
            uncertainty = abs(estimate - previous) + EPS * size / h
            if uncertainty < best[1]:
                best = (estimate, uncertainty, abs(estimate))
        previous = estimate
    return best


def check_grads(f: Callable[..., Any], args: Sequence[Any], *, order: int = 2) -> None:
    """Check the derivatives of `f` at `args` against finite differences, up to an order.

    Parameters
    ----------
    f : callable
        Any nest of numbers in, any nest of numbers out.
    args : sequence
        The positional arguments.
    order : int, default 2
        1 checks the gradient, 2 also the gradient's gradient, and so on.

    Raises
    ------
    GradientCheckError
        With a table of what differs, if a derivative is off by 0.05 % or more, if forward and reverse mode disagree, or
        if `f` is not smooth enough at `args` for finite differences to tell.

    Notes
    -----
    The first order is checked number by number: every output (weighted into one number if there are several) with
    respect to every input. Higher orders are checked along one fixed direction, whose derivative is again a function of
    the same arguments. Cost: about 36 runs of `f` per input and order.

    Examples
    --------
    >>> import autograd_lite as al
    >>> check_grads(lambda x, y: al.sin(x) * y, (1.0, 2.0), order=3)
    >>> wrong = al.Primitive(name="wrong", value=lambda x: x * x, partials=(lambda x, y: 2.001 * x,))
    >>> check_grads(wrong, (3.0,))
    Traceback (most recent call last):
        ...
    autograd_lite.errors.GradientCheckError: derivatives of wrong at (3.0,) do not agree with finite differences. ...
    """
    if not callable(f):
        raise ArgumentError(
            f"check_grads takes a function and its arguments and got {f!r}. Write check_grads(f, (x,))."
        )
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise ArgumentError(f"order={order!r}: give 1, 2, 3, …")
    if not isinstance(args, (tuple, list)):
        raise ArgumentError(
            f"args={args!r:.60}: give a tuple with one entry for each argument, as in check_grads(f, (x,))."
        )
    arguments = tuple(args)
    numbers, shape = unravel(arguments, "args")
    numbers = [getattr(n, "value", n) for n in numbers]
    _check_modes(f, numbers, shape)
    total = _weighted(f)
    found: list[Comparison] = []
    for level in range(1, order + 1):
        found += _compared(total, numbers, shape, level)
        total = _directional(total, len(arguments), len(numbers), level)
    if not all(comparison.agrees for comparison in found):
        wrong = [comparison.row for comparison in found if not comparison.agrees]
        told = any(comparison.settled for comparison in found if not comparison.agrees)
        raise GradientCheckError(
            f"derivatives of {name_of(f)} at {arguments!r:.200} "
            + (
                "do not agree with finite differences. Check the partials of the operations involved."
                if told
                else "cannot be judged: finite differences do not settle there. Move away from the kink, jump or pole."
            )
            + f"\n{HEADER}\n"
            + "\n".join(wrong[:20])
            + (f"\n… and {len(wrong) - 20} more" if len(wrong) > 20 else "")
            + f"\n{len(wrong)} of {len(found)} derivatives differ."
        )


def _weights(count: int, seed: int) -> list[float]:
    """Fixed numbers of size about 1, without common factors, so that errors cannot cancel."""
    return [float(w) for w in np.random.default_rng(seed).uniform(0.5, 1.5, count)]


def _weighted(f: Callable[..., Any]) -> Callable[..., Any]:
    """Σ weight·output: the single number that is differentiated."""

    def total(*arguments: Any) -> Any:
        outputs, _ = unravel(f(*arguments), f"the output of {name_of(f)}")
        if len(outputs) == 1:
            return outputs[0]
        return sum(w * y for w, y in zip(_weights(len(outputs), 1), outputs, strict=True))

    total.__name__ = name_of(f)
    return total


def _directional(f: Callable[..., Any], count: int, size: int, level: int) -> Callable[..., Any]:
    """The derivative of `f` along a fixed direction, as a function of the same arguments."""
    direction = _weights(size, 10 + level)

    def slope(*arguments: Any) -> Any:
        slopes, _ = unravel(grad(f, tuple(range(count)))(*arguments))
        return sum(d * s for d, s in zip(direction, slopes, strict=True)) if slopes else 0.0

    slope.__name__ = name_of(f)
    return slope


def _compared(f: Callable[..., Any], numbers: list[float], shape: Shape, order: int) -> list[Comparison]:
    slopes, _ = unravel(grad(f, tuple(range(shape.containers.num_children)))(*shape.pack(numbers)))
    places = _places(shape)
    rows = []
    for i, (x, exact) in enumerate(zip(numbers, slopes, strict=True)):

        def along(t: float, i: int = i) -> float:
            # Variables, so that the function computes as it does when it is differentiated (x**0.5 of a negative float
            # would be complex).
            moved = f(*shape.pack([Variable(n) for n in (*numbers[:i], t, *numbers[i + 1 :])]))
            return float(getattr(moved, "value", moved))

        estimate, uncertainty, size = difference(along, x)
        rows.append(Comparison(order, places[i], exact, estimate, uncertainty, size))
    # A derivative far smaller than its neighbours drowns in their rounding: judge all on a common floor.
    floor = 1e-3 * max((row.scale for row in rows if math.isfinite(row.scale)), default=0.0)
    return [Comparison(r.order, r.place, r.exact, r.difference, r.uncertainty, max(r.scale, floor, 4e-6)) for r in rows]


def _places(shape: Shape) -> list[str]:
    """Where each number stands: 'argument 0', 'argument 1['w'][2, 3]'."""
    return [
        f"argument {first}{''.join(f'[{step!r}]' for step in rest)}{index}" for (first, *rest), index in shape.places()
    ]


def _check_modes(f: Callable[..., Any], numbers: list[float], shape: Shape) -> None:
    """<v, J u> = <Jᵀ v, u>, by the forward sweep and by the reverse sweep."""
    arguments = shape.pack(numbers)
    u = _weights(len(numbers), 2)
    _, pushed = jvp(f, arguments, shape.pack(u))
    value, pullback = vjp(f, *arguments)
    outputs, output_shape = unravel(value)
    v = _weights(len(outputs), 3)
    pulled, _ = unravel(pullback(output_shape.pack(v)))
    pushed, _ = unravel(pushed)
    left = math.fsum(a * b for a, b in zip(v, pushed, strict=True))
    right = math.fsum(a * b for a, b in zip(pulled, u, strict=True))
    size = math.fsum(abs(a * b) for a, b in (*zip(v, pushed, strict=True), *zip(pulled, u, strict=True)))
    # Both sweeps multiply the same recorded numbers along the same paths: only the order of rounding differs.
    if not (left == right or abs(left - right) <= 1e-9 * size or (math.isnan(left) and math.isnan(right))):
        raise GradientCheckError(
            f"forward and reverse mode disagree for {name_of(f)}: <v, J u> = {left!r}, <Jᵀ v, u> = {right!r}. Does the "
            "function give the same graph each time it runs?"
        )
