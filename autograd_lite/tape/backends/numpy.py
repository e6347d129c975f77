"""Lanes as arrays: a loop over the program with NumPy's functions, freeing what is not needed any more."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograd_lite.primitives import PRIMITIVES, Primitive, pow  # noqa: A004 - the rule
from autograd_lite.tape.backends.outputs import Outputs
from autograd_lite.tape.backends.python import PythonSingle
from autograd_lite.tape.backends.registry import BACKENDS, Backend
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.program import Program

Array = Any  # of float64, one number a lane; or a float

_BLOCK = 4096  # lanes that run together
_ADDED = 64  # lanes that are added up together


def _compiled(primitive: Primitive) -> Callable[..., Array]:
    """A function from the expression of NumPy in the entry."""
    names = [f"a{k}" for k in range(primitive.arity)]
    function: Callable[..., Array] = eval(  # noqa: S307 - the text of the table
        f"lambda {', '.join(names)}: {primitive.arrays.format(*names)}", {"np": np}
    )
    return function


def _pow(x: Array, p: Array) -> Array:
    """NumPy takes a root for the power ½ where one exponent serves all lanes, and that is nan at -inf: each gets its own."""
    return np.power(x, p if isinstance(p, np.ndarray) else np.full(np.shape(x) or 1, p))


#: NumPy's function for each built-in primitive that has one.
FUNCTIONS: dict[Primitive, Callable[..., Array]] = {
    rule: _compiled(rule) if rule.arrays else getattr(np, rule.numpy)
    for rule in PRIMITIVES.values()
    if rule.built_in and (rule.arrays or rule.numpy) and rule.expression is None and not rule.defaults
} | {pow: _pow}


def function_of(primitive: Primitive) -> Callable[..., Array]:
    """NumPy's function, that of an operation on tables or of a loop, or the rule's own value lane by lane."""
    if hasattr(primitive, "of_lanes"):
        return primitive.of_lanes  # type: ignore[no-any-return]
    if hasattr(primitive, "turn"):
        return _repeated(primitive)
    if hasattr(primitive, "index"):  # one of the results of a loop
        return primitive.value
    if primitive in FUNCTIONS or primitive.arrays:
        return FUNCTIONS.get(primitive) or _compiled(primitive)
    ufunc = np.frompyfunc(primitive.value, primitive.arity, 1)

    def lane_by_lane(*arguments: Array) -> Array:
        result = ufunc(*[a.astype(object) if isinstance(a, np.ndarray) else float(a) for a in arguments])
        return result.astype(np.float64) if isinstance(result, np.ndarray) else result

    return lane_by_lane


def _repeated(loop: Any) -> Callable[..., Array]:
    """A loop over lanes, whose turns run on the lanes that are left."""
    turn = ArrayLanes(loop.turn)
    return lambda *arguments: loop.run(lambda _, columns: turn.run(columns)[0], arguments)


class ArrayLanes:
    """Many lanes by NumPy, in blocks."""

    def __init__(
        self,
        program: Program,
        _varying: int = 0,
        *,
        summed: bool = False,  # noqa: ARG002 - as other backends
        contract: bool = False,  # noqa: ARG002
        functions: Mapping[Primitive, Callable[..., Array]] | None = None,
    ) -> None:
        self.program = program = program if functions else lowered(program, FUNCTIONS)
        kept = set(program.roots)
        last = {a: position for position, (_, arguments) in enumerate(program.code) for a in arguments}
        free: dict[int, list[int]] = {}
        for slot, position in last.items():
            if slot not in kept and slot >= program.first_instruction:
                free.setdefault(position, []).append(slot)
        found = functions.__getitem__ if functions else function_of
        # NumPy takes an array of one number as it is, and spends a microsecond on one of Python.
        self._constants = [*map(np.array, program.constants)] if functions else program.constants
        self._steps = [(found(f), arguments, free.get(k, ())) for k, (f, arguments) in enumerate(program.code)]

    def run(self, inputs: Sequence[Array]) -> tuple[list[Array], Array]:
        """The outputs, and for each lane 0, the number of the first guard that failed, or -1 for a doubtful NaN."""
        program = self.program
        values: list[Any] = [*inputs, *self._constants]
        with np.errstate(all="ignore"):
            for function, arguments, finished in self._steps:
                values.append(function(*[values[a] for a in arguments]))
                for slot in finished:
                    values[slot] = None
            status: Array = 0.0
            for slot in program.doubtful:
                status = np.where(np.isnan(values[slot]), -1.0, status)
            for number, guard in reversed(list(enumerate(program.guards, start=1))):
                held = getattr(operator, guard.relation)(values[guard.left], values[guard.right])
                status = np.where(held == guard.outcome, status, float(number))
        return [values[slot] for slot in program.outputs], status

    def each(self, columns: Any, shared: Any, sizes: Sequence[int]) -> tuple[Any, Any]:
        outputs = Outputs.empty(columns.count, sizes)
        numbers, status = outputs.columns(), np.zeros(columns.count)
        inputs = columns.column_list()
        for start in range(0, columns.count, _BLOCK):
            part = slice(start, start + _BLOCK)
            results, status[part] = self.run([*(c[part] for c in inputs), *shared.tolist()])
            for own, result in zip(numbers, results, strict=True):
                own[part] = result
        return outputs, status if np.count_nonzero(status) else None

    def sums(self, columns: Any, shared: Any, use: Callable[[Any, int], Any]) -> Any:
        inputs, sums = columns.column_list(), []
        for start in range(0, columns.count, _BLOCK):
            part = slice(start, min(start + _BLOCK, columns.count))
            results, _ = self.run([*(c[part] for c in inputs), *shared.tolist()])
            outputs = np.array([np.broadcast_to(result, part.stop - start) for result in results])
            with np.errstate(all="ignore"):
                sums.append(np.add.reduceat(outputs, np.arange(0, part.stop - start, _ADDED), axis=1).T)
        return use(np.concatenate(sums), _ADDED)


BACKENDS["python"] = BACKENDS["numpy"] = Backend(PythonSingle, ArrayLanes)
