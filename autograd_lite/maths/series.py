"""Taylor coefficients of a function along a line: the forward sweep carried on to any order.

The rule of an operation y = φ(u) is that of its first derivative, y' = Σ ∂φ/∂u·u', read coefficient by coefficient: the
partials of the table, which are graphs of operations themselves, have series by the same rule, each one coefficient behind.
So no operation needs a rule of its own. Three have one, since theirs takes fewer operations: products, quotients and powers.

Of an operation with many results (a linear system) y' is what its forward rule gives, a graph over the arguments u and their
velocities u', whose series are those of u one coefficient behind.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

from autograd_lite import context, hints
from autograd_lite.backward import Number, local_graphs, nan_if_nan, result, times
from autograd_lite.copies import uncollected
from autograd_lite.errors import ArgumentError, OperandError
from autograd_lite.many import Item, is_bundle
from autograd_lite.nests import Shape, unravel
from autograd_lite.primitives import STEP, div, inv, mul, positive, where
from autograd_lite.primitives import pow as power
from autograd_lite.transforms import Run, matching, name_of
from autograd_lite.variable import Variable, is_stale

#: A coefficient, and the condition that a branch sends anything; None where it is always sent.
Part = tuple[Number, Number | None]
Terms = list[Number | None]


@functools.partial(hints.keywords, inner="x")
@uncollected()
def taylor(f: Callable[[Any], Any], x: Any, v: Any, order: int) -> Any:
    """Taylor coefficients of `f` along a line: those of t ↦ f(x + t·v) at t = 0.

    Parameters
    ----------
    f : callable
        Takes one argument, a number, an array or a nest of them; returns any nest of numbers.
    x, v : nest
        The point and the direction, alike in structure.
    order : int
        The highest power of t, from 0 on.

    Returns
    -------
    nest
        In the structure of the output: for each number an array of `order + 1` coefficients, for each array one with that
        axis in front. Row k is (1/k!)·dᵏ/dtᵏ f(x + t·v): the value, the derivative along v, half the second one, …

    Raises
    ------
    ArgumentError
        If `order` is no whole number from 0 on, or `v` is not like `x`.

    Notes
    -----
    One run of `f`, then power-series arithmetic over its graph [1]_: for each operation some order² products and sums, where
    nested derivatives would take 2ᵒʳᵈᵉʳ; order³ for the few operations whose partials never lead back to themselves (the
    gamma functions, `sinc`, powers with a Variable as exponent), and for linear systems and decompositions of n rows n³ for
    each order; `expm` doubles its matrices with each. An operation that selects (`where`, `maximum`, `relu`) has
    the coefficients of what it selected. Under `jit`, loops of `scan` and `while_loop` inside `f` are written out.

    References
    ----------
    .. [1] Griewank & Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 13.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> taylor(al.exp, 0.0, 1.0, 3) * [1, 1, 2, 6]
    array([1., 1., 1., 1.])
    >>> taylor(lambda x: {"product": x[0] * x[1], "both": x}, np.array([2.0, 3.0]), np.array([1.0, 10.0]), 2)
    {'product': array([ 6., 23., 10.]), 'both': array([[ 2.,  3.],
           [ 1., 10.],
           [ 0.,  0.]])}
    """
    if not callable(f):
        raise ArgumentError(f"taylor takes a function and got {f!r:.60}. Write taylor(f, x, v, order).")
    order = _checked(order)
    with context.written_out():
        run = Run.of(f, x, lambda fresh: (fresh,), {})
    directions = matching(v, run.input_shape, "the numbers of v", "x")
    outputs, shape = unravel(run.output, f"the output of {name_of(f)}")
    reach, outside = run.reach(outputs)
    sweep = _Sweep(order, run.oldest, graph=outside or any(type(n) is Variable for n in directions))
    for node, direction in zip(run.inputs, directions, strict=True):
        sweep.begin(node, direction)
    for node in reversed(reach.inner):
        sweep.enter(node)
    return _packed([sweep.coefficients(y, keep=outside) for y in outputs], shape, order + 1)


def _packed(rows: list[list[Number]], shape: Shape, length: int) -> Any:
    """The nest of the outputs, each with its coefficients along a first axis."""
    numbers: list[Number] = []
    start = 0
    for size in shape.sizes:
        own, start = rows[start : start + size], start + size
        numbers += [row[k] for k in range(length) for row in own]
    leaves = [(length, *leaf) if isinstance(leaf, tuple) else (length,) for leaf in shape.leaves]
    return Shape(shape.containers, tuple(leaves)).pack(numbers)


def _checked(order: Any) -> int:
    try:
        whole = None if isinstance(order, bool) or type(order) is Variable else operator.index(order)
    except TypeError:
        whole = None
    if whole is None or whole < 0:
        traced = " It is a number of Python, also where jit or vmap trace the rest." if type(order) is Variable else ""
        raise ArgumentError(f"order={order!r:.60} of taylor: give a whole number from 0 on.{traced}")
    return whole


def _is_step(operation: Any) -> bool:
    """Whether an operation is a step function; refuses those that have neither partials nor are results of a node."""
    if len(operation.partials) != operation.arity or operation.partials[0] is None:
        raise OperandError(
            f"taylor cannot follow {operation.name}, a look-up in a table. Call taylor outside of it, or write that part "
            "with other operations."
        )
    return operation.flat is STEP


class _Series:
    """The coefficients of a node, as far as they are known, and of what they are computed."""

    __slots__ = ("arguments", "condition", "locals", "node", "rule", "scaled", "terms", "velocity")

    def __init__(self, node: Variable, terms: Terms, arguments: list[Any], condition: Number | None = None) -> None:
        self.node, self.terms, self.condition = node, terms, condition
        self.arguments: list[_Series | None] = arguments
        self.locals: list[tuple[Number, _Series | None] | None] | None = None  # each partial: its value and its series
        self.rule: Callable[[_Series, int], list[Part]] | None = None
        self.scaled: dict[str, Terms] = {}
        self.velocity: _Series | None = None  # of the derivative along the line


class _Sweep:
    """Series of nodes, by numbers; a node without one is a constant."""

    def __init__(self, order: int, oldest: int, *, graph: bool) -> None:
        self.order, self.oldest, self.graph = order, oldest, graph
        self.trace = context.recording() if graph else None
        self.masked = self.trace is not None and not self.trace.doubt(())  # coefficients carry conditions
        self.known: dict[int, _Series] = {}
        self.seen: set[int] = set()
        self.same: dict[Any, int] = {}  # equal operations have one series: that closes the circle of sin and cos
        self.instead: dict[int, int] = {}
        #: Of operations with many results, by their nodes: y' of each result, its series, and the condition that it is sent.
        self.tangents: dict[int, dict[int, tuple[Number, _Series | None, Number | None]]] = {}

    def begin(self, x: Variable, direction: Number) -> None:
        rest: Terms = [None] * (self.order - 1)
        self.seen.add(x._number)
        self.known[x._number] = _Series(x, [self.zeroth(x), direction, *rest], [])

    def zeroth(self, node: Variable) -> Number:
        return node if self.graph else node._value

    def place(self, node: Variable) -> int:
        return self.instead.get(node._number, node._number)

    def of(self, thing: Any) -> _Series | None:
        return self.known.get(self.place(thing)) if type(thing) is Variable else None

    def enter(self, node: Variable) -> None:
        """Make the series of a node, without its coefficients; older nodes come first."""
        self.seen.add(node._number)
        primitive = node._primitive
        if primitive is not None:
            places = tuple([self.place(a) if type(a) is Variable else repr(a) for a in node._arguments])
            operation = getattr(primitive, "facts", primitive)  # not the numbers that a node keeps
            first = self.same.setdefault((operation, places), node._number)
            if first != node._number:
                self.instead[node._number] = first
                return
        if is_bundle(node):
            return
        if isinstance(primitive, Item):
            self.enter_item(node)
            return
        arguments = [self.of(a) for a in node._arguments]
        if not any(arguments) or (primitive is not None and _is_step(primitive)):
            return
        series = _Series(node, [self.zeroth(node)], arguments)
        if primitive is not None and primitive.selects:
            series.locals = locals_ = self.selected(node)
            sent = [(a, local) for a, local in zip(arguments, locals_, strict=True) if a and local]
            if not sent:
                return
            series.condition = _either([_both(a.condition, local[0]) for a, local in sent]) if self.masked else None
        elif self.masked:
            series.condition = _either([a.condition for a in arguments if a])
        self.known[node._number] = series

    def enter_item(self, node: Variable) -> None:
        """Make the series of a result of an operation that has many: over the arguments of this operation."""
        bundle: Any = node._arguments[0]
        arguments = [self.of(a) for a in bundle._arguments]
        if not any(arguments):
            return
        condition = _either([a.condition for a in arguments if a]) if self.masked else None
        series = self.known[node._number] = _Series(node, [self.zeroth(node)], arguments, condition)
        series.rule = self.by_tangents

    def enter_under(self, roots: list[Any]) -> None:
        """Enter the nodes under some that are not known yet, oldest first."""
        new: dict[int, Variable] = {}
        for node in roots:  # which grows
            if type(node) is Variable and node._number > self.oldest and node._number not in self.seen:
                self.seen.add(node._number)
                new[node._number] = node
                roots += node._arguments
        for number in sorted(new):
            self.enter(new[number])

    def selected(self, node: Variable) -> "list[tuple[Number, _Series | None] | None]":
        """What a selection takes of each argument, a constant factor; None of what it does not take."""
        weights = local_graphs(node, generic=self.trace is not None)
        return [
            None if w is None else (w if self.graph or type(w) is not Variable else w._value, None) for w in weights
        ]

    def partials(self, series: _Series) -> list[tuple[Number, _Series | None] | None]:
        """The partials of a node, with their series."""
        if series.locals is None:
            found = local_graphs(series.node, generic=self.trace is not None)
            self.enter_under([p for p, a in zip(found, series.arguments, strict=True) if a and type(p) is Variable])
            series.locals = [
                None if p is None else (self.zeroth(p) if type(p) is Variable else p, self.of(p)) for p in found
            ]
        return series.locals

    def velocity(self, series: _Series) -> _Series:
        """A node for the derivative of another along the line, whose first coefficient is known."""
        if series.velocity is None:
            first = series.terms[1] if series.terms[1] is not None else 0.0
            node: Variable = positive(first) if type(first) is Variable else Variable(first)
            self.seen.add(node._number)
            found = _Series(node, [self.zeroth(node)], [series], series.condition)
            found.rule, series.velocity = self.by_velocity, found
            self.known[node._number] = found
        return series.velocity

    def tangent(self, series: _Series) -> tuple[Number, _Series | None, Number | None] | None:
        """y' of a result of an operation that has many, by the forward rule of the operation."""
        item: Any = series.node._primitive
        bundle: Any = series.node._arguments[0]
        number = self.place(bundle)
        if number not in self.tangents:
            operation = bundle._primitive
            arrived = [None if a is None else (self.velocity(a).node, a.condition) for a in series.arguments]
            found = operation.pushed(bundle, arrived, range(operation.results), masked=self.masked)
            self.enter_under([t for t, _ in found.values() if type(t) is Variable])
            self.tangents[number] = {
                k: (self.zeroth(t) if type(t) is Variable else t, self.of(t), condition)
                for k, (t, condition) in found.items()
            }
        return self.tangents[number].get(item.index)

    # ------------------------------------------------------------------------------------------------ coefficients

    def coefficients(self, y: Any, *, keep: bool) -> list[Number]:
        """All coefficients of an output; with `keep` the value as a Variable."""
        if type(y) is not Variable:
            return [y, *[result(None, create_graph=self.graph)] * self.order]
        series = self.of(y)
        if series is not None:
            self.complete(series)
        found: list[Number] = [y if keep else y._value]
        for k in range(1, self.order + 1):
            number = None if series is None else series.terms[k]
            if number is not None and series is not None:
                trace, graph = self.trace, self.graph
                number = trace.nan_if_nan(y, number) if trace else nan_if_nan(y, number, create_graph=graph)
                if series.condition is not None:
                    number = where(series.condition, number, 0.0)
            found.append(result(number, create_graph=self.graph))
        return found

    def complete(self, top: _Series) -> None:
        """Compute all coefficients of a series, by a stack: programs are deep."""
        stack = [(top, self.order)]
        while stack:
            waiting = self.lacking(*stack[-1])
            if waiting:
                stack += waiting
            else:
                stack.pop()

    def lacking(self, series: _Series, last: int) -> list[tuple[_Series, int]]:
        """Compute the coefficients of a series up to `last`; if others must be known first, these."""
        if len(series.terms) > last:
            return []
        if series.rule is None:
            series.rule = _rule_of(series, self.order) or self.by_partials
        needed = last + 1 if series.rule == self.by_velocity else last
        if waiting := [(a, needed) for a in self.used(series) if len(a.terms) <= needed]:
            return waiting
        behind: list[_Series] = []
        if series.rule == self.by_partials and last > 0:
            behind = [local[1] for local in self.partials(series) if local and local[1]]
        elif series.rule == self.by_tangents and last > 0 and (tangent := self.tangent(series)) and tangent[1]:
            behind = [tangent[1]]
        for k in range(len(series.terms), last + 1):
            if waiting := [(p, k - 1) for p in behind if len(p.terms) < k]:
                return waiting
            series.terms.append(_added(series.rule(series, k), series.condition))
        return []

    def used(self, series: _Series) -> list[_Series]:
        """The arguments whose series go in: of a selection those that it takes."""
        if series.locals is None:
            return [a for a in series.arguments if a]
        return [a for a, local in zip(series.arguments, series.locals, strict=True) if a and local]

    def by_partials(self, series: _Series, k: int) -> list[Part]:
        """y' = Σ ∂φ/∂u·u': the new coefficient of u by the value of the partial, then what is known of both."""
        parts: list[Part] = []
        for a, local in zip(series.arguments, self.partials(series), strict=True):
            if a is None or local is None:
                continue
            number, own = local
            selects = self.masked and series.node._primitive.selects  # type: ignore[union-attr] # made by hand: refused
            if (new := a.terms[k]) is not None:
                parts.append((times(number, new), _both(a.condition, number) if selects else a.condition))
            if own is not None and k > 1:
                rest = _products(_by_index(a), own.terms, k, range(1, k))
                if rest is not None:
                    parts.append((rest / k, _both(a.condition, own.condition)))
        return parts

    def by_velocity(self, series: _Series, k: int) -> list[Part]:
        """(k + 1)·u_{k+1}."""
        (u,) = series.arguments
        assert u is not None
        new = u.terms[k + 1]
        return [] if new is None else [(times(k + 1.0, new), u.condition)]

    def by_tangents(self, series: _Series, k: int) -> list[Part]:
        """y'_{k-1}/k."""
        found = self.tangent(series)
        if found is None:
            return []
        number, own, condition = found
        if k == 1:
            return [(number, condition)]
        known = own.terms[k - 1] if own is not None else None
        return [] if known is None or own is None else [(known / k, _both(condition, own.condition))]


def _by_index(series: _Series) -> Terms:
    """j·u_j, as far as known."""
    return _scaled(series, "index", lambda j, term: times(float(j), term))


def _by_value(series: _Series) -> Terms:
    """u_j/u_0, as far as known."""
    return _scaled(series, "value", lambda _, term: div(term, series.terms[0]))


def _scaled(series: _Series, how: str, scale: Callable[[int, Number], Number]) -> Terms:
    scaled = series.scaled.setdefault(how, [None])
    for j in range(len(scaled), len(series.terms)):
        term = series.terms[j]
        scaled.append(None if term is None else scale(j, term))
    return scaled


def _added(parts: list[Part], condition: Number | None) -> Number | None:
    """The sum of some parts, sent on `condition`; one that was not sent counts as -0.0, which changes no sum."""
    if not parts or (len(parts) == 1 and parts[0][1] is condition):
        return parts[0][0] if parts else None
    total = None
    for number, own in parts:
        sent = number if own is None else where(own, number, -0.0)
        total = sent if total is None else total + sent
    return total


def _products(a: Terms, b: Terms, k: int, places: Sequence[int]) -> Number | None:
    """Σ a_j·b_{k-j} over some j; None if no product is there."""
    total = None
    for j in places:
        one, other = a[j], b[k - j]
        if one is not None and other is not None:
            product = times(one, other)
            total = product if total is None else total + product
    return total


def _both(one: Number | None, other: Number | None) -> Number | None:
    """The condition that both hold; a weight that is a plain number is no condition."""
    if other is None or type(other) is float:
        return one
    return other if one is None else where(one, other, 0.0)


def _either(conditions: list[Number | None]) -> Number | None:
    """The condition that any holds."""
    found = conditions[0]
    for condition in conditions[1:]:
        found = None if found is None or condition is None else where(found, found, condition)
    return found


# ---------------------------------------------------------------------------------------------------- rules of their own


def _rule_of(y: _Series, order: int) -> Callable[[_Series, int], list[Part]] | None:
    """The rule of an operation that has one for such arguments."""
    primitive = y.node._primitive
    if primitive not in (mul, div, inv, power):
        return None
    if is_stale(y.node):
        local_graphs(y.node)  # raises
    if primitive is power:
        return _power if order > 1 and _leads_nowhere(y) else None
    return _quotient if primitive is not mul else _product if all(y.arguments) else None


def _product(y: _Series, k: int) -> list[Part]:
    """Σ a_j·b_{k-j}."""
    a, b = y.arguments
    assert a is not None
    assert b is not None
    parts: list[Part] = []
    if (between := _products(a.terms, b.terms, k, range(1, k))) is not None:
        parts.append((between, _both(a.condition, b.condition)))
    for one, other in ((a, b), (b, a)):
        if (new := one.terms[k]) is not None:
            parts.append((times(new, other.terms[0]), one.condition))
    return parts


def _quotient(y: _Series, k: int) -> list[Part]:
    """y·b = a: a_k/b_0 - Σ (b_j/b_0)·y_{k-j}."""
    parts: list[Part] = []
    (a, b), below = (None, *y.arguments)[-2:], y.node._arguments[-1]
    if a is not None and (new := a.terms[k]) is not None:
        if type(below) is Variable and type(y.terms[0]) is float:
            below = below._value
        parts.append((div(new, below), a.condition))
    if b is not None and (total := _products(_by_value(b), y.terms, k, range(1, k + 1))) is not None:
        parts.append((-total, b.condition))
    return parts


def _leads_nowhere(y: _Series) -> bool:
    """Whether a power has an exponent whose partials never end, and another base than 0, where these partials are needed."""
    p = y.node._arguments[1]
    if y.arguments[0] is None or type(p) is not float or not isfinite(p) or (p.is_integer() and p >= 0.0):
        return False
    return bool(y.arguments[0].terms[0] != 0.0)  # a guard, in a trace


def _power(y: _Series, k: int) -> list[Part]:
    """u·y' = p·y·u'."""
    u, p, total = y.arguments[0], y.node._arguments[1], None
    assert u is not None
    ratios = _by_value(u)
    for j in range(k, 0, -1):
        ratio, known = ratios[j], y.terms[k - j]
        if ratio is not None and known is not None:
            product = times((p * j - (k - j)) / k, ratio * known)
            total = product if total is None else total + product
    return [] if total is None else [(total, u.condition)]
