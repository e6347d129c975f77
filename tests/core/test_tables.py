"""`take`: rows by an index that is data; one path and the same bits for all indices, at every order and in lanes."""

import math
from fractions import Fraction

import numpy as np
import pytest
from corpus import same_arrays
from executors import BACKENDS, COMPILED, same

import autograd_lite as al

TABLE = np.linspace(-1.0, 2.0, 12).reshape(4, 3) ** 3
WHOLE = (0, 1.0, np.int64(2), 3, -1, -4.0, True)
BROKEN = (4, -5, 1.5, math.nan, math.inf, -math.inf, 1e300)


def looked_up(table, index):
    """A number from the row that is taken."""
    row = al.take(table, index)
    return al.sin(row[0]) * row[1] + row[2] ** 3 * table[0, 1]


def bowl(table, index):
    """A gradient of a gradient."""
    return al.sum(al.grad(looked_up)(table, index) ** 2)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "f", [looked_up, al.grad(looked_up), al.grad(bowl), al.hessian(looked_up), al.grad(looked_up, 1)]
)
@pytest.mark.filterwarnings("ignore:the result of:autograd_lite.DerivativeWarning")
def test_one_path_serves_all_indices(f, backend):
    """With the results of the function, at every order; by the index the derivative is 0."""
    compiled = COMPILED[backend](f)
    for index in WHOLE[:4]:
        assert np.allclose(compiled(TABLE, index), f(TABLE, index), rtol=1e-15, atol=0.0)
        assert same(compiled(TABLE, index - 4), compiled(TABLE, index))
    assert len(compiled.paths()) == 1


@pytest.mark.parametrize("index", WHOLE)
def test_eagerly_it_is_the_row_itself(index):
    """Of arrays and lists, plain or of Variables; the gradient is added into that row."""
    rows = [al.Variable(float(k)) for k in range(4)]
    assert al.take(rows, index) is rows[int(index)]
    assert al.take(rows, al.Variable(float(index))) is rows[int(index)]
    assert al.take([[1.0, 2], "b", {"c": 3.0}, None], 0) == [1.0, 2]
    assert same_arrays(al.take(TABLE, index), TABLE[int(index)])
    slope = al.grad(looked_up)(TABLE, index)
    assert np.flatnonzero(slope[:, 2]).tolist() == [int(index) % 4]


@pytest.mark.parametrize("index", [[0, 2], (3, -1), np.array([[1, 0, 3], [2, 2, -4]]), np.array(2), []])
@pytest.mark.parametrize("axis", [0, 1, -1, -3])
def test_arrays_of_indices_are_those_of_numpy(index, axis):
    """Along any axis, plain, of Variables, traced: the shape and the numbers of `numpy.take`."""
    table = np.arange(48.0).reshape(4, 4, 3)
    index = np.asarray(index, dtype=int) % 3
    expected = np.take(table, index, axis)
    assert same_arrays(al.take(table, index, axis=axis), expected)
    compiled = al.jit(
        lambda table, index: (al.take(table, index, axis=axis), al.take(table * 2, [*np.ravel(index)], axis))
    )
    found, doubled = compiled(table, index)
    assert same_arrays(found, expected) and same_arrays(doubled, np.take(table * 2, np.ravel(index), axis))
    assert same_arrays(al.jit(lambda t: np.take(t, index, axis))(table), expected)
    with_variables = al.take(al.array(table.tolist()), [al.Variable(1.0), 2], axis)
    assert with_variables.tolist() == np.take(table, [1, 2], axis).tolist()


def test_rows_are_nests():
    """Of a list of dictionaries or lists of numbers, whose structure comes back."""
    table = [{"mean": 0.5, "arms": [1.0, 2.0]}, {"mean": -1.0, "arms": [3.0, 5.0]}]
    f = al.jit(lambda table, index: al.take(table, index))
    assert [f(table, k) for k in (0, 1, -1)] == [table[0], table[1], table[1]] and len(f.paths()) == 1
    assert al.take(table, [1, 0]) == [table[1], table[0]]
    assert al.jit(lambda t, i: al.take(t, [i, [i, 0]]))([1.0, 2.0], 1) == [2.0, [2.0, 1.0]]


def test_arrays_that_are_arguments_are_indexed_by_data():
    """`table[i]`, alone and beside whole numbers and slices; and what is computed from them."""
    cases = {
        "row": lambda t, i: t[i],
        "number": lambda t, i: t[i, 2],
        "column": lambda t, i: t[:, i],
        "both": lambda t, i: t[i + 1, i],
        "last": lambda t, i: t[..., i],
        "new axis": lambda t, i: t[None, i, 1:],
        "array": lambda t, i: al.take(t, np.array([i, 0, i])),
        "computed": lambda t, i: (t * 2)[1:][i],
        "method": lambda t, i: t.take(i, axis=1) + t.take(i),
        "condition": lambda t, i: al.take(t, i > 0),
        "conditions": lambda t, i: al.take(t, t[:, 0] > i),
        "held": lambda t, i: al.take(t, i.value),
        "mask": lambda t, _: t[t[:, 0] > -9.0],
    }
    for name, f in cases.items():
        compiled = al.jit(f)
        for index in (0, 1):
            eager = f(TABLE, al.Variable(index) if name == "held" else index)
            if name == "condition":
                eager = TABLE[int(index > 0)]
            assert same_arrays(compiled(TABLE, index), np.asarray(eager, dtype=float)), name
        assert len(compiled.paths()) == 1, name


@pytest.mark.parametrize("index", BROKEN)
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_index_that_names_no_row_is_refused(index, backend):
    """Eagerly, compiled (at once, and on a path that is known), differentiated, in a scan."""
    words = "take got index .*the table has 4 rows, from 0 to 3, or from -4 to -1|an index is a whole number"
    with pytest.raises(IndexError, match=words):
        al.take(TABLE, index)
    with pytest.raises(al.RowError, match=words):
        al.take(TABLE, al.Variable(index))
    for f in (looked_up, al.value_and_grad(looked_up), al.grad(bowl), lambda t, i: al.take(t, np.array([0, i]))):
        compiled = COMPILED[backend](f)
        for _ in range(2):
            with pytest.raises(al.RowError, match=words):
                compiled(TABLE, index)
            compiled(TABLE, 1)
        assert len(compiled.paths()) == 1
    walk = COMPILED[backend](al.grad(lambda t, at: al.scan(lambda c, i: (c + al.take(t, i)[0], None), 0.0, at)[0]))
    assert walk(TABLE, np.array([0.0, 1.0, 1.0, 3.0]))[:, 0].tolist() == [1.0, 2.0, 0.0, 1.0]
    with pytest.raises(al.RowError, match=words):
        walk(TABLE, np.array([0.0, 1.0, float(index), 3.0]))


@pytest.mark.parametrize("reduce", [None, "sum", "mean"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_lanes_take_rows_of_their_own(backend, reduce):
    """One program for all; the gradient by the shared table is added up over lanes; a broken index names its lane."""
    indices = np.array([0, 2, 2, -1, 1, 0, 3], dtype=float)
    f = al.value_and_grad(looked_up)
    lanes = COMPILED[backend](al.vmap(f, in_axes=(None, 0), reduce=reduce))
    each = [f(TABLE, k) for k in indices]
    values, slopes = lanes(TABLE, indices)
    fold = {None: np.array, "sum": lambda rows: np.sum(rows, axis=0), "mean": lambda rows: np.mean(rows, axis=0)}[
        reduce
    ]
    assert np.allclose(values, fold([v for v, _ in each]), rtol=1e-14)
    assert np.allclose(slopes, fold([s for _, s in each]), rtol=1e-14, atol=1e-15)
    assert len(lanes.paths()) == 1
    for place, bad in ((0, 4.0), (4, -5.0), (6, 0.5), (3, math.nan), (5, -math.inf)):
        broken = indices.copy()
        broken[place] = bad
        with pytest.raises(al.RowError, match=f"in row {place} of vmap, take got index {bad}"):
            lanes(TABLE, broken)
        with pytest.raises(al.RowError, match=f"in row {place} of vmap, take got index {bad}"):
            al.vmap(f, in_axes=(None, 0))(TABLE, broken)
        assert np.array_equal(lanes(TABLE, indices)[1], slopes)  # nothing is left behind
    tables = np.stack([TABLE + k for k in range(7)])
    own = COMPILED[backend](al.vmap(lambda t, i: t[i, 1], reduce=reduce))
    assert np.allclose(own(tables, indices), fold(tables[range(7), indices.astype(int), 1]), rtol=1e-15)


def test_an_array_in_brackets_may_be_a_mask():
    """It is refused, since a trace has floats for flags; `take` says which is meant."""
    for index in (np.array([1, 0, 1, 0]), np.array([True, False, True, False])):
        for f in (lambda t, i: t[i], lambda t, i: t[list(i)], lambda t, i: t[i, 0]):
            with pytest.raises(al.OperandError, match=r"Write al.take\(table, index\)"):
                al.jit(f)(TABLE, index)
        assert same_arrays(al.jit(np.take)(TABLE, index), np.take(TABLE, index))


def test_what_is_not_taken_does_not_matter():
    """Infinities, NaN and infinite slopes in other rows: neither in the value nor in the gradient, at any order."""
    f = lambda x, i: al.take([x * x, al.sqrt(x), al.log(x - 1.0), al.inv(x)], i) * x
    for compiled, eager in ((al.jit(g), g) for g in (f, al.grad(f), al.grad(al.grad(f)))):
        assert compiled(0.0, 0) == eager(0.0, 0) == 0.0
        assert compiled(2.0, 2) == pytest.approx(eager(2.0, 2), rel=1e-15)
        assert len(compiled.paths()) == 1
    assert al.jit(al.grad(f))(0.0, 1) == math.inf or math.isnan(al.grad(f)(0.0, 1))


def test_rows_without_one_structure_are_refused_where_they_are_traced():
    """And a table that is none, an axis that is none, an index that is no number."""
    with pytest.raises(
        al.ArgumentError, match=r"row 0 of a table is \* and row 1 is \[\*, \*\]. Give rows of one structure"
    ):
        al.jit(lambda i: al.take([1.0, [2.0, 3.0]], i))(0)
    with pytest.raises(al.ArgumentError, match="axis=1 of a list: its rows lie along axis 0"):
        al.take([[1.0]], 0, axis=1)
    with pytest.raises(np.exceptions.AxisError, match="axis=2 of an array of 2 dimensions"):
        al.take(TABLE, 0, axis=2)
    with pytest.raises(al.OperandError, match="take of dict .*: give an array, or a list of rows"):
        al.take({0: 1.0}, 0)
    with pytest.raises(al.OperandError, match="'a' is not a real number"):
        al.take(TABLE, "a")
    with pytest.raises(al.RowError, match="index 0, and the table has no rows"):
        al.take([], 0)
    with pytest.raises(al.ArgumentError, match="np.take of Variables got mode='round' and out=None: give"):
        np.take(al.array([1.0]), 0, mode="round")


@pytest.mark.parametrize("mode", ["wrap", "clip"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_numpys_modes_of_an_index_beyond_the_table(mode, axis):
    """They were refused. The index may be plain, a list, or an argument, and the derivative goes into the row taken."""
    for index in (5, -4, [7, -1, 0], np.array([[4], [-9]])):
        expected = np.take(TABLE, index, axis, mode=mode)
        rows = np.zeros(TABLE.shape)
        places = np.take(np.arange(TABLE.size).reshape(TABLE.shape), index, axis, mode=mode)
        np.add.at(rows.reshape(-1), np.ravel(places), 1.0)
        for wrapper in (lambda f: f, al.jit):
            slope = wrapper(al.value_and_grad(lambda t, i: np.sum(np.take(t, i, axis, mode=mode))))
            for i in (index, np.asarray(index, dtype=float)):
                value, found = slope(TABLE, i)
                assert np.isclose(value, expected.sum())
                assert np.array_equal(found, rows)


@pytest.mark.parametrize("lookup", [lambda i: [1.0, 5.0, 7.0][i], lambda i: np.array([1.0, 5.0, 7.0])[int(i)]])
def test_lists_and_plain_arrays_need_an_int(lookup):
    """Each index is a path then, and at the third a warning says what is none."""
    compiled = al.jit(lambda i: lookup(i) * i)
    assert [compiled(float(k)) for k in range(2)] == [0.0, 5.0]
    with pytest.warns(al.PathWarning, match=r"an index in test_tables.py:\d+: every index becomes .* Write al.take"):
        compiled(2.0)
    assert len(compiled.paths()) == 3 and "in an index" in str(compiled.paths())


def test_a_truth_in_brackets_is_no_index():
    """A list of ints, and flags in an array."""
    counted = al.jit(lambda x: [int(x)][0] * x + (1.0 if al.array([x, x])[0] else 2.0))
    with pytest.warns(al.PathWarning, match=r"^int\(\) in"):
        assert [counted(float(k)) for k in range(4)] == [2.0, 2.0, 5.0, 10.0]
    assert "in an index" not in str(counted.paths())


NUMBERS = [1.0, 5.0, 7.0, 2.0]


def by_name(i):
    """An index that is an int before it is one."""
    k = int(i)
    return NUMBERS[k] * i


BY_INT = {
    "a name": by_name,
    "get": lambda i: dict(enumerate(NUMBERS)).get(int(i)) * i,
    "np.take": lambda i: np.take(NUMBERS, int(i)) * i,
    "a slice": lambda i: sum(NUMBERS[: int(i)]) * i,
    "range": lambda i: sum(NUMBERS[k] for k in range(i)) * i,
}


@pytest.mark.parametrize("lanes", [False, True])
@pytest.mark.parametrize("name", BY_INT)
def test_an_index_that_was_made_an_int_before_is_named_too(name, lanes):
    """At the third path, by the line of `int` or `range`; what to write for an index, for turns, and for rounding."""
    f, numbers = BY_INT[name], np.arange(4.0)
    compiled = al.jit(al.vmap(f) if lanes else f)
    words = r"^(int|range)\(\) in test_tables.py:\d+ asks for .* As an index, write al.take.*while_loop.*al.trunc"
    with pytest.warns(al.PathWarning, match=words) as caught:
        found = compiled(numbers) if lanes else [compiled(x) for x in numbers.tolist()]
    assert len(caught) == 1 and list(found) == [f(k) for k in range(4)]


def test_tapes_and_files():
    """The tape of `trace` has plain instructions: it is differentiated, written out, replayed in any arithmetic."""
    tape = al.trace(lambda t, i: al.take(t, i) * 3, [1.0, 2.0, 5.0], 2)
    assert tape([1.0, 2.0, 5.0], 1) == 6.0 and tape([Fraction(1, 3), Fraction(2), Fraction(1)], Fraction(0)) == 1
    assert tape.gradient()([1.0, 2.0, 5.0], -1) == ([0.0, 0.0, 3.0], 0.0)
    with pytest.raises(al.BranchError, match="recorded where"):
        tape([1.0, 2.0, 5.0], 3)
    assert "careful" in tape.source("c")
