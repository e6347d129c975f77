"""From a function to a tape: run it on Variables, then flatten what it recorded."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd_lite import observers
from autograd_lite.copies import uncollected
from autograd_lite.errors import ArgumentError, HandMadeNodeError
from autograd_lite.nests import Shape, unravel
from autograd_lite.primitives import div
from autograd_lite.tape.passes import Guard, Program
from autograd_lite.tape.tape import Tape
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable, reachable


def trace(f: Callable[..., Any], *example: Any, **keywords: Any) -> Tape:
    """Record what a function does with such arguments, as a straight-line program.

    Parameters
    ----------
    f : callable
        Takes floats, arrays or nests of them; returns any nest.
    *example, **keywords
        Arguments to run it on. Their structure is fixed by that; their values decide which branches are recorded.

    Returns
    -------
    Tape

    Raises
    ------
    OperandError
        If an argument or a result is no number.

    Notes
    -----
    A Python `if`, `while`, `max`, `sorted`, `int(x)` on a traced number becomes a guard. Variables from outside the
    function stay live inputs; plain numbers from outside, and what the function prints or stores, are those of this one
    run. Time: about 3 µs an operation.

    Examples
    --------
    >>> import autograd_lite as al
    >>> tape = trace(lambda x: x * x if x > 0 else -x, 3.0)
    >>> tape(2.0), len(tape), len(tape.guards)
    (4.0, 1, 1)
    """
    if not callable(f):
        raise ArgumentError(f"trace takes a function and got {f!r}. Write trace(f, x), not trace(f(x)).")
    numbers, shape = unravel((example, keywords), f"an argument of {name_of(f)}", is_fixed)
    return record(f, numbers, shape)


def is_fixed(leaf: Any) -> bool:
    """Whether an argument is a fact of the call, not a number: a flag, a text, a function."""
    return isinstance(leaf, (bool, str, bytes)) or (callable(leaf) and type(leaf) is not Variable)


def is_plain(leaf: Any) -> bool:
    """Whether an output is passed through as it is: not a float, a Variable or an array of such."""
    return (
        leaf.dtype.kind not in "fO"
        if isinstance(leaf, np.ndarray)
        else not isinstance(leaf, (float, Variable, np.floating))
    )


@uncollected()
def record(
    f: Callable[..., Any], numbers: Sequence[Any], shape: Shape, *, masked: bool = False, loops: int = 0
) -> Tape:
    """Trace `f` on arguments of this shape, positional and by keyword, with these numbers in them.

    `masked` and `loops`: see `observers.Recording`.
    """
    oldest = Variable(0.0).number
    inputs = [Variable(n._value if type(n) is Variable else n) for n in numbers]
    notes = observers.Recording(masked, loops)
    with observers.record_into(notes):
        arguments, keywords = shape.pack(inputs)
        output = f(*arguments, **keywords)
    outputs, output_shape = unravel(output, f"the output of {name_of(f)}", is_plain)
    program = Flattened(inputs, oldest)
    roots = [*outputs, *notes.doubtful, *(side for _, left, right, _, _ in notes.guards for side in (left, right))]
    program.add(roots)
    parts = program.parts(outputs, notes)
    return Tape(
        careful=functools.cache(lambda: record(f, numbers, shape, masked=True, loops=loops))
        if parts["doubtful"]
        else None,
        name=name_of(f),
        parameters=_parameters(f),
        input_shape=shape,
        captured=tuple(program.captured),
        example=tuple(x._value for x in inputs),
        output_shape=output_shape,
        **parts,
    )


def _parameters(f: Callable[..., Any]) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


#: Nodes times operations with many results up to which these are compared.
_WORTH_SORTING = 10_000_000


class Flattened(Program):
    """The program of a recorded graph."""

    def __init__(self, inputs: Sequence[Variable], oldest: int) -> None:
        super().__init__(len(inputs))
        self.oldest = oldest
        self.captured: list[Variable] = []
        self._instead: dict[Variable, tuple[Variable, int, float | None]] = {}
        self.slot_of: dict[Variable, int] = {x: slot for slot, x in enumerate(inputs)}

    def add(self, roots: Sequence[Any]) -> None:
        """Enter the graph under `roots`, oldest node first."""
        graph = reachable([node for node in roots if type(node) is Variable], self.oldest)
        self.captured = [n for n in graph if n._number < self.oldest and n not in self.slot_of]
        self.slot_of |= {node: self.inputs + k for k, node in enumerate(self.captured)}
        self.inputs += len(self.captured)
        for node in self._without_doubles(graph):
            if node not in self.slot_of:
                self.slot_of[node] = self._enter(node)

    def _without_doubles(self, graph: list[Variable]) -> list[Variable]:
        """An order in which operations whose results others include can be left out: their users come after those.

        A gradient of a `vmap` computes the values of all lanes on its way. The `vmap` itself is needed only where what goes
        into the gradient depends on its results.
        """
        made = {node._primitive: node for node in graph if hasattr(node._primitive, "includes")}
        if len(made) * len(graph) > _WORTH_SORTING:
            return graph
        for operation, node in list(made.items()):
            included = operation.includes  # type: ignore[union-attr] # one of many results
            primal = made.get(included.operation) if included else None
            if primal is None:
                continue
            after = {primal: None}
            for n in graph:
                arguments = (*n._arguments, self._instead[n][0]) if n in self._instead else n._arguments
                if any(type(a) is Variable and a in after for a in arguments):
                    after[n] = None
            if node in after:
                continue
            graph = [n for n in graph if n not in after] + [n for n in graph if n in after]
            for n in after:
                if n._first is primal:
                    self._instead[n] = node, included.first + n._primitive.index, included.scale  # type: ignore[union-attr]
        return graph

    def _enter(self, node: Variable) -> int:
        if node in self._instead:
            other, place, scale = self._instead[node]
            total = self.instruction(node._primitive.other(place), (self.slot_of[other],))  # type: ignore[union-attr]
            return total if scale is None else self.instruction(div, (total, self.constant(scale)))
        if node._first is None:  # a leaf made inside: Variable(3.0)
            return self.constant(node._value)
        if node._primitive is None:
            raise HandMadeNodeError(
                f"{node!r} was made by hand inside the traced function: nobody knows its value for other inputs. Define the "
                "operation as an autograd_lite.Primitive instead."
            )
        return self.instruction(node._primitive, tuple([self.slot(a) for a in node._arguments]))

    def slot(self, number: Any) -> int:
        """Where a Variable or a constant lies."""
        return self.slot_of[number] if type(number) is Variable else self.constant(float(number))

    def parts(self, outputs: Sequence[Any], notes: observers.Recording) -> dict[str, Any]:
        """The fields of a tape."""
        guards: dict[tuple[str, int, int], Guard] = {}
        for relation, left, right, outcome, location in notes.guards:
            key = relation, self.slot(left), self.slot(right)
            if not (self.is_constant(key[1]) and self.is_constant(key[2])):
                guards.setdefault(key, Guard(*key, outcome, 0, location))
        return self.finished(
            [self.slot(y) for y in outputs], tuple(guards.values()), [self.slot(y) for y in notes.doubtful]
        )
