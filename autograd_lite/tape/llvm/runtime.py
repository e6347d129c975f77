"""Functions that every compiled program calls: compiled once, with all optimisations."""

import ctypes
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from autograd_lite import forks
from autograd_lite.tape.llvm import engine, tables
from autograd_lite.tape.llvm.ir import Builder, Module, Value, vector

#: Turns for which a stack of carries has room at first.
FIRST_ROOM = 32


def _total(b: Builder, numbers: Value, count: Value) -> Value:
    """The sum of doubles, in four chains of four lanes; of none, and of zeros that are all negative, -0.0."""
    v, whole = vector(4), count & -16
    with b.counted(whole, step=16, carried=[b.constant(-0.0, v)] * 4) as turn:
        index, *chains = turn
        here = numbers.at(index)
        turn[1:] = [chain + here.at(k, v).load(v) for k, chain in enumerate(chains)]
    ab, cd = chains[0] + chains[1], chains[2] + chains[3]
    most = b.call("double", "llvm.vector.reduce.fadd.v4f64", b.constant(-0.0), ab + cd)
    with b.counted(count, first=whole, carried=[most]) as turn:
        index, total = turn
        turn[1] = total + numbers.at(index).load("double")
    return total


def _fill(b: Builder, target: Value, number: Value, count: Value) -> None:
    with b.counted(count) as (index,):
        target.at(index).store(number)


def _gather(b: Builder, *arguments: Value) -> None:
    """Find rows of lanes first … first + count - 1 of inputs, whose addresses go to `places`.

    `bases` are the addresses of the first lane of each input, `strides` the bytes from one lane to the next; `inputs` numbers
    those that are read. Numbers side by side stay where they are, if so many are `allowed` and fill whole vectors; others are
    copied into a row of the scratch array, whose last number fills the rest of its vector.
    """
    bases, strides, inputs, size, first, count, scratch, row, padded, places, allowed = arguments
    allowed = allowed.compare("eq", padded)
    with b.counted(size) as (which,):
        k = inputs.at(which, "i64").load("i64")
        stride = strides.at(k, "i64").load("i64")
        source, to = bases.at(k, "ptr").load("ptr").at(first * stride, "i8"), scratch.at(k * row, "i8")
        in_row = stride.compare("eq", 8)
        here = in_row & allowed
        places.at(k, "ptr").store(source.where(here, to))
        with b.when(here ^ in_row):
            b.copy(to, source, count * 8)
        with b.counted(b.constant(0, "i64").where(in_row, count)) as (lane,):
            number = source.at(lane * stride, "i8").load("double")
            to.at(lane).store(number)
        with b.when(here ^ 1):
            filling = to.at(count - 1).load("double")
            with b.counted(padded, first=count) as (lane,):
                to.at(lane).store(filling)


def _targets(b: Builder, *arguments: Value) -> None:
    """Where a block writes its outputs: into leaves of one number, if its vectors are whole, or the scratch array."""
    results, sizes, leaves, n, first, rows, row, places, whole = arguments
    with b.counted(leaves, carried=[results, rows, places]) as turn:
        k, leaf, own, place = turn
        size = sizes.at(k, "i64").load("i64")
        here = size.compare("eq", 1) & whole.compare("ne", 0)
        with b.counted(size) as (j,):
            place.at(j, "ptr").store(leaf.at(first).where(here, own.at(j * row, "i8")))
        turn[1:] = leaf.at(n * size), own.at(size * row, "i8"), place.at(size, "ptr")


def _leaves(b: Builder, *arguments: Value) -> None:
    """Rows of the scratch array into lanes first … first + count - 1 of leaves, arrays (n, size) that lie behind each other.

    Leaves of one number may be `done`.
    """
    results, sizes, leaves, n, first, count, rows, row, done = arguments
    with b.counted(leaves, carried=[results, rows]) as turn:
        k, leaf, own = turn
        size = sizes.at(k, "i64").load("i64")
        target, alone = leaf.at(first * size), size.compare("eq", 1)
        with b.when(alone & done.compare("eq", 0)):
            b.copy(target, own, count * 8)
        b.call("void", "al_transposed", target, b.constant(0, "i64").where(alone, size), own, row, count)
        turn[1:] = leaf.at(n * size), own.at(size * row, "i8")


def _transposed(b: Builder, *arguments: Value) -> None:
    """`size` rows of `count` doubles into `count` rows of `size`."""
    target, size, rows, row, count = arguments
    with b.counted(count) as (lane,), b.counted(size) as (k,):
        number = rows.at(k * row, "i8").at(lane).load("double")
        target.at(lane * size + k).store(number)


def _status(b: Builder, target: Value, numbers: Value, count: Value, held: Value) -> None:
    """The numbers of the guards that failed in some lanes, and 0 where they held."""
    with b.counted(count) as (lane,):
        number = numbers.at(lane).load("double")
        target.at(lane).store(b.constant(0.0).where(number.compare("oeq", held), number))


def _locate(b: Builder, *arguments: Value) -> None:
    """For each lane the addresses of `bases` and `strides`, and the number of the lane: rows of integers."""
    bases, strides, first, count, padded, *rows = arguments
    tables = [b.emit("i64", f"ptrtoint ptr {table.name} to i64") for table in (bases, strides)]
    with b.counted(padded) as (lane,):
        exists = lane.compare("slt", count)
        for row, number in zip(rows, (*tables, first + lane.where(exists, count - 1)), strict=True):
            row.at(lane, "i64").store(number)


def _room(b: Builder, stack: Value, size: Value) -> Value:
    """Let a stack, an address and the turns that it has room for, hold twice as many of `size` bytes; 0 if it can."""
    address, room = stack, stack.at(1)
    before = room.load("i64")
    wanted = (before * 2).where(before.compare("sgt", 0), FIRST_ROOM)
    found = b.call("ptr", "realloc", address.load("ptr"), wanted * size)
    missing = b.emit("i1", f"icmp eq ptr {found.name}, null")
    with b.when(missing ^ 1):
        address.store(found)
        room.store(wanted)
    return b.constant(1, "i64").where(missing, 0)


def _scan(*, swap: bool) -> Callable[..., Value]:
    """Steps `first` … n - 1 of a loop.

    A row of xs goes into the inputs of the body behind its carry, the body runs, and its outputs behind the carry go to a row
    of ys. The carry is passed on by exchanging inputs and outputs if `swap`, else by a copy. The loop stops where the body's
    status is not 0, which goes to *status, or where something that the body calls has set *status; it returns the step.
    """

    def loop(b: Builder, *arguments: Value) -> Value:
        body, given, out, scratch, xs, ys, carry, x, y, first, n, status = arguments
        carry, x, y = carry * 8, x * 8, y * 8
        status.store(b.constant(0, "i64"))
        with b.counted(n, first=first, carried=[given, out]) as turn:
            step, given, out = turn
            b.copy(given.at(carry, "i8"), xs.at(step * x, "i8"), x)
            failed = b.emit("i64", f"call i64 {body.name}(ptr {given.name}, ptr {out.name}, ptr {scratch.name})")
            failed = failed | status.load("i64")
            status.store(failed)
            b.leave(failed.compare("ne", 0))
            b.copy(ys.at(step * y, "i8"), out.at(carry, "i8"), y)
            if swap:
                turn[1:] = out, given
            else:
                b.copy(given, out, carry)
        return step

    return loop


_SCAN = [*["ptr"] * 6, *["i64"] * 5, "ptr"]

#: The functions by groups, each of which is compiled when a program calls one of it: types of arguments, and the text.
GROUPS: dict[str, dict[str, tuple[list[str], Callable[..., Value | None]]]] = {
    "lanes": {
        "al_fill": (["ptr", "double", "i64"], _fill),
        "al_gather": ([*["ptr"] * 3, *["i64"] * 3, "ptr", "i64", "i64", "ptr", "i64"], _gather),
        "al_targets": ([*["ptr"] * 2, *["i64"] * 3, "ptr", "i64", "ptr", "i64"], _targets),
        "al_leaves": ([*["ptr"] * 2, *["i64"] * 4, "ptr", "i64", "i64"], _leaves),
        "al_transposed": (["ptr", "i64", "ptr", "i64", "i64"], _transposed),
        "al_status": (["ptr", "ptr", "i64", "double"], _status),
    },
    "sums": {"al_total": (["ptr", "i64"], _total)},
    "tables": {
        "al_locate": ([*["ptr"] * 2, *["i64"] * 3, *["ptr"] * 3], _locate),
        "al_scatter": ([*["ptr"] * 4, *["i64"] * 4], tables.scatter),
        "al_add": ([*["ptr"] * 3, "i64"], tables.added),
    },
    "stacks": {"al_room": (["ptr", "i64"], _room)},
    "scans": {f"al_scan{swap:d}": (_SCAN, _scan(swap=swap)) for swap in (False, True)},
}


@cache
def library(group: str, _width: int | None = None) -> Module:
    """The functions of a group."""
    module = Module(1)
    for name, (kinds, body) in GROUPS[group].items():
        module.function(name, kinds, body, linkage="internal" if name == "al_transposed" else None)
    return module


_loading = forks.waited_for()
_loaded: dict[Any, engine.Module] = {}


def loaded(group: str, width: int | None, write: Callable[[int | None], Module]) -> engine.Module:
    """The machine code of a group of functions for values of some width, which later modules find by their names."""
    key = group, width
    with _loading:
        if key not in _loaded:
            _loaded[key] = engine.ready(lambda: key, lambda: write(width))
    return _loaded[key]


@cache
def _native_scan(swap: bool) -> Callable[..., int]:
    kinds = [ctypes.c_void_p] * 6 + [ctypes.c_int64] * 5 + [ctypes.c_void_p]
    group = loaded("scans", None, partial(library, "scans"))
    return group.function(f"al_scan{swap:d}", ctypes.c_int64, *kinds)


def scan(*arguments: int, swap: bool) -> tuple[int, int]:
    """Run the loop `al_scan`, which a failure stops: the step that it has come to, and the status of that step."""
    status, loops = ctypes.c_int64(), engine.running_loops()
    loops.append(status)
    try:
        return _native_scan(swap)(*arguments, ctypes.addressof(status)), status.value
    finally:
        loops.pop()
