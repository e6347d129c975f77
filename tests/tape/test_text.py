"""Tapes as text: what the text computes is what the tape computes, in Python, NumPy, C and LaTeX."""

import ctypes
import dataclasses
import functools
import itertools
import math
import re
import shutil
import subprocess
import time

import numpy as np
import pytest
from corpus import COMPOSED, EXAMPLES, HOMOGENEOUS, MAPS, NAMES, ORDERS, SPECIAL, TABLE, by_name, same_bits, sample
from hypothesis import given
from hypothesis import strategies as st
from tiers import mostly_full, sizes

import autograd_lite as al
from autograd_lite.errors import ArgumentError, BranchError, CompilationError, PrimitiveError
from autograd_lite.nests import unravel
from autograd_lite.tape.backends.numpy import ArrayLanes
from autograd_lite.tape.program import Guard, Program
from autograd_lite.tape.tape import Tape

CORPUS = [*EXAMPLES, *COMPOSED, *HOMOGENEOUS, *MAPS]
COMPILER = shutil.which("cc")
FLAGS = ("-O2", "-std=c99", "-Wall", "-Werror", "-ffp-contract=off", "-shared", "-fPIC")
#: What C's library does not have, at least in derivatives.
NOT_IN_C = {
    "digamma", "polygamma", "sinc", "sinc_derivative", "round", "stirling_error", "polygamma_gap", "betaln", "gammainc",
    "gammaincc", "gammainc_by_a", "gamma_density_by_a", "lower_beta", "upper_beta", "t_cdf", "j0", "j1", "bessel_j", "i0",
    "i1", "bessel_i", "betainc_by", "beta_density_by", "t_cdf_by_df", "gamma_quantile", "upper_gamma_quantile",
    "beta_quantile", "upper_beta_quantile", "t_quantile", "poisson_quantile", "binom_quantile", "nbinom_quantile",
}  # fmt: skip
#: Functions that Python computes by itself and that may differ from C's in the last digits.
PYTHONS_OWN = {"gamma", "lgamma"}


def defined(text, name=None):
    """The function that a Python text defines."""
    scope = {}
    exec(compile(text, "<text>", "exec"), scope)  # noqa: S102 - the text is what is tested
    names = re.findall(r"^def (\w+)\(", text, re.MULTILINE)
    return scope[name or names[0]]


def outcome(call):
    """Numbers, or the kind of error."""
    try:
        result = call()
    except BranchError:
        return ["differs"]
    except ValueError as error:
        return ["differs" if str(error).startswith("recorded where") else str(error)]
    return list(result) if isinstance(result, tuple) else [result]


def same(one, other):
    """Say whether two lists of numbers, or kinds of errors, have the same bits."""
    return len(one) == len(other) and all(
        a == b if isinstance(a, str) else same_bits(a, b) for a, b in zip(one, other, strict=True)
    )


def gradient_of(example):
    """The tape of an example's derivatives."""
    transform = al.jacobian if example in MAPS else al.grad
    return al.trace(transform(example.function), list(example.point))


def points_of(rule, count=20):
    """Points of the domain, and special ones."""
    special = (
        itertools.product(SPECIAL, repeat=rule.arity) if rule.arity < 3 else zip(*[SPECIAL] * rule.arity, strict=True)
    )
    return [*(tuple(map(float, row)) for row in sample(rule.name, count)), *special]


@functools.cache
def tapes_of_primitives():
    """For each rule the tape of its value and that of its gradient."""
    found = {}
    for name in NAMES:
        rule, point = TABLE[name], tuple(map(float, sample(name, 1)[0]))
        found[name] = al.trace(rule, *point)
        wrt = tuple(k for k in range(rule.arity) if not (name in ORDERS and k == ORDERS[name])) or 0
        found[f"{name}'"] = al.trace(al.grad(rule, argnums=wrt), *point)
    return found


# --------------------------------------------------------------------------------------------------------------- Python


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(0, None, 3)))
def test_python_of_primitives_has_the_same_bits(name):
    """Value and gradient, also at special values, where the careful program is needed."""
    for key in (name, f"{name}'"):
        tape = tapes_of_primitives()[key]
        f = defined(tape.source("python"))
        for point in points_of(TABLE[name]):
            expected = outcome(lambda point=point: tuple(unravel(tape(*point))[0]))
            assert same(outcome(lambda point=point: f(*point)), expected), point


@pytest.mark.parametrize("example", CORPUS, ids=by_name)
def test_python_of_corpus_has_the_same_bits(example):
    """Value and gradient, at the point and beside it."""
    for tape in (al.trace(example.function, list(example.point)), gradient_of(example)):
        f = defined(tape.source("python"))
        for factor in (1.0, 0.9, -1.1):
            point = [factor * x for x in example.point]
            expected = outcome(lambda point=point: tuple(unravel(tape(point))[0]))
            assert same(outcome(lambda point=point: f(*point)), expected)


@pytest.mark.parametrize("example", [*EXAMPLES, *COMPOSED, *HOMOGENEOUS], ids=by_name)
def test_python_works_on_variables(example):
    """The text can be differentiated again."""
    tape = al.trace(example.function, list(example.point))
    f = defined(tape.source("python"))
    expected = unravel(tape.gradient()(list(example.point)))[0]
    found = al.grad(f, argnums=tuple(range(len(example.point))))(*example.point)
    assert list(found) == pytest.approx(expected, rel=1e-12)  # the order in which adjoints are added may differ


def test_python_reads_like_a_program():
    """Infix operators, names of arguments, only the functions that are used."""
    w = al.Variable(0.5, name="my weight")

    def loss(x, table, *, class_):
        h = al.tanh(w * x) - table["rows"][1] * -2.0
        return (-h * h if h < class_ else h), al.stop_gradient(x), 0.0

    text = al.trace(loss, 0.3, {"rows": np.array([1.0, 2.0])}, class_=100.0).source("python")
    line = text[text.index("(test_text") + 1 : text.index(")')")]
    assert text == (
        "# The tape of loss, written by autograd_lite.\n"
        "from autograd_lite import tanh\n"
        "from autograd_lite.primitives import hold\n"
        "\n\n"
        "def loss(x, table_rows_0, table_rows_1, class_, my_weight):\n"
        "    v7 = x * my_weight\n"
        "    v8 = tanh(v7)\n"
        "    v9 = table_rows_1 * -2.0\n"
        "    v10 = v8 - v9\n"
        "    if not v10 < class_:\n"
        f"        raise ValueError('recorded where v10 < class_ ({line})')\n"
        "    v11 = -v10\n"
        "    v12 = v10 * v11\n"
        "    v13 = hold(x)\n"
        "    return (v12, v13, 0.0)\n"
    )


def test_names_become_identifiers_of_their_own():
    """Keywords, functions that the text calls, slots, the function itself, names that end up equal."""

    def exp(sin, v7, lambda_, a):
        return al.sin(sin) * al.exp(v7) + lambda_ * a["b.c"] * a["b c"] * a[""] * a["2"] + w * second

    w, second = al.Variable(2.0, name="class"), al.Variable(3.0, name="class")
    tape = al.trace(exp, 1.0, 2.0, 3.0, {"b.c": 4.0, "b c": 5.0, "": 6.0, "2": 7.0})
    text = tape.source("python")
    assert "def exp_2(sin_2, v7_, lambda_, a, a_2, a_b_c, a_b_c_2, class_, class__2):" in text
    numbers = [1.0, 2.0, 3.0, 6.0, 7.0, 5.0, 4.0, 2.0, 3.0]
    assert defined(text)(*numbers) == tape(1.0, 2.0, 3.0, {"b.c": 4.0, "b c": 5.0, "": 6.0, "2": 7.0})
    assert defined(al.trace(al.exp, 1.0).source("python"))(0.0) == 1.0


def test_unicode_names():
    """What Python takes as letters stays; what it normalises is normalised first."""
    tape = al.trace(lambda θ, ﬁ: θ * ﬁ + θ, 1.0, 2.0)  # noqa: PLC2401
    assert "def f(θ, fi):" in tape.source("python")
    assert defined(tape.source("python"))(3.0, 4.0) == 15.0
    tape = al.trace(lambda x: x["ﬁ"] - x["fi"], {"ﬁ": 1.0, "fi": 2.0})
    assert "def f(x_fi, x_fi_2):" in tape.source("python")


@given(st.text(min_size=1, max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_no_name_breaks_the_text(name, key, keyword):
    """Names of functions, keys, Variables, files: all languages can be written, and Python can be run."""
    w = al.Variable(2.0, name=keyword)

    def f(nest):
        return nest[key] * w if nest[key] > 1.0 else nest[key]

    f.__name__ = name
    tape = al.trace(f, {key: 3.0})
    tape = dataclasses.replace(tape, program=dataclasses.replace(tape.program, guards=evil(tape, keyword)))
    for language in ("python", "numpy"):
        assert defined(tape.source(language))(3.0, 2.0) == 6.0
        with pytest.raises(ValueError, match="recorded where"):
            defined(tape.source(language))(0.0, 2.0)
    unit = tape.source("c")
    assert re.sub(r"/\*.*?\*/", "", unit, flags=re.DOTALL).count("*/") == 0
    assert "??" not in unit
    tape.source("latex")


def evil(tape, text):
    """The guards of a tape, on a line in a file with a strange name."""
    return tuple(Guard(g.relation, g.left, g.right, g.outcome, g.position, text) for g in tape.guards)


def test_many_inputs_are_one_sequence():
    """Twenty parameters at most."""
    for count, head in ((20, "def f(x_0, x_1, "), (21, "def f(x):")):
        tape = (
            al.trace(lambda x: al.sum(x * np.arange(len(x))) * w, np.ones(count - 1))
            if (w := al.Variable(2.0))
            else None
        )
        text = tape.source("python")
        assert head in text
        f = defined(text)
        assert (f(*[1.0] * count) if count == 20 else f([1.0] * count)) == (count - 1) * (count - 2) / 2


@pytest.mark.parametrize("results", [0, 1, 2, 40])
def test_results_are_a_number_or_a_tuple(results):
    """However many."""
    tape = al.trace(lambda x: [x * (k + 2.0) for k in range(results)], 1.0)
    expected = tuple(3.0 * (k + 2.0) for k in range(results))
    for language in ("python", "numpy"):
        assert defined(tape.source(language))(3.0) == (expected[0] if results == 1 else expected)


RELATIONS = ("<", "<=", ">", ">=", "==", "!=")


@pytest.mark.parametrize("relation", RELATIONS)
def test_guards_raise_where_the_branch_is_another(relation):
    """Each relation, each outcome, NaN: as the tape."""
    compare = eval(f"lambda x, y: x * 2 if x {relation} y else y")  # noqa: S307 - six lines of Python
    numbers = (1.0, 2.0, 3.0, math.nan, -0.0, 0.0, math.inf)
    for first in ((1.0, 2.0), (2.0, 1.0), (1.0, 1.0)):
        tape = al.trace(compare, *first)
        functions = [defined(tape.source(language)) for language in ("python", "numpy")]
        for point in itertools.product(numbers, numbers):
            expected = outcome(lambda point=point: tape(*point))
            for f in functions:
                assert same(outcome(lambda point=point, f=f: f(*point)), expected), (first, point)


def test_own_primitive_is_looked_up():
    """Python and NumPy texts take it from the table."""
    cube = al.Primitive(name="cubed_for_source", value=lambda x: x * x * x, partials=(lambda x, y: 3.0 * x * x,))
    tape = al.trace(lambda x: cube(x) + 1.0, 2.0)
    assert 'v2 = PRIMITIVES["cubed_for_source"](x)' in tape.source("python").replace("'", '"')
    assert defined(tape.source("python"))(3.0) == 28.0
    assert defined(tape.source("numpy"))(np.array([1.0, 3.0])).tolist() == [2.0, 28.0]
    with pytest.raises(CompilationError, match="no function for cubed_for_source.*Give the Primitive an `expression`"):
        tape.source("c")


def test_language_must_be_one_of_four():
    """The message names them."""
    tape = al.trace(lambda x: x, 1.0)
    for language in ("fortran", "C", None, ["c"]):
        with pytest.raises(ArgumentError, match="give 'python', 'numpy', 'c', 'latex' or 'ptx'") as caught:
            tape.source(language)
        assert repr(language) in str(caught.value)


def by_hand(numbers, results, code=(), guards=()):
    """A tape of one input with these constants."""
    _, shape = unravel(((0.0,), {}))
    program = Program(1, tuple(numbers), tuple(code), tuple(results), guards)
    return Tape("f", ("x",), shape, (), program, unravel([0.0] * len(results))[1], (0.0,))


NUMBERS = [
    math.inf,
    -math.inf,
    math.nan,
    0.0,
    -0.0,
    5e-324,
    0.1,
    -2.5,
    1e22,
    1e-7,
    123456.75,
    1e300 / 3,
    2.0**-1074 * 3,
    -1.0,
]


@pytest.mark.parametrize("language", ["python", "numpy"])
def test_constants_keep_their_bits(language):
    """Infinities, NaN, -0.0, subnormal numbers."""
    tape = by_hand(NUMBERS, range(1, 1 + len(NUMBERS)))
    assert same(list(defined(tape.source(language))(1.0)), NUMBERS)
    count = 1 + len(NUMBERS)
    tape = by_hand(NUMBERS, range(count, 2 * count - 1), [(al.mul, (k, 0)) for k in range(1, count)])
    assert same(list(defined(tape.source(language))(1.0)), NUMBERS)


def test_negative_constants_under_a_minus():
    """A tape made by hand may negate a constant; -- would be another operator in C."""
    tape = by_hand([-2.0], [2, 3], [(al.neg, (1,)), (al.sub, (0, 1))])
    for language in ("python", "numpy"):
        assert defined(tape.source(language))(1.0) == (2.0, 3.0)
    assert "-(-2.0)" in tape.source("c")
    assert "v_{2} &= -(-2)" in tape.source("latex")
    assert "v_{3} &= x - (-2)" in tape.source("latex")


@functools.cache
def long_tape(length):
    """A chain of so many instructions."""

    def f(x):
        for k in range(length // 2):
            x = al.sin(x) * (1.0 + 1e-9 * k)
        return x if x < 10.0 else -x

    return al.trace(f, 0.5)


@pytest.mark.parametrize("length", sizes(20_000, 100_000))
def test_long_programs_can_be_written_and_run(length):
    """All instructions in every language; Python reads its text."""
    tape = long_tape(length)
    for language in ("python", "numpy", "c", "latex"):
        assert tape.source(language).count("\n") > length
    assert defined(tape.source("python"))(0.25) == tape(0.25)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["python", "numpy", "c", "latex"])
def test_long_programs_are_written_in_linear_time(language):
    """Eight times the length takes about eight times as long: 64 times if it were quadratic."""

    def seconds(tape):
        start = time.perf_counter()
        tape.source(language)
        return time.perf_counter() - start

    assert min(seconds(long_tape(400_000)) for _ in range(3)) < 24 * min(seconds(long_tape(50_000)) for _ in range(3))


# ---------------------------------------------------------------------------------------------------------------- NumPy


def run_lanes(tape, columns):
    """What the NumPy executor gives, careful program included."""
    results, status = ArrayLanes(tape.program).run(columns)
    if np.any(np.asarray(status) > 0):
        return None
    if np.any(np.asarray(status) < 0):
        return run_lanes(tape.careful(), columns)
    return results


def same_lanes(one, other):
    """Bits of arrays, or of numbers that all lanes share."""
    lanes = np.broadcast_shapes(np.shape(one), np.shape(other))
    rows = zip(
        np.broadcast_to(one, lanes).ravel().tolist(), np.broadcast_to(other, lanes).ravel().tolist(), strict=True
    )
    return all(itertools.starmap(same_bits, rows))


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(1, None, 3)))
def test_numpy_of_primitives_has_the_bits_of_the_executor(name):
    """Points of the domain and special ones, as lanes; and as single numbers."""
    points = points_of(TABLE[name])
    columns = list(np.array(points).T.copy())
    for key in (name, f"{name}'"):
        tape = tapes_of_primitives()[key]
        f = defined(tape.source("numpy"))
        expected = run_lanes(tape, columns)
        if expected is None:
            assert outcome(lambda f=f: f(*columns)) == ["differs"]
            continue
        found = f(*columns)
        found = found if isinstance(found, tuple) else (found,)
        assert len(found) == len(expected)
        assert all(map(same_lanes, found, expected))
        alone = f(*points[0])
        assert np.allclose(alone, unravel(tape(*points[0]))[0], rtol=1e-9, atol=0.0, equal_nan=True)


@pytest.mark.parametrize("example", CORPUS, ids=by_name)
def test_numpy_of_corpus_has_the_bits_of_the_executor(example):
    """Value and gradient on lanes around the point."""
    rng = np.random.default_rng(1)
    columns = [x * rng.uniform(0.95, 1.05, 7) for x in example.point]
    for tape in (al.trace(example.function, list(example.point)), gradient_of(example)):
        expected = run_lanes(tape, columns)
        text = tape.source("numpy")
        if expected is None:
            with pytest.raises(ValueError, match="recorded where"):
                defined(text)(*columns)
            continue
        found = defined(text)(*columns)
        assert all(map(same_lanes, found if isinstance(found, tuple) else (found,), expected))


def test_numpy_text_is_self_contained():
    """Composite rules are written out; what NumPy lacks comes from the library; integers are taken as numbers."""
    text = al.trace(lambda x: al.sigmoid(x) + al.relu(x) + al.round(x) + al.round(x, 0.0), 1.0).source("numpy")
    assert "autograd_lite import" not in text
    assert "np.rint" in text
    square = defined(al.trace(lambda x: x * x, 1.0).source("numpy"))
    assert square(np.array([2**40, -1])).tolist() == [2.0**80, 1.0]
    assert square(2**40) == 2.0**80
    assert "from autograd_lite import erf, lgamma\n" in al.trace(lambda x: al.erf(x) * al.lgamma(x), 1.0).source(
        "numpy"
    )


def test_numpy_divides_by_zero_quietly():
    """Also where a function of the library has made a Python float."""
    f = defined(al.trace(lambda x: 1.0 / al.erf(x), 1.0).source("numpy"))
    assert f(0.0) == math.inf
    assert f(np.array([0.0, -0.0])).tolist() == [math.inf, -math.inf]


def test_numpy_raises_if_any_lane_differs():
    """And not if none does."""
    for tape in (al.trace(lambda x: x if x > 0 else -x, 1.0), al.trace(lambda x: -x if x < 0 else x, 1.0)):
        f = defined(tape.source("numpy"))
        assert f(np.array([1.0, 2.0])).tolist() == [1.0, 2.0]
        with pytest.raises(ValueError, match="recorded where"):
            f(np.array([1.0, -2.0, 3.0]))


# -------------------------------------------------------------------------------------------------------------------- C


class Library:
    """Tapes compiled to one library."""

    def __init__(self, folder, tapes):
        self.tapes, files = dict(tapes), []
        for key, tape in self.tapes.items():
            text = tape.source("c")
            (name,) = re.findall(r"^int (\w+)\(", text, re.MULTILINE)
            files.append(folder / f"{key}.c")
            files[-1].write_text(re.sub(rf"\b{name}\b", key, text), encoding="utf-8")
        made = subprocess.run(
            [COMPILER, *FLAGS, *files, "-o", folder / "library.so", "-lm"], capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr
        self.code = ctypes.CDLL(str(folder / "library.so"))

    def __call__(self, key, numbers):
        """Results and status."""
        tape = self.tapes[key]
        x = (ctypes.c_double * max(1, tape.program.inputs))(*numbers)
        y = (ctypes.c_double * max(1, len(tape.outputs)))(*[12345.0] * len(tape.outputs))
        status = self.code[key](x, y)
        return status, list(y)[: len(tape.outputs)]


needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


def rules_in_one(names, transform):
    """The tape of many rules side by side, each with arguments of its own."""

    def f(rows):
        return [transform(TABLE[name], row) for name, row in zip(names, rows, strict=True)]

    return al.trace(f, [tuple(map(float, sample(name, 1)[0])) for name in names])


@needs_compiler
def test_c_of_all_primitives_has_the_same_bits(tmp_path):
    """Values and gradients, at points of the domain and special ones."""
    values = [name for name in NAMES if name not in NOT_IN_C]
    slopes = [name for name in values if name not in ("gamma", "lgamma")]
    tapes = {
        "values": rules_in_one(values, lambda rule, row: rule(*row)),
        "slopes": rules_in_one(slopes, lambda rule, row: al.grad(rule, argnums=tuple(range(rule.arity)))(*row)),
    }
    library = Library(tmp_path, tapes)
    for key, names in (("values", values), ("slopes", slopes)):
        table = [points_of(TABLE[name], 100) for name in names]
        for k in range(max(map(len, table))):
            rows = [points[k % len(points)] for points in table]
            status, found = library(key, [x for row in rows for x in row])
            expected = unravel(tapes[key](rows))[0]
            assert status == 0
            width = [1 if key == "values" else TABLE[name].arity for name in names]
            owners = [name for name, count in zip(names, width, strict=True) for _ in range(count)]
            for name, one, other in zip(owners, found, expected, strict=True):
                close = name in PYTHONS_OWN and math.isclose(one, other, rel_tol=1e-13, abs_tol=1e-13)
                assert same_bits(one, other) or close, (name, rows[names.index(name)], one, other)


@needs_compiler
@pytest.mark.parametrize("every", sizes(3, 1))
def test_c_of_corpus_has_the_same_bits(tmp_path, every):
    """Value and gradient of each function that C has."""
    tapes = {}
    for k, example in list(enumerate(CORPUS))[::every]:
        for what, tape in (("f", al.trace(example.function, list(example.point))), ("g", gradient_of(example))):
            if not any(primitive.name == "digamma" for primitive, _ in tape.code):
                tapes[f"{what}{k}"] = tape
    library = Library(tmp_path, tapes)
    for key, tape in tapes.items():
        point = list(CORPUS[int(key[1:])].point)
        own = any(primitive.name in PYTHONS_OWN for primitive, _ in tape.code)
        for factor in (1.0, 0.99, 1.01):
            numbers = [factor * x for x in point]
            expected = outcome(lambda tape=tape, numbers=numbers: tuple(unravel(tape(numbers))[0]))
            status, found = library(key, numbers)
            if expected == ["differs"]:
                assert status > 0
                assert found == [12345.0] * len(found)
            else:
                assert status == 0
                assert found == pytest.approx(expected, rel=1e-13) if own else same(found, expected)


@needs_compiler
def test_c_constants_names_guards_and_dead_code(tmp_path):
    """No warning from the compiler, whatever the tape; guards are counted from 1 in the tape's order."""

    def three(x, y):
        late = al.exp(x) * y
        first = late > 1.0
        second = x < 0.5  # could be checked before the first
        third = y != 3.0
        return (x if first else y) + (2 * x if second else y) * (x if third else 1.0)

    w = al.Variable(1.5, name="*/ int x; /* ??/")
    tapes = {
        "constants": by_hand(NUMBERS, range(1, 1 + len(NUMBERS))),
        "dead": by_hand([2.0], [0], [(al.mul, (0, 1)), (al.exp, (2,)), (al.neg, (1,))]),
        "three": al.trace(three, 0.25, 2.0),
        "nothing": al.trace(lambda x: [], 1.0),
        "no_inputs": al.trace(lambda: 3.0),
        "captured": al.trace(lambda x: x * w, 2.0),
        "rounded": al.trace(al.round, 2.5, 0.0).gradient() and al.trace(lambda x: al.round(x), 2.5),
    }
    library = Library(tmp_path, tapes)
    assert same(library("constants", [1.0])[1], NUMBERS)
    assert library("dead", [5.0]) == (0, [5.0])
    assert library("nothing", [5.0]) == (0, [])
    assert library("no_inputs", []) == (0, [3.0])
    assert library("captured", [3.0, 2.0]) == (0, [6.0])
    assert [library("rounded", [x])[1][0] for x in (0.5, 1.5, 2.5, -0.2)] == [0.0, 2.0, 2.0, -0.0]
    assert library("three", [0.25, 2.0]) == (0, [tapes["three"](0.25, 2.0)])
    cases = {(0.25, 0.1): 1, (0.75, 2.0): 2, (0.25, 3.0): 3, (0.75, 0.1): 1, (math.nan, 2.0): 1}
    for point, number in cases.items():
        assert library("three", point) == (number, [12345.0])


@needs_compiler
def test_c_powers_are_those_of_the_library(tmp_path):
    """Compilers write 1/x for pow(x, -1), which differs in the last digit; and x**2 is x·x, as in the table."""
    library = Library(tmp_path, {"f": al.trace(lambda x, p: [x**-1.0, x**2.0, x**p, 2.0**x], 1.3, 2.0)})
    for x in np.random.default_rng(0).uniform(0.5, 2.0, 3000).tolist():
        assert library("f", [x, 2.0])[1] == [al.pow(x, -1.0), x * x, x * x, al.pow(2.0, x)]


@needs_compiler
def test_c_function_names_are_free(tmp_path):
    """A tape may be called like a function of C, a keyword or a macro."""
    names = [name for name in dir(math) if not name.startswith("_")] + [
        "main", "double", "inline", "NAN", "INFINITY", "printf", "abs", "index", "y0", "strlen", "isnan", "fegetround",
        "tape_less", "x", "y", "v3", "f\u00fcr", "2x", "jit(<lambda>)",
    ]  # fmt: skip
    units = []
    for k, name in enumerate(names):
        tape = by_hand([2.0], [2], [(al.less, (0, 1))])
        object.__setattr__(tape, "name", name)
        units.append(tmp_path / f"unit{k}.c")
        units[-1].write_text(tape.source("c"), encoding="utf-8")
    made = subprocess.run(
        [COMPILER, *FLAGS[1:-2], "-fsyntax-only", *units], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert "int loss(const double *x, double *y)" in al.trace(loss, 1.0).source("c")


def loss(x):
    """A function with an ordinary name."""
    return x * 0.1


def test_c_shows_decimals_beside_exact_constants():
    """Short dyadic numbers as they are, others in hexadecimal."""
    text = al.trace(lambda x: x * 0.1 + 2.5, 1.0).source("c")
    assert "= x[0] * 0x1.999999999999ap-4 /* 0.1 */;" in text
    assert " 2.5 + " in text


@pytest.mark.parametrize("language", ["python", "numpy", "c", "latex"])
def test_scans_of_compiled_functions_have_no_text(language):
    """Tapes of `trace` have the steps."""

    def f(x):
        return al.scan(lambda carry, _: (al.sin(carry), None), x, length=10)[0]

    compiled = al.jit(f)
    value = compiled(0.5)
    with pytest.raises(CompilationError, match=r"holds scan, a loop or look-up of jit.*trace\(f, \*arguments\)"):
        compiled.paths()[0].tape.source(language)
    if language == "python":
        assert defined(al.trace(f, 0.5).source("python"))(0.5) == value


@pytest.mark.parametrize("name", sorted(NOT_IN_C - {"round"}))
def test_c_says_what_it_does_not_have(name):
    """The rule is named, and the ways out."""
    with pytest.raises(CompilationError, match=rf"C has no function for {name}.*`expression`.*'python' or 'numpy'"):
        tapes_of_primitives()[name].source("c")


# ---------------------------------------------------------------------------------------------------------------- LaTeX

UPRIGHT = r"\\mathrm\{(?:\\.|[^\\}])*\}"
LETTER = r"\\(?:alpha|beta|theta|lambda|mu|sigma(?!\(|'\())(?![a-z])|[a-zA-Z]"
TOKEN = re.compile(
    rf"\s*(?:\\,\s*)?(\d+(?:\.\d+)?|(?:{UPRIGHT}|{LETTER})(?:_\{{(?:{UPRIGHT}|\\?[^{{}}\\])*\}})?'*|\\[a-zA-Z]+|.)"
)
BY_NAME = {
    r"\log": "log", r"\sin": "sin", r"\cos": "cos", r"\tan": "tan", r"\arcsin": "asin", r"\arccos": "acos",
    r"\arctan": "atan",
    r"\sinh": "sinh", r"\cosh": "cosh", r"\tanh": "tanh", r"\Gamma": "gamma", r"\psi": "digamma", r"\sigma": "sigmoid",
    r"\max": "maximum", r"\min": "minimum", r"\Phi": "ndtr",
}  # fmt: skip


class Reader:
    """Evaluates the right side of an equation: a recursive descent over the notation of the templates."""

    def __init__(self, text, values):
        self.words = [m[1] for m in TOKEN.finditer(text.strip()) if m[1].strip()]
        self.values, self.at = values, 0

    def peek(self):
        return self.words[self.at] if self.at < len(self.words) else ""

    def next(self, expected=None):
        word = self.peek()
        assert expected is None or word == expected, (self.words, self.at, expected)
        self.at += 1
        return word

    def take(self, *tokens):
        if tuple(self.words[self.at : self.at + len(tokens)]) == tokens:
            self.at += len(tokens)
            return True
        return False

    def whole(self):
        value = self.sum()
        assert self.at == len(self.words), (self.words, self.at)
        return value

    def sum(self):
        value = self.product()
        while self.peek() in ("+", "-"):
            value = value + self.product() if self.next() == "+" else value - self.product()
        return value

    def product(self):
        value = self.signed()
        while self.peek() in (r"\cdot", r"\times"):
            self.next()
            value = value * self.signed()
        return value

    def signed(self):
        return -self.signed() if self.take("-") else self.power()

    def power(self):
        if self.take("e", "^"):
            exponent = self.group()
            return al.expm1(exponent) if self.take("-", "1") else al.exp(exponent)
        value = self.atom()
        while self.take("^"):
            value = al.pow(value, self.group() if self.peek() == "{" else float(self.next()))
        return value

    def group(self, opening="{", closing="}"):
        self.next(opening)
        value = self.sum()
        self.next(closing)
        return value

    def atom(self):
        word = self.peek()
        if word == "(":
            return self.parenthesis()
        if word == "|":
            return al.abs(self.group("|", "|"))
        if word == "[":
            return self.indicator()
        self.next()
        if re.match(r"\d", word):
            return float(word)
        if word in (r"\infty", r"\mathrm{NaN}"):
            return math.inf if word == r"\infty" else math.nan
        if word in self.values:
            return self.values[word]
        return self.function(word)

    def parenthesis(self):
        self.next("(")
        value = self.sum()
        if self.take(r"\ne"):
            self.next("0")
            self.next("?")
            first = self.sum()
            self.next(":")
            value = al.where(value, first, self.sum())
        self.next(")")
        return value

    def indicator(self):
        self.next("[")
        left = self.sum()
        relation = self.next()
        right = self.sum()
        self.next("]")
        return al.less(left, right) if relation == "<" else al.less(right, left)

    def function(self, word):
        if word == r"\frac":
            return al.div(self.group(), self.group())
        if word == r"\sqrt":
            return al.cbrt(self.group()) if self.take("[", "3", "]") else al.sqrt(self.group())
        if word in (r"\lfloor", r"\lceil"):
            value = self.sum()
            assert self.next() == {r"\lfloor": r"\rfloor", r"\lceil": r"\rceil"}[word]
            return al.floor(value) if word == r"\lfloor" else al.ceil(value)
        if word == r"\operatorname":
            self.next("{")
            name = "".join(iter(self.next, "}")).replace("\\", "")
            if name == "erf" and self.take("^", "{", "-", "1", "}"):
                name = "erfinv"
            return al.PRIMITIVES["sech_squared" if name == "sech" and self.take("^", "2") else name](*self.arguments())
        return self.named(word)

    def named(self, word):
        name = BY_NAME[word]
        if word == r"\log" and self.take("_"):
            name = "log2" if self.take("2") else "log10"
            assert name == "log2" or self.take("{", "10", "}")
        elif word == r"\log" and self.take("|", r"\Gamma"):
            value = al.lgamma(self.parenthesis())
            self.next("|")
            return value
        elif word == r"\log" and self.take(r"\Phi"):
            name = "log_ndtr"
        elif word == r"\Phi" and self.take("^", "{", "-", "1", "}"):
            name = "ndtri"
        elif word == r"\sigma" and self.take("'"):
            name = "sigmoid_slope"
        elif word == r"\psi" and self.take("^"):
            return al.polygamma(self.group_of_order(), self.parenthesis())
        return al.PRIMITIVES[name](*self.arguments())

    def group_of_order(self):
        self.next("{")
        order = self.parenthesis()
        self.next("}")
        return order

    def arguments(self):
        if self.peek() != "(":
            return [self.power()]
        self.next("(")
        found = [self.sum()]
        while self.take(","):
            found.append(self.sum())
        self.next(")")
        return found


def symbols_of(tape):
    """What the inputs are called in the text: found by a tape that gives each of them back."""
    inputs = tape.program.inputs
    everything = dataclasses.replace(
        tape,
        program=Program(inputs, (), (), tuple(range(inputs))),
        output_shape=unravel([0.0] * inputs)[1],
        careful=None,
    )
    lines = everything.source("latex").splitlines()[1:-1]
    return [re.sub(r" \\\\$", "", line).split(" &= ")[1] for line in lines]


def read_latex(tape, numbers):
    """The results that the equations have for these inputs."""
    lines = tape.source("latex").splitlines()
    assert lines[0] == r"\begin{aligned}"
    assert lines[-1] == r"\end{aligned}"
    assert all(line.endswith(r" \\") for line in lines[1:-2])
    values = dict(zip(symbols_of(tape), numbers, strict=True))
    assert len(values) == len(numbers)
    results = []
    for line in lines[1:-1]:
        if not line.startswith(r"&\text{given"):
            left, right = line.removesuffix(r" \\").split(" &= ")
            assert left not in values
            values[left] = Reader(right, values).whole()
            results.append(values[left])
    return results[len(results) - len(tape.outputs) :]


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(2, None, 3)))
def test_latex_of_primitives_means_the_same(name):
    """Value and gradient, read back from the text."""
    for key in (name, f"{name}'"):
        tape = tapes_of_primitives()[key]
        for point in points_of(TABLE[name], 5)[:5]:
            bare = dataclasses.replace(tape, program=dataclasses.replace(tape.program, doubtful=()), careful=None)
            assert read_latex(tape, point) == pytest.approx(unravel(bare(*point))[0], rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("example", CORPUS, ids=by_name)
def test_latex_of_corpus_means_the_same(example):
    """Value and gradient, read back from the text."""
    point = [math.copysign(min(abs(x), 1e100), x) for x in example.point]  # in formulas the squares of hypot overflow
    for tape in (al.trace(example.function, point), gradient_of(example)):
        assert read_latex(tape, point) == pytest.approx(unravel(tape(point))[0], rel=1e-9, nan_ok=True)


def test_latex_has_names_constants_and_conditions():
    """Indices below, Greek letters, powers of ten, parentheses where they are needed, no two things of one name."""
    w = al.Variable(2.0, name="x")

    def f(x, v, learning_rate, alpha0, y):
        a = al.sin(x["a"] * -1.5e-7) if alpha0 <= 1.0 else x
        b = a if v[1] > 100.0 else v[0, 0] * learning_rate
        return b**2.0 - w * y[0] + al.Variable(-1e22), math.inf

    tape = al.trace(f, {"a": 1.0}, {1: 2.0, (0, 0): 1.0}, 0.1, 0.5, [3.0])
    symbols = ["x_{a}", "v_{1}", "v_{0,0}", r"\mathrm{learning\_rate}", r"\alpha_{0}", "y_{0}", "x"]
    assert symbols_of(tape) == symbols
    text = tape.source("latex")
    assert r"&\text{given }\alpha_{0} \le 1 \\" in text
    assert r"&\text{given not }v_{1} > 100 \\" in text
    assert r"u_{" in text
    assert r"y'_{1} &= \infty" in text
    assert r"(-10^{22})" in text or r"-10^{22} + " in text
    expected = unravel(tape({"a": 1.0}, {1: 2.0, (0, 0): 1.0}, 0.1, 0.5, [3.0]))[0]
    assert read_latex(tape, [1.0, 2.0, 1.0, 0.1, 0.5, 3.0, 2.0]) == pytest.approx(expected)


def test_latex_counts_equal_names():
    """Two captured Variables of one name are two symbols."""
    a, b = al.Variable(2.0, name="w"), al.Variable(3.0, name="w")
    assert symbols_of(al.trace(lambda w: a * b * w, 1.0)) == ["w", "w_{(2)}", "w_{(3)}"]


def test_latex_of_own_primitives():
    """By their template, or by name; a template that is none is refused."""
    good = al.Primitive(name="good_1", value=lambda x, y: x * y, partials=(1.0, 1.0), latex=r"{0}_2 \star {1}^{{2}}")
    bare = al.Primitive(name="bare_1", value=lambda x: x, partials=(1.0,))
    bad = al.Primitive(name="bad_1", value=lambda x: x, partials=(1.0,), latex=r"\bad{0}{")
    text = al.trace(lambda x: (good(x, -3.0), good(-1.0, x), good(x, 1e22), good(1.0, x)), 1.0).source("latex")
    for formula in (r"x_2 \star (-3)^{2}", r"(-1)_2 \star x^{2}", r"x_2 \star (10^{22})^{2}", r"1_2 \star x^{2}"):
        assert formula in text
    assert r"\operatorname{bare\_1}(x)" in al.trace(bare, 1.0).source("latex").replace("x_{0}", "x")
    with pytest.raises(PrimitiveError, match="of 'bad_1' is no template"):
        al.trace(bad, 1.0).source("latex")


def test_text_of_a_loaded_tape(tmp_path):
    """What was saved can be written, in every language, without the function."""
    tape = al.trace(al.grad(lambda x: al.where(al.less(0.0, x), al.sqrt(x), 1.0)), 1.0)
    tape.save(tmp_path / "f")
    for language in ("python", "numpy", "c", "latex"):
        assert al.Tape.load(tmp_path / "f").source(language) == tape.source(language)
    assert defined(tape.source("python"))(-1.0) == 0.0


def test_numpy_source_of_a_root_at_minus_infinity():
    """x**0.5 is +inf at -inf and +0.0 at -0.0 in the text too, for arrays and for single numbers."""
    tapes = [al.trace(lambda x: x**0.5, 2.0), al.trace(lambda x, p: x**p, 2.0, 0.5)]
    for tape, more in zip(tapes, ((), (0.5,)), strict=True):
        scope = {}
        exec(tape.source("numpy"), scope)  # noqa: S102 - the text under test
        root = next(f for name, f in scope.items() if callable(f) and name == "f")
        assert list(root(np.array([-math.inf, 4.0]), *more)) == [math.inf, 2.0]
        for x, y in ((-math.inf, math.inf), (-0.0, 0.0), (9.0, 3.0)):
            assert float(root(x, *more)) == y and not np.signbit(root(x, *more))
