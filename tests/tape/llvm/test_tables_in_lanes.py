"""Tables in machine code: read where they lie, added up over lanes in one table."""

import math
import re

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.primitives import add, mul
from autograd_lite.tape.llvm import backend, emit, engine, tables
from autograd_lite.tape.lookups import Row, Scatter
from autograd_lite.tape.loop import Item
from autograd_lite.tape.program import Program

LENGTH = 11
SMALL = np.sin(np.arange(3.0 * LENGTH)).reshape(LENGTH, 3)


def several(table, at):
    """Rows and entries, some of them twice."""
    rows = al.take(table, at)
    return al.sum(rows[:, 0] * al.tanh(rows[:, 1])) + al.exp(al.take(table, at[0])[2]) * table[2, 0]


def by_lane(table, at):
    """A table whose entries depend on the index."""
    return al.take([x * at[0] for x in table[:, 1]], at[1]) ** 2 + al.take(table[:, 2], at[2])


def test_a_scatter_is_added_up_if_its_results_are_terms_of_outputs_only():
    """Alone and within sums; not if a result is used for something else, or if one sum is two outputs."""
    scatter, rows = Scatter.of((Row.at(0, 1, 4), Row.at(0, 1, 4)), 4), range(4)  # two places, two numbers

    def program(*more, outputs):
        items = [(Item.at(k), (4,)) for k in range(2)]  # slots 5 and 6
        return Program(4, (), ((scatter, tuple(rows)), *items, *more), outputs)

    found = tables.found(program(outputs=(5, 6)))
    assert [t.targets for t in found.scattered] == [[(0, 0), (1, 1)]] and found.terms == {0: [], 1: []}
    assert found.absorbed == {0, 1, 2}
    sums = (add, (5, 2)), (mul, (0, 1)), (add, (7, 8))
    found = tables.found(program(*sums, outputs=(9, 6, 8)))
    assert found.scattered[0].targets == [(0, 0), (1, 1)] and sorted(found.terms[0]) == [2, 8] and found.terms[1] == []
    assert found.absorbed == {0, 1, 2, 3, 5}
    for more, outputs in (
        ((mul, (5, 0)), (7, 6)),
        ((add, (5, 0)), (7, 7, 6)),
        ((add, (5, 0)), (7, 5, 6)),
        ((add, (5, 5)), (7, 6)),
    ):
        found = tables.found(program(more, outputs=outputs))
        assert found.scattered == [] and found.absorbed == set() and found.terms == {}


def test_a_look_up_is_one_instruction_in_lanes_too():
    """Whatever the length of the table; what is summed over lanes lies in one table."""
    counts = {}
    for rows in (20, 1000):
        f = lambda table, at: al.sum(al.take(table, at) ** 2)
        for g, reduce in ((al.grad(f), "sum"), (f, None)):
            table = np.ones((rows, 3))
            compiled = al.jit(al.vmap(g, in_axes=(None, 0), reduce=reduce))
            compiled(table, np.arange(12.0).reshape(3, 4))
            program = compiled.paths()[0].programs["llvm", reduce is not None].each
            names = [operation.name.split("_")[0] for operation, _ in program.code]
            counts.setdefault(reduce, []).append(sum(name != "item" for name in names) - names.count("add"))
            if reduce:
                module = emit.lanes_module(program, 4, engine.host().width, summed=True)
                assert len(module.tables.scattered) == names.count("scatter") == 1
                assert module.scratch < 3 * rows  # rows of a number for each lane
    assert all(first == last for first, last in counts.values())


def test_sums_do_not_depend_on_threads(monkeypatch):
    """Blocks that share a table, and threads that take blocks: the same bits, whoever does what."""
    monkeypatch.setattr(backend, "MOST_SUMS", 1 << 10)
    rng = np.random.default_rng(0)
    at = rng.integers(0, LENGTH, size=(70_000, 4)).astype(float)
    f = al.jit(al.vmap(al.grad(several), in_axes=(None, 0), reduce="sum"))
    expected = f(SMALL, at)
    program = f.paths()[0].programs["llvm", True]._run
    assert program.blocks_of_a_sum(len(at)) > 1
    for cores in (1, 2, 3, 7):
        monkeypatch.setattr(backend, "_CORES", cores)
        monkeypatch.setattr(backend, "WORTH_A_THREAD", 1)
        assert np.array_equal(f(SMALL, at), expected)
    parts = sum(f(SMALL, at[k : k + 700]) for k in range(0, len(at), 700))
    assert np.allclose(parts, expected, rtol=1e-11)  # 70,000 terms, all sums of several


def test_code_for_other_machines():
    """Gathers and scatters are written for every target, whatever its vectors are."""
    f, g = al.jit(al.vmap(al.grad(by_lane), in_axes=(None, 0))), al.jit(al.vmap(al.take))
    f(SMALL, np.array([[1.0, 2.0, 3.0]]))
    g(LONG, np.arange(23.0))
    programs = [(h.paths()[0].programs["llvm", False].each, varying) for h, varying in ((f, 3), (g, 61))]
    for target in (
        engine.host(),
        engine.Target("wasm32-unknown-unknown", "", "+simd128", 2),
        engine.Target("aarch64-unknown-linux-gnu", "", "", 2),
    ):
        for program, varying in programs:
            module = emit.lanes_module(program, varying, target.width, summed=False)
            assert len(target.machine(0).emit_object(engine._parsed(module.text))) > 1000


LONG = np.random.default_rng(1).normal(size=(23, 60))
KINDS = {
    "as it is": lambda a: a,
    "Fortran": np.asfortranarray,
    "backwards": lambda a: a[::-1, ::-1],
    "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 3, axis=1)[::2, ::3],
    "one for all": lambda a: np.broadcast_to(a[0], a.shape),
    "transposed": lambda a: a.T.copy().T,
}


@pytest.mark.parametrize("kind", KINDS)
def test_long_tables_of_lanes_are_read_in_place(kind):
    """Whatever the strides; entries that are used beside look-ups are copied too; an index that names no row is refused."""
    own, at = KINDS[kind](LONG), np.random.default_rng(2).integers(-60, 60, size=23).astype(float)
    f = lambda t, i: al.take(t, i) ** 2 + t[3] * t[i]
    compiled = al.jit(al.vmap(f))
    found = compiled(own, at)
    taken = own[np.arange(23), at.astype(int)]
    assert np.array_equal(found, taken**2 + own[:, 3] * taken)
    program = compiled.paths()[0].programs["llvm", False].each
    read, copied = tables.in_place(program, 61)
    assert len(read) == 1 and copied == [3, 60]
    for bad in (60.0, -61.0, 0.5, math.nan, math.inf, -1e300):
        at[7] = bad
        with pytest.raises(al.RowError, match=re.escape(f"in row 7 of vmap, take got index {bad}")):
            compiled(own, at)
    slopes = al.jit(al.vmap(al.grad(f)))(own, np.full(23, 4.0))
    assert np.array_equal(np.flatnonzero(slopes[5]), [3, 4]) and np.array_equal(slopes[:, 3], own[:, 4])


def test_a_table_from_two_arrays():
    """Its entries are neighbours among the inputs, and not in memory."""
    f = al.jit(al.vmap(lambda a, b, i: al.take([*a, *b], i)))
    at = np.arange(23.0) * 2.0
    found = f(LONG[:, :30], LONG[::-1, 30:], at)
    assert np.array_equal(found, [(LONG[k, int(i)] if i < 30 else LONG[22 - k, int(i)]) for k, i in enumerate(at)])
    program = f.paths()[0].programs["llvm", False].each
    assert [*tables.in_place(program, 61)[0].values()] == [0]
