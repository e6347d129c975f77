"""Array code of a jitted function as lanes: the numbers of the eager run, at every order, whatever is asked of an array."""

import copy
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autograd_lite as al
from autograd_lite.nests import unravel
from autograd_lite.tape import lane_arrays, recording

EPS = np.finfo(float).eps
ROWS = 12  # elements of an array in most tests here, where an array is long from LONG on
LONG = 8


@pytest.fixture
def few(monkeypatch):
    """Arrays of eight elements are long."""
    monkeypatch.setattr(lane_arrays, "LONG", LONG)
    monkeypatch.setattr(lane_arrays, "PASSED", LONG)


def data(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


Z, Y = data(1, ROWS), data(2, ROWS)
X, WIDE = data(3, ROWS, 3), data(4, 2, ROWS)
P = np.array([1.3, 0.7, -0.4])


def using(array, function):
    """An expression that names an intermediate array."""
    return function(array)


def operations(compiled):
    """The names of the operations of its only path."""
    (path,) = compiled.paths()
    return [operation.name for operation, _ in path.tape.code]


def is_lifted(compiled):
    """Whether lanes do the work: the program is shorter than an instruction for each element."""
    names = operations(compiled)
    return "vmap" in names and len(names) < ROWS + 80


def assert_equal(found, wanted, terms=1.0):
    """Equal to the rounding of some hundred operations on numbers up to `terms`."""
    found, wanted = (np.array(unravel(nest)[0]) for nest in (found, wanted))
    scale = np.maximum(np.abs(wanted), terms)
    with np.errstate(invalid="ignore"):  # inf - inf
        near = np.abs(found - wanted) <= 400 * EPS * scale
    assert np.all(near | (found == wanted) | (np.isnan(found) & np.isnan(wanted))), (found, wanted)


def compare(f, *arguments, lifted=True, terms=100.0):
    """Value, gradient and Hessian by the compiled function and by the function itself; at further numbers too."""
    value, hessian = al.value_and_grad(f), al.hessian(f)
    fast, curved = al.jit(value), al.jit(hessian)
    for scale in (1.0, 1.25):
        given_now = (arguments[0] * scale, *arguments[1:])
        assert_equal(fast(*given_now), value(*given_now), terms)
        assert_equal(curved(*given_now), hessian(*given_now), terms)
    assert not lifted or all(map(is_lifted, (fast, curved)))


def inplace(p):
    """Writes into an array, of which nothing else is known."""
    a = p[0] * Z
    b = a
    a += p[1]
    b *= a
    return (a * b).sum()


REDUCTIONS = {
    "mean": lambda p: np.maximum(p[0] * np.exp(p[1] * Z) - p[2], 0).mean(),
    "np.sum": lambda p: np.sum(p[0] * Z * Z + np.sin(p[1] * Z)),
    "al.sum": lambda p: al.sum(al.exp(p[0] * Z) * p[1]),
    "al.mean": lambda p: al.mean(al.where(p[0] * Z > p[2], p[0] * Z, p[1])),
    "@": lambda p: (p[0] * Z) @ Y + Y @ (p[1] * Z),
    "dot": lambda p: np.dot(p[0] * Z, Y) + al.dot(p[1] * Z, Y) + np.vdot(Y, p[0] * Z) + np.inner(p[2] * Z, Z),
    "matrix @ traced vector": lambda p: np.log1p(np.exp(-Y * (X @ p))).mean(),
    "np.dot of a matrix": lambda p: np.log1p(np.exp(-Y * np.dot(X, p))).mean(),
    "lanes @ matrix": lambda p: (np.exp(p[0] * X) @ np.ones((3, 2))).mean(axis=0) @ np.array([1.0, p[1]]),
    "axis 0": lambda p: (np.exp(p * X).mean(axis=0) ** 2).sum(),
    "axis 1": lambda p: (np.exp(p * X).sum(axis=1) ** 2).mean(),
    "axis 1 of a wide array": lambda p: (np.exp(p[0] * WIDE).mean(axis=1) ** 2).sum(),
    "axis 0 of a wide array": lambda p: np.maximum((p[0] * WIDE).sum(axis=0) - p[1], 0.0).mean(),
    "all axes": lambda p: np.exp(p[0] * X).sum() + np.exp(p * X).mean(),
    "keepdims": lambda p: using(np.exp(p[0] * Z), lambda a: (a - a.mean(keepdims=True)) ** 2).sum(),
    "var": lambda p: np.var(np.exp(p[0] * Z)) + (p[1] * Z).var(ddof=1),
    "std": lambda p: np.std(np.exp(p[0] * Z)),
    "norm": lambda p: np.linalg.norm(p[0] * Z + p[1]) + al.norm(p[1] * Z),
    "nansum": lambda p: np.nansum(np.where(Z > 0, np.nan, p[0] * Z)),
    "average": lambda p: np.average(p[0] * Z, weights=Y**2),
    "any, all": lambda p: np.where(np.any(p[0] * Z > 50), 1.0, p[1] * (p[0] * Z).sum()) * np.all(p[0] * Z < 50),
    "a share": lambda p: (p[0] * Z > 0).mean() * p[1] + (p[0] * Z > p[1]).sum() * p[2],
    "two sums": lambda p: using(np.exp(p[0] * Z), lambda w: (w / w.sum() * Z).sum()),
}
ELEMENTWISE = {
    "np.where": lambda p: np.where(p[0] * Z > p[2], p[0] * Z, p[1]).sum() + np.where(Z > 0, p[0] * Z, p[1]).sum(),
    "and, or, not": lambda p: np.where(((p[0] * Z > 0) & (Z < 1)) | ~(p[1] * Z < 0), p[2] * Z, 0.0).sum(),
    "np.select": lambda p: np.select([p[0] * Z < -1, p[0] * Z < 1], [p[1] * Z, p[2] * Z**2], p[0]).sum(),
    "clip": lambda p: np.clip(p[0] * Z, p[2], p[1]).sum() + (p[0] * Z).clip(-1, None).sum(),
    "powers": lambda p: ((p[0] * Z) ** 2).sum() + (2.0 ** (p[1] * Z)).sum() + (p[0] ** np.arange(ROWS)).sum(),
    "reflected": lambda p: (1 / (p[0] + Z * Z)).sum() - (2.0 - p[1] * Z).sum(),
    "abs, neg, divmod": lambda p: sum(part.sum() for part in np.divmod(abs(-p[0] * Z), 0.3)),
    "isnan": lambda p: np.where(np.isnan(p[0] * Z), 0.0, p[0] * Z).sum(),
    "lists": lambda p: (p[0] * Z * [0.5] * Z + list(Y)).sum(),
    "integers and flags": lambda p: (p[0] * np.arange(ROWS) * (Z > 0)).sum(),
    "a column and a row": lambda p: (np.exp(p[0] * Z)[:, None] * np.tanh(p[1] * Y)[None, :]).mean(),
    "slices": lambda p: using(p[0] * Z + p[1], lambda a: (a[1:-1] * a[:-2] * a[2:][::-1]).sum()),
    "np.diff": lambda p: (np.diff(p[0] * np.sin(Z * p[1])) ** 2).sum(),
    "a column": lambda p: np.exp((p * X)[:, 1]).sum() + np.exp((p[0] * X)[:, -1]).mean(),
    "transposed": lambda p: ((p * X).T[1] * (p[1] * X).T[0]).sum(),
    "reshaped": lambda p: np.exp(p[0] * X).reshape(-1)[::2].sum() + np.exp(p[0] * X).ravel().mean(),
    "places": lambda p: np.exp(p[0] * Z)[np.arange(ROWS)[::-1]] @ (p[1] * Z),
    "a mask": lambda p: np.exp(p[0] * Z)[Z > Z.min()].sum(),
    "in place": inplace,
    "like": lambda p: using(p[0] * Z, lambda a: (a + np.zeros_like(a) - p[1] * np.ones_like(a)).sum()),
    "asked for its type": lambda p: using(p[0] * Z, lambda a: a.sum() if isinstance(a, np.ndarray) else a / 0),
}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("f", [*REDUCTIONS.values(), *ELEMENTWISE.values()], ids=[*REDUCTIONS, *ELEMENTWISE])
def test_array_code_is_lanes(f):
    """Every reduction and kind of element-wise work, with derivatives of two orders."""
    compare(f, P)


def first_and_last(p):
    a = np.exp(p[0] * Z)
    return a[0] * a[-1] + a[2:5].sum() + (a * p[1])[np.array([1, 3])].sum()


def written(p):
    a = p[0] * Z
    view = a[1:]
    a[1] = 5.0
    view[2] = p[1]
    return view.sum() * a[3] + a.sum()


def written_view(p):
    a = p[0] * Z
    part = a[1:]
    part *= 2.0
    a[0:2] += p[1]
    a[a > 1.0] = 0.0
    return a.sum() + part.sum()


def written_parts(p):
    """Parts of few elements, rows and transposed arrays share the memory too."""
    a = p[0] * X
    row, few, turned, swapped = a[5], a[:2], a.T, np.swapaxes(a, 0, 1)
    row[0] = p[1]
    few += 1.0
    turned[1] *= p[2]
    swapped[2, :3] = 0.5
    a.flat[4] = p[0]
    for line in a:
        line -= 0.25
    np.atleast_2d(a)[7] = 1.0
    return (a * X).sum() + row.sum() + few[0, 0] * turned.sum()


def held(p):
    a = p[0] * Z
    b = np.asarray(a)
    b[3] = p[1]
    np.add(a, 1.0, out=a)
    np.multiply.at(a, [1, 1], 2.0)
    return (a * b).sum()


ORDINARY = {
    "elements": first_and_last,
    "a loop": lambda p: sum((x * x for x in p[0] * Z), 0.0),
    "sorted": lambda p: np.sort(np.exp(p[0] * Z)) @ Y,
    "cumsum, prod": lambda p: np.cumsum(np.exp(p[0] * Z))[-2] + np.prod(1.0 + 0.1 * p[1] * Z),
    "max": lambda p: np.exp(p[0] * Z).max() + np.min(p[1] * Z),
    "concatenate": lambda p: (np.concatenate([p[0] * Z, p[1] * Y]) ** 2).sum() + np.stack([p[0] * Z, Z]).sum(),
    "roll": lambda p: np.roll(p[0] * Z, 1) @ (p[1] * Z),
    "logsumexp": lambda p: al.logsumexp(p[0] * Z),
    "written": written,
    "a view is written": written_view,
    "its memory is held": held,
    "parts are written": written_parts,
    "a few numbers": lambda p: using(p[0] * Z, lambda a: a[:3].sum() * a[2:4].mean() + np.exp(a[:4]) @ Y[:4]),
    "into zeros": lambda p: using(al.zeros(ROWS), lambda a: (a.__setitem__(slice(None), p[0] * Z), (a * a).sum())[1]),
    "copies": lambda p: using(p[0] * Z, lambda a: (copy.deepcopy(a) * a.copy()).sum() + a.tolist()[1]),
    "traced places": lambda p: al.take(np.exp(p[0] * Z), al.floor(p[1] * 2.0)),
    "stop_gradient": lambda p: (al.stop_gradient(p[0] * Z) * p[1] * Z).sum(),
}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("f", ORDINARY.values(), ids=ORDINARY)
def test_what_asks_for_elements_gets_them(f):
    """As an ordinary array, which shares its memory with its views as NumPy's arrays do."""
    compare(f, P, lifted=False)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
def test_arrays_that_are_passed(argnums):
    """Their elements are arguments: derivatives by them too."""

    def f(p, z):
        return (np.maximum(p[0] * np.exp(p[1] * z) - p[2], 0) * z).mean() + z.sum() * z.mean()

    gradient = al.value_and_grad(f, argnums)
    compiled = al.jit(f)
    assert_equal(compiled(P, Z), f(P, Z), 10.0)
    assert operations(compiled).count("vmap") == 3
    assert_equal(al.jit(gradient)(P, Z), gradient(P, Z), 10.0)
    assert_equal(al.jit(al.hessian(f, argnums))(P, Z), al.hessian(f, argnums)(P, Z), 10.0)


@pytest.mark.usefixtures("few")
def test_matrices_that_are_passed():
    """A regression: rows are lanes."""

    def loss(w, x, y):
        return ((x @ w - y) ** 2).mean()

    gradient = al.value_and_grad(loss, (0, 1, 2))
    fast = al.jit(al.value_and_grad(loss))
    assert_equal(fast(P, X, Y), al.value_and_grad(loss)(P, X, Y), 10.0)
    assert_equal(al.jit(gradient)(P, X, Y), gradient(P, X, Y), 10.0)
    assert is_lifted(fast)


@pytest.mark.usefixtures("few")
def test_results_that_are_arrays():
    """They come out as NumPy's arrays, from one operation."""

    def f(p):
        return {"a": np.exp(p[0] * Z), "b": (p * X).sum(axis=1), "c": p[0] * Z > 0.0, "d": np.tanh(p * X)}

    compiled = al.jit(f)
    found, wanted = compiled(P), f(P)
    for name, array in wanted.items():
        assert type(found[name]) is np.ndarray
        assert found[name].dtype == array.dtype
        assert_equal(found[name], array)
    assert operations(compiled).count("vmap") == 4


@pytest.mark.usefixtures("few")
def test_the_bits_are_those_of_vmap():
    """Value and gradient of a mean are what the mapped function of one sample gives."""

    def sample(p, z):
        return al.maximum(p[0] * al.exp(p[1] * z) - p[2], 0.0)

    by_hand = al.jit(al.value_and_grad(lambda p: al.vmap(sample, (None, 0), reduce="mean")(p, Z)))
    value, gradient = al.jit(al.value_and_grad(lambda p: sample(p, Z).mean()))(P)
    assert (value, gradient.tolist()) == (by_hand(P)[0], by_hand(P)[1].tolist())


def test_short_arrays_keep_the_bits_of_the_eager_run():
    """Below 512 elements nothing is lifted, and from there on all is, in a sum of squares of whatever length."""
    f = al.value_and_grad(lambda p, z: np.tanh(p * z).sum())
    for n, lifted in ((511, False), (512, True)):
        z = data(5, n)
        compiled = al.jit(lambda p, z=z: f(p, z), order="as written")
        found = compiled(0.3)
        assert ("vmap" in operations(compiled)) is lifted
        assert found == f(0.3, z) or lifted


def test_arrays_that_are_passed_are_long_later():
    """From 4,096 elements on, unless an array from outside is beside them."""
    for n, lifted in ((4095, False), (4096, True)):
        z, squares = data(5, n), al.jit(lambda z: (z * z).sum())
        assert_equal(squares(z), (z * z).sum(), n)
        assert ("vmap" in operations(squares)) is lifted
    beside, z = data(6, 600), data(7, 600)
    product = al.jit(lambda z: z @ beside)
    assert_equal(product(z), z @ beside, 600)
    assert operations(product).count("vmap") == 1


@pytest.mark.usefixtures("few")
def test_special_numbers():
    """NaN, infinities and zeros of both signs in the data, branches that were not taken included."""
    special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 2.0, 1e-320, -3.0, 5.0, 1e300])
    safe = np.where(np.isfinite(special) & (abs(special) < 1e9), special, 1.0)
    for f in (
        lambda p: (p[0] * special).sum(),
        lambda p: np.where(special > 0.0, p[0] * special, p[1]).sum(),
        lambda p: np.where(np.isfinite(special), p[0] * safe, 0.0).sum(),
        lambda p: np.where(safe > 0.0, np.sqrt(p[0] * safe), p[1] ** 2).sum(),
        lambda p: np.maximum(p[0] * special, 0.0).mean(),
        lambda p: np.fmax(p[0] * special, -1e10).mean(),
        lambda p: np.nan_to_num(p[0] * special, nan=1.0, posinf=2.0, neginf=3.0)[:11].sum(),
        lambda p: (p[0] ** np.array([0, 1, 2, 3, 0.5, 1.5, 2.5, 0, 1, 2, 3, 4]) * safe).sum(),
        lambda p: np.hypot(p[0] * safe, p[1] * safe).sum(),
    ):
        for p in (P, np.array([0.0, 1.0, 2.0])):
            for transform in (al.value_and_grad, al.hessian):
                assert_equal(al.jit(transform(f))(p), transform(f)(p), 1.0)


@pytest.mark.usefixtures("few")
def test_transforms_and_loops_around():
    """Forward derivatives and lanes around record elements; reverse ones, loops and branches keep the lanes."""

    def f(p):
        return (np.exp(p[1] * Z) * p[0]).mean()

    def stepped(p):
        s = np.exp(p[1] * Z)
        return al.scan(lambda c, x: (c + (s * x * c).mean(), c), p[0], np.arange(4.0))[0] + s.mean()

    def mapped(p):
        s = np.exp(p[1] * Z)
        return al.vmap(lambda k: (s * k).sum())(np.arange(3.0)).sum() + s.mean()

    def pushed(p):
        s = np.exp(p[1] * Z)
        return al.jvp(lambda a: (s * a).sum() ** 2, (p[0],), (1.0,))[1] + s.sum()

    def inner(p):
        s = np.exp(p[1] * Z)
        return al.grad(lambda a: (s * a).sum() ** 2)(p[0]) + s.sum()

    def branched(p):
        return f(p) if f(p) > 0.5 else p[0] * (Z * p[1]).sum()

    for g in (f, stepped, mapped, pushed, inner, branched):
        assert_equal(al.jit(g)(P), g(P), 100.0)
        assert_equal(al.jit(al.grad(g))(P), al.grad(g)(P), 100.0)
    rows = np.stack([P, 2.0 * P])
    assert_equal(al.jit(al.vmap(al.grad(f)))(rows), np.stack([al.grad(f)(row) for row in rows]), 100.0)
    tangents = (P,), (np.ones(3),)
    assert_equal(al.jit(lambda p: al.jvp(f, (p,), tangents[1]))(P), al.jvp(f, *tangents), 100.0)
    assert_equal(al.jit(lambda p: al.hvp(f, (p,), tangents[1]))(P), al.hvp(f, *tangents), 100.0)
    assert_equal(al.jit(al.jacobian(lambda p: np.exp(p[0] * Z)))(P), al.jacobian(lambda p: np.exp(p[0] * Z))(P))


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_other_backends(backend):
    """They run the lanes by NumPy."""
    f = REDUCTIONS["mean"]
    compiled = al.jit(al.value_and_grad(f), backend=backend)
    assert_equal(compiled(P), al.value_and_grad(f)(P), 10.0)
    assert is_lifted(compiled)


@pytest.mark.usefixtures("few")
def test_user_primitives_are_expressions_too():
    """Also one that raises for some element, after which the function works as before."""

    def value(x):
        if x > 3.0:
            raise ArithmeticError("too large")
        return x * x * x

    cube = al.Primitive(name="cube_of_arrays", value=value, partials=(lambda x, y: 3.0 * x * x,))
    compiled = al.jit(al.value_and_grad(lambda p: cube(p * Z).sum()))
    plain = al.value_and_grad(lambda p: sum(cube(p * z) for z in Z))
    for _ in range(2):
        with pytest.raises(ArithmeticError, match="too large"):
            compiled(100.0)
        assert_equal(compiled(0.5), plain(0.5), 10.0)


def test_a_captured_array_may_change_while_the_function_runs(few):
    """What was computed from it before keeps the numbers of that time."""

    def f(p):
        own = Z.copy()
        before = p[0] * own
        own[2:] = 7.0
        return (before * own + np.exp(p[1] * own)).sum() + (before[:10] * own[:10]).sum()

    compare(f, P)


@pytest.mark.usefixtures("few")
def test_an_array_that_outlives_its_trace():
    """It is an array of Variables then, as short ones are."""
    kept = []
    al.jit(lambda p: kept.append(p[0] * Z) or p[0])(P)
    array = kept[-1]
    assert [v.value for v in array] == (P[0] * Z).tolist()
    assert "12" in repr(array)


def test_what_is_not_lifted_keeps_its_warning(monkeypatch):
    """A chain along the array; the mean of a million samples is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        million = data(6, 1_000_000)
        al.jit(al.value_and_grad(lambda p: np.maximum(np.exp(p * million) - 1.0, 0.0).mean()))(0.1)
    monkeypatch.setattr(recording, "MANY", 1000)
    with pytest.warns(al.ArrayWarning, match="vmap"):
        al.jit(lambda p: np.cumprod(1.0 + 1e-3 * p * data(7, 600))[-1])(0.1)


# ------------------------------------------------------------------------------------------------- random expressions


def squashed(x):
    return np.tanh(x)


UNARY = [squashed, np.sin, lambda x: np.exp(-abs(x)), lambda x: np.sqrt(x * x + 1.0), np.square, lambda x: -x]
BINARY = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: np.tanh(a) * np.sin(b),
    np.maximum,
    lambda a, b: np.where(a < b, np.sin(a), b),
    lambda a, b: np.where((a < 0.1) & (b > -1.0), a, np.cos(b)),
    lambda a, b: a / (1.0 + b * b),
    lambda a, b: (
        a[..., 1:] * 0.5 + np.sin(b[..., :-1]) if np.ndim(a) and np.ndim(b) and np.shape(a) == np.shape(b) else a
    ),
]
REDUCE = [
    lambda a: np.sum(a),
    lambda a: np.mean(a),
    lambda a: al.sum(a) if np.ndim(a) else a,
    lambda a: np.sum(np.tanh(np.mean(a, axis=0))) if np.ndim(a) else a,
    lambda a: np.sum(np.tanh(np.sum(a, axis=-1))) if np.ndim(a) else a,
    lambda a: np.var(a),
    lambda a: np.sum(a @ np.sin(np.arange(float(np.shape(a)[-1])))) if np.ndim(a) else a,
]


@st.composite
def expressions(draw):
    """A function of parameters and arrays in NumPy's style, and its arrays, of which some are passed."""
    rows = draw(st.sampled_from([12, 9, 5]))  # above and below what is long here
    shapes = [(rows,), (rows, 3), (3, rows), (rows, 1), (3,), (1, 3)]
    arrays = [data(draw(st.integers(0, 99)), *draw(st.sampled_from(shapes[: 3 + 3 * k]))) for k in range(2)]
    passed = draw(st.lists(st.booleans(), min_size=2, max_size=2))
    steps = draw(
        st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=5)
    )
    ends = draw(st.lists(st.sampled_from(REDUCE), min_size=1, max_size=2))

    def f(p, given):
        own = [g if is_passed else a for g, a, is_passed in zip(given, arrays, passed, strict=True)]
        known = [p[0], p[1], 0.5, *own, p[0] * own[0], p[1] + own[1]]
        for which, left, right in steps:
            a, b = known[-1 - left % 4], known[-1 - right % len(known)]
            try:
                np.broadcast_shapes(np.shape(a), np.shape(b))
            except ValueError:
                b = p[1]
            some = [*UNARY, *BINARY]
            apply = some[which % len(some)]
            known.append(apply(a) if apply in UNARY else apply(a, b))
        return sum(end(known[-1]) for end in ends) + 0.0 * p[0]

    return f, arrays


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(expressions(), st.integers(0, 99))
def test_random_expressions(few, expression, seed):
    """Orders 0 to 2, by parameters and by passed arrays, captured and passed arrays, broadcast, long and short.

    Numbers stay below some 10 and derivatives below some 1,000 a term, of which there are at most 36 times 12.
    """
    f, arrays = expression
    p = np.random.default_rng(seed).normal(size=2)
    assert_equal(al.jit(f)(p, arrays), f(p, arrays), 100.0)
    both = al.value_and_grad(f, (0, 1))
    assert_equal(al.jit(both)(p, arrays), both(p, arrays), 1e3)
    assert_equal(al.jit(al.hessian(f))(p, arrays), al.hessian(f)(p, arrays), 1e4)
