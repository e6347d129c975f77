"""Every public function of NumPy, by name: right on Variables, or refused with a remedy.

The sweep goes through `numpy.__all__`, so that a function of a later NumPy cannot slip through: it gets Variables in each of
some shapes of arguments, and wherever NumPy takes plain numbers in that shape, value and derivatives must be those of NumPy.
"""

import functools
import inspect
import itertools
import math
import re
import warnings

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import Variable
from tests.tiers import full, mostly_full

X, Y, Z = 0.37, 1.7, 0.21
V = np.array([0.31, -1.27, 0.83, 2.19, -0.46, 1.52])
W = np.array([0.92, 1.41, 0.57, 1.11, 0.23, 1.85])
M = np.array([[0.7, -0.4, 1.3], [2.1, 0.9, -0.6], [0.38, 1.6, 1.15]])
N = np.array([[1.2, 0.5, 0.8], [0.1, 1.9, 0.45], [0.65, 0.25, 2.3]])
T = np.array([[[0.7, -0.4], [1.3, 2.1], [0.9, -0.6]], [[0.38, 1.6], [1.15, -1.1], [0.27, 0.86]]])
FLAGS = np.array([True, False, True, True, False, True])
PLACES = np.array([2, 0, 1, 1, 0, 2])


class Slot:
    """An argument that is differentiated."""

    def __init__(self, number):
        self.number = number


x, y, z, v, w, m, n, t, rising = map(Slot, (X, Y, Z, V, W, M, N, T, np.sort(V)))

#: Shapes of arguments: what is a Slot becomes Variables, the rest is plain.
SHAPES = {
    "x": (x,), "v": (v,), "m": (m,), "t": (t,), "x, y": (x, y), "v, w": (v, w), "m, n": (m, n), "v, x": (v, x),
    "x, v": (x, v), "v, plain": (v, W), "plain, v": (W, v), "v, 2": (v, 2), "m, 1": (m, 1), "2, v": (2, v),
    "v, 1, 0": (v, 1, 0), "m, 0, 1": (m, 0, 1),
    "m, (1, 0)": (m, (1, 0)), "t, 1": (t, 1), "flags, v": (FLAGS, v), "flags, v, w": (FLAGS, v, w),
    "v, flags, w": (v, FLAGS, w), "v, places": (v, PLACES), "v, places, 0": (v, PLACES[:3], 0), "places, v": (PLACES, v),
    "v, places, w": (v, PLACES[:3], Slot(W[:3])), "[v, w]": ([v, w],), "[m, n]": ([m, n],), "x, y, 4": (x, y, 4),
    "x, y, z": (x, y, z), "v, w, w": (v, w, Slot(W[::-1].copy())), "v, x, y": (v, Slot(-0.5), Slot(1.1)),
    "v, (2, 3)": (v, (2, 3)),
    "v, 0.3": (v, 0.3), "einsum": ("i,i->", v, w), "m, v": (m, Slot(V[:3])), "f, v": (lambda a: a * a, v),
    "f, 0, m": (lambda a: a.sum(), 0, m), "places, [v]": (PLACES, [v, w, Slot(V[::-1].copy())]),
    "[flags], [v]": ([FLAGS, ~FLAGS], [v, w]), "v, [flags], [f]": (v, [V > 0, V <= 0], [lambda a: a * a, lambda a: -a]),
    "pair": (Slot(V[:2]),), "three, 2, x": (Slot(V[:3]), 2, Slot(0.5)), "rising, v": (np.sort(V), w), "rising": (rising, w),
    "v, [1, 2], w": (v, [1, 2], Slot(W[:2])), "v, edges": (v, [0.0, 1.0]), "x, rising, w": (Slot(0.6), rising, w),
    "v, rising, w": (Slot(V / 3.0), rising, Slot(V)), "counts, v": (PLACES, v, 4), "f, m, [0]": (np.sum, m, [0]),
    "dst, src": (np.zeros(6), v),
}  # fmt: skip


def words(text):
    """The words of a text."""
    return text.split()


#: Functions that take no arrays of real numbers, or make text, files, memory and settings.
WITHOUT = words("""
    test show_config show_runtime info get_include load loadtxt genfromtxt fromfile save savez savez_compressed savetxt memmap
    fromregex fromstring frombuffer from_dlpack setbufsize getbufsize seterr geterr seterrcall geterrcall set_printoptions
    get_printoptions printoptions array2string array_repr array_str format_float_positional format_float_scientific
    binary_repr base_repr typename may_share_memory shares_memory empty empty_like eye identity full ones zeros indices
    fromfunction fromiter frompyfunc astype mask_indices unravel_index nested_iters ravel_multi_index packbits unpackbits
    broadcast_shapes isdtype issubdtype isnat datetime_as_string datetime_data put_along_axis can_cast promote_types
    result_type min_scalar_type mintypecode common_type iterable errstate busday_offset bitwise_and bitwise_or bitwise_xor
    bitwise_left_shift bitwise_right_shift left_shift right_shift gcd lcm bitwise_count bitwise_invert bitwise_not invert
    polyfit apply_over_axes broadcast_to nditer require issubclass_ sctype2char obj2sctype issctype find_common_type
    recfromcsv recfromtxt safe_eval who source
""")
NAMES = [
    name
    for name in sorted(np.__all__)
    if callable(getattr(np, name)) and not inspect.isclass(getattr(np, name)) and name not in WITHOUT
]

#: Where Variables come out of another order than NumPy's, which is free to choose it.
UNORDERED = dict.fromkeys(("partition", "argpartition"), ("v, places", "v, places, 0", "v, (2, 3)"))
#: Settings that make no sense for these functions; NumPy takes them all the same.
SENSELESS = {
    *[("interp", shape) for shape in ("flags, v, w", "v, places, w", "v, rising, w")],
    *[("gradient", shape) for shape in ("m, 0, 1", "v, places")],
    *[(name, shape) for name in ("fix", "isposinf", "isneginf") for shape in ("x, v", "2, v")],
    # Of lists of arrays, about which NumPy asks nobody, it makes Python's `and` and `or`.
    *[(f"logical_{word}", shape) for word in ("and", "or") for shape in ("places, [v]", "[flags], [v]", "f, v")],
    ("piecewise", "x, rising, w"), ("union1d", "places, [v]"), ("setxor1d", "places, [v]"),
}  # fmt: skip

#: Functions without a derivative, or of whole numbers, and arrays of floats that cannot hold Variables.
REFUSED = {
    *words("""
        arange diag_indices frexp i0 kaiser nextafter spacing tri tril_indices triu_indices digitize common_type poly
        histogram histogram2d histogramdd histogram_bin_edges bincount roots sort_complex is_busday busday_count
    """),
    *[("copyto", shape) for shape in ("plain, v", "rising, v", "dst, src")],
    *[("fix", shape) for shape in ("v, plain", "plain, v")],
    *[("full_like", shape) for shape in ("plain, v", "rising, v", "dst, src", "flags, v", "places, v")],
    *[("where", shape) for shape in ("einsum", "f, m, [0]", "f, 0, m", "m, (1, 0)")],
    *[("take", shape) for shape in ("v, x", "v, 0.3")],
    *[(name, "v, x") for name in ("tril", "triu")],
    *[(name, "v, x") for name in ("quantile", "nanquantile")],  # a share that is a Variable
    *itertools.product(
        ("percentile", "nanpercentile"), ("x, y", "v, w", "m, n", "v, x", "m, v", "rising", "rising, v")
    ),
}  # fmt: skip
#: NumPy asks nobody about lists: where it computes with them itself, it meets Variables, and is refused.
LISTS = {"[v, w]", "[m, n]", "places, [v]", "[flags], [v]", "v, [flags], [f]"}


def filled(part, numbers):
    """The arguments with these numbers in the place of the slots, in order."""
    if isinstance(part, Slot):
        return next(numbers)
    if type(part) in (tuple, list):
        return type(part)([filled(each, numbers) for each in part])
    return part.copy() if isinstance(part, np.ndarray) else part


def slots(part):
    """The numbers of the slots, in order."""
    if isinstance(part, Slot):
        return [part.number]
    return [number for each in part for number in slots(each)] if type(part) in (tuple, list) else []


def flat(result):
    """The numbers of any result in a list, with shapes, and what is no number by its type."""
    if isinstance(result, (tuple, list)):
        return [entry for part in result for entry in flat(part)]
    if isinstance(result, (str, type(None), np.dtype, type)):
        return [repr(result)]
    array = np.asarray(result)
    numbers = array.ravel().tolist()
    if not all(isinstance(entry, (Variable, bool, int, float, complex, np.number)) for entry in numbers):
        return [repr(type(array[()]))]
    return [str(array.shape), *numbers]


def in_place(function, shape, numbers):
    """What a function gives, or what it makes of its first argument."""
    arguments = filled(SHAPES[shape], iter(numbers))
    if isinstance(function, np.ufunc) and len(arguments) != function.nin:
        raise TypeError("a positional out")
    result = function(*arguments)
    return flat(arguments[0] if result is None else result)


def copies(numbers):
    """Fresh arrays of the same numbers."""
    return [number.copy() if isinstance(number, np.ndarray) else number for number in numbers]


def numbers_of(found):
    """Those of a flat result."""
    return [entry for entry in found if not isinstance(entry, str)]


def agree(got, expected, rtol=1e-12):
    """Whether flat results are the same up to rounding: some tens of operations in another order than NumPy's."""
    got = [entry.value if type(entry) is Variable else entry for entry in got]
    texts = [[entry for entry in found if isinstance(entry, str)] for found in (got, expected)]
    if texts[0] != texts[1] or len(got) != len(expected):
        return False
    return np.allclose(numbers_of(got), numbers_of(expected), rtol=rtol, atol=1e-13, equal_nan=True)


def slopes(f, point, direction):
    """Central differences, and which of them are near no jump or kink and finite."""
    with np.errstate(all="ignore"):
        h = 1e-6
        after, here, before = [
            np.array(numbers_of(f([p + step * d for p, d in zip(point, direction, strict=True)])), dtype=float)
            for step in (h, 0.0, -h)
        ]
        found = (after - before) / (2.0 * h)
        smooth = np.abs((after - here) - (here - before)) < 1e-3 * h
    return found, smooth & np.isfinite(found)


def shapes_of(name):
    """The shapes of arguments that NumPy takes, with the numbers and the result."""
    function = getattr(np, name)
    for shape, arguments in SHAPES.items():
        if (name, shape) in SENSELESS or shape in UNORDERED.get(name, ()):
            continue
        point = [np.array(number) if np.ndim(number) else number for number in slots(arguments)]
        try:
            with np.errstate(all="ignore"):
                expected = in_place(function, shape, copies(point))
        except Exception:  # noqa: BLE001, S112 - not meant to be called so
            continue
        if all("<class" not in entry for entry in expected if isinstance(entry, str)):
            yield function, shape, point, expected


def listed(f):
    """As a function of numbers that returns the list of its numbers."""
    return lambda *numbers: [
        entry if type(entry) is Variable else float(entry) for entry in numbers_of(f(list(numbers)))
    ]


def checked(f, point, expected, *, order=1, plain=None):
    """What is wrong with values and derivatives of f, which makes flat results as `plain` does; None if nothing is."""
    seen = []
    direction = [np.cos(np.arange(1.0, 1.0 + np.size(p))).reshape(np.shape(p)) if np.ndim(p) else 0.7 for p in point]

    def noted(*numbers):
        seen.append(f(list(numbers)))
        return listed(lambda _: seen[-1])()

    _, tangent = al.jvp(noted, tuple(point), tuple(direction))
    if not agree(seen[0], expected):
        return f"value {seen[0]} for {expected}"
    found, smooth = slopes(plain or f, point, direction)
    # Differences with a step of 1e-6 are exact to f'''·1e-12/6 + 1e-16·f/1e-6.
    if not np.allclose(np.array(tangent)[smooth], found[smooth], rtol=1e-5, atol=1e-6):
        return f"derivative {tangent} for {found.tolist()}"
    weights = np.cos(np.arange(len(tangent)))
    pulled = al.vjp(listed(f), *point)[1](weights.tolist())
    product = sum(np.sum(np.asarray(p) * d) for p, d in zip(pulled, direction, strict=True))
    forward = float(weights @ np.array(tangent)) if len(tangent) else 0.0
    if not np.isclose(product, forward, rtol=1e-9, atol=1e-12, equal_nan=True):
        return f"pulled back {product} for {forward}"
    if order == 2 and len(tangent):
        first = lambda numbers: al.jvp(listed(f), tuple(numbers), tuple(direction))[1]
        second = al.jvp(lambda *numbers: first(numbers), tuple(point), tuple(direction))[1]
        bent, smooth = slopes(lambda numbers: list(first(numbers)), point, direction)
        if not np.allclose(np.array(second)[smooth], bent[smooth], rtol=1e-4, atol=1e-5):
            return f"second derivative {second} for {bent.tolist()}"
    return None


def remedied(error):
    """Whether a message of ours says what to do."""
    return re.search(
        r"Write|write|Use |use |pass |give |Give |Pass |leave |Multiply|[Dd]efine|dtype object|Round|Return|Correct",
        str(error),
    )


def wrong(name, run, refused=(), at_most=None):
    """What is wrong with a function of NumPy by shape.

    `run(function, shape, point, expected)` may be refused in our words, of functions and shapes that are listed.
    """
    found, tried = {}, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in itertools.islice(shapes_of(name), at_most):
            tried += 1
            try:
                fault = run(*case)
            except al.AutogradLiteError as error:
                may = refused is None or not {name, (name, case[1])}.isdisjoint(refused) or case[1] in LISTS
                fault = None if may and remedied(error) else f"refused: {error}"
            except Exception as error:  # noqa: BLE001 - which is what is looked for
                fault = f"{type(error).__name__}: {error}"
            if fault:
                found[case[1]] = fault
    assert tried, f"np.{name} takes none of the shapes: add one, or the name to WITHOUT"
    return found


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(0, None, 6)))
def test_every_function_of_numpy(name):
    """On arrays that a transform makes: value and first derivative, forward and back."""
    assert wrong(name, lambda f, shape, *case: checked(functools.partial(in_place, f, shape), *case), REFUSED) == {}


@full
@pytest.mark.parametrize("name", NAMES)
def test_second_derivative_of_every_function_of_numpy(name):
    """On such arrays."""
    run = lambda f, shape, *case: checked(functools.partial(in_place, f, shape), *case, order=2)
    assert wrong(name, run, REFUSED, at_most=4) == {}


def boxed(numbers):
    """As plain arrays of objects."""
    return [np.array(number.tolist(), dtype=object) if isinstance(number, np.ndarray) else number for number in numbers]


@full
@pytest.mark.parametrize("name", NAMES)
def test_every_function_of_numpy_on_plain_arrays_of_objects(name):
    """Which NumPy handles alone: right, or refused in our words where a transform runs the function."""

    def run(f, shape, point, expected):
        if name in ("logical_and", "logical_or"):  # Python's `and` and `or`
            return None
        plain = functools.partial(in_place, f, shape)
        return checked(lambda numbers: in_place(f, shape, boxed(numbers)), point, expected, plain=plain)

    assert wrong(name, run, None, at_most=3) == {}


def rows_of(point):
    """Three points in which comparisons come out alike."""
    nearly = np.array([1.0, 1.0 + 1e-9, 1.0])
    return [np.multiply.outer(nearly, np.asarray(number)) for number in point]


@full
@pytest.mark.parametrize("name", NAMES)
def test_every_function_of_numpy_compiled(name):
    """By `jit`, and over lanes: some shapes of arguments."""

    def run(f, shape, point, expected):
        function, values = listed(functools.partial(in_place, f, shape)), numbers_of(expected)
        found = al.jit(function)(*copies(point))
        if not agree(found, values):
            return f"{found} for {values}"
        columns = al.vmap(function)(*rows_of(point)) if values else []
        found = [column[2] for column in columns]
        return None if agree(found, values, rtol=1e-11) else f"lanes {found} for {values}"

    assert wrong(name, run, REFUSED, at_most=3) == {}


Q = [0.0, 0.13, 0.5, 0.77, 1.0]
METHODS = words("""
    linear lower higher nearest midpoint hazen weibull median_unbiased normal_unbiased inverted_cdf averaged_inverted_cdf
    closest_observation interpolated_inverted_cdf
""")


def right(f, *point, order=2, rtol=1e-12):
    """Value and derivatives of f are those of NumPy, eager and compiled, forward and back."""
    numbers = [np.asarray(p, dtype=float) if np.ndim(p) else p for p in point]
    whole = lambda parts: flat(f(*parts))
    assert checked(whole, numbers, whole(copies(numbers)), order=order) is None
    got = al.jit(al.jacobian(listed(whole), tuple(range(len(numbers)))))(*numbers)
    for row, expected in zip(got, al.jacobian(listed(whole), tuple(range(len(numbers))))(*numbers), strict=True):
        for part, other in zip(row, expected, strict=True):
            assert np.allclose(part, other, rtol=rtol, atol=1e-14, equal_nan=True)


class TestOptions:
    """Arguments that the sweep does not give."""

    @pytest.mark.parametrize("method", mostly_full(METHODS, slice(0, None, 4)))
    def test_every_method_of_quantile(self, method):
        """By NumPy's own places, along an axis, kept, of several shares, and in percent."""
        right(lambda a: np.quantile(a, Q, method=method), V)
        right(lambda a: np.quantile(a, [Q, Q[::-1]], axis=1, method=method, keepdims=True), M)
        right(lambda a: np.percentile(a, 37.0, axis=(0, 2), method=method), T)
        right(lambda a: np.nanquantile(a + np.array([0.0, np.nan, 0, 0, 0, 0]), Q, method=method), V)

    def test_quantile_with_weights(self):
        """One weight a number, of the one method that NumPy has for them."""
        right(lambda a: np.quantile(a, Q, weights=W, method="inverted_cdf"), V)
        right(lambda a: np.percentile(a, 30.0, axis=0, weights=[1.0, 3.0, 2.0], method="inverted_cdf"), M)

    def test_interp(self):
        """Between knots, at them, outside; knots and values as Variables; what is given for the outside; periods."""
        knots, values = np.sort(V), W
        for x in (0.6, -5.0, 7.0, np.array([0.6, -1.0, 3.0, -9.0]), M):
            right(lambda a: np.interp(a, knots, values), x)
            right(lambda a, xp, fp: np.interp(a, xp, fp), x, knots, values)
            right(
                lambda a, fp: np.interp(a, knots, fp, left=a * 2.0 if np.ndim(a) == 0 else -1.0, right=fp[0]), x, values
            )
            right(lambda a, fp: np.interp(a, V, fp, period=2.5), x, values)
        slope = al.jit(al.grad(lambda a: np.interp(a, knots, values)))
        for at in [*knots, 0.0, -9.0, 9.0, math.nan, math.inf]:
            assert np.interp(Variable(at), knots, values) == np.interp(at, knots, values) or math.isnan(at)
            assert np.array_equal(slope(at), al.grad(lambda a: np.interp(a, knots, values))(at), equal_nan=True)
        assert len(slope.paths()) == 1
        rows = np.linspace(-2.0, 3.0, 11)
        lanes = al.jit(al.vmap(al.grad(lambda a: np.interp(a, knots, values))))
        assert lanes(rows).tolist() == [al.grad(lambda a: np.interp(a, knots, values))(x) for x in rows]
        assert len(lanes.paths()) == 1
        assert al.jit(lambda a: np.interp(a, [1.0], [5.0]))(3.0) == 5.0

    def test_interp_of_a_long_table_is_one_path(self):
        """A thousand knots: ten look-ups."""
        knots = np.cumsum(np.linspace(0.5, 1.5, 1000))
        f = al.jit(al.value_and_grad(lambda x, fp: np.interp(x, knots, fp), argnums=(0, 1)))
        for x in (0.7, 3.3, 555.5, 999.0):
            value, (slope, by_values) = f(x, np.sin(knots))
            assert value == np.interp(x, knots, np.sin(knots))
            at = np.searchsorted(knots, x)
            step = knots[at] - knots[at - 1]
            assert slope == pytest.approx((np.sin(knots[at]) - np.sin(knots[at - 1])) / step, rel=1e-9)
            assert by_values[at] == pytest.approx((x - knots[at - 1]) / step, rel=1e-12)
        assert len(f.paths()) == 1
        slope = al.jit(al.grad(lambda x: np.interp(x, knots, np.sin(knots))))
        assert slope(3.3) == f(3.3, np.sin(knots))[1][0]
        assert len(slope.paths()[0].tape) < 300

    def test_covariance_with_weights(self):
        """Frequencies, reliabilities, both, and the derivative by the latter."""
        counts = [1, 3, 2]
        for options in ({}, {"bias": True}, {"ddof": 0}, {"ddof": 2}, {"rowvar": False}):
            right(lambda a: np.cov(a, fweights=counts, **options), M)
            right(lambda a, by: np.cov(a, fweights=counts, aweights=by, **options), M, W[:3])
            right(lambda a, by: np.cov(a, aweights=by, **options), M, W[:3])
        right(lambda a, b: np.cov(a, b, ddof=0), V, W)
        right(lambda a, b: np.corrcoef(a, b)[0, 1], V, W)

    def test_masks_of_moments(self):
        """`where=`, and NaNs beside it."""
        keep = np.array([True, False, True, True, True, False])
        for function in (np.var, np.std, np.mean, np.nanvar, np.nanmean, np.nansum, np.nanstd):
            right(lambda a: function(a, where=keep), V)
            right(lambda a: function(a, axis=0, keepdims=True, where=M > 0), M)

    def test_differences_and_sums(self):
        """All their arguments."""
        right(lambda a: np.diff(a, n=2, prepend=a[0], append=[1.0, 2.0]), V)
        right(lambda a: np.diff(a, axis=0), M)
        right(lambda a: np.ediff1d(a, to_end=a[:2], to_begin=1.0), V)
        right(lambda a: np.ediff1d([1.0, 2.0], to_end=a), V)
        right(lambda a, h: np.gradient(a, h, edge_order=2), V, 0.3)
        right(lambda a, x: np.gradient(a, x, edge_order=2), V, np.sort(V))
        right(lambda a, h: np.gradient(a, h, np.array([0.0, 0.4, 1.1]), axis=(0, 1)), M, 0.3)
        right(lambda a, h: np.trapezoid(a, dx=h, axis=0), M, 0.3)
        right(lambda a, x: np.trapezoid(a, x=x), V, np.sort(V))
        right(lambda a: np.cumsum(a, axis=1, dtype=float) + np.cumprod(a, axis=0), M)
        right(lambda a: np.average(a, axis=1, weights=[1.0, 2.0, 4.0], returned=True), M)
        right(lambda a, by: np.average(a, weights=by, keepdims=True), V, W)
        right(lambda a, b: np.geomspace(a, b, 4) + np.geomspace(-a, -b, 4, endpoint=False), 0.4, 3.0)
        right(lambda a, b: np.geomspace(a, b, 3, axis=1), W, W + 1.0)

    def test_polynomials(self):
        """Either side, old and new, as objects and as functions."""
        right(lambda c, x: np.polyval(c, x) + np.poly1d(c)(x), V, 0.7)
        right(lambda c, x: np.polynomial.polynomial.polyval(x, c) + np.polynomial.Polynomial(c)(x), V, W)
        right(lambda c: np.polynomial.chebyshev.chebval(0.3, c) + np.polynomial.Polynomial(c).deriv()(0.3), V)
        right(
            lambda c: [*np.polydiv(c, [1.0, 2.0]), np.polymul(c, c), np.polyder(c), np.polyint(c), np.polyadd(c, c)], V
        )

    def test_methods_of_ufuncs(self):
        """In place at places, along axes, between places, and of all pairs."""

        def at(ufunc, a, start):
            out = start + 0.0 * np.sum(a)
            ufunc.at(out, [0, 2, 2, 1], a[:4])
            return out

        for ufunc in (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.hypot):
            right(lambda a, start: at(ufunc, a, start), V, W[:3])
        for ufunc in (np.add, np.multiply, np.maximum, np.logaddexp, np.subtract, np.hypot):
            right(lambda a: ufunc.reduce(a, axis=1, keepdims=True) if ufunc is not np.subtract else ufunc.reduce(a), M)
            right(lambda a: ufunc.accumulate(a, axis=1), M, order=1)
            right(lambda a: ufunc.reduceat(a, [0, 2, 3]), V, order=1)
            right(lambda a, b: ufunc.outer(a, b), V[:3], W[:2], order=1)

    def test_counts_with_weights(self):
        """The weights have derivatives, the counted numbers none."""
        right(lambda a: np.bincount(PLACES, weights=a, minlength=5), V)
        for options in (
            {},
            {"bins": 3},
            {"bins": [0.0, 0.5, 2.0]},
            {"density": True},
            {"range": (0.0, 1.0), "bins": 2},
        ):
            right(lambda a: np.histogram(W, weights=a, **options), V)
        with pytest.raises(al.OperandError, match=r"np.histogram of Variables: counts .* al.values\(a\)"):
            al.grad(lambda a: np.histogram(a)[0].sum())(V)

    def test_rounding_is_numpys(self):
        """0.35 becomes 0.4: NumPy rounds 3.5. `round` of Python, and `al.round`, see that the float is below 0.35."""
        numbers = np.array([0.35, -1.25, 2.675, 1234.5, 0.5, 2.5])
        for decimals in (-2, -1, 0, 1, 2, 3):
            assert np.round(al.array(numbers), decimals).tolist() == np.round(numbers, decimals).tolist()
            assert al.jit(lambda a: np.round(a, decimals))(numbers).tolist() == np.round(numbers, decimals).tolist()

    def test_remainders_and_signs(self):
        """C's sign in fmod, Python's in remainder and mod, in all quadrants."""
        for a in (5.5, -5.5):
            for b in (2.0, -2.0):
                right(lambda x, y: [np.fmod(x, y), np.remainder(x, y), np.mod(x, y), np.divmod(x, y)[1]], a, b)
        right(lambda x: np.heaviside(x, 0.5) * x, V)
        right(lambda x, y: np.logaddexp2(x, y), V, W)

    def test_sinc_at_the_origin(self):
        """Derivative 0, second -π²/3."""
        assert (al.grad(np.sinc)(0.0), al.hessian(np.sinc)(0.0)) == (0.0, pytest.approx(-(math.pi**2) / 3, rel=1e-15))

    def test_places_in_bins(self):
        """Rising and falling edges, each side; plain whole numbers."""
        for edges in ([0.0, 0.83, 1.0], [1.0, 0.83, 0.0]):
            for right_ in (False, True):
                assert (
                    np.digitize(al.array(V), edges, right=right_).tolist()
                    == np.digitize(V, edges, right=right_).tolist()
                )
        with pytest.raises(al.ArgumentError, match="rise or fall"):
            np.digitize(al.array(V), [0.0, 2.0, 1.0])

    def test_equality_of_arrays(self):
        """With NaNs that count as equal, too."""
        spoilt = al.array([Variable(math.nan), 1.0])
        assert np.array_equal(spoilt, [math.nan, 1.0], equal_nan=True)
        assert not np.array_equal(spoilt, [math.nan, 1.0])
        assert not np.array_equal(spoilt, [1.0])

    def test_conditions_in_place(self):
        """`mask &= …` stays a condition: it became an array of arrays."""

        def f(a):
            mask = a > 0.0
            mask &= a < 2.0
            return np.where(mask, a, 0.0).sum() + np.logical_and.reduce(mask)

        fast = al.jit(f)
        assert fast(V) == f(V)
        assert len(fast.paths()) == 1
        long = np.linspace(-3.0, 3.0, 4200)  # whose mask is an expression
        assert fast(long) == pytest.approx(f(long), rel=1e-12)

    @pytest.mark.parametrize("f", [
        lambda a: np.dot(a, a, out=np.zeros(())),
        lambda a: np.cumsum(a, out=np.zeros(6)),
        lambda a: np.mean(a, out=np.zeros(())),
        lambda a: np.add.at(np.zeros(2), [0, 0], a[:2]),
        lambda a: np.add.at(np.zeros(2), [0, 0], list(a[:2])),
        lambda a: np.copyto(np.zeros(6), a),
        lambda a: np.var(a, out=np.zeros(())),
    ])  # fmt: skip
    def test_array_of_floats_cannot_hold_them(self, f):
        """It was a SystemError, a ValueError or NumPy's TypeError."""
        with pytest.raises(al.OperandError, match=r"al.zeros|autograd_lite.zeros\(shape\)"):
            al.grad(f)(V)
        with pytest.raises((al.OperandError, SystemError)):  # NumPy itself loses our error about a list, in pure Python
            f(al.array([Variable(number) for number in V]))

    def test_float64_is_what_they_have(self):
        """Asking for it changes nothing; another dtype would lose the derivative."""
        assert al.grad(lambda a: np.mean(a, dtype=float) + np.sum(a, dtype=np.float64))(V[:2]).tolist() == [1.5, 1.5]
        with pytest.raises(al.OperandError, match="leave dtype out"):
            al.grad(lambda a: np.sum(a, dtype=np.float32))(V)

    @pytest.mark.parametrize("draw", [
        lambda rng, a: rng.normal(a[0], 1.0), lambda rng, a: rng.normal(a, 1.0), lambda rng, a: rng.uniform(a[0], 1.0),
        lambda rng, a: rng.exponential(a), lambda rng, a: rng.poisson(a[0]),
    ])  # fmt: skip
    def test_random_numbers_with_variables_as_parameters(self, draw):
        """Refused, with the way that has a derivative."""
        with pytest.raises(al.OperandError, match=r"loc \+ scale \* rng.normal\(\)"):
            al.grad(lambda a: np.sum(draw(np.random.default_rng(0), a)))(W)

    @pytest.mark.parametrize("f", [
        lambda a: np.interp(a[0] ** 2, np.sort(V), W) ** 2 + np.interp(0.4, np.add(a[:3], [0.0, 3.0, 6.0]), a[3:]) ** 3,
        lambda a: (np.quantile(a, [0.3, 0.6], method="hazen") ** 3).sum(),
        lambda a: np.cov(a, W, aweights=a * a)[0, 1] ** 2 + np.std(a, where=FLAGS),
        lambda a: np.average(W, weights=a * a) + np.prod(np.gradient(a, a[0] + 2.0)),
        lambda a: (np.bincount(PLACES, weights=a) ** 3).sum() + np.geomspace(a[0] ** 2, 2.0, 3)[1],
    ])  # fmt: skip
    def test_second_order_compiled_and_over_lanes(self, f):
        """By both, what it is eagerly."""
        expected = al.hessian(f)(V)
        assert np.allclose(al.jit(al.hessian(f))(V), expected, rtol=1e-12, atol=1e-13)
        rows = np.stack([V, V[::-1], W])
        found = al.jit(al.vmap(al.hessian(f)))(rows)
        assert np.allclose(found, [al.hessian(f)(row) for row in rows], rtol=1e-10, atol=1e-11)

    @pytest.mark.parametrize("f", [
        np.sort, np.median, lambda a: np.quantile(a, [0.3, 0.6]), lambda a: np.percentile(a, 30.0, method="hazen"),
        lambda a: np.partition(a, 1)[:2], lambda a: np.sort(a)[::-1],
    ])  # fmt: skip
    @pytest.mark.parametrize("count", mostly_full([7, 2, 33], slice(0, 1)))
    def test_order_of_few_numbers_is_data(self, f, count):
        """In lanes one path serves all orders; equal numbers and NaNs as eagerly."""
        rng = np.random.default_rng(count)
        weighted = lambda a: np.sum(f(a) * np.cos(np.arange(np.size(f(a)))))
        lanes = al.jit(al.vmap(al.grad(weighted)))
        rows = rng.normal(size=(40, count))
        assert np.allclose(lanes(rows), [al.grad(weighted)(row) for row in rows], rtol=1e-14)
        assert len(lanes.paths()) == 1
        ties = rng.integers(0, 2, size=count).astype(float)
        spoilt = np.where(np.arange(count) == 1, math.nan, ties)
        rows = np.stack([ties, spoilt, np.zeros(count), -np.arange(count, dtype=float)])
        expected = [al.grad(weighted)(row) for row in rows]
        assert np.allclose(lanes(rows), expected, rtol=1e-14, equal_nan=True)

    @pytest.mark.parametrize("axis", mostly_full([1, 0, 2, None], slice(0, 1)))
    def test_order_along_an_axis_is_data(self, axis):
        """Of an array with several, in place too."""

        def f(a):
            if axis is None:
                return np.sum(np.sort(a, axis=None) ** 2 * np.arange(12.0))
            b = a * 1.0
            b.sort(axis=axis)
            return np.sum(b * np.sort(a, axis=axis) * np.arange(12.0).reshape(a.shape))

        lanes, points = al.jit(al.vmap(al.grad(f))), np.stack([T, -T, T[::-1]])
        assert np.allclose(lanes(points), [al.grad(f)(point) for point in points], rtol=1e-13)
        assert len(lanes.paths()) == 1

    def test_range_of_variables(self):
        """NumPy counts in C, which asks nobody."""
        with pytest.raises(al.OperandError, match=r"np.linspace for np.arange"):
            al.grad(lambda x: np.arange(x, 5.0).sum())(1.0)


#: What these answer is the shape of an argument, or they take other shapes than that of one number.
SHAPED = {"argwhere", "isscalar", "iterable", "ndim", "shape", "trim_zeros", "nonzero"}
#: What changes NumPy itself, touches files, or runs NumPy's own tests.
OUTSIDE = (
    "set_",
    "seterr",
    "setbuf",
    "test",
    "save",
    "load",
    "fromfile",
    "fromregex",
    "info",
    "show",
    "print",
    "genfromtxt",
)
#: Arguments beside the first, at which a number stands on a kink, a tie or a jump.
BESIDE = {
    "clip": [(0, 1), (None, 1), (0, None), (-2.5, 0.5)], "maximum": [(0,), (1.0,)], "minimum": [(0,), (1.0,)],
    "fmax": [(0,)], "fmin": [(0,)], "interp": [([0, 1], [0.0, 2.0])], "heaviside": [(0.5,)], "copysign": [(-1.0,)],
    "round": [(1,)], "isclose": [(1.0,)], "power": [(2,), (0.5,)], "float_power": [(2,)], "arctan2": [(1.0,)],
    "hypot": [(0.0,)],
}  # fmt: skip


class TestOneNumber:
    """A function of NumPy does with a single Variable what it does with an array of one: also at kinks, and with NaN."""

    @staticmethod
    def answer(f, point):
        """Value and derivative, or None for what is no number that depends on the point."""
        try:
            value, pullback = al.vjp(lambda x: np.reshape(f(x), (1,))[0], point)
            return float(value), pullback(1.0)[0]
        except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError, BufferError):
            return None

    @pytest.mark.parametrize("name", [
        name for name in sorted(np.__all__)
        if callable(getattr(np, name)) and not isinstance(getattr(np, name), type)
        and name not in SHAPED and not name.startswith(OUTSIDE)
    ])  # fmt: skip
    def test_as_an_array_of_one(self, name):
        """Of every public name."""
        function = getattr(np, name)
        for beside in [(), *BESIDE.get(name, [])]:
            for point in (0.0, 1.0, 0.5, -2.5, math.nan, math.inf):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    alone = self.answer(lambda x, beside=beside: function(x, *beside), point)
                    row = self.answer(lambda x, beside=beside: function(al.array([x]), *beside), point)
                assert beside == () or name == "isclose" or alone is not None, (name, beside, point)
                if alone and row:
                    assert np.array_equal(alone, row, equal_nan=True), (name, beside, point, alone, row)

    @pytest.mark.parametrize(("low", "high"), [(0, 1), (0, None), (None, 1)])
    def test_clip_has_no_slope_at_a_bound(self, low, high):
        """One that is left out is no bound: as `al.clip`, in every form, compiled and in lanes."""
        forms = [
            lambda x: np.clip(x, low, high), lambda x: np.clip(x, min=low, max=high),
            lambda x: np.clip(al.array([x]), low, high)[0], lambda x: al.array([x]).clip(low, high)[0],
        ]  # fmt: skip
        points = np.array([0.0, 1.0, 0.25, -3.0, 7.0, math.nan])
        plain = np.clip(points, low, high)
        inside = (points > (-math.inf if low is None else low)) & (points < (math.inf if high is None else high))
        slopes = np.where(np.isnan(points), math.nan, inside)
        for f in forms:
            for run in (al.vmap(al.value_and_grad(f)), al.jit(al.vmap(al.value_and_grad(f)))):
                assert np.array_equal(run(points), [plain, slopes], equal_nan=True)
            alone = [al.jit(al.value_and_grad(f))(point) for point in points]
            assert np.array_equal(alone, np.transpose([plain, slopes]), equal_nan=True)
        long = np.repeat(points[:5], 1000)
        found = al.jit(al.grad(lambda a: np.clip(a, low, high).sum()))(long)
        assert np.array_equal(found, np.repeat(slopes[:5], 1000))
