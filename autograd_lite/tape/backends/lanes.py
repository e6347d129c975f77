"""A tape over many lanes: what is the same for all runs once, the rest for each lane by a backend."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autograd_lite.tape.backends import registry
from autograd_lite.tape.backends.outputs import Outputs
from autograd_lite.tape.masked import inlined
from autograd_lite.tape.program import FEW, split
from autograd_lite.tape.tape import Tape


class Columns:
    """The inputs of many lanes: numbers that all share, and float64 arrays (lanes, numbers), in the order of the slots."""

    def __init__(self, count: int, shared: Any, arrays: list[Any]) -> None:
        self.count, self.shared, self.arrays = count, shared, arrays

    def rows(self, lanes: Any) -> "Columns":
        """Only these lanes."""
        return Columns(len(lanes), self.shared, [array[lanes] for array in self.arrays])

    def filled(self, places: Sequence[Any], numbers: Any) -> "Columns":
        """With other numbers at some places of the shared ones and then of each array; of objects if they are such."""
        parts, start = [self.shared, *self.arrays], 0
        for k, own in enumerate(places):
            if len(own):
                parts[k] = np.array(parts[k], dtype=numbers.dtype, order="C")  # a copy
                np.put(parts[k], own, numbers[start : start + len(own)])
                start += len(own)
        return Columns(self.count, parts[0], parts[1:])

    def also_shared(self, numbers: Sequence[float]) -> "Columns":
        """With further numbers that all share, behind the others."""
        return Columns(self.count, np.concatenate([self.shared, np.array(numbers, dtype=np.float64)]), self.arrays)

    def column_list(self) -> list[Any]:
        """Each varying input as an array over lanes."""
        return [array[:, k] for array in self.arrays for k in range(array.shape[1])]

    def pointers(self, bases: Any, strides: Any) -> None:
        """Write the address and the stride in bytes of each varying input."""
        start = 0
        for array in self.arrays:
            width, (lane, step) = array.shape[1], array.strides
            address = array.__array_interface__["data"][0]  # half a microsecond less than by `ctypes`
            if width == 1:
                bases[start], strides[start] = address, lane
            else:
                bases[start : start + width] = address + step * np.arange(width)
                strides[start : start + width] = lane
            start += width


class LaneProgram:
    """A tape ready for many lanes, which have their own numbers where `varying`, but share what is captured.

    If `summed`, outputs are added up over the lanes; if `contract`, products and sums may be fused.
    """

    def __init__(
        self, tape: Tape, varying: Sequence[bool], backend: str, *, summed: bool, contract: bool = False
    ) -> None:
        self.captured = tape.captured
        self.outputs, self.doubtful = len(tape.outputs), bool(tape.doubtful)
        program, codes = inlined(tape.program)
        self.tested_after: Any = None
        if not summed and len(program.doubtful) <= FEW:
            program = program.with_doubt_as_guards()
            codes += [-1] * (len(program.guards) - len(codes))
        else:  # as further outputs; `sums` adds those up too, and a NaN in one lane is one in the sum
            place = {slot: k for k, slot in enumerate(program.outputs)}
            doubtful = program.doubtful
            extra = [slot for slot in doubtful if slot not in place]
            place |= {slot: self.outputs + k for k, slot in enumerate(extra)}
            program = replace(program, outputs=(*program.outputs, *extra), doubtful=())
            self.tested_after = [place[slot] for slot in doubtful]
        #: The status for each guard that failed first; None if it is the number of the guard.
        self._codes = None if codes == [*range(1, len(codes) + 1)] else np.array([0, *codes])
        self.common, self.each = split(program, [*varying, *[False] * len(tape.captured)])
        picked = np.array(self.common.outputs, dtype=np.int64)
        self._picked: Any = slice(len(picked)) if np.array_equal(picked, np.arange(len(picked))) else picked
        self._constants = (
            np.array(self.common.constants) if picked.size and picked.max() >= self.common.inputs else None
        )
        self._run = registry.lanes(self.each, sum(varying), backend, summed=summed, contract=contract)
        self.cached = getattr(self._run, "cached", False)
        if self.common.code:
            self._first = registry.single(self.common, backend)

    def _shared_results(self, shared: Any) -> Any:
        if self.common.code:
            return self._first.computed(shared)[1]
        if self._constants is not None:
            shared = np.concatenate([shared, self._constants])
        return np.ascontiguousarray(shared[self._picked]) if len(shared) else shared

    def each_lane(self, columns: Columns, sizes: Sequence[int]) -> tuple[Outputs, Any]:
        """Outputs in leaves of these sizes, and the status of each lane; None if all are served.

        The status is 0, the number of a guard that failed, from 1, -1 for doubt, or that of a loop: see `masked.inlined`.
        """
        extra = [1] * (len(self.each.outputs) - self.outputs)
        outputs, status = self._run.each(columns, self._shared_results(columns.shared), [*sizes, *extra])
        if self.tested_after is not None:
            numbers = outputs.columns()
            doubt = np.isnan([numbers[k] for k in self.tested_after]).any(axis=0)
            if doubt.any():
                status = np.where(doubt, -1.0, 0.0) if status is None else np.where((status == 0) & doubt, -1.0, status)
            outputs = Outputs(outputs.numbers[: self.outputs * columns.count], columns.count, sizes)
        if status is None or not np.count_nonzero(status):
            return outputs, None
        return outputs, status if self._codes is None else np.where(status > 0, self._codes[status.astype(int)], status)

    def sums(self, columns: Columns, use: Callable[[Any, int], Any]) -> Any:
        """The result of `use(sums, block)`: sums over blocks of lanes, (blocks, outputs and doubtful), good for it only."""
        return self._run.sums(columns, self._shared_results(columns.shared), use)
