"""The operations of a lane on a device: formulas, functions, loops, look-ups in tables; and which have no code there.

Loops and tables have numbers in the memory of a thread, of which each thread has as much as the program may need.
"""

from collections.abc import Sequence
from typing import Any

from autograd_lite.errors import CompilationError
from autograd_lite.tape.llvm import masked_loops, vector_math
from autograd_lite.tape.llvm.emit import INLINE, LIBRARY, NATIVE
from autograd_lite.tape.llvm.ir import Builder, Value
from autograd_lite.tape.llvm.masked_loops import Ran, Region
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.masked import MaskedLoop, MaskedScan
from autograd_lite.tape.program import Program
from autograd_lite.tape.ptx.functions import OWN

#: Numbers of the memory of a thread: 32 KiB, since there may be hundreds of thousands of threads at a time.
MOST = 4096


class Operations:
    """Writes operations on values; `kernel` has functions, tables and `room` in the memory of a thread."""

    def __init__(self, kernel: Any, b: Builder, memory: Value) -> None:
        self.kernel, self.b, self.memory = kernel, b, memory

    def applied(self, operation: Any, values: list[Any], *, kept: bool = False) -> Any:
        """The value of an operation; `kept` says that a reverse sweep needs the carries of a loop."""
        if is_item(operation):
            results = values[0].results if type(values[0]) is Ran else values[0]
            return results[operation.index]
        if isinstance(operation, MaskedScan):
            return self._scanned(operation, values, kept=kept)
        if isinstance(operation, MaskedLoop):
            stack = self._stack(operation.limit + 2, operation.carry) if kept and operation.limit is not None else None
            turn = lowered(operation.turn, NATIVE)
            return masked_loops.forward(self.b, operation, turn, self.applied, values, stack=stack, pause=self._pause())
        if hasattr(operation, "turn"):
            return masked_loops.backward(self.b, operation, lowered(operation.turn, NATIVE), self.applied, values)
        if hasattr(operation, "lookup"):
            return getattr(self, f"_{operation.lookup}")(operation, values)
        inline = INLINE.get(operation)
        return inline(*values) if inline is not None else self.b.library(LIBRARY[operation], *values)

    def region(self, numbers: int) -> Region:
        """Room for so many numbers."""
        return Region(self.memory.at(self.kernel.room(numbers)), 8)

    def stored(self, numbers: Sequence[Value]) -> Region:
        """Numbers side by side in memory."""
        region = self.region(len(numbers))
        for k, number in enumerate(numbers):
            region.at(k).store(number)
        return region

    def _scanned(self, scan: MaskedScan, values: list[Any], *, kept: bool) -> Ran:
        heads = values[scan.reverse :][: scan.heads]
        parts = scan.parts(values[scan.reverse + scan.heads :])
        sources = [
            self.stored(part) if known is None else Region(self.kernel.known(self.b, known.table.ravel().tolist()), 8)
            for part, (_, known) in zip(parts, scan.rows.sources, strict=True)
        ]
        stack = values[0].stack if scan.reverse else self._stack(scan.rows.length, scan.state) if kept else None
        turn, results = lowered(scan.turn, NATIVE), self.region(scan.results)
        return masked_loops.scanned(
            scan, turn, self.applied, heads, sources, results=results, stack=stack, pause=self._pause()
        )

    def _stack(self, turns: int, carry: int) -> Value:
        """A stack with room for the carries of so many turns: see `masked_loops`. It never grows."""
        stack = self.region(masked_loops.STACK).start
        stack.store(self.region(turns * max(carry, 1)).start)
        stack.at(1).store(self.b.constant(turns, "i64"))
        stack.at(2).store(self.b.constant(0, "i64"))
        if "al_room" not in self.kernel.written:
            self.kernel.function("al_room", ["ptr", "i64"], lambda b, *_: b.constant(1, "i64"), linkage="internal")
        return stack

    def _pause(self) -> str:
        """A function in the place of a look at what goes on outside of a loop: a device has nothing to look at."""
        if "lane_pause" not in self.kernel.written:
            self.kernel.function("lane_pause", ["double"], lambda b, _: b.constant(0.0), linkage="internal")
        return "lane_pause"

    def _row(self, row: Any, values: list[Any]) -> Value:
        table, place = values
        number: Value = table.at(self._entry(row, place)).load("double")
        return number

    def _entry(self, row: Any, place: Value) -> Value:
        """Where an entry stands in its table; a place that is none, as of a NaN, counts as the first row."""
        inside = place.where((place > 0.0) & (place < float(row.count)), 0.0).cast("fptosi", "i64")
        entry: Value = inside * row.width + row.offset
        return entry

    def _scatter(self, scatter: Any, values: list[Value]) -> Region:
        """Sums of numbers, in a table of zeros."""
        table, count = self.region(scatter.results), len(scatter.rows)
        with self.b.counted(scatter.results) as (k,):
            table.at(k).store(self.b.constant(0.0))
        entries = [table.at(self._entry(*pair)) for pair in zip(scatter.rows, values[:count], strict=True)]
        for entry in entries:
            entry.store(self.b.constant(-0.0))  # which changes no sum
        for entry, number in zip(entries, values[count:], strict=True):
            entry.store(entry.load("double") + number)
        return table


def is_item(operation: Any) -> bool:
    """Whether this is one of the results of another operation."""
    return hasattr(operation, "index") and not hasattr(operation, "lookup")


def refuse(program: Program, *, inner: bool = False) -> None:
    """Refuse operations that need something outside of the device, and loops that need more memory than a thread has."""
    kept = {arguments[0] for f, arguments in program.code if hasattr(f, "keeps")}
    for slot, (operation, _) in enumerate(program.code, start=program.first_instruction):
        if operation in INLINE or is_item(operation):
            continue
        name = LIBRARY.get(operation)
        if name in vector_math.FUNCTIONS or name in OWN:
            continue
        if hasattr(operation, "turn"):
            refuse(lowered(operation.turn, NATIVE), inner=True)
            _refuse_long(operation, kept=slot in kept, inner=inner)
        elif not hasattr(operation, "lookup"):
            raise CompilationError(f"a device has no code for {operation.name}. {_remedy(operation)}")


def _remedy(operation: Any) -> str:
    if getattr(operation, "built_in", True):
        return 'Write it in functions that have code there (see "Devices" in docs/tape.md), or use backend="llvm".'
    return "Give the Primitive an `expression`."


def _refuse_long(loop: Any, *, kept: bool, inner: bool) -> None:
    """Refuse a loop whose carries do not fit into the memory of a thread."""
    if kept and inner:
        reason, remedy = "keeps the carries of an inner loop", "Differentiate the outer loop only"
    elif isinstance(loop, MaskedScan):
        size = loop.results + sum(width * loop.rows.length for width, known in loop.rows.sources if known is None)
        size += loop.rows.length * loop.state * kept
        if size <= MOST:
            return
        reason, remedy = f"has {size:,} numbers, and a thread room for {MOST:,}", "Scan fewer rows"
    else:
        limit, size = getattr(loop, "limit", 0), max(getattr(loop, "carry", 0), 1)
        if not kept or (limit is not None and (limit + 2) * size <= MOST):
            return
        reason = "keeps the carries of all its turns for a gradient"
        remedy = f"Give the while_loop a limit of {MOST // size - 2:,} turns or fewer"
    raise CompilationError(f'a device has no code for {loop.name}: it {reason}. {remedy}, or use backend="llvm".')
