"""Loops in lanes: the program of one turn with its branches as data, run for all lanes until none goes on.

A loop of a tape is the tapes of its turns, one for each way to branch. Here these become one program without guards: every
path is computed, and each lane takes the results of the path whose guards hold. In a program of lanes the loop is then one
instruction, `MaskedLoop`, whose results are its last carry and a status; its reverse sweep is another, `MaskedGradient`.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from typing import Any, ClassVar, NamedTuple

import numpy as np

from autograd_lite.primitives import COMPARISONS, where
from autograd_lite.tape.program import Builder, Guard, Program

#: Statuses of a lane in a loop: of a turn that takes an unknown path, of one too many, of a NaN that asks for care.
UNSERVED, LIMIT, DOUBT = 1, 2, 3

#: Evaluates a program without guards on arrays over lanes.
Evaluate = Callable[[Program, list[Any]], Sequence[Any]]


class Kept(list[Any]):
    """The results of a loop, and for its reverse sweep the lanes of each turn with the carries that they had before it."""

    def __init__(self, results: Sequence[Any], turns: list[tuple[Any, Any]]) -> None:
        super().__init__(results)
        self.turns = turns


class Pause:
    """What machine code calls now and then while a loop goes on, with 0.0, and with 1.0 where memory ends.

    It is called back as a primitive is. Here an interrupt from the keyboard gets its turn.
    """

    name, arity = "pause", 1
    stopped: ClassVar[threading.local] = threading.local()  # `.event`: set where another thread of the run has failed

    def value(self, full: float) -> float:
        event = getattr(self.stopped, "event", None)
        if full:
            raise MemoryError(
                "there is no memory for the carries of a loop in lanes, which its gradient keeps: one for each turn. Give a "
                "while_loop a limit, or make fewer turns."
            )
        if event is not None and event.is_set():
            raise InterruptedError("another thread of this call has failed")
        return 0.0


class Masked:
    """An instruction that runs a program turn by turn: equal to another that does the same, whichever trace it is from."""

    selects, expression, partials, computed = False, None, (), None
    pause = Pause()
    name: str
    arity: int
    results: int

    def __init__(self, turn: Program, *key: Any) -> None:
        constants = np.array(turn.constants).tobytes()  # by bits: 0.0 and -0.0 are different
        self.turn, self.key = turn, (type(self), turn.inputs, constants, turn.code, turn.outputs, *key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masked) and self.key == other.key

    @cached_property
    def fails(self) -> bool:
        """Whether its status can be another than 0."""
        status = self.turn.outputs[-1] - self.turn.inputs
        return not (0 <= status < len(self.turn.constants) and self.turn.constants[status] == 0.0)

    @cached_property
    def _hash(self) -> int:
        return hash(self.key)

    def __hash__(self) -> int:
        return self._hash

    def run(self, evaluate: Evaluate, arguments: Sequence[Any]) -> Sequence[Any]:
        """The results for arrays over lanes."""
        raise NotImplementedError

    def value(self, *arguments: Any) -> Sequence[Any]:
        """The results for the numbers of one lane, by the values of the rules."""

        def evaluate(program: Program, columns: list[Any]) -> list[Any]:
            numbers = [column.item() for column in columns]
            values = program.evaluated(lambda f, own: f.value(*own), float, numbers)
            return [np.array([values[slot]]) for slot in program.outputs]

        results = self.run(evaluate, [a if isinstance(a, Kept) else np.array([a]) for a in arguments])
        numbers = [result.item() for result in results]
        return Kept(numbers, results.turns) if isinstance(results, Kept) else numbers


class MaskedLoop(Masked):
    """A loop: from whether a lane takes part, its first carry and what it captured to its last carry and a status.

    `turn` takes the same as its arguments and gives the next carry, whether the lane goes on, and a status.
    """

    name = "masked_loop"

    def __init__(self, turn: Program, carry: int, limit: int | None) -> None:
        super().__init__(turn, carry, limit)
        self.carry, self.limit = carry, limit
        self.arity, self.results = turn.inputs, carry + 1
        self.content = "masked_loop", carry, limit

    @cached_property
    def fails(self) -> bool:
        return self.limit is not None or super().fails

    def run(self, evaluate: Evaluate, arguments: Sequence[Any]) -> Kept:
        on, *numbers = np.broadcast_arrays(*map(np.atleast_1d, arguments))
        carry, captured = _rows(numbers[: self.carry], len(on)), _rows(numbers[self.carry :], len(on))
        status, lanes = np.zeros(len(on)), np.flatnonzero(on)
        turns: list[tuple[Any, Any]] = []
        while len(lanes):
            own = [np.ones(len(lanes)), *carry[:, lanes], *captured[:, lanes]]
            *following, going, failed = (np.broadcast_to(y, lanes.shape) for y in evaluate(self.turn, own))
            status[lanes] = failed
            on = (going != 0.0) & (failed == 0.0)
            lanes = lanes[on]
            if len(turns) == self.limit:
                status[lanes] = LIMIT
                break
            turns.append((lanes, carry[:, lanes]))
            carry[:, lanes] = _rows([y[on] for y in following], len(lanes))
        return Kept([*carry, status], turns)


class MaskedGradient(Masked):
    """The reverse sweep over a loop: its arguments are the loop, the adjoints that are carried back, and what it captured.

    `turn` takes whether a lane takes part, these adjoints, the carry before the turn and what was captured; it gives the next
    adjoints and a status.
    """

    name, keeps = "masked_gradient", True

    def __init__(self, turn: Program, state: int, carry: int) -> None:
        super().__init__(turn, state, carry)
        self.state, self.carry = state, carry
        self.arity, self.results = turn.inputs - carry, state + 1
        self.content = "masked_gradient", state, carry

    def run(self, evaluate: Evaluate, arguments: Sequence[Any]) -> Sequence[Any]:
        kept, *numbers = arguments
        one, *given = np.broadcast_arrays(np.atleast_1d(kept[-1]), *numbers)
        count, alike = len(one), np.size(kept[-1]) < len(one)  # a loop that all lanes share ran for one
        state, captured, status = _rows(given[: self.state], count), _rows(given[self.state :], count), np.zeros(count)
        for turn_lanes, carries in reversed(kept.turns):
            lanes = np.arange(count if len(turn_lanes) else 0) if alike else turn_lanes
            carry = _rows([np.broadcast_to(row, len(lanes)) for row in carries], len(lanes))
            own = [np.ones(len(lanes)), *state[:, lanes], *carry, *captured[:, lanes]]
            *following, failed = (np.broadcast_to(y, lanes.shape) for y in evaluate(self.turn, own))
            state[:, lanes] = _rows(following, len(lanes))
            status[lanes] = np.where(status[lanes] == 0.0, failed, status[lanes])
        return [*state, status]


def _rows(columns: Sequence[Any], lanes: int) -> Any:
    """A row for each number."""
    return np.array(columns, dtype=np.float64).reshape(len(columns), lanes)


class Numbers:
    """A table of known numbers, which programs read where it lies; equal to another with the same bits."""

    def __init__(self, table: Any) -> None:
        self.table = np.ascontiguousarray(table, dtype=np.float64)
        self.digest = sha256(self.table.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numbers) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


class Rows(NamedTuple):
    """What the steps of a scan take and give beside what they carry.

    Each source has so many numbers for a step: known ones, or arguments of the scan, step by step. Results are, form by form,
    numbers that are carried and the `outputs` of all steps.
    """

    length: int
    sources: tuple[tuple[int, Numbers | None], ...]
    outputs: int
    forms: int = 1


class MaskedScan(Masked):
    """A scan in lanes: from whether a lane takes part, the first state, what is captured and rows to results and a status.

    `turn` takes whether a lane takes part, the state, a row and what is captured; it gives the next state, outputs and a
    status. With a `carry` it is a reverse sweep: its first argument is the scan whose carries it takes, the last step first,
    each before the row.
    """

    name = "masked_scan"

    def __init__(self, turn: Program, state: int, captured: int, rows: Rows, *, carry: int | None = None) -> None:
        super().__init__(turn, state, captured, rows, carry)
        self.state, self.captured, self.rows, self.carry = state, captured, rows, carry or 0
        if carry is not None:
            self.name, self.keeps = "masked_scan_gradient", True
        self.heads = 1 + state + captured  # arguments before the rows, beside the scan
        traced = sum(width * rows.length for width, known in rows.sources if known is None)
        self.arity = self.heads + traced + (carry is not None)
        self.results = state + rows.length * rows.outputs + 1
        self.content = self.name, state, captured, rows.length, rows.outputs, rows.forms, carry, [
            (width, known is None) for width, known in rows.sources
        ]  # fmt: skip

    @property
    def reverse(self) -> bool:
        return hasattr(self, "keeps")

    @property
    def tables(self) -> list[Numbers]:
        """The tables that its code reads."""
        return [known for _, known in self.rows.sources if known is not None]

    def state_at(self, k: int) -> int:
        """The place of a number of the last state among the results."""
        each = self.state // self.rows.forms
        return k // each * self._form + k % each if each else k

    def output_at(self, v: int) -> tuple[int, int]:
        """The place of an output of the first step among the results, and how far apart those of steps lie."""
        each = self.rows.outputs // self.rows.forms
        return v // each * self._form + self.state // self.rows.forms + v % each, each

    @property
    def _form(self) -> int:
        return (self.results - 1) // self.rows.forms

    def parts(self, arguments: Sequence[Any]) -> list[Sequence[Any]]:
        """The arguments of each source that has some, from those behind the heads."""
        found, start = [], 0
        for width, known in self.rows.sources:
            stop = start if known is not None else start + width * self.rows.length
            found.append(arguments[start:stop])
            start = stop
        return found

    def run(self, evaluate: Evaluate, arguments: Sequence[Any]) -> Kept:
        kept = None
        if self.reverse:
            kept, *arguments = arguments
        on, *numbers = np.broadcast_arrays(*map(np.atleast_1d, arguments))
        count, (length, sources, outputs, _) = len(on), self.rows
        state, captured = _rows(numbers[: self.state], count), _rows(numbers[self.state : self.heads - 1], count)
        rows = [
            np.broadcast_to(known.table[:, :, None], (length, width, count))
            if known is not None
            else np.array(own, dtype=np.float64).reshape(length, width, count)
            for own, (width, known) in zip(self.parts(numbers[self.heads - 1 :]), sources, strict=True)
        ]
        results: list[Any] = [None] * self.results
        status, turns = np.zeros(count), list[tuple[Any, Any]]()
        for t in range(length)[:: -1 if self.reverse else 1]:
            carry = [np.broadcast_to(row, count) for row in kept.turns[t][1]] if kept is not None else []
            own = [on, *state, *carry, *(number for source in rows for number in source[t]), *captured]
            *found, failed = (np.broadcast_to(y, count) for y in evaluate(self.turn, own))
            turns.append((None, state))
            state = found[: self.state]
            for v in range(outputs):
                first, step = self.output_at(v)
                results[first + t * step] = found[self.state + v]
            status = np.where((status == 0.0) & (on != 0.0), failed, status)
        for k, number in enumerate(state):
            results[self.state_at(k)] = number
        results[-1] = status
        return Kept(results, turns)


# ------------------------------------------------------------------------------------------------- branches as data


class Data(Builder):
    """Enters programs of paths into one program, their guards as conditions and their loops masked."""

    def both(self, one: int | None, other: int) -> int:
        """The condition that both hold; None always does."""
        return other if one is None else self.instruction(where, (one, other, self.constant(0.0)))

    def first(self, choices: Iterable[tuple[int | None, int]], last: int) -> int:
        """The number of the first condition that holds, or else the last number."""
        for condition, number in reversed([*choices]):
            if condition is None:
                last = number
            elif number != last:
                last = self.instruction(where, (condition, number, last))
        return last

    def enter(self, program: Program, inputs: Sequence[int], on: int | None = None) -> "Entered":
        """All instructions of a path, on these inputs, where `on` holds."""
        return Entered(self, program, inputs, on)


class Entered:
    """A path in a program: its slots, the conditions of its guards, and the statuses of the loops in it.

    A loop runs where the guards hold that can be tested before it: on other lanes it might never end.
    """

    def __init__(self, builder: Data, program: Program, inputs: Sequence[int], on: int | None) -> None:
        self.builder, self.program, self.on = builder, program, on
        self.slots = [*inputs, *map(builder.constant, program.constants)]
        self.statuses: list[tuple[int, int]] = []  # of each loop the position of its instruction, and a slot
        self._loops: dict[Any, int] = {}
        self._tested = 0
        self._waiting = sorted(program.guards, key=lambda guard: guard.position)
        for position, (operation, arguments) in enumerate(program.code):
            own = tuple([self.slots[a] for a in arguments])
            masked = getattr(operation, "in_lanes", None)
            if masked is None:
                self.slots.append(builder.instruction(operation, own))
            else:
                self._test(position)
                slot, *statuses = masked(self, own)
                self.slots.append(slot)
                for status in [status for status in statuses if status not in dict(self.statuses).values()]:
                    self.statuses.append((position, status))
                    fine = builder.instruction(COMPARISONS["eq"], (status, builder.constant(0.0)))
                    self.on = builder.both(self.on, fine)

    def loop(self, loop: Masked, arguments: tuple[int, ...]) -> int:
        """The slot of a loop on these arguments: a reverse sweep uses the loop that ran before."""
        key = loop, arguments
        if key not in self._loops:
            self._loops[key] = self.builder.instruction(loop, (self.takes_part(), *arguments))  # type: ignore[arg-type]
        return self._loops[key]

    def takes_part(self) -> int:
        """The slot that says whether a lane takes this path so far."""
        return self.builder.constant(1.0) if self.on is None else self.on

    def _test(self, position: int) -> None:
        """Let the guards that can be tested before this instruction decide."""
        while self._tested < len(self._waiting) and self._waiting[self._tested].position <= position:
            guard, builder = self._waiting[self._tested], self.builder
            truth = self._truth(guard)
            if not guard.outcome:
                truth = builder.instruction(where, (truth, builder.constant(0.0), builder.constant(1.0)))
            self.on = builder.both(self.on, truth)
            self._tested += 1

    def _truth(self, guard: Guard) -> int:
        return self.builder.instruction(COMPARISONS[guard.relation], (self.slots[guard.left], self.slots[guard.right]))

    def truth(self, k: int) -> int:
        """The comparison of guard `k`."""
        return self._truth(self.program.guards[k])

    def all_hold(self) -> int | None:
        """The condition that every guard comes out as it did; None if there is none."""
        self._test(len(self.program.code))
        return self.on

    def fine(self) -> int:
        """The status of a lane that takes this path: not 0 if a doubtful number is NaN."""
        builder, doubtful = self.builder, [self.slots[slot] for slot in self.program.doubtful]
        nan = [builder.instruction(COMPARISONS["ne"], (slot, slot)) for slot in doubtful]
        return builder.first([(n, builder.constant(float(DOUBT))) for n in nan], builder.constant(0.0))


def joined(
    paths: Sequence[tuple[Program, Sequence[int]]],
    inputs: int,
    own: int,
    results: int,
    goes: int | None = None,
    *,
    served: bool = True,
) -> Program:
    """One program of the paths of a turn, each with the places of its inputs beyond the first `own`.

    The first input says whether a lane takes part. Behind the outputs comes the status: 0, or why the lane stops. Output
    `goes` says whether the lane goes on: a path that always stops gives nothing else. Without it, some path serves every
    turn, unless not all are `served`.
    """
    builder, entered = Data(1 + inputs), list[Entered]()
    for program, places in paths:
        slots = [*range(1, 1 + own), *(1 + own + int(place) for place in places)]
        nested = any(hasattr(f, "in_lanes") for f, _ in program.code)
        entered.append(builder.enter(program, slots, 0 if nested else None))
    if not entered:  # no turn was ever made
        return builder.finished([*range(1, 1 + results), builder.constant(0.0)])
    complete = (goes is None and served) or _complete(entered)
    columns = [[path.slots[slot] for slot in path.program.outputs] for path in entered]
    conditions = [path.all_hold() for path in entered]

    def chosen(k: int) -> int:
        rows = [n for n, own in enumerate(columns) if k == goes or goes is None or builder.value_of(own[goes]) != 0.0]
        last = columns[rows[-1]][k] if rows else k + 1
        return builder.first([(conditions[n], columns[n][k]) for n in rows[:-1]], last)

    outputs = [chosen(k) for k in range(results)]
    fine = [path.fine() for path in entered]
    last = fine.pop() if complete else builder.constant(float(UNSERVED))
    status = builder.first(zip(conditions, fine, strict=False), last)
    failures = [status for path in entered for _, status in path.statuses]
    return builder.finished([*outputs, builder.first([(failure, failure) for failure in failures], status)])


def _complete(paths: Sequence[Entered], k: int = 0) -> bool:
    """Whether some path serves every turn: behind each guard from `k` on, both ways are known."""
    if any(len(path.program.guards) <= k for path in paths):
        return True
    sides = [[path for path in paths if path.program.guards[k].outcome is side] for side in (True, False)]
    return len({path.truth(k) for path in paths}) == 1 and all(side and _complete(side, k + 1) for side in sides)


def inlined(program: Program) -> tuple[Program, list[int]]:
    """The program with its loops masked, and what each of its guards stands for: its own number, from 1, or a status.

    Statuses are negative here: -1 for doubt, -2 for a turn that is unserved, -3 for one too many.
    """
    if not any(hasattr(operation, "in_lanes") for operation, _ in program.code):
        return program, [*range(1, len(program.guards) + 1)]
    builder = Data(program.inputs)
    entered = builder.enter(program, range(program.inputs))
    waiting, guards, codes = [*entered.statuses], list[Guard](), list[int]()

    def tests(before: float) -> None:
        while waiting and waiting[0][0] < before:
            _, status = waiting.pop(0)
            for kind, code in ((UNSERVED, -2), (LIMIT, -3), (DOUBT, -1)):
                guards.append(Guard("ne", status, builder.constant(float(kind)), True, 0, ""))
                codes.append(code)

    slots = entered.slots
    for number, guard in enumerate(program.guards, start=1):
        tests(guard.position)
        guards.append(replace(guard, left=slots[guard.left], right=slots[guard.right]))
        codes.append(number)
    tests(float("inf"))
    outputs, doubtful = ([slots[s] for s in part] for part in (program.outputs, program.doubtful))
    return builder.finished(outputs, guards, doubtful), codes
