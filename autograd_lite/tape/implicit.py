"""`root`, `fixed_point` and `argmin`: solvers whose results have the derivatives that the implicit function theorem gives.

The iteration runs on numbers that are held constant: in Python by itself, as a native loop in a trace. Its result x enters
the graph by the operation `Unknown`, whose value is x and whose partials are those of the theorem, -r_x⁻¹·r_c for the
equations r(x, c) = 0. They are written with the result itself, so that they have derivatives in turn, of every order.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from autograd_lite import context, hints
from autograd_lite.backward import adjoints, gradients, stop_gradient
from autograd_lite.errors import ArgumentError, AutogradLiteError, NotConvergedError, SingularError
from autograd_lite.maths.linalg import SMALL, _quiet_solution
from autograd_lite.maths.matrices import block
from autograd_lite.nests import Shape, unravel
from autograd_lite.primitives import Primitive, div, maximum, minimum, positive, where
from autograd_lite.primitives import abs as absolute
from autograd_lite.refusals import watched
from autograd_lite.rule import REAL, Interval
from autograd_lite.tape import recording
from autograd_lite.tape.backends.python import arithmetic
from autograd_lite.tape.program import Program
from autograd_lite.tape.recording import Recording
from autograd_lite.tape.scan import while_loop
from autograd_lite.tape.trace import GraphBuilder, recorded
from autograd_lite.transforms import grad, hessian, name_of, one_number
from autograd_lite.variable import Variable, make_node

#: Turns of a solver, those that only halve a step among them.
LIMIT = 100

#: Unknowns up to which a compiled turn solves its linear system by scalar code: in lanes a hundredth of the time of LAPACK.
#: Nobody differentiates a turn.
INLINE = 12

#: Unknowns from which on a system that is mostly zeros is solved as a sparse one, where SciPy is installed.
SPARSE = 50

#: Turns of a plain iteration, and the relative change from which on Newton's method takes over.
ITERATIONS, CLOSE = 1000, 1e-4

#: States of a solver: it goes on; it has a solution; it has found none; the Jacobian is singular at the solution, or where
#: there is none; the solution is no minimum.
SEARCHING, FOUND, LOST, FLAT, STUCK, SADDLE = -1.0, 1.0, 0.0, 2.0, 3.0, 4.0

Equations = Callable[[list[Any]], list[Any]]


# ------------------------------------------------------------------------------------------------------- the operation


class Solved:
    """Equations that have been solved, as a program of their unknowns and of what else they use.

    The operations of the unknowns, `results()`, take the numbers of the solution, then those of what the program captured.
    """

    def __init__(self, program: Program, unknowns: int, name: str) -> None:
        self.program, self.count, self.name = program, unknowns, name
        #: Derivatives as graphs, kept until a sweep has asked for each unknown: the trace, arguments, rows, how many have.
        self._last: tuple[Any, Sequence[Any], list[list[Any]], int] | None = None
        self._known: tuple[list[float], list[list[float | None]]] = [], []

    def results(self) -> "list[Unknown]":
        return [Unknown(self, k) for k in range(self.count)]

    def residuals(self, inputs: Sequence[Any]) -> list[Any]:
        values = self.program.evaluated(lambda operation, own: operation(*own), float, inputs)
        return [values[slot] for slot in self.program.outputs]

    def slopes(self, arguments: Sequence[Any]) -> list[list[Any]]:
        """The derivatives of all unknowns by what was captured, as graphs over the unknowns and that."""
        notes, last = recording.current(), self._last
        if last is not None and last[0] is notes and all(a is b for a, b in zip(last[1], arguments, strict=True)):
            found, uses = last[2], last[3] + 1
        else:
            found, uses = self._found(arguments), 1
        self._last = (notes, arguments, found, uses) if uses < self.count else None
        return found

    def _found(self, arguments: Sequence[Any]) -> list[list[Any]]:
        again = Solved(self.program, self.count, self.name)  # what is kept here must not lead back here
        unknowns = [result(*arguments) for result in again.results()]
        inputs = [positive(a) if type(a) is Variable else Variable(a) for a in (*unknowns, *arguments[self.count :])]
        rows = [_slopes(r, inputs) if type(r) is Variable else [0.0] * len(inputs) for r in self.residuals(inputs)]
        return _minus_solved(rows, self.count)

    def numbers(self, values: list[float]) -> list[list[float | None]]:
        """These derivatives as numbers, None where nothing is sent."""
        if self._known[0] == values:
            return self._known[1]
        with context.unnoticed():
            inputs = [Variable(v) for v in values]
            rows: list[list[float | None]] = [
                adjoints([r], [1.0], None, inputs) if type(r) is Variable else [None] * len(inputs)
                for r in self.residuals(inputs)
            ]
        sent = [any(type(row[k]) is float for row in rows) for k in range(len(inputs))]
        found = _minus_solved([[n if type(n) is float else 0.0 for n in row] for row in rows], self.count)
        self._known = (
            values,
            [[n if s else None for n, s in zip(row, sent[self.count :], strict=True)] for row in found],
        )
        return self._known[1]


class Unknown(Primitive):
    """An unknown of equations, as an operation on the solution and on what the equations use. Not in the rule table."""

    solved: Solved
    place: int
    untold = (
        "the result of a solver, whose derivative a file cannot hold. Save the tapes of what is before and behind it."
    )

    def __init__(self, solved: Solved, place: int) -> None:
        self.__dict__.update(name=solved.name, solved=solved, place=place)  # of a frozen dataclass

    # The same unknown of the same equations is done once.
    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return False
        assert isinstance(other, Unknown)
        return self.place == other.place and self.solved.program is other.solved.program

    def __hash__(self) -> int:
        return hash((id(self.solved.program), self.place))

    @property
    def arity(self) -> int:
        return self.solved.program.inputs

    @property
    def domain(self) -> tuple[Interval, ...]:
        return (REAL,) * self.arity

    def value(self, *arguments: float) -> float:
        return arguments[self.place]

    expression = value

    @property
    def operator(self) -> str:
        return f"{{{self.place}}}"

    @property
    def partials(self) -> tuple[Any, ...]:
        return (0.0,) * self.arity

    def __call__(self, *arguments: Any) -> Any:
        count = self.solved.count
        if not any(type(a) is Variable for a in arguments[count:]):
            return arguments[self.place]
        values = [getattr(a, "_value", a) for a in arguments]
        known: Sequence[float | None] = (None,) * (len(arguments) - count)
        if recording.current() is None:
            known = self.solved.numbers(values)[self.place]
        own = [n if type(a) is Variable else None for a, n in zip(arguments[count:], known, strict=True)]
        return make_node(self, values[self.place], arguments, (*[None] * count, *own))

    def slopes(self, node: Variable) -> list[Any]:
        """The local gradients as graphs; no derivative leads through the iteration."""
        arguments, count = node._arguments, self.solved.count
        row = self.solved.slopes(arguments)[self.place]
        own = [s if type(a) is Variable else None for a, s in zip(arguments[count:], row, strict=True)]
        return [*[None] * count, *own]

    def same_as(self, other: Primitive) -> bool:
        if self is other or type(self) is not type(other):
            return self is other
        assert isinstance(other, Unknown)
        one, its = self.solved.program, other.solved.program
        if self.place != other.place or len(one.code) != len(its.code):
            return False
        pairs = (
            (a is b or (isinstance(a, Unknown) and a.same_as(b)), x == y)
            for (a, x), (b, y) in zip(one.code, its.code, strict=True)
        )
        return all(map(all, pairs)) and (repr(one.constants), one.outputs) == (repr(its.constants), its.outputs)

    def reference(self, mp: Any, *arguments: Any) -> Any:
        """The unknown for other numbers in what the equations use, in mpmath: from the solution as it is."""
        apply, convert, _ = arithmetic([arguments[0]])
        program, count = self.solved.program, self.solved.count

        def residuals(*x: Any) -> Any:
            values = program.evaluated(apply, convert, [*x, *arguments[count:]])
            found = [values[slot] for slot in program.outputs]
            return found if count > 1 else found[0]

        found = mp.findroot(residuals, arguments[:count] if count > 1 else arguments[0], verify=False)
        return found[self.place] if count > 1 else found

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()  # in a file the node keeps its numbers, as one that was made by hand


def _minus_solved(rows: Sequence[Sequence[Any]], count: int, small: int = SMALL) -> list[list[Any]]:
    """-A⁻¹·B for rows of [A, B]; NaN if A is singular."""
    if count == 1:
        slope, *others = rows[0]
        return [[div(-n, slope) for n in others]]
    numbers = [n for row in rows for n in row]
    matrix = block(numbers, (count, len(rows[0])))
    if count >= SPARSE and matrix.dtype != object and np.count_nonzero(matrix[:, :count]) < 0.1 * count * count:
        found = _sparsely_solved(matrix[:, :count], matrix[:, count:])
        if found is not None:
            return (-found).tolist()  # type: ignore[no-any-return]
    return (-_quiet_solution(matrix[:, :count], matrix[:, count:], small)).tolist()  # type: ignore[no-any-return]


def _sparsely_solved(a: Any, b: Any) -> Any:
    """The solution of a system that is mostly zeros, NaN if it is singular; None where SciPy is not installed."""
    try:
        from scipy.sparse import csc_array  # noqa: PLC0415 - an extra
        from scipy.sparse.linalg import splu  # noqa: PLC0415
    except ImportError:
        return None
    try:
        return splu(csc_array(a)).solve(np.ascontiguousarray(b))
    except RuntimeError:  # exactly singular
        return np.full(b.shape, nan)


def _captured(equations: Equations, solution: Sequence[Any], name: str) -> tuple[Solved, list[Variable]]:
    """The equations as they are at a point, and the Variables that they use beside the unknowns."""
    if (
        recording.current() is None
    ):  # a trace of its own: outside of one, mapped and compiled functions are nodes of one place
        shape = unravel(((*solution,), {}))[1]
        program, captured, _ = recorded(lambda *x: equations([*x]), solution, shape, masked=True)
        return Solved(program, len(solution), name), [*captured]
    unknowns = [positive(x) if type(x) is Variable else Variable(x) for x in solution]
    oldest = Variable(0.0).number
    with context.differentiated(lanes=False):
        residuals = equations(unknowns)
    builder = GraphBuilder(unknowns, oldest, merging=False)
    return Solved(builder.program(residuals, Recording()), len(solution), name), builder.captured


def _connected(equations: Equations, solution: Sequence[Any], name: str) -> list[Any]:
    """The solution as part of the graph under what the equations use."""
    operation, captured = _captured(equations, solution, name)
    return [result(*solution, *captured) for result in operation.results()]


# -------------------------------------------------------------------------------------------------------- the iteration


def _slopes(r: Variable, inputs: Sequence[Variable]) -> list[Any]:
    """Derivatives as graphs, and plain zeros where there is none: n² nodes for them would be most of a sparse Jacobian."""
    return [0.0 if n is None else n for n in gradients(r, inputs, create_graph=True, unconnected="none")]


def _norm(numbers: Sequence[Any]) -> Any:
    return reduce(maximum, [absolute(n) for n in numbers])


def _linear(equations: Equations, at: Sequence[Any]) -> tuple[list[Any], list[list[Any]]]:
    """The residuals at a point and their derivatives, all held."""
    traced = recording.current() is not None
    x = [positive(n) if type(n) is Variable else Variable(n) for n in at]
    with context.differentiated(), context.running_on(x, x[0].number - 1):
        residuals = equations(x)
    rows: list[Any] = []
    for r in residuals:
        if type(r) is not Variable:
            rows.append([0.0] * len(x))
        elif traced:
            rows.append([held(n) for n in _slopes(r, x)])
        else:
            rows.append(adjoints([r], [1.0], None, x, (0.0, 0.0)))
    return [held(r) for r in residuals], rows


def _newton(equations: Equations, y: list[Any]) -> tuple[list[Any], list[Any]]:
    """The residuals, and Newton's step."""
    residuals, rows = _linear(equations, y)
    pairs = zip(rows, residuals, strict=True)
    small = SMALL if recording.current() is None else INLINE
    return residuals, [step for (step,) in _minus_solved([[*row, r] for row, r in pairs], len(y), small)]


def held(number: Any) -> Any:
    """A number without history; in a trace one that is held."""
    if type(number) is float:  # a Jacobian is full of zeros
        return number
    return stop_gradient(number) if recording.current() else getattr(number, "_value", number)


def _solution(equations: Equations, start: list[Any]) -> Any:
    """Newton's method with halved steps: `(solution, turns, largest residual, state)`.

    A step is taken if the largest residual gets smaller, else halved. At a simple root, step k + 1 is about K·(step k)²: the
    last step is the one after which the next would change no digit, or where rounding keeps the residual from getting
    smaller. Steps that shrink by a constant factor tell a singular Jacobian.
    """

    def turn(carry: Any) -> Any:
        x, change, full, size, scale, flat, turns, _ = carry
        y = [a + b for a, b in zip(x, change, strict=True)]
        r, steps = _newton(equations, y)
        step, rest, turns = _norm(steps), _norm(r), turns + 1.0
        better, known, ratio = rest < size, step < inf, div(step, full)
        near = (full <= 1e-3 * scale) & (full > 1e-11 * scale)
        flat = where(better & near, where(ratio > 0.3, 1.0, 0.0), flat)
        last = (step * ratio * ratio <= 2.0**-54 * reduce(minimum, map(absolute, y))) | (rest == 0.0)
        final, worse = better & known & last, better == 0
        full, scale = where(better, step, full), where(better, maximum(scale, _norm(y)), scale)
        found = final | (worse & (size < inf) & (full <= 1e-6 * scale))
        ended = (worse & (size == inf)) | (turns >= LIMIT)
        flat_here = (flat == 1.0) & (full <= 1e-6 * scale)
        singular = where(rest == 0.0, FLAT, STUCK)
        unfinished = where(ended, where(flat_here, FLAT, LOST), where(better & (known == 0), singular, SEARCHING))
        state = where(found, where(flat == 1.0, FLAT, FOUND), unfinished)
        x = [where(better, where(final, b + s, b), a) for a, b, s in zip(x, y, steps, strict=True)]
        change = [where(better, s, 0.5 * c) for s, c in zip(steps, change, strict=True)]
        return x, change, full, where(better, rest, size), scale, flat, turns, state

    first = start, [0.0] * len(start), 0.0, inf, 0.0, 0.0, 0.0, SEARCHING
    x, _, _, size, _, _, turns, state = while_loop(lambda carry: carry[-1] == SEARCHING, turn, first)
    return x, turns, size, state


def _iterated(g: Equations, start: list[Any]) -> Any:
    """x = g(x) repeated until x is close to a fixed point: `(x, turns, change, state)`."""

    def turn(carry: Any) -> Any:
        x, turns, _, _ = carry
        y = [held(n) for n in g(x)]
        change, turns = _norm([b - a for a, b in zip(x, y, strict=True)]), turns + 1.0
        close = where(change <= CLOSE * _norm(y), FOUND, where((change < inf) & (turns < ITERATIONS), SEARCHING, LOST))
        return [where(change < inf, b, a) for a, b in zip(x, y, strict=True)], turns, change, close

    return while_loop(lambda carry: carry[-1] == SEARCHING, turn, (start, 0.0, inf, SEARCHING))


def _in_turn(first: Any, then: Callable[[list[Any]], Any]) -> Any:
    """The outcome of the second solver, which goes on where the first has come to; that of the first if it has failed."""
    x, turns, size, state = first
    found, more, rest, last = then(x)
    good = state == FOUND
    pairs = zip((*found, turns + more, rest, last), (*x, turns, size, state), strict=True)
    *x, turns, size, state = [where(good, b, a) for b, a in pairs]
    return x, turns, size, state


def _descended(f: Callable[[list[Any]], Any], start: list[Any]) -> Any:
    """Newton's method for a minimum, by steps that lead downhill, until they are short: `(x, turns, slope, state)`."""

    def turn(carry: Any) -> Any:
        x, change, least, slope, scale, turns, _ = carry
        y = [a + b for a, b in zip(x, change, strict=True)]
        number, slopes, curvature = held(f(y)), [held(n) for n in grad(f)(y)], hessian(f)(y)
        steps, turns = _downhill(curvature, slopes)[0], turns + 1.0
        better = number < least
        x = [where(better, b, a) for a, b in zip(x, y, strict=True)]
        change = [where(better, s, 0.25 * c) for s, c in zip(steps, change, strict=True)]
        slope, scale = where(better, _norm(slopes), slope), where(better, maximum(scale, _norm(y)), scale)
        found = (slope == 0.0) | ((_norm(change) <= CLOSE * scale) & (least < inf))
        ended = (turns >= LIMIT) | (where(better, number, 0.0) == -inf) | ((better == 0) & (least == inf))
        state = where(found, FOUND, where(ended, LOST, SEARCHING))
        return x, change, where(better, number, least), slope, scale, turns, state

    first = start, [0.0] * len(start), inf, inf, 0.0, 0.0, SEARCHING
    x, _, _, slope, _, turns, state = while_loop(lambda carry: carry[-1] == SEARCHING, turn, first)
    return x, turns, slope, state


def _downhill(curvature: Any, slopes: list[Any]) -> tuple[list[Any], Any]:
    """-H⁻¹·g with the signs of negative pivots changed, which leads downhill [1]_; and the least pivot of H.

    [1] J. Nocedal & S. Wright, *Numerical Optimization*, 2nd ed., Springer 2006, section 3.4.
    """
    count = len(slopes)
    a, b = _matrix([[held(n) for n in row] for row in curvature]), _matrix([-n for n in slopes])
    least, largest, pivots = inf, reduce(maximum, [absolute(n) for n in a.ravel().tolist()]), []
    for k in range(count):
        pivot, others = a[k, k], slice(k + 1, count)
        least = minimum(least, pivot)
        pivots.append(where(absolute(pivot) > 1e-10 * largest, absolute(pivot), where(largest > 0.0, largest, 1.0)))
        factors = a[others, k] * div(1.0, pivots[k])
        a[others, others] -= factors[:, None] * a[k, others]
        b[others] -= factors * b[k]
    for k in reversed(range(count)):
        b[k] = div(b[k] - sum(a[k, k + 1 :] * b[k + 1 :]), pivots[k])
    return b.tolist(), least


def _matrix(rows: Any) -> Any:
    return np.array(rows, dtype=object if recording.current() else np.float64)


def _started(solver: Any, equations: Equations, shape: Shape, start: list[Any]) -> list[Any]:
    """What a solver of the user's finds, on plain numbers."""
    if not callable(solver):
        raise ArgumentError(
            f"solver={solver!r:.60} of root: give a function (f, x0) -> x, such as scipy.optimize.newton."
        )

    def answer(residual: Equations, x0: Sequence[float]) -> list[Any]:
        try:
            found = solver(lambda x: shape.pack(residual(unravel(x, "x of a solver")[0])), shape.pack([*x0]))
        except TypeError as error:
            if hints.takes(solver, 2):
                raise
            raise ArgumentError(
                f"solver={name_of(solver)} of root is called as solver(f, x0), and takes other arguments. Give a function of "
                f"these two, as solver=lambda f, x0: scipy.optimize.brentq(f, a, b)."
            ) from error
        numbers, own = unravel(getattr(found, "x", getattr(found, "root", found)), "the result of solver")
        if len(numbers) != len(start):
            raise ArgumentError(f"solver returned {own.outline()} for x0 {shape.outline()}. Return the solution.")
        return [float(n) for n in numbers]

    if recording.current() is None:
        try:
            return answer(lambda x: [getattr(r, "_value", r) for r in equations(x)], start)
        except Exception:
            if recording.in_lanes():
                return [nan] * len(start)
            raise
    operation, captured = _captured(equations, start, "solver")
    return [Start(operation, k, answer)(*start, *captured) for k in range(len(start))]


class Start(Unknown):
    """The result of a user's solver as an operation: compiled code calls it back."""

    expression = None  # type: ignore[assignment]
    operator = ""

    def __init__(self, solved: Solved, place: int, answer: Callable[..., list[float]]) -> None:
        super().__init__(solved, place)
        self.__dict__.update(answer=answer)

    def value(self, *arguments: float) -> float:
        program, count = self.solved.program, self.solved.count

        def residual(x: Sequence[float]) -> list[float]:
            values = program.evaluated(lambda operation, own: operation.value(*own), float, [*x, *arguments[count:]])
            return [values[slot] for slot in program.outputs]

        try:
            return self.answer(residual, arguments[:count])[self.place]  # type: ignore[attr-defined, no-any-return]
        except Exception:  # noqa: BLE001 - whatever it raises, there is no solution in this lane
            return nan

    def __call__(self, *arguments: Any) -> Any:
        values = [getattr(a, "_value", a) for a in arguments]
        return make_node(self, self.value(*values), arguments, (None,) * len(arguments))

    def slopes(self, node: Variable) -> list[Any]:
        return [None] * len(node._arguments)


def _trusted(what: str, name: str, outcome: Any, remedy: str) -> list[Any]:
    """The solution; an error where there is none, in lanes NaN there."""
    x, turns, size, state = outcome
    notes = recording.current()
    if recording.in_lanes():
        return [where(state == FOUND, n, nan) for n in x]
    if (notes is not None and notes.blind) or state == FOUND:
        return x  # type: ignore[no-any-return]
    turns, size, state, *x = [getattr(n, "_value", n) for n in (turns, size, state, *x)]
    raise _failure(f"{what} of {name}", (turns, size, state), x, remedy)


def _failure(what: str, outcome: Sequence[float], x: list[float], remedy: str) -> AutogradLiteError:
    turns, size, state = outcome
    shown = repr(x[0]) if len(x) == 1 else f"[{', '.join(map(repr, x[:4]))}{', …' * (len(x) > 4)}]"
    if state == FLAT:
        text = (
            f"{what}: the derivative of the equations is singular at the solution x = {shown}, which has no derivative then. "
            "Is it a multiple root, or do the equations depend on one another?"
        )
        return SingularError(text, x, size, int(turns))
    if state == STUCK:
        text = (
            f"{what} has not converged: at x = {shown}, where the largest residual is {size:.3g}, the derivative of the "
            f"equations is singular, and Newton's method cannot go on. Do the equations depend on one another? {remedy}"
        )
        return SingularError(text, x, size, int(turns))
    if state == SADDLE:
        text = f"{what}: the slope is 0 at x = {shown}, but the second derivative is not positive there. {remedy}"
    elif not isfinite(size):
        text = f"{what}: the residual at x = {shown} is not finite. Start where the equations are defined."
    else:
        text = f"{what} has not converged in {turns:.0f} turns: at x = {shown} the largest residual is {size:.3g}. {remedy}"
    return NotConvergedError(text, x, size, int(turns))


# ------------------------------------------------------------------------------------------------------- the functions


def _prepared(what: str, f: Any, x0: Any) -> tuple[list[Any], Shape]:
    if not callable(f):
        raise ArgumentError(f"{what} takes a function and got {f!r:.60}. Write {what}(f, x0, *params).")
    numbers, shape = unravel(x0, f"x0 of {what}")
    if not numbers:
        raise ArgumentError(f"x0 of {what} holds no numbers. Give a start for each unknown.")
    return [held(n) for n in numbers], shape


def _in_a_row(shape: Shape) -> bool:
    """Whether a nest is a number, an array, or a list or tuple of numbers: its order says which number is which."""
    return shape.containers.is_leaf() or shape.flat in (list, tuple)


def _alike(result: Any, shape: Shape, f: Any, what: str) -> list[Any]:
    """The numbers of a result: for `root` as many as there are unknowns, for `fixed_point` one for each of them."""
    numbers, own = unravel(result, f"the output of {name_of(f)}")
    enough = len(numbers) == sum(shape.sizes) and (what == "root" or (_in_a_row(own) and _in_a_row(shape)))
    if not (enough or own.resembles(shape)):
        needs = "one equation for each unknown" if what == "root" else "the next x, in the structure of x0"
        raise ArgumentError(f"{name_of(f)} returned {own.outline()} for x0 {shape.outline()}. {what} needs {needs}.")
    return numbers


@hints.keywords
def root(
    residual: Callable[..., Any],
    x0: Any,
    *params: Any,
    solver: Callable[[Callable[[Any], Any], Any], Any] | None = None,
) -> Any:
    """Solve equations; the solution can be differentiated by what they use, any number of times.

    Parameters
    ----------
    residual : callable
        `residual(x, *params)` is to be 0: as many numbers as there are unknowns, as a number, an array, a list or a nest.
    x0 : number, array or nest
        A start for the unknowns. The solution does not depend on it, so it gets no derivative.
    *params : nests
        Further arguments of `residual`. Variables that `residual` takes from outside have derivatives too.
    solver : callable, optional
        `solver(f, x0)` finds a solution by other means, on plain numbers: a function of SciPy, or a lambda around one. It may
        return a number, an array, or a result with `x` or `root`. Steps of Newton's method follow in any case.

    Returns
    -------
    nest
        x in the structure of `x0`, as exact as rounding of the residual allows.

    Raises
    ------
    NotConvergedError
        If there is no solution near: it has the last `x`, what is left there as `residual`, and `turns`. In lanes, and where
        numbers are not traced one by one, the result is NaN there, and other lanes are right.
    SingularError
        If the derivative of the equations is singular at the solution, as at a double root; also a `LinAlgError`. NaN in
        lanes.
    ArgumentError
        If `residual` returns more numbers than there are unknowns, or less.

    Notes
    -----
    Newton's method with halved steps. By the implicit function theorem [1]_, dx/dp = -(∂r/∂x)⁻¹·∂r/∂p; the rule is written
    with the solution itself, and so has derivatives in turn. Time: a turn takes one run of `residual`, a sweep and a system
    of linear equations for n unknowns; a gradient as much as a turn, whatever the number of turns. Compiled, the turns are a
    native loop, and `solver` is called back. Outside of compiled code, systems of 50 unknowns and more that are mostly
    zeros are solved as sparse ones, where SciPy is installed.

    References
    ----------
    .. [1] Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 15.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> def anomaly(m, e):                          # Kepler: E - e·sin E = M
    ...     return al.root(lambda x, m, e: x - e * al.sin(x) - m, m, m, e)
    >>> round(anomaly(1.0, 0.3), 12), round(al.grad(anomaly)(1.0, 0.3), 12)
    (1.288091313212, 1.09132930115)
    >>> al.jit(al.vmap(al.grad(al.grad(anomaly)), in_axes=(0, None)))(np.array([1.0, 2.0]), 0.3).round(8)
    array([-0.37445326, -0.14178309])
    >>> from scipy import optimize
    >>> al.root(lambda x, a: x**3 - a, 1.0, 8.0, solver=lambda f, x0: optimize.brentq(f, 0.0, 5.0))
    2.0
    """
    start, shape = _prepared("root", residual, x0)

    def equations(x: list[Any]) -> list[Any]:
        return _alike(residual(shape.pack(x), *params), shape, residual, "root")

    def outcome() -> Any:
        return _solution(equations, start if solver is None else _started(solver, equations, shape, start))

    return shape.pack(_solved(equations, outcome, "root", name_of(residual), "Start closer to a solution."))


@hints.keywords
def fixed_point(g: Callable[..., Any], x0: Any, *params: Any) -> Any:
    """Repeat x = g(x) to its end; the fixed point can be differentiated by what g uses, any number of times.

    Parameters
    ----------
    g : callable
        `g(x, *params)` returns the next x, in the structure of x; for an array a list will do, and the other way round.
    x0 : number, array or nest
        The first x, which gets no derivative.
    *params : nests
        Further arguments of `g`. Variables that `g` takes from outside have derivatives too.

    Returns
    -------
    nest
        The fixed point that repeating approaches, in the structure of `x0`.

    Raises
    ------
    NotConvergedError
        If repeating does not approach a fixed point in 1,000 turns; NaN in lanes.
    SingularError
        If 1 is an eigenvalue of the derivative of g there; NaN in lanes.

    See Also
    --------
    root : also finds fixed points that repeating leaves: `root(lambda x: g(x) - x, x0)`.

    Notes
    -----
    g is repeated until x changes by less than 1e-4 of its size, and Newton's method goes on from there. The derivative is
    that of `root`.

    Examples
    --------
    >>> import autograd_lite as al
    >>> def meet(a):                                # cos(a·x) = x
    ...     return al.fixed_point(lambda x: al.cos(a * x), 0.5)
    >>> round(meet(1.0), 12), round(al.grad(meet)(1.0), 12)
    (0.739085133215, -0.29747434151)
    """
    start, shape = _prepared("fixed_point", g, x0)

    def mapped(x: list[Any]) -> list[Any]:
        return _alike(g(shape.pack(x), *params), shape, g, "fixed_point")

    def equations(x: list[Any]) -> list[Any]:
        return [b - a for a, b in zip(x, mapped(x), strict=True)]

    def outcome() -> Any:
        return _in_turn(_iterated(mapped, start), lambda near: _solution(equations, near))

    remedy = "Repeating g leads nowhere from x0. Start closer, or write root(lambda x: g(x) - x, x0)."
    return shape.pack(_solved(equations, outcome, "fixed_point", name_of(g), remedy))


@hints.keywords
def argmin(f: Callable[..., Any], x0: Any, *params: Any) -> Any:
    """Find a minimum; the place can be differentiated by what f uses, any number of times.

    Parameters
    ----------
    f : callable
        `f(x, *params)` returns one number, twice differentiable.
    x0 : number, array or nest
        A start, which gets no derivative.
    *params : nests
        Further arguments of `f`. Variables that `f` takes from outside have derivatives too.

    Returns
    -------
    nest
        x in the structure of `x0`, where the gradient of f is 0 and its Hessian positive definite.

    Raises
    ------
    NotConvergedError
        If there is no minimum near: f falls for ever, or the descent ends in a saddle. NaN in lanes.
    SingularError
        If the Hessian is singular at the minimum, as that of x⁴ at 0; NaN in lanes.

    Notes
    -----
    Newton's method, with steps that lead downhill, then `root` of the gradient. The derivative is that of `root`. For many
    unknowns or constraints let SciPy find the minimum and give it as `x0`. Time of a turn: that of a dense Hessian.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> x, y = np.array([1.0, 2.0, 3.0]), np.array([1.1, 1.9, 3.2])
    >>> def slope(penalty):                         # ridge regression: Σxy / (Σx² + penalty)
    ...     return al.argmin(lambda w: al.sum((w * x - y) ** 2) + penalty * w * w, 0.0)
    >>> round(slope(1.0), 12), round(al.grad(slope)(1.0), 12)
    (0.966666666667, -0.064444444444)
    """
    start, shape = _prepared("argmin", f, x0)

    def least(x: list[Any]) -> Any:
        return one_number(f(shape.pack(x), *params), f)

    def equations(x: list[Any]) -> list[Any]:
        return grad(least)(x)  # type: ignore[no-any-return]

    def outcome() -> Any:
        x, turns, size, state = _in_turn(_descended(least, start), lambda near: _solution(equations, near))
        pivot = _downhill(hessian(least)(x), [0.0] * len(x))[1]
        return x, turns, size, where((state == FOUND) & (pivot <= 0.0), SADDLE, state)

    remedy = "Start closer to a minimum, and look whether f is bounded from below."
    return shape.pack(_solved(equations, outcome, "argmin", name_of(f), remedy))


def _solved(equations: Equations, outcome: Callable[[], Any], what: str, name: str, remedy: str) -> list[Any]:
    with context.observing(alone=True), watched(name):
        found = _trusted(what, name, outcome(), remedy)
    return _connected(equations, [held(x) for x in found], what)
