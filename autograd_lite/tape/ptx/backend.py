"""The backend of a device: lanes in threads of it, single lanes on this machine; and a tape's text for it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograd_lite.tape import text
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.backends.outputs import Outputs
from autograd_lite.tape.backends.registry import BACKENDS, Backend
from autograd_lite.tape.llvm import engine
from autograd_lite.tape.program import Program
from autograd_lite.tape.ptx import driver, kernel

#: The part of the free memory that a call takes, and the bytes that it takes at most: more lanes go one part after the other.
SHARE, MOST = 0.5, 1 << 32


class DeviceLanes:
    """A program for many lanes, a thread for each; see `registry.Lanes`."""

    def __init__(self, program: Program, varying: int, *, summed: bool = False, contract: bool = False) -> None:
        self.device, code = driver.device(), kernel.Kernel(program, varying, contract=contract)
        self.varying, self.outputs, self.guarded = varying, len(program.outputs), bool(code.program.guards)
        code.threads("lanes", code.lane, 4, 1)
        if summed:
            code.threads("sums", code.block, 2, 3)
        assembly = kernel.assembly(code, min(kernel.OLDEST, self.device.capability))
        self.lanes, *self.blocks = self.device.loaded(assembly, ["lanes", "sums"][: 1 + summed], self)

    def each(self, columns: Columns, shared: Any, sizes: Sequence[int]) -> tuple[Outputs, Any]:
        outputs, status = Outputs.empty(columns.count, sizes), np.zeros(columns.count, np.int32)
        numbers = outputs.columns()
        for part, (results, failed, _) in self._parts(columns, shared):
            own = np.empty((self.outputs, part.stop - part.start))
            self.device.fetch(own, results)
            for column, row in zip(numbers, own, strict=True):
                column[part] = row
            if self.guarded:
                self.device.fetch(status[part], failed)
        return outputs, status.astype(np.float64) if np.count_nonzero(status) else None

    def sums(self, columns: Columns, shared: Any, use: Callable[[Any, int], Any]) -> Any:
        totals = [np.empty((0, self.outputs))]
        for part, (results, _, added) in self._parts(columns, shared):
            count = part.stop - part.start
            blocks = -(-count // kernel.ADDED)
            own = np.empty((self.outputs, blocks))
            self.device.launch(self.blocks[0], own.size, results, added, count, blocks, own.size)
            self.device.fetch(own, added)
            totals.append(own.T)
        return use(np.concatenate(totals), kernel.ADDED)

    def _parts(self, columns: Columns, shared: Any) -> Iterator[tuple[slice, Sequence[Any]]]:
        """Run as many lanes as the memory holds, again and again: which, and where results, statuses and sums are."""
        count, lane = columns.count, 8 * (self.varying + self.outputs + 1) + 8 * self.outputs // kernel.ADDED + 1
        room = int(min(MOST, SHARE * self.device.free())) // lane // kernel.ADDED * kernel.ADDED
        most = max(1, min(count, max(room, kernel.ADDED)))  # whole blocks, so that parts change no sum
        blocks, shared = -(-most // kernel.ADDED), np.ascontiguousarray(shared, dtype=np.float64)
        sizes = most * self.varying, len(shared), most * self.outputs, most, blocks * self.outputs
        inputs = columns.column_list()
        with self.device.memory(*[8 * size for size in sizes]) as (rows, common, results, failed, added):
            self.device.send(shared, common)
            for start in range(0, count, most):
                part = slice(start, min(start + most, count))
                given = np.array([column[part] for column in inputs], dtype=np.float64, order="C")
                self.device.send(given, rows)
                size = part.stop - start
                self.device.launch(self.lanes, size, rows, common, results, failed, size, size)
                yield part, (results, failed, added)


def ptx(tape: Any) -> Iterator[str]:
    """The text of a tape for devices."""
    name = text.identifier(tape.name.encode("ascii", "replace").decode(), "f", set()) + "_lanes"
    numbers = tape.program.inputs - len(tape.captured)
    code = kernel.Kernel(tape.program, numbers)
    code.threads(name, code.lane, 4, 1)
    yield f"// The tape of {text.on_one_line(tape.name)}, written by autograd_lite."
    yield f"// {name}(x, shared, y, status, n): a thread for each of n lanes, in blocks of one dimension."
    yield f"// x: {numbers} rows of n doubles, one for each number in the arguments"
    yield f"// shared: {len(tape.captured)} doubles, the captured Variables"
    yield f"// y: {len(tape.outputs)} rows of n doubles"
    yield "// status: n integers of 32 bits: 0, the number of the first comparison that came out otherwise than recorded,"
    yield "// or -1 where the careful program is to be asked. Without comparisons nothing is written there."
    yield kernel.assembly(code)


text.LANGUAGES["ptx"] = ptx
if engine.AVAILABLE:
    _here = BACKENDS["llvm"]
    BACKENDS["cuda"] = Backend(
        _here.single, DeviceLanes, _here.compiles, _here.rolls, check=driver.device, target=_here.target
    )
