"""Checking derivatives against finite differences, for users as well as for the library itself."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import hints
from autograd_lite.backward import topological_order
from autograd_lite.errors import ArgumentError, GradientCheckError
from autograd_lite.nests import Shape, unravel
from autograd_lite.transforms import grad, jvp, name_of, vjp
from autograd_lite.variable import Variable

EPS = 2.0**-52
Function = Callable[[float], float]

#: Sixth-order central difference: f' ≈ Σ w·(f(x + kh) - f(x - kh))/h for k = 1, 2, 3; truncation error h⁶·f⁽⁷⁾/140.
STENCIL = ((1, 45.0 / 60.0), (2, -9.0 / 60.0), (3, 1.0 / 60.0))

TOLERANCE = 1e-4  # of the derivative: a difference beyond is an error, a fifth of the 0.05 % to be caught
STEP = EPS ** (1.0 / 7.0)  # of the length on which the function is taken to change; these multiples of it are tried:
SHRINKING = (4.0, 1.0, 0.25, 2.0**-4, 2.0**-6, 2.0**-9)
TINY, SMALLEST = 2.0**-1074, 2.0**-1022  # doubles above 0: no value is rounded to less; the first with all its digits


@dataclass(frozen=True)
class Difference:
    """A derivative by finite differences, with its uncertainty."""

    estimate: float = math.nan  #: nan if the function has no values around the point
    disagreement: float = math.inf  #: of estimates with other steps, beyond their rounding
    rounding: float = 0.0  #: its effect on the estimate, as measured
    explained: float = 0.0  #: its largest possible effect: a disagreement of that size is no sign of a kink
    variation: float = 0.0  #: the steepest chord: the scale on which a derivative of 0 is known to be 0
    step: float = 0.0

    @property
    def uncertainty(self) -> float:
        return self.disagreement + self.rounding

    def settles(self, tolerance: float = TOLERANCE / 4.0) -> bool:
        """Whether the steps agree: to a share of the derivative, to rounding, or far better than the function varies."""
        scale = max(tolerance * abs(self.estimate), self.explained, TOLERANCE / 4.0 * self.variation)
        return self.disagreement <= scale < math.inf

    def judge(self, claimed: float, rounded: float = 0.0) -> bool | None:
        """Whether a derivative with the rounding error `rounded` agrees; None if finite differences do not resolve it."""
        error, scale = abs(claimed - self.estimate), max(abs(claimed), abs(self.estimate))
        if error <= max(4.0 * self.uncertainty + rounded, 1e-7 * scale) and math.isfinite(claimed):
            return True if self.settles() else None
        return False if self.settles(1e-2) else None


def difference(
    f: Function, x: float, claimed: float = 0.0, *, known: float = 0.0, unit: float = 1.0, limit: float = math.inf
) -> Difference:
    """f'(x) by the 6-point stencil, with more steps until the derivative that is `claimed` can be judged.

    `known` bounds the rounding of the values, `unit` is the size of x if x is 0, `limit` the distance to the nearest
    point where f is known not to be smooth. Steps are around eps^(1/7) of max(1, |x|), and of |x| if x is small. If these
    do not settle it, steps relative to 1 and to lengths between follow, since a function may change on any length. The
    error of an estimate is its distance from the estimates of the next larger step and of all smaller steps, beyond their
    rounding: a step too large for the function disagrees with the smaller steps, however well two large steps agree
    (Lepski's principle).
    """
    if not math.isfinite(at := f(x)):
        return Difference()

    def value(t: float) -> float:
        try:
            return f(t)
        except (ArithmeticError, ValueError):
            return math.nan

    noise, samples, best = _noise(value, x, at, abs(x) or unit), dict[float, _Sample](), Difference()
    for turn, units in enumerate(_lengths(x, unit)):
        for h in (STEP * unit * shrink for unit in units for shrink in SHRINKING):
            h = (x + h) - x  # noqa: PLW2901 - a step that is exact
            if 0.0 < h < math.inf and 3.0 * h < limit and h not in samples and (sample := _sampled(value, x, at, h)):
                samples[h] = sample
        best = _best([samples[h] for h in sorted(samples)], x, noise, known)
        agrees = best.judge(claimed)
        told = agrees and (best.uncertainty <= abs(claimed) or claimed == x == 0.0)
        # Beyond |x| there may be another function: 1/(1e-200 + x) at 1e-300 changes neither within 1e-300 nor around 1.
        last = turn > 0 or abs(x) <= 10.0  # sin at 1e6 looks noisy and not wrong
        if told or (agrees is not None and best.step <= abs(x) and (agrees or last)):
            break
    return best


def _lengths(x: float, unit: float) -> Iterator[list[float]]:
    """Lengths on which a function may change at x, the likeliest first."""
    size = abs(x) or unit
    yield [max(1.0, size)] + ([size] if size < 0.1 else [])
    if size > 10.0:
        yield [1.0]
    if size < 0.1 or x == 0.0:  # between 1 and x: 0 is no nearer to any of them
        lowest = max(math.frexp(x)[1], -1000) if x else -1000
        yield [2.0**k for k in range(-16, lowest, -16)]


class _Sample(NamedTuple):
    step: float
    estimate: float
    size: float  #: the largest value
    steepest: float  #: the steepest chord


def _sampled(f: Function, x: float, at: float, h: float) -> _Sample | None:
    values = [(k, weight, f(x + k * h), f(x - k * h)) for k, weight in STENCIL]
    estimate = sum(weight * (above - below) for _, weight, above, below in values) / h
    size = max(max(abs(above), abs(below)) for _, _, above, below in values)
    steepest = max(max(abs(above - at), abs(below - at)) / k for k, _, above, below in values) / h
    return _Sample(h, estimate, size, steepest) if math.isfinite(estimate + steepest) else None


def _noise(f: Function, x: float, at: float, size: float) -> float:
    """The scatter of the values near x about a polynomial of degree 4, a measure of their rounding."""
    h = STEP * 2.0**-20 * min(1.0, size)
    values = [at if k == 0 else f(x + k * h) for k in range(-3, 4)]
    fifth = [sum(c * v for c, v in zip((-1, 5, -10, 10, -5, 1), values[i:], strict=False)) for i in (0, 1)]
    scatter = max(map(abs, fifth)) / 16.0  # √252: of six independent errors with these factors
    return scatter if math.isfinite(scatter) else 0.0


def _best(samples: list[_Sample], x: float, noise: float, known: float) -> Difference:
    """The estimate with the least uncertainty, from estimates in the order of their steps, smallest first."""
    # Scatter that is more than 1e-6 of the values is no rounding, unless known: the function changes within the step.
    scatter = [noise if noise <= max(1e-6 * s.size, known) else 0.0 for s in samples]
    # Rounding of the values, and of x + kh, which moves a value by half a unit of x times the slope.
    roundings = [
        (max(EPS * s.size, apart, TINY) + EPS * abs(x * s.estimate)) / s.step
        for s, apart in zip(samples, scatter, strict=True)
    ]
    best, chosen = Difference(), None
    low, high = -math.inf, math.inf  # where the estimates of all smaller steps allow the derivative to be
    for i, (sample, rounding) in enumerate(zip(samples, roundings, strict=True)):
        larger = next((s for s in samples[i + 1 :] if s.step >= 2.0 * sample.step), None)
        if larger is None:
            break
        apart = max(abs(sample.estimate - larger.estimate), sample.estimate - high, low - sample.estimate)
        if apart + rounding < best.uncertainty:
            chosen, explained = sample, max(4.0 * rounding, known / sample.step)
            best = Difference(sample.estimate, apart, rounding, explained, step=sample.step)
        low = max(low, sample.estimate - 4.0 * rounding)
        high = min(high, sample.estimate + 4.0 * rounding)
    if chosen is None:
        return best
    return replace(best, variation=max(s.steepest for s in samples if s.step <= 2.0**12 * chosen.step))


@hints.keywords
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
        With a table of the differences, if a derivative is off by 0.05 % or more, if forward and reverse mode disagree, or
        if finite differences do not resolve `f` at `args`: at a kink, or where it changes faster than their smallest step.

    Notes
    -----
    The first order is checked number by number: every output (weighted by its size into one number if there are several)
    with respect to every input. Higher orders are checked along one fixed direction, whose derivative is again a function
    of the same arguments. Cost: about 43 runs of `f` per input and order.

    There is no absolute tolerance: units do not matter. A derivative has to agree to within four times the uncertainty of
    its finite difference. This uncertainty comes from the measured rounding of the values of `f`, and from the disagreement
    of steps of different sizes. No difference can check a term that rounding hides, such as 1e-20 beside 1.

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
    total = _weighted(f, numbers, shape)
    found: list[tuple[bool | None, str]] = []
    for level in range(1, order + 1):
        found += _compared(total, numbers, shape, level)
        total = _directional(total, len(arguments), numbers, level)
    wrong = [row for agrees, row in found if not agrees]
    if wrong:
        told = any(agrees is False for agrees, _ in found)
        verdict = (
            "do not agree with finite differences. Check the partials of the operations involved."
            if told
            else "cannot be judged: finite differences do not resolve them. The function changes faster than their "
            "smallest step, or has a kink, jump or pole there: check it at another place, or in smaller units."
        )
        more = [f"… and {len(wrong) - 20} more"] if len(wrong) > 20 else []
        counted = f"{len(wrong)} of {len(found)} derivatives {'differ' if told else 'are not resolved'}."
        header = "order  with respect to               gradient           finite difference  |error|  uncertainty"
        table = "\n".join([header, *wrong[:20], *more, counted])
        raise GradientCheckError(f"derivatives of {name_of(f)} at {arguments!r:.200} {verdict}\n{table}")


def _weights(count: int, seed: int) -> list[float]:
    """Fixed numbers of size about 1 without common factors, so that errors cannot cancel."""
    return [float(w) for w in np.random.default_rng(seed).uniform(0.5, 1.5, count)]


def _scales(numbers: Sequence[float]) -> list[float]:
    """A power of two near each number; for a 0 the largest of these powers, or 1 if all numbers are 0."""
    sizes = [abs(n) if math.isfinite(n) else 0.0 for n in numbers]
    largest = max(sizes, default=0.0) or 1.0
    return [2.0 ** min(max(math.frexp(size or largest)[1], -1000), 1000) for size in sizes]


def _weighted(f: Callable[..., Any], numbers: list[float], shape: Shape) -> Callable[..., Any]:
    """Σ weight·output, the single number to differentiate; no output is lost in the rounding of another."""
    sizes: list[float] = []

    def total(*arguments: Any) -> Any:
        outputs, _ = unravel(f(*arguments), f"the output of {name_of(f)}")
        if len(outputs) == 1:
            return outputs[0]
        sizes[:] = sizes or _scales([_value(y) for y in outputs])
        return sum(w * (y / size) for w, y, size in zip(_weights(len(outputs), 1), outputs, sizes, strict=True))

    total.__name__ = name_of(f)
    total(*shape.pack([Variable(n) for n in numbers]))
    return total


def _value(number: Any) -> float:
    return float(getattr(number, "_value", number))


def _directional(f: Callable[..., Any], count: int, numbers: list[float], level: int) -> Callable[..., Any]:
    """The derivative of `f` along a fixed direction, in which each number moves by a fraction of its size."""
    direction = [w * size for w, size in zip(_weights(len(numbers), 10 + level), _scales(numbers), strict=True)]

    def slope(*arguments: Any) -> Any:
        slopes, _ = unravel(grad(f, tuple(range(count)))(*arguments))
        return sum(d * s for d, s in zip(direction, slopes, strict=True)) if slopes else 0.0

    slope.__name__ = name_of(f)
    return slope


def _compared(f: Callable[..., Any], numbers: list[float], shape: Shape, order: int) -> list[tuple[bool | None, str]]:
    """Whether each derivative agrees with its finite difference, and a row of the table."""
    slopes, _ = unravel(grad(f, tuple(range(shape.containers.num_children)))(*shape.pack(numbers)))
    noise, rounded = _rounding(f, numbers, shape)
    rows, units = [], _scales(numbers)
    for i, ((first, *rest), index) in enumerate(shape.places()):

        def along(t: float, i: int = i) -> float:
            # Variables, so that the function computes as it does when it is differentiated (x**0.5 of a negative float
            # would be complex).
            return _value(f(*shape.pack([Variable(n) for n in (*numbers[:i], t, *numbers[i + 1 :])])))

        place = f"argument {first}{''.join(f'[{step!r}]' for step in rest)}{index}"
        found = difference(along, numbers[i], slopes[i], known=noise, unit=units[i])
        error, agrees = abs(slopes[i] - found.estimate), found.judge(slopes[i], rounded[i])
        verdict = {True: "ok", False: "DIFFERS", None: "NOT SMOOTH at these steps"}[agrees]
        row = (
            f"{order:5d}  {place:28.28s}  {slopes[i]:+.10e}  {found.estimate:+.10e}  {error:.1e}  "
            f"{found.uncertainty:.1e}  {verdict}"
        )
        rows.append((agrees, row))
    return rows


def _rounding(f: Callable[..., Any], numbers: list[float], shape: Shape) -> tuple[float, list[float]]:
    """Bounds of the rounding of the value of `f` and of each derivative.

    A sweep with the absolute values of all local gradients gives A. A value is off by eps·Σ A·|v| over the nodes v, a
    derivative by 8·n·eps·A for n operations. Below the smallest normal double a factor is off by an absolute amount:
    SMALLEST.
    """
    inputs = [Variable(n) for n in numbers]
    y = f(*shape.pack(inputs))
    if not isinstance(y, Variable):
        return 0.0, [0.0] * len(numbers)
    order = topological_order(y)
    absolute, noise = {y: 1.0}, 0.0
    for node in reversed(order):
        adjoint = absolute.get(node, 0.0)
        if adjoint:
            noise += EPS * adjoint * abs(_value(node))
            for parent, local in node.local_gradients:
                absolute[parent] = absolute.get(parent, 0.0) + adjoint * (abs(local) + SMALLEST)
    bounds = [8.0 * len(order) * EPS * absolute.get(x, 0.0) for x in inputs]
    return (noise if math.isfinite(noise) else 0.0), [b if math.isfinite(b) else 0.0 for b in bounds]


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
    rounded = _rounding(lambda *xs: sum(w * y for w, y in zip(v, unravel(f(*xs))[0], strict=True)), numbers, shape)[1]
    allowed = 1e-9 * size + math.fsum(a * b for a, b in zip(rounded, u, strict=True))
    if not (left == right or abs(left - right) <= allowed or (math.isnan(left) and math.isnan(right))):
        raise GradientCheckError(
            f"forward and reverse mode disagree for {name_of(f)}: <v, J u> = {left!r}, <Jᵀ v, u> = {right!r}. Does the "
            "function give the same graph each time it runs?"
        )
