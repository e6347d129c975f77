"""From a function to a program: run it on Variables, then flatten the graph that it recorded."""

import datetime as dt
import enum
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import takewhile
from math import inf
from typing import Any

import numpy as np
import optree

from autograd_lite import context, core, foreign
from autograd_lite.arrays import Conditions, LazyArray
from autograd_lite.copies import uncollected
from autograd_lite.errors import AutogradLiteError, HandMadeNodeError, OperandError, OutputError, TraceError
from autograd_lite.frames import user_location
from autograd_lite.nests import NAMESPACE, Shape, unravel
from autograd_lite.primitives import PRIMITIVES, div
from autograd_lite.refusals import watched
from autograd_lite.selection import selecting
from autograd_lite.tape import progress, recording
from autograd_lite.tape.program import Builder, Guard, Program
from autograd_lite.tape.recording import CAPTURING_ALL, Recording
from autograd_lite.transforms import name_of
from autograd_lite.variable import OTHERS, Variable, is_condition, is_input_of, kinds, reachable


def is_fixed(leaf: Any) -> bool:
    """Whether an argument is a fact of the call, not a number: a flag, a text, a function, a member of an Enum, a date."""
    return isinstance(leaf, _FACTS) or (callable(leaf) and type(leaf) is not Variable)


_DATES = (dt.date, dt.time, dt.timedelta, dt.tzinfo)
_FACTS = (bool, np.bool_, str, bytes, enum.Enum, slice, range, type(...), *_DATES)


def is_plain(leaf: Any) -> bool:
    """Whether an output is passed through as it is: not a float, a Variable or an array of such."""
    array = foreign.array_of(leaf)
    if array is leaf:
        return array.dtype.kind not in "fO"
    if array is not None:  # of another library: text in an array of objects stays what it is
        return not (array.dtype.kind == "f" or any(type(entry) is Variable for entry in array.flat))
    return not isinstance(leaf, (float, Variable, np.floating))


def _is_passed_on(leaf: Any, name: str) -> bool:
    """As `is_plain`; refuses an object with a Variable of the trace, which later calls would get again."""
    if not is_plain(leaf):
        return False
    if isinstance(leaf, Iterator):
        raise OutputError(
            f"{name} returned a {type(leaf).__name__}, whose numbers come later, when no trace records them. Return "
            "list(…) of it. For blocks of rows compile the function inside: in_blocks(jit(vmap(f)))."
        )
    slots = {n: getattr(leaf, n, None) for kind in type(leaf).__mro__ for n in getattr(kind, "__slots__", ())}
    for attribute, held in {**getattr(leaf, "__dict__", {}), **slots}.items() if not callable(leaf) else ():
        if any(type(part) is Variable for part in optree.tree_leaves(held, namespace=NAMESPACE)):
            raise OutputError(
                f"{name} returned a {type(leaf).__name__} whose .{attribute} holds a Variable. A compiled or mapped function "
                "cannot put the numbers of each call into it. Return a list or a dict, or make its class a dataclass "
                "under @register_dataclass."
            )
    return True


@uncollected()
def recorded(
    f: Callable[..., Any],
    numbers: Sequence[Any],
    shape: Shape,
    *,
    masked: bool = False,
    loops: int = 0,
    lookups: bool = False,
    merging: bool = True,
    mapped: bool = False,
    blind: bool = False,
    lines: dict[int, str] | None = None,
    history: Any = None,
) -> tuple[Program, tuple[Variable, ...], Shape]:
    """Run `f` on arguments of this shape with these numbers: its program, what it captured, the shape of its results.

    `masked`, `loops`, `lookups`, `mapped` and `blind`: see `recording.Recording`. Without `merging`, equal operations stay
    apart, as a sweep needs them: one may have an adjoint of 0 where the other has another. Into `lines` go the user's lines
    by slot.
    """
    oldest = Variable(0.0).number
    around = recording.current()
    wide = loops == CAPTURING_ALL or (around is not None and around.wide)
    own: dict[str, Any] = {"lookups": lookups, "wide": wide, "mapped": mapped, "blind": blind}
    notes = Recording(masked, min(loops, 2), oldest, lanes=loops > 0 and not mapped, **own)
    notes.history = history
    noting = nullcontext() if lines is None else context.observing(_Lines())
    with watched(name_of(f)), context.record_into(notes), noting:
        inputs, output = _run(f, numbers, shape, notes)
    _refuse_threads(f, inputs, notes)
    outputs, output_shape = unravel(output, f"the output of {name_of(f)}", lambda leaf: _is_passed_on(leaf, name_of(f)))
    if history is not None:
        history.end(outputs, output_shape)
    progress.part("flattening the graph")
    builder = GraphBuilder(inputs, oldest, merging=merging)
    program = builder.program(outputs, notes)
    _refuse_ended(builder.captured)
    if lines is not None:
        lines |= builder.lines
    return program, tuple(builder.captured), output_shape


def _run(f: Callable[..., Any], numbers: Sequence[Any], shape: Shape, notes: Recording) -> tuple[list[Variable], Any]:
    """Run `f` on new Variables: these, and what it returned."""
    before = set(map(id, PRIMITIVES.values()))
    inputs = [Variable(n._value if type(n) is Variable else n) for n in numbers]
    if notes.history is not None:
        notes.history.begin(notes.oldest, inputs)
    with context.running_on(inputs, notes.oldest), selecting():
        arguments, keywords = shape.pack(inputs)
        try:
            return inputs, decided(f(*arguments, **keywords))
        except (IndexError, TypeError) as error:
            _explain(error, name_of(f))
            raise
        finally:
            for primitive in [*PRIMITIVES.values()]:
                if id(primitive) not in before:
                    primitive.belongs_to_trace()


class _Lines(context.Observer):
    """Notes the lines of the traced function that make nodes; what a sweep makes has none."""

    def node(self, node: Variable) -> None:
        location = user_location(_run.__code__)
        if location:
            node.about.location = location


def decided(nest: Any) -> Any:
    """The nest with bools for conditions, as where nothing is traced: each is a branch."""

    def leaf_decided(leaf: Any) -> Any:
        if is_condition(leaf):
            return bool(leaf)
        if type(leaf) is Conditions:
            return np.asarray(leaf)
        if isinstance(leaf, LazyArray):
            leaf = leaf.numbers()
        if isinstance(leaf, np.ndarray) and leaf.dtype == object and leaf.size and all(map(is_condition, leaf.flat)):
            return np.array([bool(condition) for condition in leaf.flat]).reshape(leaf.shape)
        return leaf

    if type(nest) in (list, tuple) and kinds(nest) < OTHERS and not any(map(is_condition, nest)):
        return nest
    return optree.tree_map(leaf_decided, nest, namespace=NAMESPACE)


def _refuse_ended(captured: Sequence[Variable]) -> None:
    """Refuse conditions from outside where no trace is under way around: the one that recorded them has ended."""
    ended = None if recording.current() or context.suspended() else next(filter(is_condition, captured), None)
    if ended is not None and not context.lending.get():
        raise TraceError(
            f"a condition that a trace recorded, {ended!r}, is used after that trace has ended. Return it from the traced "
            "function, or compare again."
        )


def _refuse_threads(f: Callable[..., Any], inputs: Sequence[Variable], notes: Recording) -> None:
    """Refuse a function whose numbers were looked at in another thread: that decided, and nothing has noted how."""
    run = context.Run(notes.oldest, inputs[-1].number if inputs else notes.oldest)
    for node, location in notes.elsewhere:
        if is_input_of(node, [run]):
            raise TraceError(
                f"{name_of(f)} compares or reads traced numbers in another thread ({location}), where no trace notes how it "
                "comes out. Do it in the thread that calls the function, or let the thread run in its context: "
                "contextvars.copy_context().run(work, x)."
            )


#: What NumPy says of arrays of integers that have become arrays of traced numbers.
_ABOUT_INDICES = "used as indices", "are valid indices", "from dtype('O') to dtype('int"


def _explain(error: Exception, name: str) -> None:
    """Say in words of this library what stands in the way."""
    words = str(error)
    if isinstance(error, AutogradLiteError) and not isinstance(error, OperandError):
        return
    if foreign.is_label(error):
        raise OperandError(f"in {name}: {foreign.LABELS}") from error
    if any(part in words for part in _ABOUT_INDICES):
        cure = (
            "Write al.take(table, index), for which they are data; or index.astype(int), which makes a path of each set of "
            "them; or pass them as a tuple in a static field of a registered dataclass. A row of a data frame has places, no "
            "labels: write row[0] for row['x'], or pass columns by name, {'x': t['x']}."
        )
    elif "bad operand type for unary ~: 'Variable'" in words:
        cure = "Write flag == 0 instead of ~flag, or pass a single flag as a bool."
    else:
        return
    raise OperandError(
        f"in {name}, which is being traced: {error}. The numbers and arrays that a compiled or mapped function takes are "
        f"floats there, those of integers and flags too. {cure}"
    ) from error


#: Nodes times operations with many results up to which these are compared.
_WORTH_SORTING = 10_000_000


class GraphBuilder(Builder):
    def __init__(self, inputs: Sequence[Variable], oldest: int, *, merging: bool = True) -> None:
        super().__init__(len(inputs), merging=merging)
        self.oldest = oldest
        self.captured: list[Variable] = []
        self.slot_of: dict[int, int] = {x.number: slot for slot, x in enumerate(inputs)}
        self._given: dict[int, list[tuple[int, Any]]] = {}  # leaves whose value was a traced number, or was set
        self.lines: dict[int, str] = {}  # of the user's code, by slot, where they were recorded
        self._instead: dict[int, tuple[Variable, int, float | None]] = {}
        self._known: list[Variable] = []  # the nodes of the graph about which more is known
        self._operations: set[Any] = set()

    def program(self, outputs: Sequence[Any], notes: Recording) -> Program:
        """The program of the graph under the outputs, the numbers in doubt and the sides of comparisons."""
        sides = [side for _, *pair, _, _ in notes.guards for side in pair]
        graph = self._graph([node for node in (*outputs, *notes.doubtful, *sides) if type(node) is Variable])
        assert notes.stand_ins.isdisjoint(node.number for node in graph if notes.stand_ins), "one element for all"
        older = takewhile(lambda node: node.number < self.oldest, graph)
        self.captured = [node for node in older if node.number not in self.slot_of]
        self.slot_of |= {node.number: self.inputs + k for k, node in enumerate(self.captured)}
        self.inputs += len(self.captured)
        nodes = self._without_doubles(graph)  # oldest first
        if self._given:
            for node in nodes:
                if node.number not in self.slot_of and node.number not in self._given:
                    self.slot_of[node.number] = self.enter(node)
        else:
            wanted = [node for node in (*outputs, *notes.doubtful, *sides, *self._known) if type(node) is Variable]
            enter(
                self.enter, nodes, self.slot_of, self.code, self.constant_slots, self.merging, self.oldest, wanted
            )  # fmt: skip
        guards: dict[tuple[str, int, int], Guard] = {}
        for relation, left, right, outcome, location in notes.guards:
            key = relation, self.slot(left), self.slot(right)
            if not (self.is_constant(key[1]) and self.is_constant(key[2])):
                guards.setdefault(key, Guard(*key, outcome, 0, location))
        slots, doubtful = self.slots(outputs), self.slots(notes.doubtful)
        program = self.finished(slots, tuple(guards.values()), doubtful)
        told = {self.slot_of.get(node.number): node.about.location for node in self._known}
        if any(told.values()):
            kept = self.live([*slots, *doubtful, *(side for key in guards for side in key[1:])])
            places = enumerate(kept, start=program.first_instruction)
            self.lines = {place: line for place, slot in places if (line := told.get(slot))}
        return program

    def _graph(self, roots: list[Variable]) -> list[Variable]:
        """The nodes under `roots`, and those under the traced numbers that leaves were given."""
        while True:
            graph = reachable(roots, self.oldest)
            self._known, self._operations = remarkable(graph)
            told = {node.number: node.about.given for node in self._known if node.number > self.oldest}
            new = {number: given for number, given in told.items() if number not in self._given and given}
            if not new:
                return graph
            self._given |= new
            roots += [number for given in new.values() for _, number in given if type(number) is Variable]

    def _without_doubles(self, graph: list[Variable]) -> list[Variable]:
        """An order in which operations whose results others include can be left out: their users come after those.

        A gradient of a `vmap` computes the values of all lanes too, unless what goes into it depends on these.
        """
        including = {operation for operation in self._operations if hasattr(operation, "includes")}
        made = {node._primitive: node for node in graph if node._primitive in including} if including else {}
        if len(made) * len(graph) > _WORTH_SORTING:
            return graph
        for operation, node in list(made.items()):
            included, first, scale = operation.includes or (None, 0, None)  # type: ignore[union-attr] # one of many results
            primal = made.get(included)
            if primal is None:
                continue
            after = {primal.number: primal}
            for n in graph:
                known = self._instead.get(n.number)
                arguments = n._arguments if known is None else (*n._arguments, known[0])
                if any(type(a) is Variable and a.number in after for a in arguments):
                    after[n.number] = n
            if node.number in after:
                continue
            graph = [n for n in graph if n.number not in after] + [n for n in graph if n.number in after]
            for n in after.values():
                if n._arguments[0] is primal:
                    self._instead[n.number] = node, first + n._primitive.index, scale  # type: ignore[union-attr]
        return graph

    def enter(self, node: Variable) -> int:
        if node.number in self._instead:
            other, place, scale = self._instead[node.number]
            total = self.instruction(node._primitive.at(place), (self.slot_of[other.number],))  # type: ignore[union-attr]
            return total if scale is None else self.instruction(div, (total, self.constant(scale)))
        if not node._arguments:  # a leaf made inside: Variable(3.0)
            return self.constant(node._value)
        if node._primitive is None:
            raise HandMadeNodeError(
                f"{node!r} was made by hand inside the traced function: nobody knows its value for other inputs. Define the "
                "operation as an autograd_lite.Primitive instead."
            )
        return self.instruction(node._primitive, tuple([self.slot(a, node.number) for a in node._arguments]))

    def slots(self, numbers: Sequence[Any]) -> list[int]:
        """Where Variables or constants lie."""
        if self._given:
            return [self.slot(number) for number in numbers]
        slot_of, constant = self.slot_of, self.constant
        return [slot_of[y._number] if type(y) is Variable else constant(float(y)) for y in numbers]

    def slot(self, number: Any, read: float = inf) -> int:
        """Where a Variable or a constant lies; of a leaf whose value was set, as the node numbered `read` saw it."""
        if type(number) is not Variable:
            return self.constant(float(number))
        versions = self._given.get(number.number)
        if versions is None:
            return self.slot_of[number.number]
        seen = [given for since, given in versions if since < read]
        return self.slot(seen[-1], read)


@core.or_compiled
def remarkable(nodes: list[Variable]) -> tuple[list[Variable], set[Any]]:
    """The nodes about which more is known, and the operations, at least those that are not in the table."""
    return [node for node in nodes if node._about is not None], {node._primitive for node in nodes}


@core.or_compiled
def enter(rest: Callable[[Variable], int], nodes: list[Variable], slot_of: dict[int, int], *_parts: Any) -> None:
    """Give a slot to every node that has none, oldest first.

    The compiled function does itself what `rest` would where nothing is to be simplified, with parts of the builder, and
    keeps the slots for itself, but for those of `wanted` nodes, the last of the parts.
    """
    for node in nodes:
        if node._number not in slot_of:
            slot_of[node._number] = rest(node)
