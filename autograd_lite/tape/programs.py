"""A tape made ready to run by one of the executors: on one lane or on many, compiled once for each content."""

import operator
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from math import isnan
from typing import Any

import numpy as np

from autograd_lite.copies import uncollected
from autograd_lite.errors import ArgumentError, CompilationError
from autograd_lite.tape.executors.numpy import ArrayProgram
from autograd_lite.tape.llvm import engine
from autograd_lite.tape.passes import FEW, Straight, split, with_doubt_as_guards
from autograd_lite.tape.tape import Tape

BACKENDS = ("auto", "python", "numpy", "llvm")

#: Lanes times instructions from which on a second thread pays.
WORTH_A_THREAD = 4_000_000

_NUMPY_BLOCK = 4096
_CORES = os.cpu_count() or 1

_cache: OrderedDict[Any, Any] = OrderedDict()
_CACHED = 256
_lock = threading.Lock()


def chosen(backend: str) -> str:
    """The executor that a name stands for on this machine."""
    if backend not in BACKENDS:
        raise ArgumentError(f"backend={backend!r}: choose one of {', '.join(BACKENDS)}.")
    if backend == "llvm" and not engine.AVAILABLE:
        raise CompilationError(
            'backend="llvm" needs llvmlite, which is not installed. Install it with pip install "autograd-lite[jit]", or '
            'pass backend="numpy".'
        )
    if backend != "auto":
        return backend
    if engine.AVAILABLE:
        return "llvm"
    _say_once()
    return "numpy"


_said: set[str] = set()


def _say_once() -> None:
    if "numpy" not in _said:
        _said.add("numpy")
        warnings.warn(
            "llvmlite is not installed: jit and vmap replay tapes with NumPy, some ten times slower than machine code. "
            'pip install "autograd-lite[jit]" brings it; backend="numpy" says that this is intended.',
            RuntimeWarning,
            stacklevel=4,
        )


def compiled(kind: str, tape: Straight, build: Callable[[], Any], *options: Any) -> Any:
    """What `build` makes of a program, from the cache if this program was built before."""
    constants = np.array(tape.constants).tobytes()  # by bits: 0.0 and -0.0 are different
    guards = tuple((g.relation, g.left, g.right, g.outcome) for g in tape.guards)
    key = (kind, options, tape.first_constant, constants, tape.code, tape.outputs, guards, tape.doubtful)
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    with uncollected():
        program = build()
    with _lock:
        program = _cache.setdefault(key, program)
        while len(_cache) > _CACHED:
            _cache.popitem(last=False)
    return program


def forget() -> None:
    """Drop all compiled programs from the cache: what holds them keeps them, what comes is compiled anew."""
    with _lock:
        _cache.clear()


# --------------------------------------------------------------------------------------------------------- one lane


class PythonSingle:
    """One lane by the values of the rule table."""

    def __init__(self, tape: Straight) -> None:
        self.tape = tape
        self._steps = [(primitive.value, arguments) for primitive, arguments in tape.code]

    def run(self, inputs: Sequence[float]) -> tuple[int, Sequence[float]]:
        """The status (see `ArrayProgram.run`) and the outputs."""
        tape = self.tape
        values = [*inputs, *tape.constants]
        for value, arguments in self._steps:
            values.append(value(*[values[a] for a in arguments]))
        outputs = [values[slot] for slot in tape.outputs]
        for number, guard in enumerate(tape.guards, start=1):
            if getattr(operator, guard.relation)(values[guard.left], values[guard.right]) != guard.outcome:
                return number, outputs
        return (-1 if any(isnan(values[slot]) for slot in tape.doubtful) else 0), outputs

    def computed(self, given: Any) -> tuple[int, Any]:
        """The status and the outputs, of an array and as an array."""
        status, outputs = self.run(given.tolist())
        return status, np.array(outputs, dtype=np.float64)


class MachineSingle:
    """One lane by machine code."""

    def __init__(self, tape: Straight, *, contract: bool = False) -> None:
        from autograd_lite.tape.llvm import emit  # noqa: PLC0415 - only where llvmlite is installed

        self.code = emit.single_lane(tape, contract=contract)
        self.count = len(tape.outputs)

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


def single(tape: Tape | Straight, backend: str, *, contract: bool = False) -> Any:
    """A tape, or its bare program, ready for one lane."""
    straight = Straight.of(tape)
    if backend == "llvm":
        return compiled("single", straight, lambda: MachineSingle(straight, contract=contract), contract)
    return compiled("python", straight, lambda: PythonSingle(straight))


# ------------------------------------------------------------------------------------------------------- many lanes


class Columns:
    """The inputs of many lanes: numbers that all share, and arrays of shape (lanes, numbers), in the order of the slots.

    Parameters
    ----------
    count : int
        How many lanes.
    shared : array
        The shared numbers.
    arrays : list of array
        float64, each with one row for each lane.
    """

    def __init__(self, count: int, shared: Any, arrays: list[Any]) -> None:
        self.count, self.shared, self.arrays = count, shared, arrays

    def rows(self, lanes: Any) -> "Columns":
        """Only these lanes."""
        return Columns(len(lanes), self.shared, [array[lanes] for array in self.arrays])

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
            end = start + array.shape[1]
            address, step = array.ctypes.data, array.strides[1]
            bases[start:end] = address if end == start + 1 else range(address, address + step * (end - start), step)
            strides[start:end] = array.strides[0]
            start = end


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


class LaneProgram:
    """A tape for many lanes: what is the same for all runs once, the rest for each.

    Parameters
    ----------
    tape : Tape
    varying : list of bool
        For each number of the arguments whether lanes have their own; all share what is captured.
    backend : {"numpy", "llvm"}
    summed : bool
        Add the outputs up over the lanes instead of returning each.
    contract : bool
        Allow fused products and sums.
    """

    def __init__(
        self, tape: Tape, varying: Sequence[bool], backend: str, *, summed: bool, contract: bool = False
    ) -> None:
        self.contract, self.summed, self.captured = contract, summed, tape.captured
        self.outputs, self.guards, self.doubtful = len(tape.outputs), len(tape.guards), bool(tape.doubtful)
        straight = Straight.of(tape)
        self.tested_after: Any = None
        if not summed and len(straight.doubtful) <= FEW:
            straight = with_doubt_as_guards(straight)
        else:  # as further outputs; `sums` adds those up too, and a NaN in one lane is one in the sum
            place = {slot: k for k, slot in enumerate(straight.outputs)}
            extra = [slot for slot in straight.doubtful if slot not in place]
            place |= {slot: self.outputs + k for k, slot in enumerate(extra)}
            straight = replace(straight, outputs=(*straight.outputs, *extra), doubtful=())
            self.tested_after = [place[slot] for slot in tape.doubtful]
        self.common, self.each = split(straight, [*varying, *[False] * len(tape.captured)])
        self.varying = sum(varying)
        self._spare, self._totals = Pool(), Pool()
        picked = np.array(self.common.outputs, dtype=np.int64)
        self._picked: Any = slice(len(picked)) if np.array_equal(picked, np.arange(len(picked))) else picked
        if backend == "llvm":
            self._run: Any = compiled("lanes", self.each, self._machine_lanes, self.varying, summed, contract)
        else:
            self._run = compiled("arrays", self.each, lambda: ArrayProgram(self.each), self.varying)
        self.backend = backend
        if self.common.code:
            kind = MachineSingle if backend == "llvm" else PythonSingle
            self._first = compiled(kind.__name__, self.common, lambda: kind(self.common))

    def _machine_lanes(self) -> Any:
        from autograd_lite.tape.llvm import emit  # noqa: PLC0415

        return emit.lanes(self.each, self.varying, summed=self.summed, contract=self.contract)

    def _shared_results(self, shared: Any) -> Any:
        return self._first.computed(shared)[1] if self.common.code else np.ascontiguousarray(shared[self._picked])

    def each_lane(self, columns: Columns) -> tuple[Any, Any]:
        """Outputs as an array (outputs, lanes), and the status of each lane: 0, a failed guard from 1, -1 for doubt."""
        shared = self._shared_results(columns.shared)
        run = self._arrays_each if self.backend == "numpy" else self._machine_each
        outputs, status = run(columns, shared)
        if self.tested_after is not None:
            doubt = np.isnan(outputs[self.tested_after]).any(axis=0)
            status = np.where((status == 0) & doubt, -1, status)
        status = np.where(status > self.guards, -1, status)
        return outputs[: self.outputs], status

    def sums(self, columns: Columns, use: Callable[[Any, int], Any]) -> Any:
        """The result of `use(sums, block)`: sums over blocks of so many lanes, (blocks, outputs and doubtful slots).

        The array is good for that call only.
        """
        shared = self._shared_results(columns.shared)
        if self.backend == "numpy":
            outputs, _ = self._arrays_each(columns, shared)
            starts = np.arange(0, columns.count, 64)
            with np.errstate(all="ignore"):
                sums = np.add.reduceat(outputs, starts, axis=1).T
            return use(sums, 64)
        code = self._run
        block = code.block_of(columns.count)
        blocks = -(-columns.count // block)
        totals = self._totals.take(blocks * code.sums)
        try:
            self._in_threads(columns, shared, None, totals[1])
            return use(totals[0][: blocks * code.sums].reshape(blocks, code.sums), block)
        finally:
            self._totals.give(*totals)

    def _arrays_each(self, columns: Columns, shared: Any) -> tuple[Any, Any]:
        outputs = np.empty((len(self.each.outputs), columns.count))
        status = np.zeros(columns.count)
        inputs = columns.column_list()
        for start in range(0, columns.count, _NUMPY_BLOCK):
            part = slice(start, start + _NUMPY_BLOCK)
            results, state = self._run.run([*(c[part] for c in inputs), *shared.tolist()])
            for k, result in enumerate(results):
                outputs[k, part] = result
            status[part] = state
        return outputs, status

    def _machine_each(self, columns: Columns, shared: Any) -> tuple[Any, Any]:
        code = self._run
        outputs = np.empty((code.outputs + code.guarded, columns.count))
        self._in_threads(columns, shared, outputs, 0)
        if not code.guarded:
            return outputs, np.zeros(columns.count)
        return outputs[:-1], np.where(outputs[-1] == code.held, 0.0, outputs[-1])

    def _in_threads(self, columns: Columns, shared: Any, outputs: Any, totals: int) -> None:
        """Run all blocks, on several threads if there is work for them; who runs a block changes nothing in it."""
        code, count, varying = self._run, columns.count, self.varying
        rows = 0 if outputs is None else len(outputs)
        table = np.empty(2 * (varying + rows), dtype=np.int64)  # of inputs and outputs the addresses, then the strides
        columns.pointers(table[:varying], table[varying : 2 * varying])
        if rows:
            first = outputs.ctypes.data
            table[2 * varying : 2 * varying + rows] = range(first, first + 8 * count * rows, 8 * count) if count else 0
            table[2 * varying + rows :] = 8
        at = table.ctypes.data
        places = at + 16 * varying
        addresses = shared.ctypes.data, at, at + 8 * varying, places, places + 8 * rows, totals
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
