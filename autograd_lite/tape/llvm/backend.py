"""The backend of machine code: single lanes, and blocks of lanes on several threads."""

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.backends.outputs import Outputs
from autograd_lite.tape.backends.registry import BACKENDS, Backend, alone
from autograd_lite.tape.llvm import engine, runtime
from autograd_lite.tape.masked import Pause
from autograd_lite.tape.program import Program

if engine.AVAILABLE:
    from autograd_lite.tape.llvm import emit, loops

#: Lanes times instructions from which on a second thread pays.
WORTH_A_THREAD = 4_000_000

#: Doubles that the sums of blocks may take where tables are added up, and the parts of the lanes that there are at least.
MOST_SUMS, SHARES = 1 << 20, 64

_CORES = os.cpu_count() or 1


def _address(array: Any) -> int:
    """Where the numbers of a contiguous array lie, in a fifth of the time of `ctypes.data`; 0 if there are none."""
    if not array.size:
        return 0
    return ctypes.addressof(_Byte.from_buffer(array)) if array.flags.writeable else int(array.ctypes.data)


_Byte = ctypes.c_char


class MachineSingle:
    """A program for one lane; see `registry.Single`."""

    def __init__(self, program: Program, *, contract: bool, rolled: bool) -> None:
        def write() -> Any:
            module = loops.rolled_module(program, contract=contract) if rolled else None
            return emit.lane_module(program, contract=contract) if module is None else module

        self.module = emit.machine_code(program, write, contract, rolled)
        self.count, self.inputs, facts = len(program.outputs), program.inputs, self.module.facts
        self.outputs, self.callbacks = facts["outputs"], self.module.callbacks
        self.scratch = 0 if facts["scratch"] <= emit.ON_STACK else facts["scratch"]
        self.rolled: bool = facts["rolled"]
        self.cached, short = self.module.cached, facts["length"] < 500
        self.address, pointer = self.module.address("main"), ctypes.c_void_p
        self.main = self.module.function("main", ctypes.c_int64, *[pointer] * 3, hold_gil=short)
        self.framed = self.module.function("framed", ctypes.c_int64, pointer, hold_gil=short)

    def run(self, inputs: Sequence[float]) -> tuple[int, Sequence[float]]:
        status, results = self.computed(np.array(inputs, dtype=np.float64))
        return status, results.tolist()

    def computed(self, given: Any) -> tuple[int, Any]:
        results, scratch = np.empty(self.outputs), np.empty(self.scratch)
        status = self.main(given.ctypes.data, results.ctypes.data, scratch.ctypes.data)
        engine.raise_failures(self.callbacks)
        return status, results[: self.count]

    def bound(self) -> tuple[Any, Any, Callable[[], int], Any]:
        """Arrays for inputs and outputs, a function that runs on them and returns the status, and memory that must live."""
        given, out, scratch = np.empty(self.inputs), np.empty(self.outputs), np.empty(self.scratch)
        addresses = np.array([memory.ctypes.data for memory in (given, out, scratch)], dtype=np.int64)
        frame = ctypes.c_void_p(addresses.ctypes.data)  # one argument: each costs 0.1 µs
        go: Callable[[], int] = functools.partial(self.framed, frame)

        def checked() -> int:
            status = go()
            engine.raise_failures(self.callbacks)
            return status

        return given, out, checked if self.callbacks else go, (addresses, scratch)

    def scan(self, carry: Any, captured: Any, rows: Any, outputs: Any, first: int) -> tuple[int, Any, int]:
        """Run the program as the step of a loop from row `first` on: the step it came to, its carry, and the status there."""
        size, x = len(carry), rows.shape[1]
        # Inputs and outputs may change places if outputs never reach the captured numbers behind carry and row.
        swap = self.outputs <= size + x
        width = -(-max(self.inputs, self.outputs) // 8) * 8
        memory = np.empty(2 * width + self.scratch)  # in one piece: a start takes the time of hundreds of operations
        buffers, address = memory[: 2 * width].reshape(2, width), _address(memory)
        buffers[0, :size] = carry
        buffers[:, size + x : self.inputs] = captured
        step, status = runtime.scan(
            self.address,
            *(address, address + 8 * width, address + 16 * width, _address(rows), _address(outputs)),
            *(size, x, outputs.shape[1], first, len(rows)),
            swap=swap,
        )
        carry = buffers[(step - first) % 2 if swap else 0, :size].copy()
        engine.raise_failures(self.callbacks)
        return step, carry, status


class Pool:
    """Memory that the next call uses again, each piece with its address: fresh pages cost more than the work on them."""

    #: Numbers beyond which memory goes back to the system.
    KEPT = 1 << 20

    def __init__(self, kind: Any = np.float64) -> None:
        self._kept: list[tuple[Any, int]] = []
        self._kind = kind

    def take(self, count: int) -> tuple[Any, int]:
        """At least `count` numbers from the start of a cache line, with whatever was left in them, and their address."""
        try:
            memory, address = self._kept.pop()
        except IndexError:
            memory, address = np.empty(0), 0
        if len(memory) < count or not count:
            memory = np.empty(count + 8, self._kind)
            memory = memory[-(memory.ctypes.data // 8) % 8 :]
            address = memory.ctypes.data
        return memory, address

    def give(self, memory: Any, address: int) -> None:
        if len(memory) <= self.KEPT:
            self._kept.append((memory, address))


class MachineLanes:
    """A program for many lanes, in blocks; see `registry.Lanes`.

    `main` needs `scratch` doubles for a block, and behind them a vector as mask and one for each of the sums. `work` is the
    time for a lane, in instructions.
    """

    def __init__(self, program: Program, varying: int, *, summed: bool, contract: bool) -> None:
        width, count = engine.host().width, len(program.outputs)
        write = functools.partial(emit.lanes_module, program, varying, width, summed=summed, contract=contract)
        self.module = emit.machine_code(program, write, varying, width, summed, contract)
        facts, self.callbacks, self.cached = self.module.facts, self.module.callbacks, self.module.cached
        self.outputs, self.sum_count = (0, count) if summed else (count, 0)
        self.varying, self.guarded = varying, bool(program.guards)
        self.largest: int = facts["block"]
        self.width: int = facts["width"]
        self.scratch, self.work = facts["scratch"] + 16, facts["work"]  # what follows begins at a cache line
        self.together: bool = facts["together"]
        self.behind = (self.sum_count + 1) * self.width + facts["stacks"]
        kinds = [ctypes.c_void_p] * 6 + [ctypes.c_int64] + [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 5
        self.main = self.module.function("main", ctypes.c_int64, *kinds)
        self._spare, self._totals, self._tables = Pool(), Pool(), Pool(np.int64)

    def block_of(self, count: int) -> int:
        """Lanes of a block for so many lanes: a matter of their number alone, as the order of additions is."""
        half = -(-count // (2 * self.width)) * self.width
        return max(min(64, self.largest), min(self.largest, half))

    def blocks_of_a_sum(self, count: int) -> int:
        """Blocks whose sums are one row: more where long tables are added up; a matter of the number of lanes too."""
        blocks = -(-count // self.block_of(count))
        return max(1, min(blocks // SHARES, -(-blocks * self.sum_count // MOST_SUMS))) if self.together else 1

    def each(self, columns: Columns, shared: Any, sizes: Sequence[int]) -> tuple[Outputs, Any]:
        outputs = Outputs.empty(columns.count, sizes)
        results = _address(outputs.numbers)
        if not self.guarded:
            self._in_threads(columns, shared, results, sizes, 0)
            return outputs, None
        status = np.zeros(columns.count)  # its pages stay untouched if all guards hold
        failed = self._in_threads(columns, shared, results, sizes, _address(status))
        return outputs, status if failed else None

    def sums(self, columns: Columns, shared: Any, use: Callable[[Any, int], Any]) -> Any:
        block, together = self.block_of(columns.count), self.blocks_of_a_sum(columns.count)
        rows = -(-columns.count // (block * together))
        totals = self._totals.take(rows * self.sum_count)
        try:
            self._in_threads(columns, shared, totals[1], (), 0, together=together)
            return use(totals[0][: rows * self.sum_count].reshape(rows, self.sum_count), block * together)
        finally:
            self._totals.give(*totals)

    def _in_threads(
        self, columns: Columns, shared: Any, results: int, sizes: Sequence[int], status: int, *, together: int = 1
    ) -> bool:
        """Run all blocks, on several threads if there is work for them; who runs a block changes nothing in it.

        The sums of blocks go to `results`, or outputs in leaves of these sizes; whether a guard failed in some lane.
        """
        count, varying = columns.count, self.varying
        table, at = self._tables.take(2 * varying + len(sizes))
        columns.pointers(table[:varying], table[varying : 2 * varying])
        table[2 * varying : 2 * varying + len(sizes)] = sizes
        addresses = _address(shared) if len(shared) else 0, at, at + 8 * varying, results, at + 16 * varying, status
        block = self.block_of(count)
        blocks = -(-count // (block * together))
        failing: list[int] = []  # blocks with a lane in which a guard fails, of each thread
        failures: list[BaseException] = []
        failed = threading.Event() if self.callbacks else None

        def work(first: int, last: int) -> None:
            memory, start = self._spare.take(self.scratch + self.behind)
            Pause.stopped.event = failed  # loops in other threads end where one fails
            try:
                sums = start + 8 * self.scratch
                failing.append(self.main(*addresses, len(sizes), start, sums, count, block, first, last, together))
            finally:
                self._spare.give(memory, start)
            if failed is not None and (own := engine.taken(self.callbacks)):
                failures.extend(own)
                failed.set()

        workers = min(1 if alone.get() else _CORES, blocks, max(1, count * self.work // WORTH_A_THREAD))
        if workers > 1:
            cuts = [blocks * k // workers for k in range(workers + 1)]
            threads = [threading.Thread(target=work, args=cut) for cut in pairwise(cuts[1:])]
            for thread in threads:
                thread.start()
            work(0, cuts[1])
            for thread in threads:
                thread.join()
        elif blocks:
            work(0, blocks)
        self._tables.give(table, at)
        if failures:
            raise failures[0]
        return any(failing)


if engine.AVAILABLE:
    BACKENDS["llvm"] = Backend(MachineSingle, MachineLanes, compiles=True, rolls=loops.rolls, target=engine.facts)
