"""A `vmap` as an operation of a graph: in a trace one instruction, else one node for each result.

Its derivative is a `vmap` again: of the reverse sweep over the recorded lanes. Derivatives by what all lanes share are
added up over the lanes while they are computed; those by rows are computed for each lane. They have derivatives themselves.
"""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from math import nan
from typing import Any

import numpy as np

from autograd_lite import context
from autograd_lite.backward import Number, Reach
from autograd_lite.nests import Fixed, Shape, unravel
from autograd_lite.primitives import Primitive, where
from autograd_lite.rule import REAL, Interval
from autograd_lite.tape import recording
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.lane_paths import LanePaths, Served, reduced, spread
from autograd_lite.tape.loop import Included, Operation, recorded
from autograd_lite.tape.paths import Unmapped
from autograd_lite.tape.recording import Cotangents
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable, make_node


class Places:
    """Where the arguments of an operation lie among columns: first in the shared numbers, then in each array."""

    def __init__(self, *parts: Any) -> None:
        self.parts = [np.array(part, dtype=np.int64) for part in parts]
        self._ends = [*itertools.accumulate(map(len, self.parts))]
        self.shared, self.count = self._ends[0], self._ends[-1]

    def apart(self, arguments: Any) -> list[Any]:
        """An array over the arguments as one for each part."""
        return [arguments[end - len(part) : end] for part, end in zip(self.parts, self._ends, strict=True)]

    def filled(self, columns: Columns, arguments: Any) -> Columns:
        """The columns with these arguments in them; arrays of objects if they are such."""
        shared, *arrays = map(_replaced, (columns.shared, *columns.arrays), self.parts, self.apart(arguments))
        return Columns(columns.count, shared, arrays)


def _replaced(array: Any, places: Any, numbers: Any) -> Any:
    if not len(places):
        return array
    replaced = np.array(array, dtype=numbers.dtype, order="C")  # a copy
    replaced.reshape(-1)[places] = numbers
    return replaced


def _boxed(numbers: Sequence[Any]) -> Any:
    """Floats and Variables as an array of objects."""
    box = np.empty(len(numbers), dtype=object)
    box[:] = numbers
    return box


class Lanes(Operation):
    """A function over many lanes, as an operation on those numbers of its arguments that are Variables.

    Parameters
    ----------
    family : LanePaths
        The function, and whether its outputs are added up.
    columns : Columns
        The numbers that are no arguments of the operation, and anything for those that are.
    places : Places
        Where the arguments lie; behind them come those for what is captured.
    captured : sequence of Variable
    shape : Shape
        Of the outputs of a lane.
    """

    name = "vmap"

    def __init__(
        self, family: LanePaths, columns: Columns, places: Places, captured: Sequence[Variable], shape: Shape
    ) -> None:
        self.family, self.columns, self.places = family, columns, places
        self.captured, self.shape = tuple(captured), shape
        self.outputs = sum(shape.sizes)
        self.summed, self.count = family.reduce is not None, columns.count
        self.results = self.outputs if self.summed else self.outputs * self.count
        self.arity = places.count + len(self.captured)

    @cached_property
    def in_rows(self) -> list[tuple[int, int]]:
        """For each argument in a row of an array its slot and its lane."""
        arrays = zip(self.family.rows, self.places.parts[1:], strict=True)
        return [(slots[p % len(slots)], p // len(slots)) for slots, places in arrays for p in places.tolist()]

    def _apart(self, arguments: Any) -> tuple[Columns, dict[int, Any]]:
        """The columns of all lanes, and what captured Variables are given as."""
        own, captured = arguments[: self.places.count], arguments[self.places.count :]
        given = {v._number: n for v, n in zip(self.captured, captured, strict=True)}
        return self.places.filled(self.columns, own), given

    def computed(self, arguments: Any, *, native: bool) -> Any:
        """The sums, or each output of all lanes."""
        return self.run(arguments, "llvm" if native else "numpy")

    def run(self, arguments: Any, backend: str | None = None) -> Any:
        """The sums, or each output of all lanes, by a backend or that of the family."""
        return self.flat(self.family.on(backend or self.family.backend)(*self._apart(arguments)))

    def flat(self, served: Served) -> Any:
        """The numbers in the order of the results.

        Raises
        ------
        Unmapped
            If lanes now return integers where they returned floats, or the other way round.
        """
        if served.shape.sizes != self.shape.sizes:
            raise Unmapped("lanes of a vmap return integers and floats in other places than when it was recorded.")
        return served.numbers.ravel()

    def __call__(self, *arguments: Any) -> list[Any]:
        """The outputs of lanes on Variables: one instruction in a trace that allows it, else nodes."""
        notes = recording.current()
        if notes and notes.lanes:
            return recorded(self, arguments)
        if notes or context.active:
            return self.one_by_one(arguments)
        numbers = self.run(np.array([getattr(a, "_value", a) for a in arguments], dtype=np.float64))
        if not any(type(a) is Variable for a in arguments):
            return list(numbers.tolist())
        return connected(self, arguments, numbers)

    def one_by_one(self, arguments: Sequence[Any]) -> list[Any]:
        """The outputs of lanes on Variables, lane by lane, by replays of their tapes."""
        columns, given = self._apart(_boxed(arguments))
        found = []
        for lane in range(self.count):
            shape, numbers = self.family.replayed(self.family.lane(columns, lane), given)
            found.append(spread(numbers, shape, self.shape))
        if not self.summed:
            return [row[k] for k in range(self.outputs) for row in found]
        return [reduced(_boxed([row[k] for row in found]), self.family.reduce) for k in range(self.outputs)]

    # --------------------------------------------------------------------------------------------------- derivatives

    def pulled_back(
        self, arguments: tuple[Any, ...], cotangents: Cotangents, conditions: Mapping[int, Number | None] | None = None
    ) -> list[Any]:
        """Adjoints of the arguments, as results of further such operations.

        With `conditions` under which each cotangent was sent, pairs of an adjoint and such a condition.
        """
        sent = None
        if len(cotangents) < self.results or (conditions and any(c is not None for c in conditions.values())):
            known: Mapping[int, Number | None] = conditions or {}
            sent = [
                0.0 if k not in cotangents else 1.0 if known.get(k) is None else known[k] for k in range(self.results)
            ]
        given = [cotangents.get(k, 0.0) for k in range(self.results)]
        masked = conditions is not None
        found: dict[int, Any] = {}
        for kind in ("shared", "rows"):
            values = kind == "shared" and self.summed and not masked
            gradient = Gradient(
                self, kind, by_lane=not self.summed, sent=sent is not None, masked=masked, values=values
            )
            found |= gradient.adjoints(arguments, given, sent)
        return [found.get(k) for k in range(self.arity)]

    def slopes(self, arguments: Sequence[Any], output: int) -> dict[int, Any]:
        """∂output/∂argument for each argument if outputs are summed, else lists over lanes for each of `Gradient.wanted`.

        Of numbers None for those that were not sent; of Variables graphs.
        """
        one = [float(k == output) for k in range(self.outputs)]
        sent, graphs = one if self.outputs > 1 else None, any(type(a) is Variable for a in arguments)
        found: dict[int, Any] = {}
        for kind in ("shared", "rows") if self.summed else ("all",):
            parts = Gradient(self, kind, sent=sent is not None).adjoints(arguments, one, sent)
            if not graphs and any(part == 0.0 if self.summed else 0.0 in part for part in parts.values()):
                masked = Gradient(self, kind, sent=sent is not None, masked=True).adjoints(arguments, one, sent)
                parts = {target: _unless_sent(*pair) for target, pair in masked.items()}
            found |= parts
        return found


def _unless_sent(adjoint: Any, condition: Any) -> Any:
    """An adjoint or a list of them, with None for those that were not sent."""
    if type(adjoint) is list:
        return [a if c != 0.0 else None for a, c in zip(adjoint, condition, strict=True)]
    return adjoint if condition != 0.0 else None


class Gradient:
    """A reverse sweep over each lane of an operation: the operation that it is, and what its arguments and results stand for.

    Parameters
    ----------
    primal : Lanes
    kind : {"shared", "rows", "all"}
        Derivatives by what all lanes share, added up; by numbers of rows, for each lane; or by all, for each lane.
    sent : bool
        Whether further arguments say which cotangents were sent.
    by_lane : bool
        Whether each lane has cotangents of its own.
    masked : bool
        Whether further results say which adjoints were sent.
    values : bool
        Whether further results are those of the primal, which a tape can then do without; see `trace.GraphBuilder`.
    """

    def __init__(
        self, primal: Lanes, kind: str, *, sent: bool, by_lane: bool = False, masked: bool = False, values: bool = False
    ) -> None:
        self.primal, self.kind, self.by_lane, self.masked = primal, kind, by_lane, masked
        family, places, size = primal.family, primal.places, sum(primal.family.paths.shape.sizes)
        by_shared = [family.shared[p] for p in places.parts[0]] + [size + k for k in range(len(primal.captured))]
        by_rows = list(dict.fromkeys(slot for slot, _ in primal.in_rows))
        self.wanted = (by_shared if kind != "rows" else []) + (by_rows if kind != "shared" else [])
        #: The arguments of the primal that the adjoints belong to; of "all" the places among `wanted`.
        self.targets: Sequence[int] = {
            "shared": [*range(places.shared), *range(places.count, primal.arity)],
            "rows": range(places.shared, places.count),
            "all": range(len(self.wanted)),
        }[kind]
        self.extra = primal.outputs * (2 if sent else 1)
        if self.targets:
            self.operation = self._operation(sent=sent, values=values)

    def _operation(self, *, sent: bool, values: bool) -> Lanes:
        """The operation: the lanes of a sweep over each lane, with cotangents among what all share or among the rows."""
        primal, captured = self.primal, len(self.primal.captured)
        columns, (own, *indices) = primal.columns, primal.places.parts
        shared = np.concatenate([columns.shared, np.zeros(captured + (0 if self.by_lane else self.extra))])
        own = np.concatenate([own, np.arange(len(columns.shared), len(shared))])
        arrays = columns.arrays
        if self.by_lane:
            arrays = [*arrays, np.zeros((columns.count, self.extra))]
            indices = [*indices, np.arange(columns.count * self.extra)]
        _, out = unravel([0.0] * (len(self.wanted) * (2 if self.masked else 1) + (primal.outputs if values else 0)))
        family = self._family(sent=sent, values=values).on(primal.family.backend)
        operation = Lanes(family, Columns(columns.count, shared, arrays), Places(own, *indices), (), out)
        if values:
            scale = float(columns.count) if primal.family.reduce == "mean" else None
            operation.includes = Included(primal, len(self.wanted), scale)
        return operation

    def _family(self, *, sent: bool, values: bool) -> LanePaths:
        """The paths of the sweep, made once for all columns of the primal."""
        primal, around = self.primal, self.primal.family
        captured = tuple(v._number for v in primal.captured)
        options = self.by_lane, sent, self.masked, values
        key = self.kind, tuple(self.wanted), options, tuple(primal.shape.sizes), captured
        if key not in around.derived:
            pairs = zip(around.paths.shape.leaves, around.mapped, strict=True)
            leaves = [(np.zeros(leaf or ()), differs) for leaf, differs in pairs if not isinstance(leaf, Fixed)]
            leaves += [(np.zeros(len(captured)), False), (np.zeros(self.extra), self.by_lane)]
            _, shape = unravel((tuple(array for array, _ in leaves), {}))
            family = LanePaths(
                Sweep(primal, self.wanted, sent=sent, masked=self.masked, values=values), shape,
                tuple(differs for _, differs in leaves), around.paths.limit, around.backend,
                reduce="sum" if self.kind == "shared" else None, contract=around.contract, masked=self.masked,
            )  # fmt: skip
            around.derived.setdefault(key, family)
        return around.derived[key]

    def adjoints(self, own: Sequence[Any], cotangents: Sequence[Any], sent: Sequence[Any] | None) -> dict[int, Any]:
        """The adjoint of each target; pairs with the condition that it was sent if `masked`.

        From the arguments of the primal and its cotangents in the order of its results.
        """
        if not self.targets:
            return {}
        primal, places = self.primal, self.primal.places
        shared, rows, captured = own[: places.shared], own[places.shared : places.count], own[places.count :]
        if primal.family.reduce == "mean":
            cotangents = [c / float(primal.count) if primal.count else c for c in cotangents]
        if self.by_lane:
            table = [cotangents, sent] if sent else [cotangents]
            lanes, outputs = range(primal.count), range(primal.outputs)
            rows = [*rows, *(numbers[k * primal.count + n] for n in lanes for numbers in table for k in outputs)]
            cotangents, sent = (), ()
        found = self.operation(*shared, *captured, *cotangents, *(sent or ()), *rows)
        width = len(self.wanted)
        if self.kind != "shared":
            found = [found[k * primal.count : (k + 1) * primal.count] for k in range(self.operation.outputs)]
        forms: list[Any] = [found[:width], found[width : 2 * width]]
        if self.kind == "rows":
            at = {slot: k for k, slot in enumerate(self.wanted)}
            forms = [[form[at[slot]][lane] for slot, lane in primal.in_rows] for form in forms if form]
        return dict(zip(self.targets, zip(*forms, strict=True) if self.masked else forms[0], strict=True))


class Sweep:
    """The function of one lane of a `Gradient`: from its numbers, what is captured, and cotangents to adjoints.

    It replays the recorded lane and never calls the function again: what that takes from outside may have changed.
    """

    def __init__(self, primal: Lanes, wanted: Sequence[int], *, sent: bool, masked: bool, values: bool) -> None:
        self.family = copy.copy(primal.family)
        self.family.derived = {}  # no way back to what holds this one
        self.captured, self.shape, self.wanted = primal.captured, primal.shape, wanted
        self.sent, self.masked, self.values = sent, masked, values
        self.size = sum(primal.family.paths.shape.sizes)
        self.__name__ = f"gradient of {name_of(self.family.paths.f)}"

    def __call__(self, *leaves: Any) -> list[Any]:
        """The adjoints of the wanted numbers; behind them NaN for each that was sent and 0 for the others, or the outputs."""
        numbers = [n if type(n) is Variable else Variable(n) for n in unravel(leaves)[0]]
        inputs = numbers[: self.size + len(self.captured)]
        given = {v._number: n for v, n in zip(self.captured, inputs[self.size :], strict=True)}
        own, outputs = self.family.replayed(inputs[: self.size], given)
        outputs = spread(outputs, own, self.shape)
        count, values = len(outputs), outputs
        cotangents = numbers[len(inputs) : len(inputs) + count]
        if self.sent:
            asked = numbers[len(inputs) + count :]
            outputs = [where(s, y, 0.0) if type(y) is Variable else y for s, y in zip(asked, outputs, strict=True)]
        targets, notes = [inputs[k] for k in self.wanted], recording.current()
        adjoints = _swept(outputs, cotangents, targets)
        if self.values:
            return [*adjoints, *(y if notes else getattr(y, "_value", y) for y in values)]
        return adjoints + _swept(outputs, [nan] * count, targets) if self.masked else adjoints


def _swept(outputs: Sequence[Any], cotangents: Sequence[Any], targets: Sequence[Variable]) -> list[Any]:
    """Adjoints of the targets; 0 where nothing was sent."""
    notes = recording.current()
    seeds = [
        (y, cotangent if notes else getattr(cotangent, "_value", cotangent))
        for y, cotangent in zip(outputs, cotangents, strict=True)
        if type(y) is Variable
    ]
    reach = Reach.of([y for y, _ in seeds], min((t._number for t in targets), default=0))
    if notes:  # a sweep on numbers visits all that it reached
        reach = reach.towards(targets)
    found = reach.adjoints([(y, seed) for y, seed in seeds if y._number in reach.met], create_graph=notes is not None)
    return [0.0 if found.get(t._number) is None else found[t._number] for t in targets]


# --------------------------------------------------------------------------------------------------- outside of a trace


class Result(Primitive):
    """The operation of a node of a mapped function outside of a trace: one of the results of an operation.

    Its partials, asked for where the gradient is to be a graph, are results of the operation that the derivative is.
    """

    graph: "Graph"
    output: int
    lane: int | None

    def __init__(self, graph: "Graph", output: int, lane: int | None) -> None:
        self.__dict__.update(name="vmap", graph=graph, output=output, lane=lane)  # of a frozen dataclass

    def __post_init__(self) -> None:
        """Nothing to check and nothing to enter."""

    @property
    def arity(self) -> int:
        """How many arguments the node has."""
        return len(self.graph.at[self.lane][0])

    @property
    def domain(self) -> tuple[Interval, ...]:
        """All numbers, as far as anybody knows."""
        return (REAL,) * self.arity

    @property
    def partials(self) -> tuple[Callable[..., Any], ...]:
        """One for each argument."""
        return tuple(partial(self._partial, k) for k in range(self.arity))

    def _partial(self, place: int, *_: Any) -> Any:
        return self.graph.slope(self.output, self.lane, place)

    def value(self, *numbers: float) -> float:
        """The result for other arguments."""
        return self.graph.value(self.output, self.lane, numbers)

    def __reduce__(self) -> Any:
        """Pickled, a node is one made by hand: its function stays behind."""
        return type(None), ()


class Graph:
    """The nodes of one mapped call outside of a trace."""

    def __init__(self, operation: Lanes, arguments: Sequence[Any]) -> None:
        self.operation, self.arguments = operation, tuple(arguments)
        self._slopes: dict[int, Any] = {}
        #: For each lane, or all as None if they are summed: the arguments of its nodes, and their rows among the slopes.
        self.at: dict[int | None, tuple[list[int], list[int]]] = {}
        if operation.summed:
            self.at[None] = [*range(operation.arity)], [*range(operation.arity)]
            return
        first = operation.places.shared
        shared = [*range(first), *range(operation.places.count, operation.arity)]
        self.at |= {lane: ([*shared], [*range(len(shared))]) for lane in range(operation.count)}
        row = {slot: k for k, slot in enumerate(dict.fromkeys(slot for slot, _ in operation.in_rows), len(shared))}
        for number, (slot, lane) in enumerate(operation.in_rows, first):
            own, rows = self.at[lane]
            own.append(number)
            rows.append(row[slot])

    def nodes(self, numbers: Any) -> list[Any]:
        """A node for each result."""
        operation, values = self.operation, [a._value for a in self.arguments]
        nodes: list[Any] = []
        for k in range(operation.outputs):
            slopes = operation.slopes(values, k)
            for lane, (own, rows) in self.at.items():
                locals_ = [slopes[row] if lane is None else slopes[row][lane] for row in rows]
                result, arguments = Result(self, k, lane), tuple([self.arguments[n] for n in own])
                nodes.append(make_node(result, float(numbers[len(nodes)]), arguments, tuple(locals_)))
        return nodes

    def slope(self, output: int, lane: int | None, place: int) -> Any:
        """A derivative as a node."""
        notes = recording.current()
        found = None if notes else self._slopes.get(output)
        if found is None:
            found = self.operation.slopes(self.arguments, output)
            if not notes:
                self._slopes[output] = found
        slopes = found[self.at[lane][1][place]]
        return slopes if lane is None else slopes[lane]

    def value(self, output: int, lane: int | None, numbers: Sequence[float]) -> float:
        """A result for other arguments of its node."""
        operation, values = self.operation, np.array([a._value for a in self.arguments])
        values[self.at[lane][0]] = numbers
        return float(operation.run(values)[output if lane is None else output * operation.count + lane])


def connected(operation: Lanes, arguments: Sequence[Any], numbers: Any) -> list[Any]:
    """The results as nodes over those arguments that are Variables; their local gradients come from compiled lanes too."""
    flags = np.array([type(a) is Variable for a in arguments])
    places, count = operation.places, operation.places.count
    if not flags.all():
        assert flags[count:].all()
        own = np.array([getattr(a, "_value", a) for a in arguments[:count]], dtype=np.float64)
        kept = [part[chosen] for part, chosen in zip(places.parts, places.apart(flags[:count]), strict=True)]
        operation = Lanes(
            operation.family, places.filled(operation.columns, own), Places(*kept), operation.captured, operation.shape
        )
        arguments = [a for a in arguments if type(a) is Variable]
    return Graph(operation, arguments).nodes(numbers)


def entered(family: LanePaths, columns: Columns, places: Places, variables: Sequence[Variable], served: Served) -> Any:
    """The results of a mapped call as part of the graph; None if its lanes are better run one by one.

    That is where a trace does not allow one operation, and where there are more outputs than lanes: a node for each needs
    a sweep for each.
    """
    notes = recording.current()
    if notes is None and sum(served.shape.sizes) > max(columns.count, 1):
        return None
    if notes is not None and (not notes.lanes or served.facts):
        return None
    operation = Lanes(family, columns, places, served.captured, served.shape)
    arguments = [*variables, *served.captured]
    if notes is not None:
        family.note_examples()
        numbers = recorded(operation, arguments, operation.flat(served))
    else:
        numbers = connected(operation, arguments, operation.flat(served))
    table = _boxed(numbers)
    return served.packed(table if operation.summed else table.reshape(operation.outputs, operation.count))
