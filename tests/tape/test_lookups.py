"""Look-ups in tables as instructions: the numbers of the function, at every order, in the time of a step."""

import math
from time import perf_counter

import numpy as np
import pytest
from executors import BACKENDS, COMPILED

import autograd_lite as al

TABLE = np.sin(np.arange(36.0)).reshape(12, 3)
AT = np.array([3, 0, 11, 3, -1, 3])


def walked(table, at):
    """Several rows, one of them often, and single numbers of them."""
    rows = al.take(table, at)
    return (
        al.sum(al.exp(rows[:, 0]) * rows[:, 1]) + table[at[0], 2] ** 3 * table[at[2], 2] + al.sum(table[1] * table[2])
    )


def computed(table, at):
    """A table that is computed, of which some numbers are constants, and one that is constant."""
    squares = [[x * x, al.sin(x), 2.0] for x in table[:, 0]]
    known = np.linspace(0.0, 1.0, 12)
    rows = al.take(squares, [*at])
    return sum(al.take(known, i) * row[0] * row[1] + row[2] for i, row in zip(at, rows, strict=True))


def scanned(table, at):
    """In the steps of a loop, the table from outside."""
    step = lambda c, i: (al.tanh(c + table[i, 0]) * table[i, 1], table[i, 2])
    last, ys = al.scan(step, 0.3, at)
    return last + al.sum(ys**2)


def looped(table, at):
    """In turns of a `while_loop`, each going where the row says."""
    rule = (np.arange(12.0) + 5.0) % 12.0

    def turn(carry):
        row = al.take(table, carry[0])
        return al.take(rule, carry[0]), carry[1] * row[0] + al.sin(row[1])

    return al.while_loop(lambda c: c[0] != 8, turn, (at[0], 0.5), limit=12)[1]


FUNCTIONS = {f.__name__: f for f in (walked, computed, scanned, looped)}
TRANSFORMS = {
    "value": lambda f: f,
    "grad": al.grad,
    "grad of grad": lambda f: al.grad(lambda t, at: al.sum(al.grad(f)(t, at) ** 2)),
    "third": lambda f: al.grad(lambda t, at: al.sum(al.grad(lambda t, at: al.sum(al.grad(f)(t, at)))(t, at) * t)),
    "jvp": lambda f: lambda t, at: al.jvp(lambda t: f(t, at), (t,), (np.cos(t),))[1],
    "hvp": lambda f: lambda t, at: al.hvp(lambda t: f(t, at), (t,), (np.cos(t),)),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_is_eager(name, transform, backend):
    """One path for all indices."""
    if name == "looped" and transform not in ("value", "grad"):
        pytest.skip("each number of turns is a path there; see test_while_loop")
    f = TRANSFORMS[transform](FUNCTIONS[name])
    compiled = COMPILED[backend](f)
    for at in (AT, AT[::-1], np.array([7, 7, 7, 1, 2, -12])):
        assert np.allclose(compiled(TABLE, at), f(TABLE, at), rtol=1e-12, atol=1e-13)
    assert len(compiled.paths()) == 1


def test_a_look_up_is_an_instruction():
    """Whatever the length of the table: of a value, and of a gradient, in which the table is scattered once."""
    lengths = {}
    for rows in (20, 200):
        f = lambda table, at: al.sum(al.sin(al.take(table, at)))
        for g in (f, al.grad(f)):
            compiled = al.jit(g)
            compiled(np.arange(float(rows)), AT)
            names = [operation.name for operation, _ in compiled.paths()[0].tape.code]
            lengths.setdefault(g is f, []).append(sum(not name.startswith("item") for name in names))
            assert names.count("table") == 1
            assert sum(name.startswith("scatter") for name in names) == (g is not f)
    assert lengths[True][0] == lengths[True][1] and lengths[False][0] == lengths[False][1]


def test_long_tables_cost_what_they_hold():
    """Three thousand rows, three hundred look-ups: ready in a second, where selections would be 6 million instructions."""
    table, at = np.linspace(0.0, 1.0, 3_000), np.arange(0.0, 3_000.0, 10.0)
    compiled = al.jit(al.grad(lambda table, at: al.sum(al.take(table, at) ** 2)))
    began = perf_counter()
    found = compiled(table, at)
    assert perf_counter() - began < 20.0
    expected = np.zeros(3_000)
    expected[::10] = 2 * table[::10]
    assert np.array_equal(found, expected)


def test_infinite_slopes_of_other_rows_are_not_sent():
    """The careful program knows which entries were taken; NaN in other rows stays there."""
    f = lambda v, i: al.take([al.sqrt(x) for x in v], i) * 2.0
    slope = al.jit(al.grad(f))
    v = np.array([0.0, 4.0, -1.0, 9.0, math.nan, 1.0, 0.0, 2.0, 3.0, 16.0])
    for i in (1, 3, 9, 5, 0, 2):
        assert np.array_equal(slope(v, i), al.grad(f)(v, i), equal_nan=True), i
    second = al.jit(al.grad(lambda v, i: al.sum(al.grad(f)(v, i))))
    assert second(v, 3)[3] == pytest.approx(-0.5 * 9.0**-1.5) and second(v, 3)[0] == 0.0


def test_variables_from_outside_are_entries():
    """Their gradient is added into the entry that was taken, by compiled code and by replays."""
    entries = [al.Variable(float(k)) for k in range(10)]
    compiled = al.jit(lambda i: al.take(entries, i) ** 3)
    for i in (4.0, 9.0):
        y = compiled(i)
        assert al.gradients(y, entries) == [3 * i * i if k == i else 0.0 for k in range(10)]
        slope = al.gradients(y, entries[int(i)], create_graph=True)
        assert al.gradients(slope, entries[int(i)]) == 6 * i


def test_a_row_of_a_plain_table_is_a_plain_number():
    """As where nothing is traced: `math` takes it, under the guard that it is equal."""
    compiled = al.jit(lambda x, i: x * math.sin(al.take(np.arange(10.0), i)))
    assert [compiled(2.0, i) for i in (3, 4)] == [2.0 * math.sin(3.0), 2.0 * math.sin(4.0)]


@pytest.mark.parametrize("bad", [12.0, -13.0, 0.5, math.nan, 1e300, -math.inf])
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_memory_beside_the_table_is_touched(bad, backend):
    """An index that names no row is refused when the program has run, which reads the first row for it."""
    for f in (walked, al.grad(walked), al.grad(scanned)):
        compiled = COMPILED[backend](f)
        compiled(TABLE, AT)
        broken = AT.astype(float)
        broken[2] = bad
        for _ in range(3):
            with pytest.raises(al.RowError):
                compiled(TABLE, broken)
            assert np.allclose(compiled(TABLE, AT), f(TABLE, AT), rtol=1e-12)
