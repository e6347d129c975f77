"""The reverse sweep: from an output to everything it was computed from, newest node first, each visited once.

The adjoint of a node is complete when the sweep reaches it, since all its users are newer. Adjoints live in the pass, in
a dictionary; `.grad` is written only after the pass has succeeded. With `create_graph` the same sweep multiplies by the
partials applied to Variables instead of by the recorded numbers: the gradient is then a graph itself. The forward sweep,
for tangents, is its mirror image.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from threading import RLock
from typing import Any, Literal

import numpy as np

from autograd_lite import observers
from autograd_lite.errors import (
    ArgumentError,
    HandMadeNodeError,
    OperandError,
    StaleGraphError,
    TraceError,
    UnconnectedError,
)
from autograd_lite.nests import mapped, unravel, variables_of
from autograd_lite.primitives import COMPARISONS, as_float, hold, less, plain, positive, where
from autograd_lite.variable import Variable, is_condition, is_number, is_stale, reachable, search

Number = Any  # float, or a Variable where a gradient is to be differentiated again
Seeds = Iterable[tuple[Variable, Number]]
Sent = tuple[Number, Number | None]  # an adjoint and the condition that it was sent: None if it always is

#: What makes numbers that Python has as floats and bools.
_PLAIN = frozenset([plain, *COMPARISONS.values()])

_writing = RLock()


def topological_order(y: Any) -> list[Variable]:
    """The nodes under `y`, parents before their users.

    Parameters
    ----------
    y : Variable or nest of them
        One or several outputs.

    Returns
    -------
    list of Variable
        Each node once, in the order of creation.

    Notes
    -----
    No recursion: graphs may be millions of nodes deep. Time: that of sorting the nodes by number.

    Examples
    --------
    >>> x = Variable(2.0, name="x")
    >>> topological_order(x * x + x)
    [Variable(2.0, name='x'), Variable(4.0, op='mul'), Variable(6.0, op='add')]
    """
    return reachable(variables_of(y))


@dataclass
class Reach:
    """What lies under some outputs (see `search`), and the sweeps over it; adjoints and tangents by the numbers of nodes."""

    met: dict[int, Variable]
    inner: list[Variable]

    @classmethod
    def of(cls, outputs: Iterable[Variable], oldest: int = -1) -> "Reach":
        """Search from `outputs`; a Variable numbered below `oldest` cannot depend on a newer one and is not entered."""
        return cls(*search(outputs, oldest))

    def towards(self, targets: Iterable[Variable]) -> "Reach":
        """Only what lies between the outputs and `targets`: other nodes have no part in a gradient by `targets`."""
        leading = {target._number: target for target in targets if target._number in self.met}
        visited = []
        for node in reversed(self.inner):
            if any(type(argument) is Variable and argument._number in leading for argument in node._arguments):
                leading[node._number] = node
                visited.append(node)
        return Reach(leading, visited[::-1])

    def connected(self, outputs: Iterable[Variable]) -> Container[int]:
        """The numbers of the nodes under `outputs`, without those that only a held number or a condition leads to.

        There Python has a plain number, which leads nowhere; a trace has a node, so that it finds its value.
        """
        if not observers.recording():
            return self.met
        found = {y._number for y in outputs}
        for node in self.inner:
            if node._number in found and node._primitive not in _PLAIN:
                found.update(a._number for a in node._arguments if type(a) is Variable)
        return found

    def adjoints(self, seeds: Seeds, *, create_graph: bool = False) -> dict[int, Number]:
        """The reverse sweep: x̄ = Σ ȳ·∂y/∂x over the users y of x; None where no adjoint was sent."""
        adjoints: dict[int, Number] = dict.fromkeys(self.met)
        for output, seed in seeds:
            number = nan_if_nan(output, seed, create_graph=create_graph)
            total = adjoints[output._number]
            adjoints[output._number] = number if total is None else total + number
        notes = observers.recording() if create_graph else None
        if notes is None or not any(_may_send_nothing(node) or _has_many_results(node) for node in self.inner):
            (_send_graphs if create_graph else _send)(self.inner, adjoints)
        elif notes.masked:
            found = _send_masked(self, {n: [(a, None)] for n, a in adjoints.items() if a is not None})
            adjoints.update({n: a if sent is None else where(sent, a, 0.0) for n, (a, sent) in found.items()})
        else:
            _send_graphs(self.inner, adjoints)
            visited = {node._number for node in self.inner}
            notes.doubtful += [a for node, a in adjoints.items() if type(a) is Variable and node not in visited]
        if observers.active:
            observers.observe_sweep([self.met[k] for k in sorted(self.met, reverse=True)], adjoints)
        return adjoints

    def sent(
        self, seeds: Iterable[tuple[Variable, Sent]], *, masked: bool
    ) -> dict[int, tuple[Number | None, Number | None]]:
        """The reverse sweep of graphs from inside a larger one: seeds are adjoints of nodes within, each with its condition.

        If `masked`, adjoints come out with the condition that anything was sent, else with None.
        """
        waiting: dict[int, list[Sent]] = {}
        for node, product in seeds:
            waiting.setdefault(node._number, []).append(product)
        if masked:
            return {**_send_masked(self, waiting)}
        adjoints: dict[int, Number] = dict.fromkeys(self.met)
        for number, products in waiting.items():
            adjoints[number] = _added(products)[0]
        _send_graphs(self.inner, adjoints)
        return {number: (adjoint, None) for number, adjoint in adjoints.items()}

    def tangents(self, outputs: Sequence[Any], seeds: Seeds, *, create_graph: bool = False) -> list[Number | None]:
        """The forward sweep: ẏ = Σ ∂y/∂x·ẋ over the arguments x of y. Tangents of the outputs, None where none arrived."""
        given = {x._number: tangent for x, tangent in seeds}
        tangents: dict[int, Number] = {**dict.fromkeys(self.met), **given}
        arrived: dict[int, Number] = {}  # in a trace: where a tangent arrived at all; missing means everywhere
        for node in reversed(self.inner):
            if node._number in given:
                continue
            products = [
                (_times(local, tangents[argument._number]), _arrival(node, local, arrived.get(argument._number)))
                for argument, local in zip(node._arguments, _locals(node, create_graph=create_graph), strict=True)
                if local is not None and tangents.get(argument._number) is not None
            ]
            tangents[node._number], condition = _added(products)
            if condition is not None:
                arrived[node._number] = condition
        if observers.active:
            observers.observe_sweep([self.met[k] for k in sorted(self.met)], tangents, forward=True)
        found: list[Number | None] = []
        for y in outputs:
            tangent = tangents[y._number] if type(y) is Variable else None
            if tangent is not None:
                tangent = nan_if_nan(y, tangent, create_graph=create_graph)
                if y._number in arrived:
                    tangent = where(arrived[y._number], tangent, 0.0)
            found.append(tangent)
        return found


def _send(nodes: Iterable[Variable], adjoints: dict[int, Number]) -> None:
    """Pass each node's adjoint on to its arguments. The loop that a program spends its time in, so written out."""
    for node in nodes:
        adjoint = adjoints[node._number]
        if adjoint is None:  # behind a branch that was not taken
            continue
        local = node._by_first
        if local is not None:
            number = node._first._number
            total = adjoints[number]
            adjoints[number] = local * adjoint if total is None else total + local * adjoint
        elif type(node._first) is tuple:
            for argument, local in zip(node._first, node._second, strict=True):
                if local is not None:
                    number = argument._number
                    total = adjoints[number]
                    adjoints[number] = local * adjoint if total is None else total + local * adjoint
            continue
        local = node._by_second
        if local is not None:
            number = node._second._number
            total = adjoints[number]
            adjoints[number] = local * adjoint if total is None else total + local * adjoint


def _send_graphs(nodes: Iterable[Variable], adjoints: dict[int, Number]) -> None:
    """The same with local gradients as graphs."""
    for node in nodes:
        adjoint = adjoints[node._number]
        if adjoint is not None:
            for argument, product, _ in _shares(node, adjoint):
                number = argument._number
                if number in adjoints:
                    total = adjoints[number]
                    adjoints[number] = product if total is None else total + product


class Cotangents(dict[int, Number]):
    """Adjoints of some results of an operation that has many, by their places."""

    def __add__(self, other: "Cotangents") -> "Cotangents":
        """Adds into this one, which a sweep alone holds: a copy for each of many results would be quadratic."""
        for place, adjoint in other.items():
            self[place] = self[place] + adjoint if place in self else adjoint
        return self


class Place:
    """The local gradient of a result by all of them: 1 at its place."""

    def __init__(self, place: int) -> None:
        self.place = place

    def __mul__(self, adjoint: Number) -> Cotangents:
        return Cotangents({self.place: adjoint})


def _shares(node: Variable, adjoint: Number) -> Iterable[tuple[Any, Number, Number]]:
    """What the adjoint of a node gives to each of its arguments, and the local gradient there."""
    if type(adjoint) is Cotangents:
        operation: Any = node._primitive
        for argument, share in zip(node._arguments, operation.pulled_back(node._arguments, adjoint), strict=True):
            if share is not None and type(argument) is Variable:
                yield argument, share, 1.0
        return
    for argument, local in zip(node._arguments, _locals(node, create_graph=True), strict=True):
        if local is not None:
            yield argument, local * adjoint if type(local) is Place else _times(local, adjoint), local


def _send_masked(reach: Reach, waiting: dict[int, list[Sent]]) -> dict[int, Sent]:
    """The same in a trace, for whatever branches a lane takes: with each product goes the condition that it was sent.

    What was not sent counts as -0.0, which changes no sum; NaN stands for "sent", as it does for `where`.
    """
    found: dict[int, Sent] = {}
    for node in reach.inner:
        products = waiting.pop(node._number, [])
        if not products:
            continue
        if type(products[0][0]) is Cotangents:
            shares: Any = _masked_shares(node, products)
        else:
            adjoint, condition = found[node._number] = _added(products)
            shares = (
                (argument, (product, _together(condition, local) if _may_send_nothing(node) else condition))
                for argument, product, local in _shares(node, adjoint)
            )
        for argument, share in shares:
            if argument._number in reach.met:
                waiting.setdefault(argument._number, []).append(share)
    return found | {number: _added(products) for number, products in waiting.items()}


def _masked_shares(node: Variable, products: list[Sent]) -> Iterable[tuple[Variable, Sent]]:
    """What an operation with many results gives to its arguments; each of its results has a condition of its own."""
    by_place: dict[int, list[Sent]] = {}
    for cotangents, condition in products:
        for place, adjoint in cotangents.items():
            by_place.setdefault(place, []).append((adjoint, condition))
    sums = {place: _added(sent) for place, sent in by_place.items()}
    cotangents = Cotangents({place: adjoint for place, (adjoint, _) in sums.items()})
    conditions = {place: condition for place, (_, condition) in sums.items()}
    operation: Any = node._primitive
    shares = operation.pulled_back(node._arguments, cotangents, conditions)
    return ((a, share) for a, share in zip(node._arguments, shares, strict=True) if type(a) is Variable)


def _together(condition: Number | None, local: Number) -> Number | None:
    """The condition that an adjoint was sent to a node, and on to an argument that it selects if `local` is not 0."""
    if type(local) is float:
        return condition
    return local if condition is None else where(condition, local, 0.0)


def _added(products: list[tuple[Number, Number | None]]) -> tuple[Number | None, Number | None]:
    """The sum of what was sent, and the condition that anything was."""
    if not products:
        return None, None
    if len(products) == 1:
        return products[0]
    total, anywhere = None, products[0][1]
    for product, condition in products:
        sent = product if condition is None else where(condition, product, -0.0)
        total = sent if total is None else total + sent
        anywhere = None if anywhere is None or condition is None else where(anywhere, anywhere, condition)
    return total, anywhere


def _locals(node: Variable, *, create_graph: bool) -> Iterable[Number]:
    """Local gradients, as recorded or as a graph; None for constants and for arguments that were not taken."""
    if not (create_graph and node._arguments):
        return node._locals
    if node._primitive is None:
        raise HandMadeNodeError(
            f"{node!r} was made by hand: its local gradients are numbers, which cannot be differentiated again. "
            "Define the operation as an autograd_lite.Primitive with partials instead."
        )
    if is_stale(node):
        raise StaleGraphError(
            f"{_changed_argument(node)} was set after {node!r} was recorded from it, so the graph no longer holds the "
            "numbers it was computed from. Run the function again, then differentiate."
        )
    generic = observers.recording() is not None  # a trace holds for other values too, which may take other branches
    selects = node._primitive.selects
    found: list[Number] = []
    for partial, argument, local in zip(node._primitive.partials, node._arguments, node._locals, strict=True):
        if type(argument) is not Variable or (local is None and not generic):
            found.append(None)
            continue
        number = partial(*node._arguments, node) if callable(partial) else partial
        found.append(None if selects and type(number) is float and number == 0.0 else number)
    return found


def _arrival(node: Variable, local: Number, condition: Number | None) -> Number | None:
    """The condition that a tangent arrived: None where it always does."""
    notes = observers.recording()
    return _together(condition, local) if notes and notes.masked and _may_send_nothing(node) else condition


def _has_many_results(node: Variable) -> bool:
    """Whether the node is a loop, whose steps may select."""
    return hasattr(node._primitive, "pulled_back")


def _may_send_nothing(node: Variable) -> bool:
    """Whether the node selects among its arguments by their values."""
    return node._primitive is not None and node._primitive.selects and any(map(callable, node._primitive.partials))


def _changed_argument(node: Variable) -> str:
    changed = (repr(a) for a in node.parents if a._about is not None and a._about.changed > node._number)
    return next(changed, "an argument")


def _times(local: Number, factor: Number) -> Number:
    """local × factor, leaving out the exact factor 1 so that graphs stay small."""
    if type(local) is float and local == 1.0:
        return factor
    if type(factor) is float and factor == 1.0:
        return local
    return local * factor


def nan_if_nan(output: Variable, seed: Number, *, create_graph: bool) -> Number:
    """The seed; NaN if the output is: a linear operation would otherwise give a NaN value a finite derivative."""
    if create_graph and (notes := observers.recording()):
        if notes.masked:
            return where(less(output, output), seed * output, seed)
        notes.doubtful += [number for number in (output, seed) if type(number) is Variable]
        return seed
    if not isnan(output._value):
        return seed
    return seed * output if create_graph else nan  # as a graph, NaN at every order


def backward(self: Variable, seed: float = 1.0) -> None:
    """Add the derivative of this Variable with respect to every node under it into that node's `.grad`.

    Parameters
    ----------
    seed : float, default 1.0
        The adjoint of the output: every gradient is multiplied by it.

    Notes
    -----
    One pass, each node once, whatever the number of paths. A second pass adds the same numbers again; clear with
    `zero_grad` between steps. All or nothing: if the pass fails, no `.grad` has changed. Time: about that of recording.

    Examples
    --------
    >>> x = Variable(3.0)
    >>> y = x * x
    >>> y.backward()
    >>> y.backward()
    >>> x.grad
    12.0
    """
    if observers.tracing and (notes := observers.noticed(self)):
        _backward_traced(self, seed, notes)
        return
    reach = Reach.of([self])
    adjoints = reach.adjoints([(self, as_float(seed))])
    nodes = reach.met.values()
    with _writing:  # two threads may meet on a shared leaf
        before = [node._grad for node in nodes]
        try:
            for node, adjoint in zip(nodes, adjoints.values(), strict=True):
                grad = node._grad
                if grad is None:
                    node._grad = 0.0 if adjoint is None else adjoint
                elif adjoint is not None:
                    node._grad = grad + adjoint
        except BaseException:  # an interrupt from the keyboard
            for node, grad in zip(nodes, before, strict=True):
                node._grad = grad
            raise


def _backward_traced(y: Variable, seed: Any, notes: observers.Recording) -> None:
    """The same in a trace: gradients are held numbers, and only what the trace made itself can keep them."""
    reach = Reach.of([y])
    connected = reach.connected([y])
    outside = next((node for k, node in reach.met.items() if k < notes.oldest and k in connected), None)
    if outside is not None:
        raise TraceError(
            f"backward() in a traced function would write the gradient of {outside!r}, which comes from outside, at "
            f"{observers.user_location()}: replays run without Python and would not do it again. Pass the number as an "
            "argument, or return gradients(y, x), which writes nothing."
        )
    adjoints = reach.adjoints([(y, seed if type(seed) is Variable else as_float(seed))], create_graph=True)
    for node, adjoint in [(reach.met[k], adjoint) for k, adjoint in adjoints.items() if k in connected]:
        number = 0.0 if adjoint is None else _held(adjoint)
        node._grad = number if node._grad is None else node._grad + number


def _held(number: Number) -> Number:
    """A gradient as a plain number: in a trace a held one."""
    return plain(number) if type(number) is Variable else number


def _traced_locals(self: Variable) -> tuple[Number, ...]:
    """Local gradients for whatever numbers a trace is replayed on."""
    if self._primitive is None:
        return self._locals
    return tuple(map(_held, _locals(self, create_graph=True)))


Variable._traced_locals = _traced_locals
Variable.backward = backward


def gradients(
    y: Any,
    wrt: Any = None,
    *,
    seed: Any = 1.0,
    create_graph: bool = False,
    unconnected: Literal["zero", "none", "raise"] = "zero",
) -> Any:
    """Gradients of `y` with respect to any nodes it was computed from.

    Parameters
    ----------
    y : Variable
        The output. A plain number depends on nothing.
    wrt : Variable or nest of them, optional
        Any nodes, inner ones too. None asks for all.
    seed : float or Variable, default 1.0
        The adjoint of `y`.
    create_graph : bool, default False
        Return Variables, which can be differentiated again.
    unconnected : {"zero", "none", "raise"}
        What to give for a node that `y` does not depend on.

    Returns
    -------
    float, Variable or nest
        In the structure of `wrt`; a dictionary from each node reached to its gradient if `wrt` is None.

    Raises
    ------
    UnconnectedError
        With `unconnected="raise"`.
    StaleGraphError, HandMadeNodeError
        With `create_graph`, if the graph cannot be differentiated again.

    Notes
    -----
    Never touches `.grad`.

    Examples
    --------
    >>> x = Variable(2.0)
    >>> h = x * x
    >>> y = h * h
    >>> gradients(y, [x, h])
    [32.0, 8.0]
    >>> dy = gradients(y, x, create_graph=True)
    >>> gradients(dy, x)
    48.0
    """
    if unconnected not in ("zero", "none", "raise"):
        raise ArgumentError(f'unconnected={unconnected!r}: choose "zero", "none" or "raise".')
    nodes, shape = ([], None) if wrt is None else unravel(wrt, "wrt")
    for node in nodes:
        if type(node) is not Variable:
            raise OperandError(
                f"wrt holds the number {node!r}; only a Variable has a gradient. Make it a Variable first."
            )
    notes = observers.noticed(*[y] if type(y) is Variable else ()) if observers.tracing else None
    met, found = _adjoints(y, seed, nodes if shape else None, create_graph=create_graph or notes is not None)

    def given(number: Number | None) -> Number:
        return result(number, create_graph=True) if create_graph else _held(result(number, create_graph=False))

    if shape is None:
        return Gradients({number: (met[number], given(adjoint)) for number, adjoint in found.items()})
    lost = [node for node in nodes if node._number not in found]
    if lost and unconnected == "raise":
        raise UnconnectedError(
            f"{y!r} does not depend on {lost[0]!r}. Check that it was computed from this very Variable, or pass "
            'unconnected="zero" or "none".'
        )
    missing = None if unconnected == "none" else given(None)
    return shape.pack([given(found[n._number]) if n._number in found else missing for n in nodes])


class Gradients(Mapping[Variable, Any]):
    """A gradient for each node, looked up by the node itself, inside transforms too."""

    def __init__(self, found: dict[int, tuple[Variable, Any]]) -> None:
        self._found = found

    def __getitem__(self, node: Variable) -> Any:
        if type(node) is not Variable or node._number not in self._found:
            raise KeyError(node)
        return self._found[node._number][1]

    def __iter__(self) -> Iterator[Variable]:
        return (node for node, _ in self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{node!r}: {number!r}' for node, number in self._found.values())}}}"


def _adjoints(
    y: Any, seed: Any, wrt: list[Variable] | None, *, create_graph: bool
) -> tuple[dict[int, Variable], dict[int, Number | None]]:
    if type(seed) is not Variable:
        seed = as_float(seed)
    elif not create_graph:
        seed = seed._value
    if type(y) is Variable:
        reach = Reach.of([y], -1 if wrt is None else min((node._number for node in wrt), default=-1))
        if wrt is not None and create_graph:  # what is recorded has a price: only what is asked for
            reach = reach.towards(wrt)
        seeds = [(y, seed)] if y._number in reach.met else []
        adjoints = reach.adjoints(seeds, create_graph=create_graph)
        connected = reach.connected([y])
        if connected is not reach.met:
            adjoints = {number: adjoint for number, adjoint in adjoints.items() if number in connected}
        return reach.met, adjoints
    if isinstance(y, (list, tuple, np.ndarray)) and np.ndim(y) > 0:
        raise OperandError(
            f"gradients of a {type(y).__name__} of {len(y)} outputs: give one output; add them up first, call gradients for "
            "each, or use jacobian(f)."
        )
    as_float(y)  # a number depends on nothing; anything else is refused
    return {}, {}


def result(number: Number | None, *, create_graph: bool) -> Number:
    """A derivative as the caller gets it: 0 for None, a Variable if it may be differentiated again."""
    if number is None:
        number = 0.0
    if is_condition(number):  # as a factor of what is differentiated
        number = positive(number)
    return Variable(number) if create_graph and type(number) is not Variable else number


def zero_grad(nest: Any) -> None:
    """Set `.grad` of every Variable in a nest to 0.

    Examples
    --------
    >>> x = Variable(2.0)
    >>> (x * x).backward()
    >>> zero_grad([x])
    >>> x.grad
    0.0
    """
    notes = observers.recording()
    for node in variables_of(nest):
        if notes:
            node._refuse_outside(notes, "sets the gradient of")
        node._grad = 0.0


def stop_gradient(x: Any) -> Any:
    """The same numbers without their history: derivatives do not flow through. Takes any nest.

    Examples
    --------
    >>> x = Variable(3.0)
    >>> gradients(stop_gradient(x) * x, x)
    3.0
    """
    variables_of(x)  # refuses what it cannot see into
    if notes := observers.recording():
        return mapped(lambda v: v if is_number(v, notes) else hold(plain(v)), x)
    return mapped(lambda variable: Variable(variable._value, name=variable.name), x)
