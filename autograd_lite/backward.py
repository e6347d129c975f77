"""The reverse sweep: from an output to everything it was computed from, newest node first, each visited once.

The adjoint of a node is complete when the sweep reaches it, since all its users are newer. `.grad` is written only after
the pass has succeeded. With `create_graph` the same sweep multiplies by the
partials applied to Variables instead of by the recorded numbers: the gradient is then a graph itself. The forward sweep,
for tangents, is its mirror image.
"""

import functools
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from math import isnan, nan
from typing import Any, Literal, overload

import numpy as np

from autograd_lite import context, core, hints
from autograd_lite.conversion import as_float
from autograd_lite.errors import ArgumentError, HandMadeNodeError, OperandError, StaleGraphError, UnconnectedError
from autograd_lite.many import Cotangents, Item, is_bundle
from autograd_lite.nests import mapped, unravel, variables_of
from autograd_lite.primitives import hold, plain, positive
from autograd_lite.variable import (
    UNSENT,
    VARIABLES,
    Variable,
    is_condition,
    is_stale,
    kinds,
    leads_outside,
    passing,
    reachable,
    search,
)

Number = Any  # float, or a Variable where a gradient is to be differentiated again
Seeds = Iterable[tuple[Variable, Number]]
Unconnected = Literal["zero", "none", "raise"]


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
    return [node for node in reachable(variables_of(y)) if not is_bundle(node)]


class Reach:
    """The nodes under some outputs (see `search`), and sweeps over them; adjoints and tangents by the numbers of nodes.

    A Variable numbered below `oldest` cannot depend on a newer one and is not entered. The search is made when somebody asks
    for nodes: the compiled core does without.
    """

    def __init__(self, outputs: Iterable[Variable], oldest: int = -1) -> None:
        self.outputs, self.oldest = list(outputs), oldest

    @functools.cached_property
    def found(self) -> tuple[dict[int, Variable], list[Variable]]:
        """Every node under the outputs, by number; and of these the ones that a sweep has to visit, newest first."""
        return search(self.outputs, self.oldest)

    @property
    def met(self) -> dict[int, Variable]:
        return self.found[0]

    @property
    def inner(self) -> list[Variable]:
        return self.found[1]

    def leads_outside(self) -> bool:
        """Whether a node older than the oldest was met."""
        return leads_outside(self.outputs, self.oldest)

    def numbers(self, seeds: Sequence[tuple[Variable, float]], wrt: list[Variable], *, as_array: bool = False) -> Any:
        """The reverse sweep on numbers: adjoints of `wrt`, 0 where none was sent, as a list or an array."""
        if context.active:
            found = self.adjoints(seeds)
            return [result(found.get(node._number), create_graph=False) for node in wrt]
        outputs, given = [y for y, _ in seeds], [seed for _, seed in seeds]
        return numbers(outputs, given, self.oldest, wrt, as_array=as_array)

    def towards(self, targets: Iterable[Variable]) -> "Reach":
        """Only what lies between the outputs and `targets`: other nodes have no part in a gradient by `targets`."""
        leading = {target._number: target for target in targets if target._number in self.met}
        nearer = Reach(self.outputs, self.oldest)
        nearer.found = leading, between(self.inner, leading)
        return nearer

    def connected(self, outputs: Iterable[Variable]) -> Container[int]:
        """The numbers of the nodes that the outputs depend on: of all, but in a trace, which has nodes for held numbers."""
        trace = context.recording()
        return trace.connected(self, outputs) if trace else self.met

    def shown(self) -> list[Variable]:
        """The nodes that observers look at, in the order of creation."""
        return [node for number in sorted(self.met) if not is_bundle(node := self.met[number])]

    def adjoints(self, seeds: Seeds, *, create_graph: bool = False) -> dict[int, Number]:
        """The reverse sweep: x̄ = Σ ȳ·∂y/∂x over the users y of x; None where no adjoint was sent."""
        found: dict[int, Number]
        if create_graph:
            trace = context.recording()
            found = dict.fromkeys(self.met)
            for output, seed in seeds:
                number = trace.nan_if_nan(output, seed) if trace else nan_if_nan(output, seed, create_graph=True)
                total = found[output._number]
                found[output._number] = number if total is None else total + number
            if trace:
                trace.send(self, found)
            else:
                send_graphs(self.inner, found)
            if Cotangents in set(map(type, found.values())):  # those of a bundle are of its results
                found = {number: None if type(adjoint) is Cotangents else adjoint for number, adjoint in found.items()}
        else:
            roots, numbers = zip(*seeds, strict=True) if seeds else ((), ())
            found = dict(
                zip(self.met, adjoints(list(roots), list(numbers), self.oldest, [*self.met.values()]), strict=True)
            )
        if context.active:
            context.observe_sweep(self.shown()[::-1], found)
        return found

    def tangents(self, outputs: Sequence[Any], seeds: Seeds, *, create_graph: bool = False) -> list[Number | None]:
        """The forward sweep: ẏ = Σ ∂y/∂x·ẋ over the arguments x of y. Tangents of the outputs, None where none arrived."""
        given = {x._number: tangent for x, tangent in seeds}
        if create_graph and (trace := context.recording()):
            return trace.tangents(self, outputs, given)
        tangents: dict[int, Number] = {**dict.fromkeys(self.met), **given}
        places = places_of(self.inner)
        for node in reversed(self.inner):
            if node._number in given:
                continue
            if (own := getattr(node._primitive, "pushed", None)) if places else None:
                tangents[node._number] = _pushed(node, own, tangents, places, create_graph=create_graph)
                continue
            total = None
            locals_ = local_graphs(node) if create_graph else node._locals
            for argument, local in zip(node._arguments, locals_, strict=True):
                tangent = None if local is None else tangents[argument._number]
                if tangent is not None:
                    product = times(local, tangent)
                    total = product if total is None else total + product
            tangents[node._number] = total
        tangents = {number: None if type(t) is dict else t for number, t in tangents.items()} if places else tangents
        if context.active:
            context.observe_sweep(self.shown(), tangents, forward=True)
        found = ((y, tangents[y._number] if type(y) is Variable else None) for y in outputs)
        return [None if t is None else nan_if_nan(y, t, create_graph=create_graph) for y, t in found]


def places_of(nodes: Iterable[Variable]) -> dict[int, list[int]]:
    """The results that are used of each operation with many, by its number."""
    places: dict[int, list[int]] = {}
    for node in nodes:
        if type(index := getattr(node._primitive, "index", None)) is int:
            places.setdefault(node._arguments[0]._number, []).append(index)
    return places


def _pushed(
    node: Variable, own: Any, tangents: dict[int, Number], places: dict[int, list[int]], *, create_graph: bool
) -> Any:
    """The tangents of an operation with many results by place, or that of one of its results."""
    known = [tangents[a._number] if type(a) is Variable else None for a in node._arguments]
    operation: Any = node._primitive
    if isinstance(operation, Item):
        return known[0] and known[0].get(operation.index)
    if all(tangent is None for tangent in known):
        return None
    if not create_graph:
        return operation.recorded_tangents(node, known)
    sent = own(node, [None if t is None else (t, None) for t in known], places[node._number], masked=False)
    return {place: tangent for place, (tangent, _) in sent.items()}


def _sweep(outputs: list[Variable], seeds: list[float], inner: list[Variable]) -> bool:  # noqa: C901 - written out
    """Pass each node's adjoint on to its arguments. The loop that a program spends its time in, so written out.

    False where an operation has many results: see `_by_number`.
    """
    for output, seed in zip(outputs, seeds, strict=True):
        number = nan if isnan(output._value) else seed  # a linear operation would give a NaN value a finite derivative
        output._adjoint += number
    for node in inner:
        adjoint = node._adjoint
        if adjoint is UNSENT:  # behind a branch that was not taken
            continue
        to, local = node._first, node._by_first
        if to is not None:
            if local is not None:
                to._adjoint += local * adjoint
            elif hasattr(node._primitive, "recorded_shares"):
                return False
        elif type(local) is tuple:
            for to, by in zip(local, node._by_second, strict=True):
                if by is not None:
                    to._adjoint += by * adjoint
        to, local = node._second, node._by_second
        if to is not None and local is not None:
            to._adjoint += local * adjoint
    return True


def _by_number(
    outputs: Iterable[Variable], seeds: Iterable[float], oldest: int
) -> tuple[dict[int, Variable], dict[int, Number]]:
    """The sweep where an operation has many results, whose adjoints are no number: nodes and adjoints by number."""
    met, inner = search(outputs, oldest)
    found: dict[int, Number] = {}
    for output, seed in zip(outputs, seeds, strict=True):
        number = nan if isnan(output._value) else seed
        found[output._number] = found.get(output._number, UNSENT) + number
    for node in inner:
        adjoint = found.get(node._number)
        if adjoint is None:
            continue
        own = getattr(node._primitive, "recorded_shares", None)
        if own is not None:
            sent = own(node, adjoint)
        else:
            sent = [(a, by * adjoint) for a, by in zip(node._arguments, node._locals, strict=True) if by is not None]
        for argument, share in sent:
            number = argument._number
            found[number] = found[number] + share if number in found else share
    return met, {number: adjoint for number, adjoint in found.items() if type(adjoint) is float}


def _adjoints_by_number(
    outputs: list[Variable], seeds: list[float], oldest: int | None, wrt: list[Variable], missing: Any = (None, ...)
) -> Any:
    """As `adjoints`."""
    if oldest is None:
        oldest = min((node._number for node in wrt), default=-1)
    met, known = _by_number(outputs, seeds, oldest)
    unsent, unmet = missing if type(missing) is tuple else (missing, missing)
    found = [known.get(n._number, unsent if n._number in met else unmet) for n in wrt]
    return found if type(missing) is tuple else bytearray(np.array(found, dtype=np.float64).tobytes())


def _add_by_number(y: Variable, seed: float) -> None:
    """As `add_adjoints`."""
    met, found = _by_number([y], [seed], -1)
    nodes = [node for node in met.values() if not is_bundle(node)]
    _add(nodes, [found.get(node._number) for node in nodes])


def _add(nodes: Sequence[Variable], adjoints: Sequence[float | None]) -> None:
    """Add adjoints, None where none was sent, to gradients; all or nothing."""
    graded = [node for node in nodes if node._grad is not None]
    before = [node._grad for node in graded]
    try:
        for node, adjoint in zip(nodes, adjoints, strict=True):
            grad: Any = node._grad  # a float, or a number held since a trace
            if grad is None:
                node._grad = 0.0 if adjoint is None else adjoint
            elif adjoint is not None:
                node._grad = (grad._value if type(grad) is Variable else grad) + adjoint
    except BaseException:  # an interrupt from the keyboard
        for node in nodes:
            node._grad = None
        for node, grad in zip(graded, before, strict=True):
            node._grad = grad
        raise


@core.or_compiled
def adjoints(
    outputs: list[Variable],
    seeds: list[float],
    oldest: int | None,
    wrt: list[Variable],
    missing: tuple[Any, Any] | float = (None, ...),
) -> Any:
    """Adjoints of `wrt`; of `missing` the one where none was sent, the other for a node that the outputs do not depend on.

    One number for both asks for the adjoints as the bytes of doubles instead of a list.
    What is older than `oldest`, by default the oldest of `wrt`, is met and not entered.
    """
    if oldest is None:
        oldest = min((node._number for node in wrt), default=-1)
    with passing(outputs, oldest) as (_, inner):
        swept = _sweep(outputs, seeds, inner)
        found = [node._adjoint for node in wrt] if swept else []
    if not swept:
        return _adjoints_by_number(outputs, seeds, oldest, wrt, missing)
    unsent, unmet = missing if type(missing) is tuple else (missing, missing)
    found = [unmet if adjoint is None else unsent if adjoint is UNSENT else adjoint for adjoint in found]
    return found if type(missing) is tuple else bytearray(np.array(found, dtype=np.float64).tobytes())


def numbers(
    outputs: list[Variable], seeds: list[float], oldest: int | None, wrt: list[Variable], *, as_array: bool
) -> Any:
    """The adjoints of `wrt`, 0 where none was sent: a list of floats, or an array without them."""
    if as_array:
        return np.frombuffer(adjoints(outputs, seeds, oldest, wrt, 0.0))
    return adjoints(outputs, seeds, oldest, wrt, (0.0, 0.0))


@core.or_compiled
def add_adjoints(y: Variable, seed: float) -> None:
    """Add the adjoint of every node under `y` to its gradient; all or nothing."""
    with passing([y], -1) as (met, inner):
        swept = _sweep([y], [seed], inner)
        if swept:
            _add(met, [None if node._adjoint is UNSENT else node._adjoint for node in met])
    if not swept:
        _add_by_number(y, seed)


@core.or_compiled
def between(inner: list[Variable], leading: dict[int, Variable]) -> list[Variable]:
    """The nodes of `inner`, newest first, that depend on a `leading` one; these become leading too."""
    visited = []
    for node in reversed(inner):
        for argument in node._arguments:
            if type(argument) is Variable and argument._number in leading:
                leading[node._number] = node
                visited.append(node)
                break
    return visited[::-1]


@core.or_compiled
def send_graphs(nodes: list[Variable], adjoints: dict[int, Number], generic: bool = False) -> None:
    """The reverse sweep with local gradients as graphs; `generic` if these are to hold for all numbers."""
    for node in nodes:
        adjoint = adjoints[node._number]
        if adjoint is not None:
            for argument, product in shares(node, adjoint, generic):
                number = argument._number
                if number in adjoints:
                    total = adjoints[number]
                    adjoints[number] = product if total is None else total + product


def shares(node: Variable, adjoint: Number, generic: bool = False) -> list[tuple[Variable, Number]]:
    """The products of a node's adjoint with its local gradients, one for each argument, as graphs."""
    own = getattr(node._primitive, "shares", None)  # an operation with many results says so itself
    if own is not None:
        return list(own(node, adjoint))
    locals_ = zip(node._arguments, local_graphs(node, generic=generic), strict=True)
    return [(argument, times(local, adjoint)) for argument, local in locals_ if local is not None]


def local_graphs(node: Variable, *, generic: bool = False) -> Sequence[Number]:
    """Local gradients as graphs; None for constants and, unless `generic`, for arguments that were not taken."""
    if not node._arguments:
        return ()
    if node._primitive is None:
        raise HandMadeNodeError(
            f"{node!r} was made by hand: its local gradients are numbers, which cannot be differentiated again. "
            "Define the operation as an autograd_lite.Primitive with partials instead."
        )
    refuse_stale(node)
    own: Any = getattr(node._primitive, "slopes", None)  # an operation that finds them all at once
    if own is not None:
        return own(node)  # type: ignore[no-any-return]
    selects = node._primitive.selects
    found: list[Number] = []
    for partial, argument, local in zip(node._primitive.partials, node._arguments, node._locals, strict=True):
        if type(argument) is not Variable or (local is None and not generic):
            found.append(None)
            continue
        number = partial(*node._arguments, node) if callable(partial) else partial
        found.append(None if selects and type(number) is float and number == 0.0 else number)
    return found


def refuse_stale(node: Variable) -> None:
    """Refuse to differentiate a node again whose arguments were set since."""
    if is_stale(node):
        changed = (repr(a) for a in node.parents if a._about is not None and a._about.changed > node._number)
        raise StaleGraphError(
            f"{next(changed, 'an argument')} was set after {node!r} was recorded from it, so the graph no longer holds the "
            "numbers it was computed from. Run the function again, then differentiate."
        )


def times(local: Number, factor: Number) -> Number:
    """local × factor, leaving out the exact factor 1 so that graphs stay small."""
    if type(local) is float and local == 1.0:
        return factor
    if type(factor) is float and factor == 1.0:
        return local
    return local * factor


def nan_if_nan(output: Variable, seed: Number, *, create_graph: bool) -> Number:
    """The seed; NaN if the output is: a linear operation would otherwise give a NaN value a finite derivative."""
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
    if context.tracing and (trace := context.noticed(self)):
        trace.backward(self, seed)
        return
    if context.active:  # an observer may object before anything is written
        Reach([self]).adjoints([(self, as_float(seed))])
    add_adjoints(self, as_float(seed))


def held(number: Number) -> Number:
    """A gradient as a plain number: in a trace a held one."""
    return plain(number) if type(number) is Variable else number


def _traced_locals(self: Variable) -> tuple[Number, ...]:
    """Local gradients for whatever numbers a trace is replayed on."""
    if isinstance(self._primitive, Item):
        return tuple(map(held, self._primitive.row(self)))
    return self._locals if self._primitive is None else tuple(map(held, local_graphs(self, generic=True)))


Variable._traced_locals = _traced_locals
Variable.backward = hints.keywords(backward)
core.install(shares=shares, add_adjoints=_add_by_number, adjoints=_adjoints_by_number)


@overload
def gradients(
    y: Any, wrt: None = None, *, seed: Any = 1.0, create_graph: bool = False, unconnected: Unconnected = "zero"
) -> "Gradients": ...
@overload
def gradients(
    y: Any,
    wrt: Variable,
    *,
    seed: Any = 1.0,
    create_graph: Literal[False] = False,
    unconnected: Literal["zero", "raise"] = "zero",
) -> float: ...
@overload
def gradients(
    y: Any,
    wrt: list[Variable],
    *,
    seed: Any = 1.0,
    create_graph: Literal[False] = False,
    unconnected: Literal["zero", "raise"] = "zero",
) -> list[float]: ...
@overload
def gradients(
    y: Any, wrt: Any, *, seed: Any = 1.0, create_graph: bool = False, unconnected: Unconnected = "zero"
) -> Any: ...
@hints.keywords
def gradients(
    y: Any, wrt: Any = None, *, seed: Any = 1.0, create_graph: bool = False, unconnected: Unconnected = "zero"
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
    if kinds(nodes) not in (0, VARIABLES):
        number = next(node for node in nodes if type(node) is not Variable)
        raise OperandError(
            f"wrt holds the number {number!r}; only a Variable has a gradient. Make it a Variable first."
        )
    trace = context.noticed(*[y] if type(y) is Variable else ()) if context.tracing else None
    if shape and type(y) is Variable and unconnected == "zero" and not (create_graph or trace or context.active):
        number = seed._value if type(seed) is Variable else as_float(seed)
        return shape.labelled(shape.pack(numbers([y], [number], None, nodes, as_array=shape.has_arrays)))
    met, found = _adjoints(y, seed, nodes if shape else None, create_graph=create_graph or trace is not None)

    def given(number: Number | None) -> Number:
        return result(number, create_graph=True) if create_graph else held(result(number, create_graph=False))

    if shape is None:
        pairs = ((met[number], adjoint) for number, adjoint in found.items() if not is_bundle(met[number]))
        return Gradients({node._number: (node, given(adjoint)) for node, adjoint in pairs})
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
        reach = Reach([y], -1 if wrt is None else min((node._number for node in wrt), default=-1))
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

    Parameters
    ----------
    nest : nest
        Variables, alone or in lists, dictionaries, arrays, dataclasses.

    Examples
    --------
    >>> x = Variable(2.0)
    >>> (x * x).backward()
    >>> zero_grad([x])
    >>> x.grad
    0.0
    """
    trace = context.recording()
    for node in variables_of(nest):
        if trace:
            node._refuse_outside(trace, "sets the gradient of")
        node._grad = 0.0


def stop_gradient(x: Any) -> Any:
    """The same numbers without their history: derivatives do not flow through. Takes any nest.

    Parameters
    ----------
    x : nest
        Variables and numbers, alone or in lists, dictionaries, arrays, dataclasses.

    Returns
    -------
    nest
        Of the same structure; each Variable is a new leaf. While a function is traced, a number that is held constant.

    Examples
    --------
    >>> x = Variable(3.0)
    >>> gradients(stop_gradient(x) * x, x)
    3.0
    """
    variables_of(x)  # refuses what it cannot see into
    if trace := context.recording():
        return mapped(lambda v: v if trace.is_number(v) else hold(plain(v)), x)
    # Any keyword takes the slow way to a new Variable.
    return mapped(lambda v: Variable(v._value) if v._about is None else Variable(v._value, name=v.name), x)
