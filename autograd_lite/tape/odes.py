"""`odeint`: ordinary differential equations whose solutions can be differentiated.

The steps of the integrators here are scalar code in loops (`scan`, `while_loop`), native where they are compiled: derivatives
are those of the steps that were made, exact and of every order. The sizes of adaptive steps are held constant.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from autograd_lite import context, hints, many
from autograd_lite.backward import gradients
from autograd_lite.errors import ArgumentError, AutogradLiteError, NotConvergedError
from autograd_lite.maths.matrices import Array, At, Matrices, applied, block
from autograd_lite.nests import Shape, as_array, unravel
from autograd_lite.primitives import abs as absolute
from autograd_lite.primitives import clip, maximum, sqrt, where
from autograd_lite.refusals import watched
from autograd_lite.tape import recording
from autograd_lite.tape.backends.registry import fastest, single
from autograd_lite.tape.implicit import FOUND, LOST, SEARCHING, held
from autograd_lite.tape.program import Program, merged
from autograd_lite.tape.scan import scan, while_loop
from autograd_lite.tape.trace import recorded
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

#: From the numbers of the state and a time to those of the slope.
Rates = Callable[[Sequence[Any], Any], list[Any]]

#: For each stage its time and the weights of the slopes before it.
Stages = tuple[tuple[float, tuple[float, ...]], ...]

#: Steps between two times at most.
STEPS = 100_000
#: Rates for each number of the state that a method of SciPy may ask for without a later time.
IDLE = 2_000

# The method of order 8 with error estimates of order 5 and 3 of Dormand & Prince, as E. Hairer, S. Nørsett and G. Wanner give
# it (DOP853, *Solving Ordinary Differential Equations I*, 2nd ed., Springer 1993, section II.5): for each stage its time and
# the weights of the slopes before it, then the weights of the result and of the two estimates.
# fmt: off
STAGES: Stages = (
    (0.0, ()),
    (0.05260015195876773, (0.05260015195876773,)),
    (0.0789002279381516, (0.0197250569845379, 0.0591751709536137)),
    (0.1183503419072274, (0.02958758547680685, 0.0, 0.08876275643042054)),
    (0.2816496580927726, (0.2413651341592667, 0.0, -0.8845494793282861, 0.924834003261792)),
    (0.3333333333333333, (0.037037037037037035, 0.0, 0.0, 0.17082860872947386, 0.12546768756682242)),
    (0.25, (0.037109375, 0.0, 0.0, 0.17025221101954405, 0.06021653898045596, -0.017578125)),
    (0.3076923076923077, (
        0.03709200011850479, 0.0, 0.0, 0.17038392571223998, 0.10726203044637328, -0.015319437748624402,
        0.008273789163814023,
    )),
    (0.6512820512820513, (
        0.6241109587160757, 0.0, 0.0, -3.3608926294469414, -0.868219346841726, 27.59209969944671, 20.154067550477894,
        -43.48988418106996,
    )),
    (0.6, (
        0.47766253643826434, 0.0, 0.0, -2.4881146199716677, -0.590290826836843, 21.230051448181193,
        15.279233632882423, -33.28821096898486, -0.020331201708508627,
    )),
    (0.8571428571428571, (
        -0.9371424300859873, 0.0, 0.0, 5.186372428844064, 1.0914373489967295, -8.149787010746927, -18.52006565999696,
        22.739487099350505, 2.4936055526796523, -3.0467644718982196,
    )),
    (1.0, (
        2.273310147516538, 0.0, 0.0, -10.53449546673725, -2.0008720582248625, -17.9589318631188, 27.94888452941996,
        -2.8589982771350235, -8.87285693353063, 12.360567175794303, 0.6433927460157636,
    )),
)
RESULT = (
    0.054293734116568765, 0.0, 0.0, 0.0, 0.0, 4.450312892752409, 1.8915178993145003, -5.801203960010585,
    0.3111643669578199, -0.1521609496625161, 0.20136540080403034, 0.04471061572777259,
)
ESTIMATES = ((
    0.01312004499419488, 0.0, 0.0, 0.0, 0.0, -1.2251564463762044, -0.4957589496572502, 1.6643771824549864,
    -0.35032884874997366, 0.3341791187130175, 0.08192320648511571, -0.022355307863886294,
), (
    -0.18980075407240762, 0.0, 0.0, 0.0, 0.0, 4.450312892752409, 1.8915178993145003, -5.801203960010585,
    -0.4226823213237919, -0.1521609496625161, 0.20136540080403034, 0.02265179219836082,
))
# fmt: on

#: Methods of fixed steps, in the same form.
FIXED: dict[str, tuple[Stages, tuple[float, ...]]] = {
    "euler": (((0.0, ()),), (1.0,)),
    "midpoint": (((0.0, ()), (0.5, (0.5,))), (0.0, 1.0)),
    "rk4": (
        ((0.0, ()), (0.5, (0.5,)), (0.5, (0.0, 0.5)), (1.0, (0.0, 0.0, 1.0))),
        (1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0),
    ),
}


def _either(condition: Any, one: Any, other: Any) -> Any:
    """`where`, without a node if the condition is no traced number."""
    return where(condition, one, other) if type(condition) is Variable else one if condition else other


def _sum(weights: Sequence[float], slopes: Sequence[Sequence[Any]], k: int) -> Any:
    """Σ weight·slope of number k of the state, without the slopes of weight 0."""
    terms = [w * slope[k] for w, slope in zip(weights, slopes, strict=True) if w != 0.0]
    return sum(terms[1:], terms[0])


def _stages(rates: Rates, stages: Stages, y: Sequence[Any], t: Any, h: Any) -> list[list[Any]]:
    slopes: list[list[Any]] = []
    for place, weights in stages:
        at = [n + h * _sum(weights, slopes, k) for k, n in enumerate(y)] if slopes else y
        slopes.append(rates(at, t + place * h))
    return slopes


@dataclass(frozen=True)
class Problem:
    """An equation, and how exact a step is to be."""

    rates: Rates
    name: str
    rtol: float
    atol: float

    def error(self, slopes: Sequence[Sequence[Any]], y: Sequence[Any], new: Sequence[Any], h: Any) -> Any:
        """The estimated error of a step in units of the tolerance."""
        fifth = third = 0.0
        for k, (a, b) in enumerate(zip(y, new, strict=True)):
            scale = self.atol + self.rtol * maximum(absolute(a), absolute(b))
            five, three = (_sum(weights, slopes, k) / scale for weights in ESTIMATES)
            fifth, third = fifth + five * five, third + three * three
        both = fifth + 0.01 * third
        return where(both > 0.0, absolute(h) * fifth / sqrt(where(both > 0.0, both, 1.0) * float(len(y))), both)

    def first_step(self, y: Sequence[Any], t: Any) -> Any:
        """A step after which Euler's method would have moved by a hundredth of the size of y [1]_.

        [1] Hairer, Nørsett & Wanner, section II.4.
        """
        sizes = [0.0, 0.0]
        for n, slope in zip(y, [held(n) for n in self.rates(y, t)], strict=True):
            scale = self.atol + self.rtol * absolute(n)
            sizes = [maximum(size, absolute(a) / scale) for size, a in zip(sizes, (n, slope), strict=True)]
        known = (sizes[0] > 1e-5) & (sizes[1] > 1e-5)
        return where(known, 0.01 * sizes[0] / where(known, sizes[1], 1.0), 1e-6)

    def across(self, y: Sequence[Any], start: Any, length: Any, size: Any) -> Any:
        """Over an interval by steps whose estimated error is within tolerance: `(y, size of the next step, state)`."""
        whole = held(length)
        way = where(whole < 0.0, -1.0, 1.0)

        def step(carry: Any) -> Any:
            y, gone, size, turns, _ = carry
            last = absolute(whole - gone) <= size
            h = _either(last, length - gone, way * size)
            slopes = _stages(self.rates, STAGES, y, start + gone, h)
            new, moved = [n + h * _sum(RESULT, slopes, k) for k, n in enumerate(y)], held(h)
            known = [[held(n) for n in numbers] for numbers in (y, new, *slopes)]
            error, turns = self.error(known[2:], known[0], known[1], moved), turns + 1.0
            good = error <= 1.0
            factor = where(error < inf, clip(0.9 * maximum(error, 1e-30) ** -0.125, 0.2, 10.0), 0.2)
            following = absolute(moved) * factor
            following = where(last & good, maximum(size, following), following)
            lost = (turns >= STEPS) | (following <= 2.0**-50 * absolute(whole))
            state = where(last & good, FOUND, where(lost, LOST, SEARCHING))
            y = [_either(good, b, a) for a, b in zip(y, new, strict=True)]
            return y, where(good, gone + moved, gone), following, turns, state

        first = [*y], 0.0, size, 0.0, where(whole == 0.0, FOUND, SEARCHING)
        y, _, size, _, state = while_loop(lambda carry: carry[-1] == SEARCHING, step, first)
        return y, size, state


def _adaptively(problem: Problem, y: list[Any], times: list[Any]) -> list[list[Any]]:
    """The states at all times but the first; an error if a time is not reached, in lanes NaN from there on."""

    def interval(carry: Any, row: Any) -> Any:
        y, size, state = carry
        new, size, reached = problem.across(y, row[0], row[1] - row[0], size)
        state = where(state == FOUND, reached, LOST)
        sound = state == FOUND
        y = [
            n * where(sound, 1.0, nan) if type(sound) is Variable or not sound else n for n in new
        ]  # all derivatives too
        return (y, size, state), y

    size = problem.first_step([held(n) for n in y], held(times[0]))
    rows = as_array([n for pair in pairwise(times) for n in pair], (len(times) - 1, 2))
    (_, _, state), columns = scan(interval, (y, size, FOUND), rows)
    notes = recording.current()
    if not (recording.in_lanes() or (notes is not None and notes.blind)) and state != FOUND:
        raise NotConvergedError(f"odeint of {problem.name}: no step is short enough at some time. {_REMEDY}")
    return [[*row] for row in zip(*(column.tolist() for column in columns), strict=True)]


def _by_fixed_steps(rates: Rates, y: list[Any], times: list[Any], method: str, steps: int) -> list[list[Any]]:
    """The states at all times but the first, with so many steps between two."""
    stages, result = FIXED[method]

    def step(y: list[Any], row: Any) -> Any:
        t, h = row[0], row[1]
        slopes = _stages(rates, stages, y, t, h)
        y = [n + h * _sum(result, slopes, k) for k, n in enumerate(y)]
        return y, y

    rows: list[Any] = []
    for start, end in pairwise(times):
        h = (end - start) / steps
        rows += [n for k in range(steps) for n in (start + k * h, h)]
    states = scan(step, y, as_array(rows, (steps * (len(times) - 1), 2)))[1]
    return [[*row] for row in zip(*(column[steps - 1 :: steps].tolist() for column in states), strict=True)]


# ------------------------------------------------------------------------------------- steps that SciPy chooses


class _NoProgressError(Exception):
    """A method of SciPy asks for rates at one time for ever: LSODA has no shortest step."""


class Flow(Matrices):
    """The states at all times but the first, by a method of SciPy, of the rates that a program gives for (y, t, c).

    The derivatives of the states obey differential equations of their own, S' = f_y·S + f_c: those of the `sensitivities`,
    a flow again, so that every order follows.
    """

    name = "odeint"
    brief = False  # it runs equations of the user's
    untold = "an equation that SciPy solves, by no program. Leave method out, whose steps are a program."

    @property
    def _how(self) -> Any:
        """The program, the numbers of the state, of times and of what is captured, the method and its tolerances."""
        return self.sizes

    def shapes(self, *sizes: Any) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
        _, n, m, k, *_ = sizes
        return ((n,), (m,), (k,)), ((m - 1, n),)

    def one(self, *arrays: Array) -> tuple[Array, ...]:
        lead = arrays[0].shape[:-1]
        found = np.full((*lead, *self.gives[0]), nan)
        for lane in np.ndindex(*lead):
            found[lane] = self._integrated(*(array[lane] for array in arrays))
        return (found,)

    def _integrated(self, y: Array, t: Array, c: Array) -> Any:
        solve_ivp = _solve_ivp()
        program, n, _, _, method, rtol, atol = self._how
        run, own = _compiled(program).run, c.tolist()
        times, places = np.unique(t[1:], return_inverse=True)
        if t[-1] < t[0]:
            times, places = times[::-1], len(times) - 1 - places

        gone, idle, least = 0.0, 0, 2.0**-50 * abs(t[-1] - t[0])

        def rates(now: float, state: Array) -> Any:
            nonlocal gone, idle
            way = abs(now - t[0])
            gone, idle = (way, 0) if way > gone + least else (gone, idle + 1)
            if idle > IDLE * (n + 1):
                raise _NoProgressError
            return run([*state.tolist(), now, *own])[1]

        if not np.isfinite(rates(t[0], y)).all():
            return nan
        try:
            found = solve_ivp(rates, (t[0], t[-1]), y, method=method, t_eval=times, rtol=rtol, atol=atol)
        except _NoProgressError:
            return nan
        return found.y.T[places].reshape(-1, n) if found.success else nan

    def computed(self, arguments: Any, *, native: bool) -> Any:  # noqa: ARG002
        results = self.of_numbers(arguments)
        if not (self.quiet or recording.in_lanes()) and np.isnan(results).any():
            raise NotConvergedError(
                f"odeint: {self._how[4]} of SciPy has found no solution. Does it grow without bound? Look at a shorter time, "
                "or try another method."
            )
        return results

    def _sensitivities(self, at: At) -> tuple[Array, Array, Array]:
        """The rates at all times (m × n), and the derivatives at all but the first by the start and by what is captured."""
        program, n, m, k, *how = self._how
        y, t, c = at.takes
        sizes: Any = _with_sensitivities(program, n, k), n * (1 + n + k), m, k, *how
        flow = Flow(*sizes, quiet=True)
        start = [*y, *np.eye(n, n + k).ravel().tolist()]
        if at.numbers:
            states = flow.of_numbers(np.concatenate([start, t, c])).reshape(flow.gives[0])
        else:
            (states,) = applied(flow, block(start, (len(start),)), t, c)
        s = states[:, n:].reshape(m - 1, n, n + k)
        rows = zip([y.tolist(), *states[:, :n].tolist()], t.tolist(), strict=True)
        rates = [_replayed(program, [*row, time, *c.tolist()]) for row, time in rows]
        return block([n for row in rates for n in row], (m, n)), s[:, :, :n], s[:, :, n:]

    def pull(self, at: At, bars: list[Array | None]) -> list[Array | None]:
        rates, by_start, by_captured = self._sensitivities(at)
        bar: Any = bars[0]
        start = sum(bar[:, i] @ by_start[:, i] for i in range(bar.shape[1]))
        captured = sum(bar[:, i] @ by_captured[:, i] for i in range(bar.shape[1]))
        times = [-(start @ rates[0]), *((b * r).sum() for b, r in zip(bar, rates[1:], strict=True))]
        return [start, block(times, (len(times),)), captured]

    def push(self, at: At, dots: list[Array | None]) -> list[Array]:
        rates, by_start, by_captured = self._sensitivities(at)
        y, t, c = (np.zeros(s) if dot is None else dot for dot, s in zip(dots, self.takes, strict=True))
        first = y - rates[0] * t[0]
        rows = zip(by_start, by_captured, rates[1:], t[1:], strict=True)
        return [np.array([s @ first + own @ c + rate * dot for s, own, rate, dot in rows])]


def _solve_ivp() -> Any:
    try:
        from scipy.integrate import solve_ivp  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise AutogradLiteError(
            "this method of odeint is SciPy's, and SciPy is not installed. Install it with pip install "
            "'autograd-lite[scipy]', or leave method out."
        ) from error
    return solve_ivp


def _replayed(program: Program, inputs: Sequence[Any]) -> list[Any]:
    values = program.evaluated(lambda operation, own: operation(*own), float, inputs)
    return [values[slot] for slot in program.outputs]


@lru_cache(maxsize=64)
def _compiled(program: Program) -> Any:
    return single(merged(program), fastest())


@lru_cache(maxsize=64)
def _with_sensitivities(program: Program, n: int, k: int) -> Program:
    """The rates of the states and of their derivatives by the start and by what is captured."""

    def rates(*inputs: Any) -> list[Any]:
        y, s, (t, *c) = inputs[:n], inputs[n : -1 - k], inputs[-1 - k :]
        found, wrt, width = _replayed(program, [*y, t, *c]), [*y, *c], n + k
        sent = []
        for rate in found:
            slopes = gradients(rate, wrt, create_graph=True) if type(rate) is Variable else [0.0] * width
            for j in range(width):
                own = sum(slope * s[i * width + j] for i, slope in enumerate(slopes[:n]))
                sent.append(own + slopes[j] if j >= n else own)
        return [*found, *sent]

    return _recorded(rates, n * (1 + n + k) + 1 + k)[0]


def _recorded(f: Callable[..., Any], numbers: Any) -> tuple[Program, tuple[Variable, ...]]:
    given = [0.5] * numbers if type(numbers) is int else numbers
    program, captured, _ = recorded(f, given, unravel(((*given,), {}))[1], masked=True, loops=2, mapped=True)
    return program, captured


def _by_scipy(problem: Problem, y: list[Any], times: list[Any], method: str) -> list[list[Any]]:
    """The states at all times but the first."""
    start = [getattr(n, "_value", n) for n in (*y, times[0])]
    program, captured = _recorded(lambda *at: problem.rates(at[:-1], at[-1]), start)
    if program.guards:
        raise ArgumentError(
            f"odeint: {problem.name} branches at {program.guards[0].location}, which method={method!r} cannot follow. Write "
            "al.where(condition, a, b), or leave method out."
        )
    sizes: Any = program, len(y), len(times), len(captured), method, problem.rtol, problem.atol
    results = many.recorded(Flow(*sizes), [*y, *times, *captured])
    return [results[k : k + len(y)] for k in range(0, len(results), len(y))]


# ------------------------------------------------------------------------------------------------------- the function

SCIPY = "RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"
METHODS = "adaptive", *FIXED, *SCIPY

_REMEDY = (
    "Does the solution grow without bound, or is the equation stiff? Look at a shorter time, or write method='LSODA', which "
    "SciPy has for stiff equations."
)


@hints.keywords
def odeint(
    f: Callable[..., Any],
    y0: Any,
    t: Any,
    *params: Any,
    method: str = "adaptive",
    steps: int | None = None,
    rtol: float = 1e-10,
    atol: float = 1e-10,
) -> Any:
    """Solve an ordinary differential equation; the solution can be differentiated, any number of times.

    Parameters
    ----------
    f : callable
        `f(y, t, *params)`, the slope dy/dt: a number for each of the state.
    y0 : number, array, list or nest
        The state at the first time. f gets an array for an array, a list or a tuple of numbers, and a nest for other nests.
    t : array of m numbers
        The times for which the state is wanted, that of `y0` first. They may decrease.
    *params : nests
        Further arguments of `f`. `y0`, `t`, `params`, and the Variables that f takes from outside, all have derivatives.
    method : {"adaptive", "rk4", "midpoint", "euler", "LSODA", "DOP853", "RK45", "RK23", "Radau", "BDF"}
        "adaptive", the default: an explicit method of order 8 whose steps follow an estimated error [1]_. "rk4",
        "midpoint", "euler": fixed steps of order 4, 2, 1. The others are those of `scipy.integrate.solve_ivp` (extra
        `scipy`); "LSODA", "Radau" and "BDF" are for stiff equations.
    steps : int, default 1
        For fixed steps: how many between two times.
    rtol, atol : float, default 1e-10
        An adaptive step may have an estimated error of rtol·|y| + atol. The error of the solution is that of some steps.

    Returns
    -------
    array (m, n) or nest
        The states, a row for each time, in the layout of `scipy.integrate.odeint`; for a nest, a nest whose numbers and
        arrays have a first axis of times.

    Raises
    ------
    NotConvergedError
        If no step is short enough: the solution has no bound, or the equation is stiff. NaN in lanes.
    ArgumentError
        If f does not return a slope for each number, or branches where SciPy chooses the steps.

    Notes
    -----
    The library's own steps are loops, native when compiled. Their derivatives are those of the steps that were
    made, with sizes held constant: exact for the numbers that are returned, in forward and reverse mode. Where SciPy
    chooses the steps, derivatives obey equations of their own, S' = ∂f/∂y·S + ∂f/∂p, to the same tolerances: n·(1 + n + k)
    numbers for n of the state and k of what f uses.

    References
    ----------
    .. [1] Hairer, Nørsett & Wanner, *Solving Ordinary Differential Equations I*, 2nd ed., Springer 1993, section II.5.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> def end(rate, y0=1.0):                      # y' = -rate·y
    ...     return al.odeint(lambda y, t, rate: -rate * y, y0, [0.0, 1.0, 2.0], rate)[-1, 0]
    >>> bool(abs(end(0.5) - np.exp(-1.0)) < 1e-9), round(al.grad(end)(0.5), 8)   # -2·exp(-2·rate)
    (True, -0.73575888)
    >>> pendulum = lambda y, t, g: [y[1], -g * al.sin(y[0])]
    >>> al.odeint(pendulum, [1.0, 0.0], np.linspace(0.0, 1.0, 3), 9.81).round(6)
    array([[ 1.      ,  0.      ],
           [ 0.104258, -2.98542 ],
           [-0.980067, -0.571804]])
    """
    y, shape = unravel(y0, "y0 of odeint")
    times, _ = unravel(t, "t of odeint")
    _check(f, y, t, times)
    _check_how(method, steps, rtol, atol)
    name = name_of(f)
    flat = shape.leaves == (None,) and shape.containers.is_leaf()
    vector = not flat and (isinstance(y0, np.ndarray) or (type(y0) in (list, tuple) and set(shape.leaves) == {None}))

    def rates(state: Sequence[Any], now: Any) -> list[Any]:
        given = as_array([*state], (len(y),)) if vector else shape.pack([*state])
        numbers, own = unravel(f(given, now, *params), f"the output of {name}")
        if len(numbers) != len(y):
            raise ArgumentError(
                f"{name} returned {own.outline()} for a state of {len(y)} numbers. Return a slope for each, f(y, t, *params)."
            )
        return numbers

    problem, states = Problem(rates, name, rtol, atol), list[list[Any]]()
    with watched(name), context.differentiated(lanes=False):
        if len(times) < 2:
            pass
        elif method in FIXED:
            states = _by_fixed_steps(rates, y, times, method, steps or 1)
        elif method == "adaptive":
            states = _adaptively(problem, y, times)
        else:
            states = _by_scipy(problem, y, times, method)
    rows = [y, *states]
    return as_array([n for row in rows for n in row], (len(rows), len(y))) if flat or vector else _stacked(rows, shape)


def _stacked(rows: list[list[Any]], shape: Shape) -> Any:
    """States of a shape, with all times of each leaf in an array."""
    columns: list[Any] = []
    start = 0
    for size in shape.sizes:
        columns += [n for row in rows for n in row[start : start + size]]
        start += size
    return Shape(shape.containers, tuple((len(rows), *(leaf or ())) for leaf in shape.leaves)).pack(columns)  # type: ignore[misc]


def _check(f: Any, y: list[Any], t: Any, times: list[Any]) -> None:
    """Refuse what is no initial value problem."""
    if not callable(f):
        raise ArgumentError(
            f"odeint takes a function and got {f!r:.60}. Write odeint(f, y0, t, *params), with f(y, t, *params)."
        )
    if _is_time_first(f):
        raise ArgumentError(
            f"{name_of(f)} takes the time first, as for solve_ivp, and odeint calls f(y, t, *params). Write "
            "odeint(lambda y, t, *params: f(t, y, *params), y0, t, *params), or rename the first argument if t is the state."
        )
    if not y:
        raise ArgumentError("y0 of odeint holds no numbers. Give the state at the first time.")
    if np.ndim(t) != 1 or not times or not all(isfinite(getattr(n, "_value", n)) for n in times):
        raise ArgumentError(f"t={t!r:.80} of odeint: give the times as a sequence of finite numbers, that of y0 first.")


def _is_time_first(f: Any) -> bool:
    """Whether a function names its first argument t, and has another one behind that."""
    try:
        names = [*inspect.signature(f, follow_wrapped=False).parameters, ""][:2]
    except (TypeError, ValueError):
        return False
    return names[0] == "t" and names[1][:1] not in ("", "_")


def _check_how(method: Any, steps: Any, rtol: Any, atol: Any) -> None:
    """Refuse options that make no sense."""
    if method not in METHODS:
        raise ArgumentError(f"method={method!r} of odeint: choose one of {', '.join(map(repr, METHODS))}.")
    if steps is not None and (
        method not in FIXED or isinstance(steps, bool) or not isinstance(steps, int) or steps < 1
    ):
        raise ArgumentError(
            f"steps={steps!r} with method={method!r} of odeint: a number of steps between two times, from 1 on, is for "
            "methods of fixed steps, such as 'rk4'."
        )
    for what, number in (("rtol", rtol), ("atol", atol)):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0.0 < number < 1.0:
            raise ArgumentError(f"{what}={number!r} of odeint: give a number above 0 and below 1.")
