"""Mapped functions over blocks of rows: memory maps, iterators, and arrays that are written."""

import importlib
import itertools
import pickle
import re

import numpy as np
import pytest
from executors import BACKENDS

import autograd_lite as al
from autograd_lite.tape.blocks import added, averaged, combined

in_blocks_module = importlib.import_module("autograd_lite.tape.in_blocks")
ROWS = 1000
RNG = np.random.default_rng(5)
X = RNG.normal(size=(ROWS, 3))
Y = RNG.normal(size=ROWS)
WEIGHTS = {"w": np.array([0.5, -1.0, 2.0]), "b": 0.25}


def loss(p, x, y):
    """Two ways."""
    r = x @ p["w"] + p["b"] - y
    return r * r if abs(r) < 1.0 else 2.0 * abs(r) - 1.0


def mapped(reduce, backend=None):
    """Of parameters, rows and targets: value and gradient."""
    over = al.vmap(al.value_and_grad(loss), (None, 0, 0), reduce=reduce)
    return over if backend is None else al.jit(over, backend=backend)


def on_disk(folder, array, name="x"):
    """A memory map of an array."""
    path = folder / f"{name}.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def pieces(array, seed):
    """An iterator of pieces of any length, some empty."""
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(array) + 1, 9))
    return iter(np.split(array, cuts))


def bits(nest):
    """All numbers of a nest of floats."""
    return [float(n).hex() for n in al.flatten(nest)[0]]


class Dataset:
    """As of a library of files: has a shape, and gives an array for a slice."""

    def __init__(self, array):
        self.array, self.shape, self.largest = array, array.shape, 0

    def __getitem__(self, rows):
        self.largest = max(self.largest, len(self.array[rows]))
        return self.array[rows]


WAYS = {
    "arrays": lambda folder: (X, Y),
    "memory maps": lambda folder: (on_disk(folder, X), on_disk(folder, Y, "y")),
    "Fortran's order": lambda folder: (np.asfortranarray(X), Y),
    "iterators": lambda folder: (pieces(X, 1), pieces(Y, 2)),
    "iterator and memory map": lambda folder: (pieces(X, 3), on_disk(folder, Y)),
    "data sets": lambda folder: (Dataset(X), Dataset(Y)),
}


@pytest.mark.parametrize("reduce", [None, "sum", "mean"])
@pytest.mark.parametrize("backend", [None, *BACKENDS])
def test_the_same_bits_however_rows_are_read(tmp_path, backend, reduce):
    """Sums are those of each block, added up by the tree; the rest is what the mapped function gives."""
    f = mapped(reduce, backend)
    each = mapped(reduce and "sum", backend)
    blocks = [each(WEIGHTS, X[k : k + 300], Y[k : k + 300]) for k in range(0, ROWS, 300)]
    total = combined(blocks, added) if reduce else each(WEIGHTS, X, Y)
    expected = bits(averaged(total, ROWS) if reduce == "mean" else total)
    for name, make in WAYS.items():
        found = al.in_blocks(f, rows=300)(WEIGHTS, *make(tmp_path))
        if not reduce:
            value, slope = zip(*found, strict=True)
            found = np.concatenate(value), {key: np.concatenate([s[key] for s in slope]) for key in WEIGHTS}
        assert bits(found) == expected, name


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_one_block_is_the_function_itself(reduce):
    """To the bit."""
    f = mapped(reduce, "numpy")
    assert bits(al.in_blocks(f)(WEIGHTS, X, Y)) == bits(f(WEIGHTS, X, Y))


def test_no_more_is_read_than_a_block():
    """Nor before it is asked for."""
    x, y = Dataset(X), Dataset(Y)
    found = al.in_blocks(mapped(None), rows=100)(WEIGHTS, x, y)
    assert x.largest == 0
    next(found)
    assert len([*found]) == 9
    assert x.largest == y.largest == 100


@pytest.mark.parametrize("kind", [np.float32, np.int16, bool, np.float64])
def test_other_types_of_numbers(tmp_path, kind):
    """Blocks are converted as arrays are."""
    x = (10 * X).astype(kind)
    f = al.vmap(lambda row: al.sum(row * row))
    found = [*al.in_blocks(f, rows=64)(on_disk(tmp_path, x))]
    assert np.array_equal(np.concatenate(found), f(x))


@pytest.mark.parametrize("reduce", [None, "sum"])
def test_slices_that_are_no_rows_are_refused(reduce):
    """As a series gives that slices by labels: its rows were added up as if they were those."""

    class Labelled(Dataset):
        def __getitem__(self, rows):
            return self.array[: 2 * rows.stop]

    for array, axis, told in ((Y, 0, "(1000,) gave an array of shape (200,)"), (X, -2, "(1000, 3) gave an array of")):
        with pytest.raises(al.ArgumentError, match=re.escape(told) + ".* for rows 0 to 100 along axis .*as NumPy does"):
            [*al.in_blocks(al.vmap(al.sum, axis, reduce=reduce), rows=100)(Labelled(array))]


def test_axes_and_nests_of_rows():
    """Rows along any axis; an iterator of nests."""
    f = al.vmap(lambda t, q: al.sum(t) * q["a"] + q["b"], (1, {"a": 0, "b": -1}))
    q = {"a": Y, "b": 2.0 * Y}
    expected = f(X.T, q)
    cuts = [0, 7, 7, 500, ROWS]
    ends = [*itertools.pairwise(cuts)]
    given = ({"a": Y[a:b], "b": 2.0 * Y[a:b]} for a, b in ends)
    for arguments in ((X.T, q), ((X.T[:, a:b] for a, b in ends), given)):
        assert np.array_equal(np.concatenate([*al.in_blocks(f, rows=130)(*arguments)]), expected)
    assert np.concatenate([*al.in_blocks(al.vmap(lambda t: 2 * t), rows=3)(t=Y)]).tolist() == (2 * Y).tolist()


def test_results_are_written_where_they_belong(tmp_path):
    """Into memory maps, in the structure of the results; single precision as NumPy's `out` allows."""
    f = mapped(None, "numpy")
    make = lambda name, shape, kind: np.lib.format.open_memmap(tmp_path / name, "w+", kind, shape)
    out = make("v", (ROWS,), "f4"), {"w": make("w", (ROWS, 3), "f8"), "b": np.empty(ROWS)}
    assert al.in_blocks(f, rows=77)(WEIGHTS, pieces(X, 4), Y, out=out) is out
    value, slope = f(WEIGHTS, X, Y)
    assert np.array_equal(out[0], value.astype("f4"))
    assert np.array_equal(np.load(tmp_path / "w", mmap_mode="r"), slope["w"])
    assert np.array_equal(out[1]["b"], slope["b"])


def test_writing_over_what_is_read(tmp_path):
    """Rows are read before they are written."""
    x = np.array(Y)
    al.in_blocks(al.vmap(lambda t: t + 1.0), rows=10)(x, out=x)
    assert np.array_equal(x, Y + 1.0)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_pages_that_are_handed_back_lose_nothing(tmp_path, monkeypatch, mode):
    """What was written to a shared map is in the file; a map that copies on write keeps what was written to it."""
    monkeypatch.setattr(in_blocks_module, "HANDED_BACK", 0)
    on_disk(tmp_path, Y)
    y, expected = np.load(tmp_path / "x.npy", mmap_mode=mode), Y.copy()
    if mode != "r":
        y[3] = expected[3] = 7.0
    f = al.in_blocks(al.vmap(lambda t: t + 1.0), rows=100)
    out = np.lib.format.open_memmap(tmp_path / "out", "w+", np.float64, (ROWS,))
    assert np.array_equal(f(y, out=out), expected + 1.0)
    assert np.array_equal(y, expected)
    assert np.array_equal(np.load(tmp_path / "out"), expected + 1.0)


def test_results_may_take_the_place_of_their_rows():
    """Or lie beside them, in another column of one array."""
    table = np.stack([Y, Y, Y], 1)
    f = al.in_blocks(al.vmap(lambda t: t + 1.0), rows=64)
    f(table[:, 0], out=table[:, 1])
    f(table[:, 0], out=table[:, 0])
    assert np.array_equal(table, np.stack([Y + 1.0, Y + 1.0, Y], 1))


def views(rng, memory):
    """A random view of some memory with rows along its first axis, and a column of one, as an argument and as `out`."""
    table = np.moveaxis(memory.reshape(*rng.permutation([12, 5])), 0, rng.integers(2))
    table = table[rng.integers(3) :: rng.choice([-2, -1, 1, 2]), :: rng.choice([-1, 1])]
    return table[:, rng.integers(table.shape[1]) :], table[:, rng.integers(table.shape[1])]


def test_an_out_over_an_argument_is_refused_exactly_where_a_later_row_would_be_lost(tmp_path):
    """Any strides, of memory and of memory maps; what is accepted is right."""
    rng, total, seen = np.random.default_rng(0), al.vmap(al.sum), []
    memory = np.lib.format.open_memmap(tmp_path / "m", "w+", np.float64, (60,))
    for rows in [1, 3] * 200:
        memory[:] = rng.normal(size=60)
        (x, _), (_, out) = views(rng, memory), views(rng, memory)
        count = min(len(x), len(out))
        x, out = x[:count], out[:count]
        lost = any(np.shares_memory(out[k : k + 1], x[k + 1 :]) for k in range(count - 1))
        seen.append((lost, np.shares_memory(out, x)))
        if lost:
            with pytest.raises(al.ArgumentError, match="lies over an argument"):
                al.in_blocks(total, rows)(x, out=out)
        else:
            expected = total(np.array(x))
            assert np.array_equal(al.in_blocks(total, rows)(x, out=out), expected)
    assert min(map(seen.count, [(True, True), (False, True), (False, False)])) > 20


@pytest.mark.parametrize(
    "record", [al.jit, lambda f: lambda x: al.vmap(f)(x[None]), lambda f: lambda x: al.trace(f, x)]
)
def test_blocks_that_come_later_are_not_recorded(record):
    """An iterator gives its numbers when the trace is over."""
    for f in (al.in_blocks(al.vmap(lambda x: x * 2.0)), lambda x: map(al.sin, x), lambda x: (t for t in x)):
        with pytest.raises(al.errors.OutputError, match=r"whose numbers come later.*in_blocks\(jit\(vmap\(f\)\)\)"):
            record(f)(Y[:3])
    assert len(al.jit(lambda x: [*al.in_blocks(al.vmap(lambda x: x * 2.0), 2)(x)])(Y[:3])) == 2


def test_variables_have_their_derivatives():
    """Through the graphs of all blocks."""
    f = al.in_blocks(al.vmap(loss, (None, 0, 0), reduce="mean"), rows=400)
    slope = al.grad(lambda p: f(p, X, Y))(WEIGHTS)
    assert np.allclose(slope["w"], mapped("mean")(WEIGHTS, X, Y)[1]["w"], rtol=1e-13, atol=0.0)


def test_an_iterator_may_use_its_memory_again():
    """As one that reads each piece into the same buffer."""
    for rows, piece in ((6, 3), (2, 3), (4, 4), (1000, 7)):
        buffer = np.empty(piece)

        def read(buffer=buffer):
            for start in range(0, ROWS, len(buffer)):
                rest = Y[start : start + len(buffer)]
                buffer[: len(rest)] = rest
                yield buffer[: len(rest)]

        found = [*al.in_blocks(al.vmap(lambda t: 2.0 * t), rows)(read())]
        assert np.array_equal(np.concatenate(found), 2.0 * Y)


@pytest.mark.parametrize("reduce", [None, "sum", "mean"])
@pytest.mark.parametrize("other", [lambda x: np.ones(2) * x, lambda x: [x], lambda x: (x, x)])
def test_a_block_of_another_structure_is_refused(other, reduce):
    """Sums of numbers and of arrays were added up."""
    f = al.jit(al.vmap(lambda x: other(x) if x > 500.0 else x, reduce=reduce))
    with pytest.raises(al.ArgumentError, match=r"^in block 6, which begins with row 600: .* here and \* in the blocks"):
        [*al.in_blocks(f, rows=100)(np.where(np.arange(ROWS) < 600, 0.0, 501.0))]


def test_no_rows():
    """An array has a structure, an iterator that gives nothing has none."""
    empty = np.empty(0)
    assert al.in_blocks(al.vmap(lambda t: t, reduce="sum"))(empty) == 0.0
    assert np.isnan(al.in_blocks(al.vmap(lambda t: t, reduce="mean"))(empty))
    assert [len(block) for block in al.in_blocks(al.vmap(lambda t: t))(empty)] == [0]
    assert [*al.in_blocks(al.vmap(lambda t: t))(iter(()))] == []
    for some in (iter([empty]), iter([empty, empty])):  # which have a structure too
        assert al.in_blocks(al.vmap(lambda t, u: t * u, reduce="sum"))(some, empty) == 0.0
    assert [len(block) for block in al.in_blocks(al.vmap(lambda t: t))(iter([empty]))] == [0]
    assert [*al.in_blocks(al.vmap(lambda t, u: t * u))(iter(()), empty)] == []
    with pytest.raises(al.ArgumentError, match="no row to add up"):
        al.in_blocks(al.vmap(lambda t: t, reduce="sum"))(iter(()))


F, SUM = al.vmap(lambda x, y: x * y), al.vmap(lambda x, y: x * y, reduce="sum")
REFUSED = {
    "not mapped": (lambda: al.in_blocks(al.grad(loss)), "takes vmap(f) or jit(vmap(f)) and got"),
    "rows": (lambda: al.in_blocks(F, rows=0), "rows=0: give the number of rows"),
    "lengths": (lambda: al.in_blocks(F)(Y, Y[1:]), "got 999 rows in one argument and 1,000"),
    "short iterator": (lambda: al.in_blocks(SUM, rows=300)(Y, pieces(Y[:700], 0)), "got 700 rows in one argument and 900"),
    "long iterator": (lambda: al.in_blocks(SUM, rows=300)(pieces(Y, 0), Y[:700]), "got 700 rows in one argument and 701"),
    "two iterators": (lambda: al.in_blocks(SUM, rows=300)(pieces(Y, 0), pieces(Y[5:], 1)), "got 995 rows in one"),
    "in one nest": (lambda: al.in_blocks(al.vmap(lambda q: q))([Y, Y[1:]]), "got arrays of [999, 1000] rows"),
    "no axis": (lambda: al.in_blocks(al.vmap(lambda x: x, 2))(X), "axis 2 of an array of shape (1000, 3)"),
    "no array": (lambda: al.in_blocks(F)(Y, 2.0), "2.0, which is neither an array nor an iterator"),
    "all shared": (lambda: al.in_blocks(al.vmap(lambda x: x, None))(Y), "maps over none of its arguments"),
    "shared iterator": (lambda: [*al.in_blocks(al.vmap(lambda x, y: x, (0, None)))(Y, iter([Y]))], "maps not every part"),
    "axes": (lambda: al.in_blocks(al.vmap(lambda x: x, (0, 0)))(Y), "got 1 positional arguments for in_axes=(0, 0)"),
    "other structure": (lambda: [*al.in_blocks(al.vmap(lambda x: x))(iter([Y, [Y]]))], "another structure than before"),
    "other rows": (lambda: al.in_blocks(al.vmap(al.sum, reduce="sum"))(iter([X, X[:, :2]])), "rows of shape (2,)"),
    "one iterator": (lambda: al.in_blocks(SUM)(*[iter([Y, Y])] * 2), "one iterator for two arguments"),
    "out over rows to come": (lambda: al.in_blocks(F)(Y[1:], Y[:-1], out=Y[1:]), "lies over an argument"),
    "out over what all share": (
        lambda: al.in_blocks(al.vmap(lambda x, y: x[0] * y, (None, 0)))(X[:, 0], Y, out=X[:, 0]), "lies over an argument"
    ),
    "out twice": (
        lambda: al.in_blocks(al.vmap(lambda x: (x, x + 1.0)))(Y, out=(X[:, 0], X[:, 0])), "holds arrays that lie over each"
    ),
    "a number of out": (lambda: al.in_blocks(F)(Y, Y, out=Y[3:4].reshape(())), "holds array("),
    "out of sums": (lambda: al.in_blocks(SUM)(Y, Y, out=Y), 'has reduce="sum", so there is no row for out'),
    "short out": (lambda: al.in_blocks(F)(Y, Y, out=np.empty(999)), "has 999 rows for 1,000"),
    "long out": (lambda: al.in_blocks(F)(Y, iter([Y]), out=np.empty(1001)), "has 1,001 rows for 1,000"),
    "shorter out": (lambda: al.in_blocks(F)(iter([Y]), iter([Y]), out=np.empty(9)), "for 1,000 rows or more of results"),
    "shape of out": (lambda: al.in_blocks(F)(Y, Y, out=np.empty((ROWS, 2))), "of results of shape ()"),
    "type of out": (lambda: al.in_blocks(F)(Y, Y, out=np.empty(ROWS, int)), "an array of int64 for results of float64"),
    "out to read": (lambda: al.in_blocks(F)(Y, Y, out=np.broadcast_to(0.0, ROWS)), "an array that can only be read"),
    "structure of out": (lambda: al.in_blocks(F)(Y, Y, out=[np.empty(ROWS)]), "has the structure"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name):
    """With the numbers, and what to do."""
    call, message = REFUSED[name]
    with pytest.raises(al.ArgumentError, match=re.escape(message)):
        call()


def test_an_error_tells_its_rows():
    """Counted over all blocks, however rows are read and blocks add them up; as over arrays of Dask."""
    table, rows = np.arange(3.0), np.array([0.0] * 177 + [7.0] + [0.0] * 25)

    def refused(x):
        if x == 7.0:
            raise ValueError("seven")
        return x

    def taken(x):
        return al.take(table, x)

    for reduce, f, cuts in itertools.product((None, "sum"), (taken, refused), (None, (50,))):
        x = rows if cuts is None else iter(np.split(rows, cuts))
        with pytest.raises((al.RowError, ValueError), match=r"^in row 177 \(row 77 of block 1\): (take got|seven)"):
            [*al.in_blocks(al.jit(al.vmap(f, reduce=reduce)), rows=100)(x)]
    with pytest.raises(al.RowError, match="^in row 177 of vmap, take got"):  # sums are of 64 rows and so on
        al.vmap(taken, reduce="sum")(rows)


@al.in_blocks
@al.jit
@al.vmap
def decorated(x):
    """Found by its name."""
    return x * x


def test_they_ship():
    """By name, or by what they are made of."""
    assert pickle.loads(pickle.dumps(decorated)) is decorated
    again = pickle.loads(pickle.dumps(al.in_blocks(al.vmap(al.sin, reduce="sum"), rows=123)))
    assert again.rows == 123
    assert again(Y) == al.in_blocks(al.vmap(al.sin, reduce="sum"), rows=123)(Y)
