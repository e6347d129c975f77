"""Error budgets: the variance of a result by input and by line, its bias, and a bound of its rounding, from one sweep."""

import functools
import linecache
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optree

from autograd_lite import context, hints
from autograd_lite.backward import Number, Reach, local_graphs, result
from autograd_lite.copies import uncollected
from autograd_lite.errors import ArgumentError, AutogradLiteError, OutputError
from autograd_lite.frames import user_line
from autograd_lite.functions import norm
from autograd_lite.many import Item, Operation
from autograd_lite.nests import NAMESPACE, array, unravel, written
from autograd_lite.primitives import (
    STEP,
    Primitive,
    copysign,
    less,
    logaddexp,
    maximum,
    minimum,
    mod,
    neg,
    positive,
    sqrt,
    where,
)
from autograd_lite.primitives import abs as magnitude
from autograd_lite.see import pieces
from autograd_lite.see.labels import number, signed
from autograd_lite.transforms import Run, matching, name_of, one_number
from autograd_lite.variable import Variable

#: The unit in the last place of 1, and the least number above 0: results below 2.2e-308 are multiples of it.
ULP, LEAST = sys.float_info.epsilon, math.ulp(0.0)
#: Operations that round nothing, beside those that select one of their arguments and step functions.
EXACT = (neg, positive, magnitude, copysign)
#: Units in the last place that are counted for operations without a bound of their own: those of the table, and a user's.
WITHOUT_BOUND, OWN = 64.0, 1.0
#: The share of the value up to which the bound of the rounding is one: beyond, terms of second order count.
FIRST_ORDER = 1e-3
#: Where uncertainty enters if the result is an input itself; where nodes were made that nobody watched, in another thread.
RETURNED, ELSEWHERE = "returned", "elsewhere"
#: Nodes that are visited for a bias that is only to be shown.
WORTH_VISITING = 10_000_000
#: Rows of a table of text.
ROWS = 12


@hints.of_instances("an error budget")
@dataclass(frozen=True, repr=False, eq=False)
class ErrorBudget:
    """The answer of `error_budget`. It prints itself as tables, the largest rows first.

    Attributes
    ----------
    value : float
        The result f(x).
    variance, std : float
        ∇fᵀ C ∇f, the variance of the result to first order, and its root, the standard uncertainty.
    by_input : nest
        In the structure of `x`: the part of the variance that each input brings. They add up to `variance`.
    by_line : dict
        By `"file.py:line"`, the part of the variance that enters the computation there: at lines that use an input directly.
        They add up to `variance` as well. A negative part cancels others.
    bias : float
        ½ tr(H C): how far the mean of the result lies from `value`, to second order. Computed when it is first asked for.
    rounding : float
        A bound of the rounding error of `value`, to first order: Σ |ȳ|·ulp·|y| over all operations y, with the bound of each
        from the table. Inputs and constants count as exactly the floats that they are.
    rounding_by_line : dict
        By line, the part of `rounding` that operations there bring.
    sensitivity : nest
        The gradient ∂f/∂x.
    at_kinks : tuple of str
        Lines where a number lies no further from a kink, a jump or the end of a domain than rounding may have moved it.
        Empty while a function is traced.
    """

    value: Any
    variance: Any
    std: Any
    by_input: Any
    by_line: dict[str, Any]
    rounding: Any
    rounding_by_line: dict[str, Any]
    sensitivity: Any
    at_kinks: tuple[str, ...]
    _spread: "_Spread | _Told" = field(repr=False)
    _bias: Callable[[], Any] = field(repr=False)
    _cost: int = field(repr=False)  # of the bias: nodes to be visited
    _texts: dict[str, str] = field(repr=False)

    @functools.cached_property
    def bias(self) -> Any:
        """½ tr(H C)."""
        return self._bias()

    def __reduce__(self) -> tuple[Any, ...]:
        """Numbers only: the bias is computed before, and the graph and the function stay behind."""
        return _put_together, _taken_apart(self)[::-1]

    @property
    def flagged(self) -> Any:
        """Whether `rounding` is an estimate and no bound: above 1e-3 of the value, no number, or at a kink; of each lane."""
        if np.ndim(self.value):
            return ~(self.rounding <= np.minimum(FIRST_ORDER * np.abs(self.value), sys.float_info.max))
        known = minimum(FIRST_ORDER * magnitude(self.value), sys.float_info.max)  # an infinite bound is none
        return bool(self.at_kinks) or not self.rounding <= known

    def __str__(self) -> str:
        if np.ndim(self.value):  # of lanes
            return f"<error budgets of {np.size(self.value):,} lanes; each attribute has an entry for each>"
        bias = self._bias_in_text()  # a number of a trace, if there is one: text is not
        with context.unnoticed():
            return "\n".join([self._head(bias), *(line for table in self._tables() for line in table.lines())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if np.ndim(self.value):
            return pieces.piece(pieces.prose(str(self)))
        bias = self._bias_in_text()
        with context.unnoticed():
            tables = [pieces.table(t.title, t.head, t.rows, numbers=range(1, t.numbers)) for t in self._tables()]
            return pieces.piece(pieces.title(self._head(bias)), *tables)

    def _bias_in_text(self) -> str:
        if "bias" not in vars(self) and self._cost > WORTH_VISITING:
            return "not computed yet"
        try:
            return signed(_plain(self.bias))
        except AutogradLiteError:  # a node that was made by hand, or a number that was set
            return "unknown"

    def _head(self, bias: str) -> str:
        near = f"at a kink ({', '.join(self.at_kinks[:3])})" if self.at_kinks else "larger than 1e-3 of the value"
        flag = f", {near}: an estimate" if self.flagged else ""
        told = f"bias {bias}; rounding at most {number(_plain(self.rounding))}{flag}"
        return f"{_plain(self.value):.10g} ± {_plain(self.std):.2g}; {told}"

    def _tables(self) -> "list[_Table]":
        spread, total = self._spread, _plain(self.variance)
        names = [(written(path) + index) or "x" for path, index in spread.shape.places()]
        slopes = unravel(self.sensitivity)[0]
        columns = zip(names, spread.numbers, spread.stds(), slopes, spread.parts, strict=True)
        ordered = sorted(columns, key=lambda row: -abs(_plain(row[4])))
        rows = [(name, *(number(_plain(n)) for n in facts), _share(part, total)) for name, *facts, part in ordered]
        tables = [_Table("variance by input", ("input", "value", "std", "sensitivity", "share"), rows, 5)]
        for title, parts, whole in (
            ("variance by line", self.by_line, total),
            ("rounding by line", self.rounding_by_line, _plain(self.rounding)),
        ):
            lines = [(line, _share(part, whole), self._texts.get(line, "")) for line, part in _sorted(parts)]
            tables += [_Table(title, ("line", "share", "code"), lines, 2)] * bool(lines)
        return tables


@dataclass(frozen=True)
class _Told:
    """What a budget that a compiled or mapped function gave says of its inputs."""

    shape: Any
    numbers: Any
    own: Any
    parts: Any

    def stds(self) -> Any:
        return self.own


#: What of a budget are numbers, by name.
_NUMBERS = tuple("value variance std by_input by_line rounding rounding_by_line sensitivity bias".split())  # noqa: SIM905


def _taken_apart(budget: ErrorBudget) -> tuple[list[Any], tuple[Any, ...]]:
    spread = budget._spread
    numbers = [getattr(budget, name) for name in _NUMBERS]
    facts = budget.at_kinks, budget._cost, spread.shape, tuple(budget._texts.items())
    return [*numbers, [*spread.numbers], [*spread.stds()], [*spread.parts]], facts


def _put_together(facts: tuple[Any, ...], numbers: Sequence[Any]) -> ErrorBudget:
    at_kinks, cost, shape, texts = facts
    *held, bias, own, stds, parts = numbers
    told = _Told(shape, own, stds, parts)
    return ErrorBudget(*held, at_kinks, told, lambda: bias, cost, dict(texts))  # type: ignore[call-arg]


# A function that is compiled or mapped may return a budget: it is a nest.
optree.register_pytree_node(ErrorBudget, _taken_apart, _put_together, namespace=NAMESPACE)  # type: ignore[arg-type]


@functools.partial(hints.keywords, inner="x")
@uncollected()
def error_budget(f: Callable[[Any], Any], x: Any, sigma: Any = None, *, covariance: Any = None) -> ErrorBudget:
    """Say how uncertain a computed number is, and where that comes from: inputs, lines, curvature, rounding.

    Parameters
    ----------
    f : callable
        Takes one argument, a number, an array or a nest of them; returns one number.
    x : nest
        The inputs: measured values.
    sigma : nest, optional
        Their standard deviations, from 0 on, in the structure of `x`: independent errors.
    covariance : array of shape (n, n), optional
        Instead of `sigma`: the covariances of the n numbers of `x`, row by row and by sorted keys.

    Returns
    -------
    ErrorBudget
        `.value`, `.variance`, `.std`, `.by_input`, `.by_line`, `.bias`, `.rounding`, `.rounding_by_line`, `.sensitivity`,
        `.flagged`. Prints itself; a notebook shows tables.

    Raises
    ------
    ArgumentError
        If a standard deviation is negative, the covariance is no symmetric positive semi-definite matrix of the right
        size, or neither or both are given.
    OutputError
        If `f` does not return one number.

    Notes
    -----
    One run and one reverse sweep: x̄ = ∂f/∂x, and ȳ for every operation y. The variance is that of the linear part [1]_. The
    part of an input is the covariance of its term x̄ᵢ·δxᵢ with the whole, x̄ᵢ·Σⱼ Cᵢⱼ·x̄ⱼ; (x̄ᵢ·σᵢ)² if errors are independent.
    The part of a line is the same covariance of what enters there: Σ ȳ·∂y/∂xᵢ over its operations y that take an input. The
    bias takes a reverse sweep for each input.

    The bound of the rounding holds to first order, on the branches that were taken: a comparison by `if` that rounding turns
    round may change more. It counts 64 units in the last place for operations of the table without a bound (the gamma
    functions, `sinc`), and one for your own `Primitive` without one.

    In a function that `jit` or `vmap` traces, all attributes are numbers like others, a lane with a negative standard
    deviation is NaN, and loops inside `f` are written out.

    References
    ----------
    .. [1] JCGM 100:2008, Evaluation of measurement data: Guide to the expression of uncertainty in measurement, 5.1 and 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> reading, sigma = {"volts": 9.0, "amperes": 0.3}, {"volts": 0.09, "amperes": 0.006}
    >>> budget = error_budget(lambda p: p["volts"] / p["amperes"], reading, sigma)
    >>> round(budget.value, 9), round(budget.std, 3)
    (30.0, 0.671)
    >>> {name: round(part / budget.variance, 2) for name, part in budget.by_input.items()}
    {'volts': 0.2, 'amperes': 0.8}
    >>> round(budget.bias, 4), budget.rounding < 1e-14
    (0.012, True)
    """
    if not callable(f):
        raise ArgumentError(f"error_budget takes a function and got {f!r:.60}. Write error_budget(f, x, sigma).")
    if (sigma is None) == (covariance is None):
        raise ArgumentError(
            f"error_budget got {'neither sigma nor covariance' if sigma is None else 'both sigma and covariance'}: give the "
            "standard deviations of the inputs, or the matrix of their covariances."
        )
    lines = _Lines()
    with context.written_out(), context.observing(lines):
        run = Run.of(f, x, lambda fresh: (fresh,), {})
    y = _only_number(run.output, f)
    reach, outside = run.reach([y])
    run.warn_if_cut(reach.connected([y]) if type(y) is Variable else (), f)
    return _budget(run, y, reach, _Spread(run, sigma, covariance), lines, outside=outside)


def _budget(run: Run, y: Any, reach: Reach, spread: "_Spread", lines: "_Lines", *, outside: bool) -> ErrorBudget:
    adjoints = reach.adjoints([(y, 1.0)] if type(y) is Variable else [], create_graph=outside)
    gradient = [result(adjoints.get(n._number), create_graph=outside) for n in run.inputs]
    spread.weigh(gradient)
    sweep, variance = _Sweep(reach, adjoints, lines, graph=outside), _sum(spread.parts)
    by_line, rounding = sweep.entering(run.inputs, spread, y), sweep.rounding()
    return ErrorBudget(
        value=y if outside or type(y) is not Variable else y._value,
        variance=variance,
        std=spread.root(gradient, variance),
        by_input=run.input_shape.pack(spread.parts),
        by_line=by_line,
        rounding=_sum([*rounding.values()]),
        rounding_by_line=rounding,
        sensitivity=run.input_shape.pack(gradient),
        at_kinks=() if outside else sweep.at_kinks(),
        _spread=spread,
        _bias=functools.partial(_bias, run, y, spread, outside=outside),
        _cost=len(run.inputs) * len(sweep.nodes),
        _texts=lines.texts(),
    )


def _only_number(output: Any, f: Callable[..., Any]) -> Number:
    numbers, shape = unravel(output, f"the output of {name_of(f)}") if output is not None else ([], None)
    if shape is not None and len(numbers) != 1:
        first = "[0]" if isinstance(output, (list, tuple, np.ndarray)) else "[...]"
        raise OutputError(
            f"{name_of(f)} returned a {type(output).__name__} of {len(numbers)} numbers; an error budget is that of one. "
            f"Choose one: error_budget(lambda x: f(x){first}, x, sigma)."
        )
    return one_number(output, f)


class _Lines(context.Observer):
    """Notes the user's line of each node."""

    def __init__(self) -> None:
        self.lines: dict[int, tuple[str, int]] = {}

    def node(self, node: Any) -> None:
        self.lines[node._number] = user_line()

    def of(self, node: Variable) -> str:
        place = self.lines.get(node._number)
        return _line(*place) if place else ELSEWHERE

    def texts(self) -> dict[str, str]:
        """The source text of each line."""
        return {_line(*place): linecache.getline(*place).strip() for place in {*self.lines.values()}}


@functools.lru_cache(maxsize=4096)
def _line(file: str, line: int) -> str:
    return f"{Path(file).name}:{line}"


class _Spread:
    """The uncertainty of the inputs: standard deviations, or a matrix."""

    def __init__(self, run: Run, sigma: Any, covariance: Any) -> None:
        self.shape, self.numbers = run.input_shape, [n if n._arguments else n._value for n in run.inputs]
        self.parts: list[Number] = []
        self.sigma = self.matrix = None
        if covariance is not None:
            self.matrix = _checked_matrix(covariance, len(self.numbers))
        else:
            self.sigma = matching(sigma, self.shape, "the numbers of sigma", "x")
            for place, s in zip(self.shape.places(), self.sigma, strict=True):
                if type(s) is float and not 0.0 <= s < math.inf:
                    name = written(place[0]) + place[1]
                    raise ArgumentError(
                        f"sigma{f' at {name}' * bool(name)} is {s}; a standard deviation is a finite number from 0 on."
                    )
            self.sigma = [s if type(s) is float else where(less(s, 0.0), math.nan, s) for s in self.sigma]  # for lanes

    def weigh(self, gradient: list[Number]) -> None:
        """Make the parts of the variance; what a share s of a slope brings is (scale·s)·weight."""
        if self.matrix is None:
            assert self.sigma is not None
            self.scale, self.weight = self.sigma, [s * g for s, g in zip(self.sigma, gradient, strict=True)]
        else:
            self.scale = [1.0] * len(gradient)
            self.weight = [_sum([c * g for c, g in zip(row, gradient, strict=True)]) for row in self.matrix]
        self.parts = [s * g * w for s, g, w in zip(self.scale, gradient, self.weight, strict=True)]

    def root(self, gradient: list[Number], variance: Number) -> Number:
        """The root of the variance. Of independent errors the length of their parts, whose squares may underflow."""
        if self.sigma is None:
            return sqrt(maximum(variance, 0.0))
        return norm([s * g for s, g in zip(self.sigma, gradient, strict=True)])

    def stds(self) -> list[Number]:
        if self.sigma is not None:
            return self.sigma
        assert self.matrix is not None
        return [sqrt(row[i]) for i, row in enumerate(self.matrix)]


def _checked_matrix(covariance: Any, count: int) -> list[list[Number]]:
    matrix = covariance if isinstance(covariance, np.ndarray) else array(covariance)
    numbers, shape = unravel(matrix, "covariance")
    if shape.leaves != ((count, count),):
        raise ArgumentError(
            f"covariance is an array of shape {shape.leaves[0]}, and x has {count} numbers: give a matrix of shape "
            f"({count}, {count})."
        )
    rows = [numbers[i * count : (i + 1) * count] for i in range(count)]
    if all(type(n) is float for n in numbers):
        _refuse_indefinite(np.array(rows).reshape(count, count))
    return rows


def _refuse_indefinite(matrix: Any) -> None:
    """Refuse what is no covariance, but for rounding."""
    if not np.isfinite(matrix).all():
        raise ArgumentError(f"covariance holds {matrix[~np.isfinite(matrix)][0]}; give finite numbers.")
    size = np.sqrt(np.abs(np.diag(matrix)))
    for i, j in np.argwhere(np.abs(matrix - matrix.T) > 1e-8 * np.outer(size, size)):
        raise ArgumentError(
            f"covariance is not symmetric: {matrix[i, j]} at [{i}, {j}], {matrix[j, i]} at [{j}, {i}]. Give (c + c.T) / 2 if "
            "that is meant."
        )
    for i in np.flatnonzero(np.diag(matrix) < 0.0):
        raise ArgumentError(f"covariance has the variance {matrix[i, i]} at [{i}, {i}]; a variance is not negative.")
    scaled = matrix / np.where(size, size, 1.0) / np.where(size, size, 1.0)[:, None]
    least = float(np.linalg.eigvalsh(scaled).min(initial=0.0))
    if least < -1e-8 * len(matrix) or (matrix[size == 0.0] != 0.0).any():
        raise ArgumentError(
            f"covariance is no covariance: the matrix of its correlations has the eigenvalue {min(least, 0.0):.3g}, so that "
            "some combination of the inputs would have a negative variance. Correlations lie between -1 and 1."
        )


def _sum(numbers: Sequence[Number]) -> Number:
    total: Number = numbers[0] if numbers else 0.0
    for n in numbers[1:]:
        total = total + n
    return total


class _Rounding(NamedTuple):
    """What an operation rounds: a bound in units in the last place, whether of the largest number; and where it has kinks."""

    bound: Any  # a number, or a function of the arguments
    of_largest: bool
    kinks: Callable[..., tuple[tuple[int, float], ...]] | None
    ends: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, operation: Any) -> "_Rounding":
        if not isinstance(operation, Primitive):  # made by hand, or one of the results of an operation
            return cls(OWN, False, None, ())
        bound, of_largest = OWN if operation.ulp is None else operation.ulp[0], operation is logaddexp
        if operation.selects or operation in EXACT or operation.flat is STEP:
            bound = 0.0
        elif operation is mod:
            bound = 0.5
        elif operation.ulp is None and operation.built_in:
            bound, of_largest = WITHOUT_BOUND, True
        ends = [(k, end) for k, own in enumerate(operation.domain) for end in (own.lower, own.upper)]
        finite = tuple((k, end) for k, end in ends if math.isfinite(end))
        return cls(bound, of_largest, operation.kinks_near if operation.kinks else None, finite)

    def gaps(self, node: Variable) -> list[tuple[int, float]]:
        """How far arguments lie from kinks, jumps and the ends of the domain: pairs (argument, distance)."""
        if self.kinks is None and not self.ends:
            return []
        values = [getattr(a, "_value", a) for a in node._arguments]
        same = len(values) > 1 and all(a is node._arguments[0] for a in node._arguments)  # a tie with itself is none
        places = (*(self.kinks(*values) if self.kinks else ()), *self.ends)
        return [(k, abs(values[k] - place)) for k, place in places if not (same and place)]


class _Sweep:
    """What the adjoints of all operations say about lines."""

    def __init__(self, reach: Reach, adjoints: dict[int, Any], lines: _Lines, *, graph: bool) -> None:
        self.nodes, self.adjoints, self.lines, self.graph = reach.inner[::-1], adjoints, lines, graph
        self.trace = context.recording() if graph else None
        operations: Any = (where, maximum, magnitude)
        self.where, self.maximum, self.magnitude = operations if graph else [f.value for f in operations]
        self.known: dict[Any, _Rounding] = {f: _Rounding.of(f) for f in {node._primitive for node in self.nodes}}
        self.owns = [self.own(node) for node in self.nodes]

    def entering(self, inputs: Sequence[Variable], spread: _Spread, y: Any) -> dict[str, Number]:
        """The variance that enters at each line, through the operations there that take an input."""
        place = {x._number: i for i, x in enumerate(inputs)}
        found: dict[str, Number] = {}
        if type(y) is Variable and (i := place.get(y._number)) is not None:
            found[RETURNED] = spread.parts[i]
        for node in self.nodes:
            adjoint = self.adjoints.get(node._number)
            given = node._arguments[0]._arguments if isinstance(node._primitive, Item) else node._arguments
            if isinstance(node._primitive, Operation):
                continue
            used = [(k, place.get(a._number)) for k, a in enumerate(given) if type(a) is Variable]
            locals_ = self.edges(node)[1] if any(i is not None for _, i in used) else ()
            for k, i in used:
                if i is not None:
                    share = 0.0
                    if adjoint is not None and (local := locals_[k]) is not None:
                        share = self.where(adjoint, self.where(local, local * adjoint, 0.0), 0.0)
                    self.add(found, node, spread.scale[i] * share * spread.weight[i])
        return found

    def rounding(self) -> dict[str, Number]:
        """The bound of the rounding of each line."""
        found: dict[str, Number] = {}
        for node, own in zip(self.nodes, self.owns, strict=True):
            adjoint = self.adjoints.get(node._number)
            if (type(own) is Variable or own) and (adjoint is None or isinstance(adjoint, (float, Variable))):
                part = 0.0
                if adjoint is not None:
                    part = self.where(own, self.where(adjoint, self.magnitude(adjoint) * own, 0.0), 0.0)
                self.add(found, node, part)
        return found

    def edges(self, node: Variable) -> tuple[Sequence[Any], Sequence[Any]]:
        """The arguments of an operation and its local gradients; those of an operation with many results are its results'."""
        many: Any = node._primitive
        if isinstance(many, Operation):
            return (), ()
        if isinstance(many, Item):
            return node._arguments[0]._arguments, many.row(node) if self.graph else many.recorded_row(node)
        return node._arguments, local_graphs(node, generic=self.trace is not None) if self.graph else node._locals

    def add(self, found: dict[str, Number], node: Variable, part: Number) -> None:
        line = self.lines.of(node)
        found[line] = found[line] + part if line in found else part

    def own(self, node: Variable) -> Number:
        """How much an operation itself rounds; 0 is exact, but for what has underflowed."""
        if isinstance(node._primitive, Operation):
            return 0.0  # its results have it
        if isinstance(
            node._primitive, Item
        ):  # by LAPACK: exact for matrices wrong by some ULP an entry, one for each row
            given, row = self.edges(node)
            pairs = [(a, by) for a, by in zip(given, row, strict=True) if by is not None]
            parts = [self.magnitude(by) * self.magnitude(self.number(a)) for a, by in pairs]
            return ULP * math.ceil(math.sqrt(len(given))) * _sum(parts)
        known = self.known[node._primitive]
        bound = known.bound(*map(self.number, node._arguments)) if callable(known.bound) else known.bound
        if type(bound) is not Variable and not bound:
            return 0.0
        size = self.magnitude(self.number(node))
        for argument in node._arguments if known.of_largest else ():
            size = self.maximum(size, self.magnitude(self.number(argument)))
        return self.where(size, self.maximum(bound * (ULP * size), LEAST), 0.0)

    def at_kinks(self) -> tuple[str, ...]:
        """The lines of operations of which an argument may stand on the other side, by the errors that go forward."""
        errors: dict[int, float] = {}
        found: dict[str, None] = {}
        for node, own in zip(self.nodes, self.owns, strict=True):
            given, locals_ = self.edges(node)
            moved, total = [errors.get(a._number, 0.0) if type(a) is Variable else 0.0 for a in given], own
            if any(moved):
                if any(gap <= moved[k] for k, gap in self.known[node._primitive].gaps(node) if moved[k]):
                    found[self.lines.of(node)] = None
                for local, error in zip(locals_, moved, strict=True):
                    total += abs(local) * error if local and error else 0.0
            errors[node._number] = total
        return tuple(found)

    def number(self, thing: Any) -> Number:
        return thing if self.graph or type(thing) is not Variable else thing._value


def _bias(run: Run, y: Any, spread: _Spread, *, outside: bool) -> Number:
    """½ tr(H C), by a reverse sweep over the graph of the gradient for each input."""
    if type(y) is not Variable:
        return 0.0
    reach, _ = run.reach([y])
    slopes = run.pulled_back(reach, [(y, 1.0)], create_graph=True)
    terms: list[Number] = []
    for i, slope in enumerate(slopes):
        row = run.pulled_back(Reach([slope], run.oldest), [(slope, 1.0)], create_graph=outside)
        if spread.sigma is not None:
            terms.append(spread.sigma[i] * row[i] * spread.sigma[i])
        elif spread.matrix is not None:
            terms += [c * h for c, h in zip(spread.matrix[i], row, strict=True)]
    return 0.5 * _sum(terms)


# --------------------------------------------------------------------------------------------------------- as text


def _plain(n: Any) -> float:
    return float(getattr(n, "_value", n))


def _share(part: Any, whole: float) -> str:
    part = _plain(part)
    return f"{100.0 * part / whole:.1f} %" if whole and math.isfinite(part) and math.isfinite(whole) else number(part)


def _sorted(parts: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(((k, p) for k, p in parts.items() if _plain(p) != 0.0), key=lambda pair: -abs(_plain(pair[1])))


class _Table(NamedTuple):
    """A table; from the second column on, as many columns as `numbers` less one hold numbers."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: int

    def lines(self) -> list[str]:
        """As text in columns."""
        shown = [(self.title, *self.head[1:]), *(("  " + row[0], *row[1:]) for row in self.rows[:ROWS])]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if 0 < k < self.numbers else cell.ljust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in shown
        ]
        more = len(self.rows) - ROWS
        return [*lines, *([f"  … and {more:,} more"] if more > 0 else [])]
