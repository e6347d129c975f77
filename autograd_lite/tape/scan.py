"""`scan`: a loop with a carry, which `jit` compiles without unrolling it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from autograd_lite import observers
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import NAMESPACE, Shape, as_array, unravel
from autograd_lite.tape.loops import Loop, recorded
from autograd_lite.tape.programs import chosen
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable


def scan(
    step: Callable[..., Any], init: Any, xs: Any = None, length: int | None = None, *, checkpoint: int | None = None
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
    checkpoint : int, optional
        For the gradient of a compiled loop: keep the carry of every so many steps only, and compute those between once more.
        About the square root of the length takes least memory.

    Returns
    -------
    (carry, ys)
        The last carry, and the outputs of all steps with a first axis of steps.

    Raises
    ------
    ArgumentError
        If lengths disagree, or a step changes the structure of the carry.

    Notes
    -----
    By itself a plain loop. Under `jit` a native loop: tracing and compiling take the time of one step, whatever the length,
    and steps may branch. So is its gradient, `jit(grad(f))` with the scan inside `f`: a reverse loop, after one more forward
    loop that keeps the carries. Where it is differentiated twice or forward, its steps are recorded one by one.

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
    leaves, containers = optree.tree_flatten(xs, namespace=NAMESPACE)
    count = _count(leaves, length)
    if checkpoint is not None and (isinstance(checkpoint, bool) or not isinstance(checkpoint, int) or checkpoint < 1):
        raise ArgumentError(f"checkpoint={checkpoint!r} of scan: give a number of steps from 1 on, or None.")
    notes = observers.recording()
    if notes is not None and notes.loops and count > 0:
        return _recorded(step, init, (leaves, containers), count, checkpoint)
    carry, outputs = init, []
    shape = unravel(init, "the carry of scan")[1]
    for t in range(count):
        row: Any = optree.tree_unflatten(containers, [_row(leaf, t) for leaf in leaves])
        carry, y = _pair(step(carry, row), step)
        _same(unravel(carry, "the carry of scan")[1], shape, step)
        outputs.append(y)
    return carry, _stacked(outputs)


def _row(array: Any, t: int) -> Any:
    """Row t; a float and not one of NumPy's where it is a single number."""
    row = array[t]
    return row.item() if isinstance(row, np.generic) else row


def _count(leaves: list[Any], length: int | None) -> int:
    lengths = set()
    for leaf in leaves:
        if not isinstance(leaf, (np.ndarray, list)) or not np.ndim(leaf):
            raise ArgumentError(f"xs of scan holds {leaf!r:.60}; give arrays, whose rows are the steps, or length=.")
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


def _pair(result: Any, step: Callable[..., Any]) -> tuple[Any, Any]:
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ArgumentError(
            f"{name_of(step)} returned {result!r:.80}; a step of scan returns a pair (carry, output), None for no output."
        )
    return result


def _same(shape: Shape, before: Shape, step: Callable[..., Any]) -> None:
    if shape != before:
        raise ArgumentError(
            f"{name_of(step)} turned a carry of shapes {list(before.leaves)} in {before.containers} into one of "
            f"{list(shape.leaves)} in {shape.containers}. Return a carry like the one that came in."
        )


def _stacked(outputs: list[Any]) -> Any:
    if not outputs:
        return None
    return optree.tree_map(_rows, *outputs, namespace=NAMESPACE)


def _rows(*leaves: Any) -> Any:
    shape = np.shape(leaves[0]) if isinstance(leaves[0], np.ndarray) else ()
    numbers: list[Any] = []
    for leaf in leaves:
        numbers += leaf.ravel().tolist() if isinstance(leaf, np.ndarray) else [leaf]
    numbers = [n if type(n) is Variable else float(n) for n in numbers]
    return as_array(numbers, (len(leaves), *shape))


def _recorded(
    step: Callable[..., Any], init: Any, xs: tuple[list[Any], Any], count: int, checkpoint: int | None
) -> tuple[Any, Any]:
    """The loop as one operation of the trace that is under way."""
    leaves, containers = xs
    numbers, carry_shape = unravel(init, "the carry of scan")
    arrays = [np.asarray(leaf) for leaf in leaves]
    traced = any(a.dtype == object for a in arrays)
    flat = [a.reshape(count, int(np.prod(a.shape[1:], dtype=np.int64))) for a in arrays]
    rows = np.concatenate(flat, axis=1) if flat else np.empty((count, 0))
    x_shape = Shape(containers, tuple(a.shape[1:] or None for a in arrays))
    first = [getattr(n, "_value", n) for n in (*numbers, *rows[0].tolist())]
    _, shape = unravel(((carry_shape.pack([0.0] * len(numbers)), x_shape.pack([0.0] * rows.shape[1])), {}))

    def checked(carry: Any, row: Any) -> Any:
        following, y = _pair(step(carry, row), step)
        _same(unravel(following, "the carry of scan")[1], carry_shape, step)
        return following, y

    known = None if traced else rows.astype(np.float64)
    loop = Loop(
        checked,
        shape,
        carry=len(numbers),
        x=rows.shape[1],
        rows=known,
        length=count,
        backend=chosen("auto"),
        segment=checkpoint,
    )
    path = loop.begin([float(n) for n in first])
    arguments = (*numbers, *loop.captured, *(rows.ravel().tolist() if traced else ()))
    results = recorded(loop, arguments)
    y_shape = _output_shape(path.tape.output_shape)
    width = len(path.tape.outputs) - len(numbers)
    stacked = Shape(y_shape.containers, tuple((count, *(leaf or ())) for leaf in y_shape.leaves))  # type: ignore[misc]
    outputs = results[len(numbers) :]
    columns: list[Any] = []
    start = 0
    for size in y_shape.sizes:
        columns += [outputs[t * width + start + k] for t in range(count) for k in range(size)]
        start += size
    return carry_shape.pack(results[: len(numbers)]), stacked.pack(columns)


def _output_shape(pair: Shape) -> Shape:
    """The shape of the second of a pair."""
    containers = pair.containers.child(1)
    return Shape(containers, pair.leaves[len(pair.leaves) - containers.num_leaves :])
