"""A `vmap` as an operation of a graph: in a trace one instruction, else one node for each result.

Its derivative is a `vmap` again: of the reverse sweep over the recorded lanes. Derivatives by what all lanes share are
added up over the lanes while they are computed; those by rows are computed for each lane. They have derivatives themselves.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from math import nan
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import context
from autograd_lite.backward import Number, Reach, result
from autograd_lite.many import Cotangents, Operation, Sent, recorded
from autograd_lite.nests import Fixed, Shape, unravel
from autograd_lite.primitives import where
from autograd_lite.tape import recording
from autograd_lite.tape.backends import registry
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.connected import Output
from autograd_lite.tape.lane_paths import LanePaths, Served, reduced, spread
from autograd_lite.tape.paths import Paths, Unmapped
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable, make_node

#: The Variables among the numbers that all lanes share, or in an array, by their places.
Found = Sequence[tuple[int, Variable]]


#: Floats and Variables as an array of objects.
_boxed = partial(np.fromiter, dtype=object)


class Lanes(Operation):
    """A function over many lanes, as an operation on those numbers of its columns that are Variables.

    Its arguments lie at `places`, lists of indices into the shared numbers and into each array, where the columns hold
    anything; behind them come those for what is `captured`. `shape` is that of the outputs of a lane.
    """

    name = "vmap"

    def __init__(
        self, family: LanePaths, columns: Columns, places: Sequence[Any], captured: Iterable[Variable], shape: Shape
    ) -> None:
        self.family, self.columns, self.shape = family, columns, shape
        self.places, self.captured = [np.array(part, dtype=np.int64) for part in places], tuple(captured)
        self.outputs = sum(shape.sizes)
        self.summed, self.count = family.reduce is not None, columns.count
        self.results = self.outputs if self.summed else self.outputs * self.count
        self.shared = len(places[0])
        self.in_columns = sum(map(len, places))
        self.arity = self.in_columns + len(self.captured)

    @cached_property
    def in_rows(self) -> list[tuple[int, int]]:
        """For each argument in a row of an array its slot and its lane."""
        arrays = zip(self.family.rows, self.places[1:], strict=True)
        return [(slots[p % len(slots)], p // len(slots)) for slots, places in arrays for p in places.tolist()]

    def _apart(self, arguments: Any) -> tuple[Columns, dict[int, Any]]:
        """The columns of all lanes, and what captured Variables are given as."""
        own, captured = arguments[: self.in_columns], arguments[self.in_columns :]
        given = {v._number: n for v, n in zip(self.captured, captured, strict=True)}
        return self.columns.filled(self.places, own), given

    def found(self, arguments: Any) -> Any:
        return self.computed(arguments, native=registry.fastest() == "llvm")

    def computed(self, arguments: Any, *, native: bool) -> Any:
        return self.run(arguments, "llvm" if native else "numpy")

    def run(self, arguments: Any, backend: str | None = None) -> Any:
        """The sums, or each output of all lanes, by a backend or that of the family."""
        return self.flat(self.family.on(backend or self.family.backend)(*self._apart(arguments)))

    def flat(self, served: Served) -> Any:
        """The numbers in the order of the results."""
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
        sent, known = None, conditions or {}
        if len(cotangents) < self.results or any(condition is not None for condition in known.values()):
            places = range(self.results)
            sent = [0.0 if k not in cotangents else 1.0 if known.get(k) is None else known[k] for k in places]
        given = [cotangents.get(k, 0.0) for k in range(self.results)]
        masked, by_lane = conditions is not None, not self.summed
        form = Form("shared", by_lane, sent is not None, masked, values=self.summed and not masked)
        found = self.adjoints(form, arguments, given, sent)
        found |= self.adjoints(form._replace(kind="rows", values=False), arguments, given, sent)
        return [found.get(k) for k in range(self.arity)]

    def slopes(self, arguments: Sequence[Any], output: int) -> dict[int, Any]:
        """∂output/∂argument as `adjoints` gives them: for numbers None where nothing was sent, for Variables graphs."""
        one = [float(k == output) for k in range(self.outputs)]
        sent, graphs = one if self.outputs > 1 else None, any(type(a) is Variable for a in arguments)
        found: dict[int, Any] = {}
        for kind in ("shared", "rows") if self.summed else ("all",):
            form = Form(kind, sent=sent is not None)
            parts = self.adjoints(form, arguments, one, sent)
            if not graphs and any(part == 0.0 if self.summed else 0.0 in part for part in parts.values()):
                masked = self.adjoints(form._replace(masked=True), arguments, one, sent)
                parts = {target: _unless_sent(*pair) for target, pair in masked.items()}
            found |= parts
        return found

    def adjoints(
        self, form: "Form", arguments: Sequence[Any], cotangents: Sequence[Any], sent: Sequence[Any] | None
    ) -> dict[int, Any]:
        """Adjoints by the argument that they belong to, for "all" in the order of a lane's numbers; pairs if `masked`."""
        first, last, size = self.shared, self.in_columns, len(self.family.order)
        by_shared = [self.family.shared[p] for p in self.places[0]] + [size + k for k in range(len(self.captured))]
        by_rows = list(dict.fromkeys(slot for slot, _ in self.in_rows))
        wanted = (by_shared if form.kind != "rows" else []) + (by_rows if form.kind != "shared" else [])
        if not wanted:
            return {}
        gradient, rows = self._gradient(form, wanted), arguments[first:last]
        if self.family.reduce == "mean":
            cotangents = [c / float(self.count) if self.count else c for c in cotangents]
        if form.by_lane:
            table, lanes, outputs = [cotangents, sent] if sent else [cotangents], range(self.count), range(self.outputs)
            rows = [*rows, *(numbers[k * self.count + n] for n in lanes for numbers in table for k in outputs)]
            cotangents, sent = (), ()
        found = gradient(*arguments[:first], *arguments[last:], *cotangents, *(sent or ()), *rows)
        targets: Iterable[int] = (*range(first), *range(last, self.arity))
        if form.kind != "shared":
            found = [found[k * self.count : (k + 1) * self.count] for k in range(gradient.outputs)]
            targets = range(len(wanted))
        forms: list[Any] = [found[: len(wanted)], found[len(wanted) : 2 * len(wanted)]]
        if form.kind == "rows":
            at = {slot: k for k, slot in enumerate(wanted)}
            forms = [[part[at[slot]][lane] for slot, lane in self.in_rows] for part in forms if part]
            targets = range(first, last)
        return dict(zip(targets, zip(*forms, strict=True) if form.masked else forms[0], strict=True))

    def _gradient(self, form: "Form", wanted: list[int]) -> "Lanes":
        """The operation of a `sweep` over each lane, with cotangents among the shared numbers or the rows."""
        extra = self.outputs * (2 if form.sent else 1)
        results = len(wanted) * (2 if form.masked else 1) + (self.outputs if form.values else 0)
        gradient = self._derived(
            (form, tuple(wanted)),
            lambda: sweep(self, wanted, form),
            (0, extra) if form.by_lane else (extra, 0),
            results,
            masked=form.masked,
            reduce="sum" if form.kind == "shared" else None,
        )
        if form.values:
            scale = float(self.count) if self.family.reduce == "mean" else None
            gradient.includes = self, len(wanted), scale
        return gradient

    def pushed(
        self, node: Variable, arrived: Sequence[Sent | None], _places: Sequence[int], *, masked: bool
    ) -> dict[int, Sent]:
        """The tangents of the results, as results of a further such operation; with conditions if `masked`."""
        first, last, size, forms = self.shared, self.in_columns, len(self.family.order), 1 + masked
        alike = [k for k in (*range(first), *range(last, self.arity)) if arrived[k] is not None]
        slots = [self.family.shared[self.places[0][k]] if k < first else size + k - last for k in alike]
        pairs = zip(self.in_rows, arrived[first:last], strict=True)
        by_rows = [(slot, lane, sent) for (slot, lane), sent in pairs if sent is not None]
        at = {slot: k for k, slot in enumerate(dict.fromkeys(slot for slot, _, _ in by_rows))}
        rows = np.full((self.count, forms, len(at)), 0.0, dtype=object)
        for slot, lane, sent in by_rows:
            rows[lane, :, at[slot]] = _forms(sent)[:forms]
        shared = np.array([_forms(arrived[k])[:forms] for k in alike], dtype=object).reshape(len(alike), forms)
        forward = self._derived(
            ("forward", tuple(slots), tuple(at), masked),
            lambda: pushing(self, slots, [*at], masked=masked),
            (shared.size, forms * len(at)),
            self.outputs * forms,
            masked=masked,
            reduce=self.family.reduce,
        )
        own = node._arguments
        found = forward(*own[:first], *own[last:], *shared.T.ravel(), *own[first:last], *rows.ravel())
        return {k: (found[k], found[self.results + k] if masked else None) for k in range(self.results)}

    def _derived(
        self, key: Any, f: Callable[[], Any], extra: tuple[int, int], results: int, *, masked: bool, reduce: str | None
    ) -> "Lanes":
        """The operation of a function made by `f` over the same lanes, with so many results.

        It takes behind the numbers of a lane what is captured, and `extra` numbers that all lanes share, and in rows.
        """
        around, columns, captured = self.family, self.columns, tuple(v._number for v in self.captured)
        key = key, tuple(self.shape.sizes), captured
        if key not in around.derived:  # once for all columns
            pairs = zip(around.paths.shape.leaves, around.mapped, strict=True)
            leaves = [(np.zeros(leaf or ()), differs) for leaf, differs in pairs if not isinstance(leaf, Fixed)]
            leaves += [(np.zeros(len(captured)), False)]
            leaves += [(np.zeros(n), differs) for n, differs in zip(extra, (False, True), strict=True) if n]
            _, shape = unravel((tuple(array for array, _ in leaves), {}))
            known = around.paths
            how: Any = {"loops": known.loops, "mapped": known.mapped, "masked": masked, "cache": known.cache}
            paths = Paths(f(), shape, known.limit, **how)
            mapped = tuple(differs for _, differs in leaves)
            family = LanePaths(paths, mapped, around.backend, reduce=reduce, contract=around.contract)
            around.derived.setdefault(key, family)
        shared = np.concatenate([columns.shared, np.zeros(len(captured) + extra[0])])
        own, *places = self.places
        own, arrays = np.concatenate([own, np.arange(len(columns.shared), len(shared))]), columns.arrays
        if extra[1]:
            arrays = [*arrays, np.zeros((self.count, extra[1]))]
            places = [*places, np.arange(self.count * extra[1])]
        _, out = unravel([0.0] * results)
        family = around.derived[key].on(around.backend)
        return Lanes(family, Columns(self.count, shared, arrays), [own, *places], (), out)


def _forms(sent: Sent | None) -> tuple[Any, Any]:
    """A tangent, and the condition that it arrived as a number."""
    tangent, condition = sent or (0.0, 0.0)
    return tangent, 1.0 if condition is None else condition


def _unless_sent(adjoint: Any, condition: Any) -> Any:
    """An adjoint or a list of them, with None for those that were not sent."""
    if type(adjoint) is list:
        return [a if c != 0.0 else None for a, c in zip(adjoint, condition, strict=True)]
    return adjoint if condition != 0.0 else None


class Form(NamedTuple):
    """The form of a gradient of lanes: by what it is taken, and what its arguments and results are besides."""

    kind: str  # by what all lanes share, "shared", added up; by "rows" for each lane; by "all" for each lane
    by_lane: bool = False  # each lane has cotangents of its own
    sent: bool = False  # further arguments say which cotangents were sent
    masked: bool = False  # further results say which adjoints were sent
    values: bool = False  # further results are those of the primal, which a tape can then leave out: `GraphBuilder`


def _lane(primal: Lanes) -> Callable[[Any], tuple[list[Variable], list[Any], list[Variable]]]:
    """A function from the leaves of a derived lane to the numbers of the lane itself, its outputs and the other numbers.

    It replays the recorded lane and never calls the function again: what that takes from outside may have changed.
    """
    family, captured, shape = copy.copy(primal.family), primal.captured, primal.shape
    family.derived = {}  # no way back to what holds this function

    def replayed(leaves: Any) -> tuple[list[Variable], list[Any], list[Variable]]:
        numbers = [n if type(n) is Variable else Variable(n) for n in unravel(leaves)[0]]
        size = len(family.order)
        inputs = numbers[: size + len(captured)]
        given = {v._number: n for v, n in zip(captured, inputs[size:], strict=True)}
        own, outputs = family.replayed(inputs[:size], given)
        found = [result(y, create_graph=False) for y in spread(outputs, own, shape)]  # numbers, also of conditions
        return inputs, found, numbers[len(inputs) :]

    return replayed


def sweep(primal: Lanes, wanted: Sequence[int], form: Form) -> Callable[..., list[Any]]:
    """The function of one lane of a gradient: from its numbers, what is captured, and cotangents to adjoints."""
    replayed = _lane(primal)

    def gradient(*leaves: Any) -> list[Any]:
        """The adjoints of the wanted numbers; behind them NaN for each that was sent and 0 for the others, or the outputs."""
        inputs, outputs, rest = replayed(leaves)
        count, values = len(outputs), outputs
        cotangents = rest[:count]
        if form.sent:
            outputs = [
                where(s, y, 0.0) if type(y) is Variable else y for s, y in zip(rest[count:], outputs, strict=True)
            ]
        targets, notes = [inputs[k] for k in wanted], recording.current()
        adjoints = _swept(outputs, cotangents, targets)
        if form.values:
            return [*adjoints, *(y if notes else getattr(y, "_value", y) for y in values)]
        return adjoints + _swept(outputs, [nan] * count, targets) if form.masked else adjoints

    gradient.__name__ = f"gradient of {name_of(primal.family.paths.f)}"
    return gradient


def pushing(primal: Lanes, shared: Sequence[int], rows: Sequence[int], *, masked: bool) -> Callable[..., list[Any]]:
    """The function of one lane of a forward sweep: from its numbers, what is captured, and tangents to tangents.

    If `masked`, conditions that they arrived stand behind the tangents of shared numbers, of rows, and of outputs.
    """
    replayed = _lane(primal)

    def tangents(*leaves: Any) -> list[Any]:
        inputs, outputs, rest = replayed(leaves)
        given: dict[int, Sent] = {}
        for slots in (shared, rows):
            own, rest = rest[: len(slots) * (1 + masked)], rest[len(slots) * (1 + masked) :]
            conditions: Sequence[Any] = own[len(slots) :] or [None] * len(slots)
            pairs = zip(own[: len(slots)], conditions, strict=True)
            given |= dict(zip((inputs[k]._number for k in slots), pairs, strict=True))
        reach = Reach([y for y in outputs if type(y) is Variable], min(x._number for x in inputs) - 1)
        notes = recording.current()
        if notes and not masked:
            found = notes.tangents(reach, outputs, {n: tangent for n, (tangent, _) in given.items()})
            return [0.0 if tangent is None else tangent for tangent in found]
        arrived = recording.pushed(reach, given, masked=True)
        sent = [arrived.get(y._number) if type(y) is Variable else None for y in outputs]
        forms = [[where(condition, t, 0.0), condition] for t, condition in map(_forms, sent)]
        numbers = [pair[k] for k in range(1 + masked) for pair in forms]
        return numbers if notes else [getattr(n, "_value", n) for n in numbers]

    tangents.__name__ = f"tangents of {name_of(primal.family.paths.f)}"
    return tangents


def _swept(outputs: Sequence[Any], cotangents: Sequence[Any], targets: Sequence[Variable]) -> list[Any]:
    """Adjoints of the targets; 0 where nothing was sent."""
    notes = recording.current()
    seeds = [
        (y, cotangent if notes else getattr(cotangent, "_value", cotangent))
        for y, cotangent in zip(outputs, cotangents, strict=True)
        if type(y) is Variable
    ]
    reach = Reach([y for y, _ in seeds], min((t._number for t in targets), default=0))
    if notes:  # a sweep on numbers visits all that it reached
        reach = reach.towards(targets)
    found = reach.adjoints([(y, seed) for y, seed in seeds if y._number in reach.met], create_graph=notes is not None)
    return [result(found.get(t._number), create_graph=False) for t in targets]


# --------------------------------------------------------------------------------------------------- outside of a trace


class Result(Output):
    """The operation of a node of a mapped function outside of a trace: one of the results of an operation.

    Its partials, asked for where the gradient is to be a graph, are results of the operation that the derivative is.
    """

    graph: "Graph"
    lane: int | None

    def __init__(self, graph: "Graph", index: int, lane: int | None) -> None:
        self.__dict__.update(name="vmap", graph=graph, index=index, lane=lane)  # of a frozen dataclass

    @property
    def arity(self) -> int:
        return len(self.graph.at[self.lane][0])

    def _partial(self, place: int, *_: Any) -> Any:
        graph, lane, notes = self.graph, self.lane, recording.current()
        found = None if notes else graph.slopes.get(self.index)
        if found is None:
            found = graph.operation.slopes(graph.arguments, self.index)
            if not notes:
                graph.slopes[self.index] = found
        slopes = found[graph.at[lane][1][place]]
        return slopes if lane is None else slopes[lane]

    def value(self, *numbers: float) -> float:
        operation, values = self.graph.operation, np.array([a._value for a in self.graph.arguments])
        values[self.graph.at[self.lane][0]] = numbers
        return float(
            operation.run(values)[self.index if self.lane is None else self.index * operation.count + self.lane]
        )


class Graph:
    """The nodes of one mapped call outside of a trace."""

    def __init__(self, operation: Lanes, arguments: Sequence[Any]) -> None:
        self.operation, self.arguments = operation, tuple(arguments)
        self.slopes: dict[int, Any] = {}  # by output, as `Lanes.slopes` gives them
        #: For each lane, or all as None if they are summed: the arguments of its nodes, and their rows among the slopes.
        self.at: dict[int | None, tuple[list[int], list[int]]] = {}
        if operation.summed:
            self.at[None] = [*range(operation.arity)], [*range(operation.arity)]
            return
        first = operation.shared
        shared = [*range(first), *range(operation.in_columns, operation.arity)]
        self.at |= {lane: ([*shared], [*range(len(shared))]) for lane in range(operation.count)}
        row = {slot: k for k, slot in enumerate(dict.fromkeys(slot for slot, _ in operation.in_rows), len(shared))}
        for number, (slot, lane) in enumerate(operation.in_rows, first):
            own, rows = self.at[lane]
            own.append(number)
            rows.append(row[slot])

    def nodes(self, numbers: Any) -> list[Any]:
        operation, values = self.operation, [a._value for a in self.arguments]
        nodes: list[Any] = []
        for k in range(operation.outputs):
            slopes = operation.slopes(values, k)
            for lane, (own, rows) in self.at.items():
                locals_ = [slopes[row] if lane is None else slopes[row][lane] for row in rows]
                result, arguments = Result(self, k, lane), tuple([self.arguments[n] for n in own])
                nodes.append(make_node(result, float(numbers[len(nodes)]), arguments, tuple(locals_)))
        return nodes


def connected(operation: Lanes, arguments: Sequence[Any], numbers: Any) -> list[Any]:
    """The results as nodes over those arguments that are Variables; their local gradients come from compiled lanes too."""
    flags, last = np.array([type(a) is Variable for a in arguments]), operation.in_columns
    if not flags.all():
        assert flags[last:].all()
        own = np.array([getattr(a, "_value", a) for a in arguments[:last]], dtype=np.float64)
        columns, ends = operation.columns.filled(operation.places, own), np.cumsum([*map(len, operation.places)])
        kept = [part[chosen] for part, chosen in zip(operation.places, np.split(flags[:last], ends[:-1]), strict=True)]
        operation = Lanes(operation.family, columns, kept, operation.captured, operation.shape)
        arguments = [a for a in arguments if type(a) is Variable]
    return Graph(operation, arguments).nodes(numbers)


def entered(family: LanePaths, columns: Columns, found: Sequence[Found], served: Served) -> Any:
    """The results of a mapped call as part of the graph; None if its lanes are better run one by one.

    That is where a trace does not allow one operation, and where there are more outputs than lanes: a node for each needs
    a sweep for each.
    """
    notes = recording.current()
    if notes is None and sum(served.shape.sizes) > max(columns.count, 1):
        return None
    if notes is not None and (not notes.lanes or served.facts):
        return None
    places = [[place for place, _ in part] for part in found or [()] * (1 + len(columns.arrays))]
    operation = Lanes(family, columns, places, served.captured.values(), served.shape)
    arguments = [*(variable for part in found for _, variable in part), *operation.captured]
    if notes is not None:
        family.note_examples()
        numbers = recorded(operation, arguments, operation.flat(served))
    else:
        numbers = connected(operation, arguments, operation.flat(served))
    table = _boxed(numbers)
    return served.packed(table if operation.summed else table.reshape(operation.outputs, operation.count))
