"""A `vmap` as an operation of a graph: in a trace one instruction, else one node for each result.

Its derivative is a `vmap` again: of the reverse sweep over the recorded lanes. Derivatives by what all lanes share are
added up over the lanes while they are computed; those by rows are computed for each lane. Since a derivative is such an
operation too, it has derivatives itself.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import Any, ClassVar

import numpy as np

from autograd_lite import context
from autograd_lite.backward import Number, Reach
from autograd_lite.nests import Fixed, Shape, unravel
from autograd_lite.primitives import where
from autograd_lite.rule import REAL, Interval
from autograd_lite.tape import recording
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.batches import Batch
from autograd_lite.tape.lane_paths import LanePaths, Served
from autograd_lite.tape.loop import Operation, recorded
from autograd_lite.tape.paths import Unmapped
from autograd_lite.tape.recording import Cotangents
from autograd_lite.tape.results import reduced, spread
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable, make_node


@dataclass
class Places:
    """Where the arguments of an operation lie among the numbers of a batch: shared ones first, then those of each array."""

    shared: Any
    arrays: list[Any]

    @classmethod
    def none(cls, columns: Columns) -> "Places":
        """No argument."""
        return cls(_indices([]), [_indices([]) for _ in columns.arrays])

    @property
    def count(self) -> int:
        """How many arguments there are."""
        return len(self.shared) + sum(map(len, self.arrays))

    def chosen(self, wanted: Sequence[bool]) -> "Places":
        """Only some of the arguments."""
        flags = np.array(wanted, dtype=bool)
        cuts = np.cumsum([len(self.shared), *map(len, self.arrays)])[:-1]
        shared, *arrays = np.split(flags, cuts)
        return Places(self.shared[shared], [a[f] for a, f in zip(self.arrays, arrays, strict=True)])

    def filled(self, columns: Columns, arguments: Any) -> Columns:
        """The columns with these arguments in them; arrays of objects if they are such."""
        own = np.asarray(arguments)
        shared, start = _replaced(columns.shared, self.shared, own[: len(self.shared)]), len(self.shared)
        arrays = []
        for array, places in zip(columns.arrays, self.arrays, strict=True):
            arrays.append(_replaced(array, places, own[start : start + len(places)]))
            start += len(places)
        return Columns(columns.count, shared, arrays)


def _indices(numbers: Sequence[int]) -> Any:
    return np.array(numbers, dtype=np.int64)


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
    batch : Batch
        The numbers that are no arguments of the operation, and anything for those that are.
    places : Places
        Where the arguments lie; behind them come those for what is captured.
    captured : sequence of Variable
    shape : Shape
        Of the outputs of a lane.
    """

    name = "vmap"

    def __init__(
        self, family: LanePaths, batch: Batch, places: Places, captured: Sequence[Variable], shape: Shape
    ) -> None:
        self.family, self.batch, self.places, self.captured, self.shape = family, batch, places, tuple(captured), shape
        self.outputs = sum(shape.sizes)
        self.summed, self.count = family.reduce is not None, batch.columns.count
        self.results = self.outputs if self.summed else self.outputs * self.count
        self.arity = places.count + len(self.captured)

    def _apart(self, arguments: Any) -> tuple[Columns, dict[int, Any]]:
        """The columns of all lanes, and what captured Variables are given as."""
        own = arguments[: self.places.count]
        given = {v._number: n for v, n in zip(self.captured, arguments[self.places.count :], strict=True)}
        return self.places.filled(self.batch.columns, own), given

    def computed(self, arguments: Any, *, native: bool) -> Any:
        """The sums, or each output of all lanes."""
        return self.run(self.family.on("llvm" if native else "numpy"), arguments)

    def run(self, family: LanePaths, arguments: Any) -> Any:
        """The outputs of all lanes, by the backend of a family."""
        columns, given = self._apart(arguments)
        return self.flat(family(self.batch.of(columns), given))

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
        numbers = self.run(self.family, np.array([getattr(a, "_value", a) for a in arguments], dtype=np.float64))
        if not any(type(a) is Variable for a in arguments):
            return list(numbers.tolist())
        return connected(self, arguments, numbers)

    def one_by_one(self, arguments: Sequence[Any]) -> list[Any]:
        """The outputs of lanes on Variables, lane by lane, by replays of their tapes."""
        columns, given = self._apart(_boxed(arguments))
        batch, found = self.batch.of(columns), []
        for lane in range(self.count):
            shape, numbers = self.family.replayed(batch.lane(lane), given)
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
        shares: list[Any] = [None] * self.arity
        for kind in ("shared", "rows"):
            masked = conditions is not None
            values = kind == "shared" and self.summed and not masked
            gradient = Gradient(
                self, kind, by_lane=not self.summed, sent=sent is not None, masked=masked, values=values
            )
            if gradient.targets:
                found = gradient.operation(*gradient.arguments(arguments, given, sent))
                for target, share in zip(gradient.targets, gradient.chosen(found), strict=True):
                    shares[target] = share
        return shares

    def slopes(self, values: Any, output: int) -> Any:
        """∂output/∂argument: for each argument if outputs are summed, else for each and each lane; None where not sent.

        Where there is an axis of lanes, `Gradient("all").targets` says which rows these are.
        """
        one = [float(k == output) for k in range(self.outputs)]
        kinds = ("shared", "rows") if self.summed else ("all",)
        found: Any = _boxed([None] * self.arity)
        for kind in kinds:
            parts = []
            for masked in (False, True):
                gradient = Gradient(self, kind, by_lane=False, sent=self.outputs > 1, masked=masked)
                if not gradient.targets:
                    break
                numbers = np.array(gradient.arguments(values, one, one if self.outputs > 1 else None))
                results = gradient.operation.run(gradient.operation.family, numbers).tolist()
                parts = gradient.chosen(results)
                if not masked and all(0.0 not in part if kind == "all" else part != 0.0 for part in parts):
                    break
            if kind == "all":
                return [_unless_sent(part) for part in parts]
            for target, part in zip(gradient.targets, parts, strict=False):
                found[target] = _unless_sent(part)
        return found


def _unless_sent(part: Any) -> Any:
    """Adjoints, with None for those that were not sent where that is known."""
    if type(part) is not tuple:
        return part
    adjoint, condition = part
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
    by_lane : bool
        Whether each lane has cotangents of its own.
    sent : bool
        Whether further arguments say which cotangents were sent.
    masked : bool
        Whether further results say which adjoints were sent.
    values : bool
        Whether further results are those of the primal, which a tape can then do without; see `trace.GraphBuilder`.
    """

    def __init__(
        self, primal: Lanes, kind: str, *, by_lane: bool, sent: bool, masked: bool, values: bool = False
    ) -> None:
        self.primal, self.kind, self.by_lane, self.masked = primal, kind, by_lane, masked
        batch, places = primal.batch, primal.places
        own, rows = _slots(batch)
        captured, size = len(primal.captured), sum(batch.shape.sizes)
        self.rows = [(k, int(p)) for k, array in enumerate(places.arrays) for p in array]
        widths = [array.shape[1] for array in batch.columns.arrays]
        by_shared = [own[p] for p in places.shared] + [size + k for k in range(captured)]
        self.columns = list(dict.fromkeys(rows[k][p % widths[k]] for k, p in self.rows))
        self._picks = [(self.columns.index(rows[k][p % widths[k]]), p // widths[k]) for k, p in self.rows]
        self.wanted = {"shared": by_shared, "rows": self.columns, "all": by_shared + self.columns}[kind]
        self.targets = {
            "shared": [*range(len(places.shared)), *range(places.count, primal.arity)],
            "rows": list(range(len(places.shared), places.count)),
            "all": by_shared + self.columns,
        }[kind]
        self.extra = primal.outputs * (2 if sent else 1)
        if self.targets:
            self.operation = self._operation(sent=sent, values=values)

    def _operation(self, *, sent: bool, values: bool) -> Lanes:
        """The operation: the lanes of a sweep over each lane, with cotangents among what all share or among the rows."""
        primal, extra, captured = self.primal, self.extra, len(self.primal.captured)
        batch, places, columns = primal.batch, primal.places, primal.batch.columns
        leaves: list[Any] = [np.zeros(leaf or ()) for leaf in batch.shape.leaves if not isinstance(leaf, Fixed)]
        flags = [m for m, leaf in zip(batch.mapped, batch.shape.leaves, strict=True) if not isinstance(leaf, Fixed)]
        _, shape = unravel(((*leaves, np.zeros(captured), np.zeros(extra)), {}))
        shared = np.concatenate([columns.shared, np.zeros(captured + (0 if self.by_lane else extra))])
        arrays, indices = columns.arrays, places.arrays
        if self.by_lane:
            arrays = [*arrays, np.zeros((columns.count, extra))]
            indices = [*indices, np.arange(columns.count * extra)]
        forms = 2 if self.masked else 1
        _, out = unravel([0.0] * (len(self.wanted) * forms + (primal.outputs if values else 0)))
        operation = Lanes(
            self._family(shape, sent=sent, values=values).on(primal.family.backend),
            Batch(Columns(columns.count, shared, arrays), shape, (*flags, False, self.by_lane)),
            Places(np.concatenate([places.shared, np.arange(len(columns.shared), len(shared))]), indices),
            (),
            out,
        )
        if values:
            scale = float(columns.count) if primal.family.reduce == "mean" else None
            operation.includes = primal, len(self.wanted), scale
        return operation

    def _family(self, shape: Shape, *, sent: bool, values: bool) -> LanePaths:
        """The paths of the sweep, made once for all batches of the primal."""
        primal, around = self.primal, self.primal.family
        captured = tuple(v._number for v in primal.captured)
        options = self.by_lane, sent, self.masked, values
        key = self.kind, tuple(self.wanted), options, tuple(primal.shape.sizes), captured
        if key not in around.derived:
            family = LanePaths(
                Sweep(primal, self.wanted, sent=sent, masked=self.masked, values=values), shape, around.paths.limit,
                around.backend, "sum" if self.kind == "shared" else None, contract=around.contract, masked=self.masked,
            )  # fmt: skip
            around.derived.setdefault(key, family)
        return around.derived[key]

    def arguments(self, own: Sequence[Any], cotangents: Sequence[Any], sent: Sequence[Any] | None) -> list[Any]:
        """The arguments of the operation, from those of the primal and its cotangents in the order of its results."""
        places, primal = self.primal.places, self.primal
        shared, rows, captured = (
            own[: len(places.shared)], own[len(places.shared) : places.count], own[places.count :],
        )  # fmt: skip
        if self.primal.family.reduce == "mean":
            cotangents = [c / float(primal.count) if primal.count else c for c in cotangents]
        if not self.by_lane:
            return [*shared, *captured, *cotangents, *(sent or ()), *rows]
        table = [cotangents, sent] if sent else [cotangents]
        by_lane = [
            numbers[k * primal.count + lane]
            for lane in range(primal.count)
            for numbers in table
            for k in range(primal.outputs)
        ]
        return [*shared, *captured, *rows, *by_lane]

    def chosen(self, found: Sequence[Any]) -> list[Any]:
        """The adjoints of the targets among the results; pairs with the condition that it was sent if `masked`."""
        count, width = self.primal.count, len(self.wanted)
        if self.kind == "shared":
            return list(zip(found[:width], found[width:], strict=True)) if self.masked else list(found[:width])
        lanes = [found[k * count : (k + 1) * count] for k in range(self.operation.outputs)]
        parts: Any = list(zip(lanes[:width], lanes[width:], strict=True)) if self.masked else lanes
        if self.kind == "all":
            return list(parts)
        if self.masked:
            return [(parts[column][0][lane], parts[column][1][lane]) for column, lane in self._picks]
        return [parts[column][lane] for column, lane in self._picks]


def _slots(batch: Batch) -> tuple[list[int], list[list[int]]]:
    """The slot in a lane of each shared number, and of each number of a row of each array."""
    own: list[int] = []
    rows: list[list[int]] = []
    start = 0
    for differs, size in zip(batch.mapped, batch.shape.sizes, strict=True):
        numbers = list(range(start, start + size))
        if differs:
            rows.append(numbers)
        else:
            own += numbers
        start += size
    return own, rows


class Sweep:
    """The function of one lane of a `Gradient`: from its numbers, what is captured, and cotangents to adjoints.

    It replays the recorded lane and never calls the function again: what that takes from outside may have changed.
    """

    def __init__(self, primal: Lanes, wanted: Sequence[int], *, sent: bool, masked: bool, values: bool) -> None:
        self.family = copy.copy(primal.family)
        self.family.derived = {}  # no way back to what holds this one
        self.captured, self.shape, self.wanted = primal.captured, primal.shape, wanted
        self.sent, self.masked, self.values = sent, masked, values
        self.size = sum(primal.batch.shape.sizes)
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


class Result:
    """The operation of a node of a mapped function outside of a trace: one of the results of an operation.

    Its partials, asked for where the gradient is to be a graph, are results of the operation that the derivative is.
    """

    selects, built_in, expression = False, False, None
    name, formula, kink, source, numpy, c, latex = "vmap", "", "none", "", "", "", ""
    symbol, symmetric, reference, flat, saturates, steepest = "", False, "", None, False, None
    defaults: ClassVar[tuple[float, ...]] = ()
    ulp, kinks = None, ()

    def __init__(self, graph: "Graph", output: int, lane: int | None) -> None:
        self.graph, self.output, self.lane = graph, output, lane

    @property
    def arity(self) -> int:
        """How many arguments the node has."""
        return len(self.graph.arguments_of(self.lane))

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

    @staticmethod
    def kinks_near(*_: float) -> tuple[()]:
        """None that anybody knows."""
        return ()

    def __reduce__(self) -> Any:
        """Pickled, a node is one made by hand: its function stays behind."""
        return type(None), ()


class Graph:
    """The nodes of one mapped call outside of a trace."""

    def __init__(self, operation: Lanes, arguments: Sequence[Any]) -> None:
        self.operation, self.arguments = operation, tuple(arguments)
        self._slopes: dict[int, Any] = {}
        if not operation.summed:
            self._gradient = Gradient(operation, "all", by_lane=False, sent=operation.outputs > 1, masked=False)
            shared = len(operation.places.shared)
            self._shared = [*range(shared), *range(operation.places.count, operation.arity)]
            self._own: list[list[int]] = [[] for _ in range(operation.count)]
            for number, (_, lane) in enumerate(self._gradient._picks):
                self._own[lane].append(number)

    def arguments_of(self, lane: int | None) -> tuple[Any, ...]:
        """The arguments of a node."""
        if lane is None:
            return self.arguments
        start = len(self.operation.places.shared)
        return tuple([self.arguments[k] for k in self._shared] + [self.arguments[start + k] for k in self._own[lane]])

    def _rows(self, lane: int) -> Iterator[int]:
        """Which rows of all slopes are those of a lane's arguments."""
        yield from range(len(self._shared))
        for number in self._own[lane]:
            yield len(self._shared) + self._gradient._picks[number][0]

    def nodes(self, numbers: Any) -> list[Any]:
        """A node for each result."""
        operation, values = self.operation, [a._value for a in self.arguments]
        nodes = []
        for k in range(operation.outputs):
            slopes = operation.slopes(values, k)
            if operation.summed:
                result: Any = Result(self, k, None)
                nodes.append(make_node(result, float(numbers[k]), self.arguments, tuple(slopes)))
                continue
            for lane in range(operation.count):
                result, arguments = Result(self, k, lane), self.arguments_of(lane)
                own = tuple([slopes[row][lane] for row in self._rows(lane)])
                nodes.append(make_node(result, float(numbers[k * operation.count + lane]), arguments, own))
        return nodes

    def slope(self, output: int, lane: int | None, place: int) -> Any:
        """A derivative as a node."""
        found = None if recording.current() else self._slopes.get(output)
        if found is None:
            found = self._slopes_of(output)
            if not recording.current():
                self._slopes[output] = found
        return found[place] if lane is None else found[list(self._rows(lane))[place]][lane]

    def _slopes_of(self, output: int) -> Any:
        operation = self.operation
        one = [float(k == output) for k in range(operation.outputs)]
        sent = one if operation.outputs > 1 else None
        if not operation.summed:
            return self._gradient.chosen(self._gradient.operation(*self._gradient.arguments(self.arguments, one, sent)))
        found: list[Any] = [None] * operation.arity
        for kind in ("shared", "rows"):
            gradient = Gradient(operation, kind, by_lane=False, sent=sent is not None, masked=False)
            if gradient.targets:
                results = gradient.chosen(gradient.operation(*gradient.arguments(self.arguments, one, sent)))
                for target, result in zip(gradient.targets, results, strict=True):
                    found[target] = result
        return found

    def value(self, output: int, lane: int | None, numbers: Sequence[float]) -> float:
        """A result for other arguments of its node."""
        operation, values = self.operation, np.array([a._value for a in self.arguments])
        if lane is None:
            values[:] = numbers
        else:
            start = len(operation.places.shared)
            values[[*self._shared, *(start + k for k in self._own[lane])]] = numbers
        results = operation.run(operation.family, values)
        return float(results[output if lane is None else output * operation.count + lane])


def connected(operation: Lanes, arguments: Sequence[Any], numbers: Any) -> list[Any]:
    """The results as nodes over those arguments that are Variables; their local gradients come from compiled lanes too."""
    flags = [type(a) is Variable for a in arguments]
    count = operation.places.count
    if not all(flags):
        columns = operation.places.filled(
            operation.batch.columns, np.array([getattr(a, "_value", a) for a in arguments[:count]], dtype=np.float64)
        )
        assert all(flags[count:])
        operation = Lanes(
            operation.family, operation.batch.of(columns), operation.places.chosen(flags[:count]),
            operation.captured, operation.shape,
        )  # fmt: skip
        arguments = [a for a in arguments if type(a) is Variable]
    return Graph(operation, arguments).nodes(numbers)


def entered(family: LanePaths, batch: Batch, places: Places, variables: Sequence[Variable], served: Served) -> Any:
    """The results of a mapped call as part of the graph; None if its lanes are better run one by one.

    That is where a trace does not allow one operation, and where there are more outputs than lanes: a node for each needs
    a sweep for each.
    """
    notes = recording.current()
    if notes is None and sum(served.shape.sizes) > max(batch.columns.count, 1):
        return None
    if notes is not None and (not notes.lanes or served.facts):
        return None
    operation = Lanes(family, batch, places, served.captured, served.shape)
    arguments = [*variables, *served.captured]
    if notes is not None:
        family.note_examples()
        numbers = recorded(operation, arguments, operation.flat(served))
    else:
        numbers = connected(operation, arguments, operation.flat(served))
    table = _boxed(numbers)
    return served.packed(table if operation.summed else table.reshape(operation.outputs, operation.count))
