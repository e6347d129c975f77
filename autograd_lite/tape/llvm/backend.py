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
from autograd_lite.tape.backends.registry import BACKENDS, Backend
from autograd_lite.tape.llvm import engine, runtime
from autograd_lite.tape.program import Program

if engine.AVAILABLE:
    from autograd_lite.tape.llvm import emit

#: Lanes times instructions from which on a second thread pays.
WORTH_A_THREAD = 4_000_000

_CORES = os.cpu_count() or 1


class MachineSingle:
    """One lane by machine code."""

    def __init__(self, program: Program, *, contract: bool) -> None:
        self.code = emit.single_lane(program, contract=contract)
        self.count = len(program.outputs)

    def run(self, inputs: Sequence[float]) -> tuple[int, Sequence[float]]:
        """The status and the outputs."""
        status, results = self.computed(np.array(inputs, dtype=np.float64))
        return status, results.tolist()

    def computed(self, given: Any) -> tuple[int, Any]:
        """The status and the outputs, of an array and as an array."""
        code = self.code
        results, scratch = np.empty(code.outputs), np.empty(code.scratch)
        status = code.run(given.ctypes.data, results.ctypes.data, scratch.ctypes.data)
        engine.raise_failures(code.callbacks)
        return status, results[: self.count]

    def bound(self) -> tuple[Any, Any, Callable[[], int], Any]:
        """Arrays for inputs and outputs, a function that runs on them and returns the status, and memory that must live."""
        code = self.code
        given, out, scratch = np.empty(code.inputs), np.empty(code.outputs), np.empty(code.scratch)
        addresses = np.array([memory.ctypes.data for memory in (given, out, scratch)], dtype=np.int64)
        go: Callable[[], int] = functools.partial(
            code.framed, ctypes.c_void_p(addresses.ctypes.data)
        )  # each argument costs 0.1 µs

        def checked() -> int:
            status = go()
            engine.raise_failures(code.callbacks)
            return status

        return given, out, checked if code.callbacks else go, (addresses, scratch)

    def scan(self, carry: Any, captured: Any, rows: Any, outputs: Any, first: int) -> tuple[int, Any, int]:
        """Run the program as the step of a loop from row `first` on: the step it came to, its carry, and the status there."""
        code, size, x = self.code, len(carry), rows.shape[1]
        # Inputs and outputs may change places if outputs never reach the captured numbers behind carry and row.
        swap = code.outputs <= size + x
        buffers = np.empty((2, max(code.inputs, code.outputs)))
        buffers[0, :size] = carry
        buffers[:, size + x : code.inputs] = captured
        scratch = np.empty(code.scratch)
        step, status = runtime.scan(
            code.address,
            *(a.ctypes.data for a in (buffers[0], buffers[1], scratch, rows, outputs)),
            *(size, x, outputs.shape[1], first, len(rows)),
            swap,
        )
        carry = buffers[(step - first) % 2 if swap else 0, :size].copy()
        engine.raise_failures(code.callbacks)
        return step, carry, status


class Pool:
    """Memory that the next call uses again, each piece with its address: fresh pages cost more than the work on them."""

    #: Doubles beyond which memory goes back to the system.
    KEPT = 1 << 20

    def __init__(self) -> None:
        self._kept: list[tuple[Any, int]] = []

    def take(self, count: int) -> tuple[Any, int]:
        """At least `count` doubles from the start of a cache line, with whatever was left in them, and their address."""
        try:
            memory, address = self._kept.pop()
        except IndexError:
            memory, address = np.empty(0), 0
        if len(memory) < count or not count:
            memory = np.empty(count + 8)
            memory = memory[-(memory.ctypes.data // 8) % 8 :]
            address = memory.ctypes.data
        return memory, address

    def give(self, memory: Any, address: int) -> None:
        """Let the next call have it."""
        if len(memory) <= self.KEPT:
            self._kept.append((memory, address))


class MachineLanes:
    """Many lanes by machine code, in blocks."""

    def __init__(self, program: Program, varying: int, *, summed: bool, contract: bool) -> None:
        self.code = emit.lanes(program, varying, summed=summed, contract=contract)
        self.varying = varying
        self._spare, self._totals = Pool(), Pool()

    def each(self, columns: Columns, shared: Any) -> tuple[Any, Any]:
        """Outputs (outputs, lanes), and the status of each lane."""
        code = self.code
        outputs = np.empty((code.outputs + code.guarded, columns.count))
        self._in_threads(columns, shared, outputs, 0)
        if not code.guarded:
            return outputs, np.zeros(columns.count)
        return outputs[:-1], np.where(outputs[-1] == code.held, 0.0, outputs[-1])

    def sums(self, columns: Columns, shared: Any, use: Callable[[Any, int], Any]) -> Any:
        """The result of `use(sums, block)`."""
        code = self.code
        block = code.block_of(columns.count)
        blocks = -(-columns.count // block)
        totals = self._totals.take(blocks * code.sums)
        try:
            self._in_threads(columns, shared, None, totals[1])
            return use(totals[0][: blocks * code.sums].reshape(blocks, code.sums), block)
        finally:
            self._totals.give(*totals)

    def _in_threads(self, columns: Columns, shared: Any, outputs: Any, totals: int) -> None:
        """Run all blocks, on several threads if there is work for them; who runs a block changes nothing in it."""
        code, count, varying = self.code, columns.count, self.varying
        rows = 0 if outputs is None else len(outputs)
        table = np.empty(2 * (varying + rows), dtype=np.int64)  # of inputs and outputs the addresses, then the strides
        columns.pointers(table[:varying], table[varying : 2 * varying])
        if rows:
            first = outputs.__array_interface__["data"][0]
            table[2 * varying : 2 * varying + rows] = range(first, first + 8 * count * rows, 8 * count) if count else 0
            table[2 * varying + rows :] = 8
        at = table.__array_interface__["data"][0]  # half a microsecond less than by `ctypes`
        places = at + 16 * varying
        addresses = shared.ctypes.data if len(shared) else 0, at, at + 8 * varying, places, places + 8 * rows, totals
        block = code.block_of(count)
        blocks = -(-count // block)

        def work(first: int, last: int) -> None:
            memory, start = self._spare.take(code.scratch + (code.sums + 1) * code.width)
            try:
                code.run(*addresses, start, start + 8 * code.scratch, count, block, first, last)
            finally:
                self._spare.give(memory, start)

        workers = min(_CORES, blocks, max(1, count * code.work // WORTH_A_THREAD))
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
        engine.raise_failures(code.callbacks)


if engine.AVAILABLE:
    BACKENDS["llvm"] = Backend(MachineSingle, MachineLanes, compiles=True)
