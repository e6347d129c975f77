"""One engine in a process of its own, which makes the leaves, times passes and measures memory."""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import NamedTuple

from benchmarks import measure
from benchmarks.engines import ENGINES
from benchmarks.programs import PROGRAMS


class Round(NamedTuple):
    """Means over the passes of one round, in seconds per operation, and the results of the last pass."""

    record: float
    backward: float
    reset: float
    operations: int
    value: float
    gradient: list[float] | None
    memory: float  # growth of the process since its start, in bytes per operation

    @property
    def both(self) -> float:
        """Record and backward."""
        return self.record + self.backward


class Memory(NamedTuple):
    """Bytes that Python allocated, measured by tracemalloc."""

    leaf: float
    recorded: float  # per operation
    swept: float  # per operation, once backward has run


class Contestant:
    """An engine, ready to be asked for rounds."""

    def __init__(self, engine: str) -> None:
        self.engine = ENGINES[engine].make()
        self.key = self.program = self.leaves = None
        self.memory_at_start = measure.peak_memory()
        if not ENGINES[engine].collects:
            gc.disable()

    def time(self, name: str, operations: int, passes: int) -> Round:
        """Run some passes; the clock is the CPU time of this process, so that other processes count for less."""
        self._prepare(name, operations)
        engine, program, leaves, clock = self.engine, self.program, self.leaves, time.process_time
        record = backward = reset = 0.0
        for _ in range(passes):
            started = clock()
            output = engine.record(program, leaves)
            recorded = clock()
            engine.backward(output, leaves)
            swept = clock()
            value, gradient = engine.value(output), self._gradient()
            read = clock()
            del output
            engine.reset(leaves)
            record, backward, reset = record + recorded - started, backward + swept - recorded, reset + clock() - read
        gc.collect()
        memory = (measure.peak_memory() - self.memory_at_start) / program.operations
        times = (spent / passes / program.operations for spent in (record, backward, reset))
        return Round(*times, program.operations, value, gradient, memory)

    def _prepare(self, name: str, operations: int) -> None:
        """Make the program and its leaves, unless the last request made them already."""
        if self.key != (name, operations):
            self.key = self.program = self.leaves = None
            gc.collect()
            self.program = PROGRAMS[name](operations)
            self.leaves = self.engine.leaves(self.program.leaves)
            self.key = (name, operations)

    def _gradient(self) -> list[float] | None:
        """Return the gradient, thinned out to a few thousand numbers."""
        gradient = self.engine.gradient(self.leaves)
        return gradient if gradient is None else gradient[:: max(1, len(gradient) // 3000)]

    def memory(self, name: str, operations: int) -> Memory:
        """Trace the memory that the leaves, the graph and the sweep allocate and keep."""
        self.key = self.leaves = None
        program = PROGRAMS[name](operations)
        gc.collect()
        tracemalloc.start()
        traced = [_traced()]
        leaves = self.engine.leaves(program.leaves)
        traced.append(_traced())
        output = self.engine.record(program, leaves)
        traced.append(_traced())
        self.engine.backward(output, leaves)
        traced.append(_traced())
        tracemalloc.stop()
        return Memory(
            (traced[1] - traced[0]) / len(program.leaves),
            (traced[2] - traced[1]) / program.operations,
            (traced[3] - traced[1]) / program.operations,
        )


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
