"""`scan` and `while_loop`: loops with a carry, which `jit` compiles without unrolling them."""

import dis
import functools
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import optree

from autograd_lite import hints
from autograd_lite.errors import ArgumentError, ConversionError, OperandError
from autograd_lite.nests import NAMESPACE, Shape, arrays_in, as_array, mapped, unravel
from autograd_lite.primitives import as_float, positive
from autograd_lite.tape import checkpoints, recording
from autograd_lite.tape.checkpoints import Checkpoint
from autograd_lite.tape.loop import Loop, While, too_many
from autograd_lite.transforms import name_of, recipe_of
from autograd_lite.variable import Variable, is_condition

#: Steps up to which a scan in lanes is recorded one by one: its numbers then stay in registers.
FEW = 32


@functools.partial(hints.keywords, inner="carry, x")
def scan(
    step: Callable[..., Any], init: Any, xs: Any = None, length: int | None = None, *, checkpoint: Checkpoint = None
) -> tuple[Any, Any]:
    """Repeat a step that carries numbers on: `(carry, x) -> (carry, y)`.

    Parameters
    ----------
    step : callable
        Takes the carry and one row of `xs`; returns the next carry, of the same structure, and an output (or None).
    init : nest
        The first carry.
    xs : nest of arrays, optional
        Rows along the first axis of each. Without it steps get None.
    length : int, optional
        How many steps; needed without `xs`.
    checkpoint : int or "binomial", optional
        For derivatives of a compiled loop: keep few carries in memory, and compute the others again, with the same bits. A
        number keeps that of every so many steps; about the square root of the length takes least memory. "binomial" keeps
        those of the best schedule that computes each step at most twice more [1]_. In lanes, and without `jit`, all are kept.

    Returns
    -------
    (carry, ys)
        The last carry, and the outputs of all steps with a first axis of steps; integers become floats.

    Raises
    ------
    ArgumentError
        If lengths disagree, or a step changes the structure of the carry, or that of its output.

    Notes
    -----
    By itself a plain loop. Under `jit` a native loop: tracing and compiling take the time of one step, whatever the length,
    and steps may branch. So are its derivatives of any order, forward and in reverse, and so is a scan of more than 32 steps
    in lanes. A gradient is a reverse loop, after one more forward loop that keeps the carries. Where a step assigns a
    `nonlocal` name, and where xs holds something else than float64 can, its steps are recorded one by one.

    References
    ----------
    .. [1] A. Griewank & A. Walther, "Algorithm 799: revolve", ACM Transactions on Mathematical Software 26 (2000) 19-45.

    Examples
    --------
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> scan(lambda total, x: (total + x, total * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (6.0, array([0., 2., 9.]))
    >>> halve = al.jit(lambda x: al.scan(lambda c, _: (c / 2, None), x, length=1000)[0])
    >>> halve(2.0**1000)
    1.0
    """
    if not callable(step):
        raise ArgumentError(f"scan takes a function and got {step!r}. Write scan(step, init, xs).")
    leaves, containers = optree.tree_flatten(arrays_in(xs), namespace=NAMESPACE)
    count = _count(leaves, length)
    checkpoints.tested(checkpoint, "scan", "steps")
    numbers, carry_shape = unravel(init, "the carry of scan")
    checked, outputs, table = _Checked(step, carry_shape), [], None
    notes = recording.current()
    if notes is not None and notes.loops and count > (FEW if notes.mapped else 0):
        assigns = isinstance(step, FunctionType) and _assigned(step.__code__)  # there is more to it than its results
        table = None if assigns else _table(leaves, count)
    if table is not None:
        x_shape = Shape(containers, tuple(np.shape(leaf)[1:] or None for leaf in leaves))
        example = carry_shape.pack([0.0] * len(numbers)), x_shape.pack([0.0] * table.shape[1])
        captured = list(dict.fromkeys(_held(step, set()))) if notes and notes.wide else ()
        _, shape = unravel((example, {}))
        how: Any = {"checkpoint": checkpoint, "captured": captured, "mapped": notes is not None and notes.mapped}
        loop = Loop(checked, shape, carry=len(numbers), table=table, **how)
        results = loop.begin(numbers, table)
        numbers, outputs = results[: len(numbers)], results[len(numbers) :]
    else:
        carry = init
        for t in range(count):
            rows = [leaf[t] for leaf in leaves]
            floats = [row.item() if isinstance(row, np.generic) else row for row in rows]
            carry, numbers, y = checked.call(carry, optree.tree_unflatten(containers, floats))
            outputs += y
    return carry_shape.pack(numbers) if count else init, checked.stacked(outputs, count)


@hints.keywords
def while_loop(
    condition: Callable[[Any], Any],
    step: Callable[[Any], Any],
    init: Any,
    *,
    limit: int | None = None,
    checkpoint: Checkpoint = None,
) -> Any:
    """Repeat a step while a condition holds: Python's `while`, with a carry instead of names that change.

    Parameters
    ----------
    condition : callable
        Takes the carry; whether to go on.
    step : callable
        Takes the carry, returns the next one, of the same structure.
    init : nest
        The first carry.
    limit : int, optional
        How many turns are allowed. One more is an error.
    checkpoint : int or "binomial", optional
        For derivatives of a compiled loop, as for `scan`: turns of a segment. The carry before each segment is kept, and
        those of one segment at a time. By default segments grow, to 65,536 turns. "binomial" counts the turns first.

    Returns
    -------
    nest
        The first carry for which the condition does not hold, as floats. Its derivative is that of the turns that were made.

    Raises
    ------
    LoopLimitError
        If the condition still holds after `limit` turns.
    ArgumentError
        If a step changes the structure of the carry.

    Notes
    -----
    By itself a plain loop. Under `jit` a native loop: one path, whatever the number of turns, and steps may branch. So is its
    gradient, `jit(grad(f))` with the loop inside `f`: the turns are run once more to be counted, once more to keep their
    carries, and then in reverse. Derivatives of any order are such loops. In lanes each lane makes its own number of turns,
    until none goes on; an error names the row.

    Examples
    --------
    >>> import autograd_lite as al
    >>> def root(a):                                # Newton's method
    ...     return al.while_loop(lambda x: abs(x * x - a) > 1e-12 * a, lambda x: (x + a / x) / 2, a, limit=100)
    >>> slope = al.jit(al.grad(root))
    >>> round(slope(4.0), 12), round(slope(1e6), 12), len(slope.paths())
    (0.25, 0.0005, 1)
    """
    _test_while(condition, step, limit)
    checkpoints.tested(checkpoint, "while_loop", "turns")
    numbers, carry_shape = unravel(init, "the carry of while_loop")

    def turn(carry: Any, _: Any) -> tuple[Any, float]:
        return (step(carry), 1.0) if condition(carry) else (carry, 0.0)

    turn.__name__ = name_of(step)
    checked = _Checked(turn, carry_shape, "while_loop")
    notes = recording.current()
    kept = (f.__code__ for f in (condition, step) if isinstance(f, FunctionType))
    if notes is not None and notes.loops and not any(map(_assigned, kept)):
        _, shape = unravel(((carry_shape.pack([0.0] * len(numbers)), None), {}))
        seen: set[int] = set()
        captured = list(dict.fromkeys(v for f in (condition, step) for v in _held(f, seen))) if notes.wide else ()
        how: Any = {"checkpoint": checkpoint, "limit": limit, "mapped": notes.mapped}
        loop = While(checked, shape, carry=len(numbers), captured=captured, **how)
        return carry_shape.pack(loop.started(numbers))
    carry, turns, going = init, 0, [1.0]
    while True:
        if turns == limit and condition(carry):
            raise too_many(name_of(step), turns)
        if turns == limit:
            break
        carry, numbers, going = checked.call(carry, None)
        if not going[0]:
            break
        turns += 1
    return carry_shape.pack(numbers)


def _test_while(condition: Any, step: Any, limit: Any) -> None:
    """Refuse what is no loop."""
    if not (callable(condition) and callable(step)):
        raise ArgumentError(
            f"while_loop takes two functions and got {condition!r:.40} and {step!r:.40}. Write while_loop(condition, step, "
            "init)."
        )
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise ArgumentError(f"limit={limit!r} of while_loop: give a number of turns from 0 on, or None.")


def _count(leaves: list[Any], length: int | None) -> int:
    lengths = set()
    for leaf in leaves:
        if not isinstance(leaf, (np.ndarray, list)) or not np.ndim(leaf):
            raise ArgumentError(
                f"xs of scan holds {leaf!r:.60}; give arrays, whose rows are the steps, np.array([...]), or length=."
            )
        lengths.add(len(leaf))
    if length is not None:
        if isinstance(length, bool) or not isinstance(length, (int, np.integer)) or length < 0:
            raise ArgumentError(f"length={length!r} of scan: give a whole number of steps.")
        lengths.add(int(length))
    if len(lengths) != 1:
        raise ArgumentError(
            f"scan got lengths {sorted(lengths)}. Give all arrays of xs one length, and length= only where it agrees."
            if lengths
            else "scan does not know how many steps to make. Give xs or length."
        )
    return lengths.pop()


def _numeric(nest: Any) -> Any:
    """A nest with numbers for conditions: a scan's carry and outputs are floats, 1 and 0 for bools."""
    return mapped(lambda v: positive(v) if is_condition(v) else v, nest) if recording.current() else nest


_NOTHING = unravel(None)


class _Checked:
    """A step whose results are tested: the carry against the first one, outputs against those of the first step."""

    def __init__(self, step: Callable[..., Any], carry: Shape, loop: str = "scan") -> None:
        self.step, self.carry, self.what = step, carry, f"the carry of {loop}"
        self.y: Shape | None = None
        self.__name__ = name_of(step)

    def call(self, carry: Any, row: Any) -> tuple[Any, list[Any], list[Any]]:
        """The next carry as the step gave it, its numbers, and those of the output."""
        pair = self.step(carry, row)
        if not (isinstance(pair, tuple) and len(pair) == 2):
            raise ArgumentError(
                f"{self.__name__} returned {pair!r:.80}; a step of scan returns a pair (carry, output), None for no output."
            )
        numbers, shape = unravel(_numeric(pair[0]), self.what)
        if not shape.resembles(self.carry):
            raise ArgumentError(
                f"{self.__name__} turned a carry {self.carry.outline()} into {shape.outline()}. Return a carry like the one "
                "that came in."
            )
        same_order = shape == self.carry
        outputs, shape = _NOTHING
        if pair[1] is not None:
            outputs, shape = unravel(_numeric(pair[1]), "the output of a step of scan")
        self.y = self.y or shape
        if not shape.resembles(self.y):
            raise ArgumentError(
                f"{self.__name__} returned an output {self.y.outline()} in the first step of scan and {shape.outline()} in "
                "another. Return the same structure from every branch."
            )
        ordered = pair[0] if same_order else self.carry.pack(numbers)  # a compiled loop keeps the order of its keys
        return ordered, numbers, outputs

    def __call__(self, carry: Any, row: Any) -> tuple[list[Any], list[Any]]:
        return self.call(carry, row)[1:]

    def stacked(self, outputs: list[Any], count: int) -> Any:
        """The outputs of all steps with a first axis of steps."""
        if self.y is None:
            return None
        ends = np.cumsum(self.y.sizes).tolist()
        rows = [outputs[t * ends[-1] : (t + 1) * ends[-1]] for t in range(count)] if ends else []
        columns = [
            n for size, end in zip(self.y.sizes, ends, strict=True) for row in rows for n in row[end - size : end]
        ]
        leaves = tuple((count, *(leaf or ())) for leaf in self.y.leaves)  # type: ignore[misc] # all are numbers
        return Shape(self.y.containers, leaves).pack(columns)


def _table(leaves: list[Any], count: int) -> Any:
    """xs as one array of a row for each step, of floats or of floats and Variables; None if it holds something else."""
    columns = []
    for leaf in leaves:
        array = np.asarray(leaf)
        exact = array.dtype.kind in "biu" or array.dtype in (np.float64, np.float32, np.float16)
        if array.dtype.kind in "iu" and array.size:
            exact = bool(array.min() >= -(2**53) and array.max() <= 2**53)
        if not exact:
            try:
                numbers = [n if type(n) is Variable else as_float(n) for n in array.ravel().tolist()]
            except (OperandError, ConversionError):
                return None
            array = as_array(numbers, array.shape)
        columns.append(array.reshape(count, int(np.prod(array.shape[1:], dtype=np.int64))))
    table = np.concatenate(columns, axis=1) if columns else np.empty((count, 0))
    return table if table.dtype == object else table.astype(np.float64)


@lru_cache(maxsize=256)
def _assigned(code: CodeType) -> set[str]:
    """The names from outside that a function assigns, or a function made in it."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname in ("STORE_DEREF", "DELETE_DEREF")}
    inner = [_assigned(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return names.union(*inner).intersection(code.co_freevars)


def _held(f: Any, seen: set[int]) -> Iterator[Variable]:
    """The Variables in the closure and the default arguments of a function, and of functions in these."""
    while (recipe := recipe_of(f)) is not None:
        f = recipe[1]
    if type(f) is not FunctionType or id(f) in seen:
        return
    seen.add(id(f))
    things: Any = [*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]
    for cell in f.__closure__ or ():
        with suppress(ValueError):
            things.append(cell.cell_contents)
    for leaf in optree.tree_leaves(things, namespace=NAMESPACE):
        if type(leaf) is Variable:
            yield leaf
        elif isinstance(leaf, np.ndarray) and leaf.dtype == object:
            yield from (item for item in leaf.ravel().tolist() if type(item) is Variable)
        else:
            yield from _held(leaf, seen)
