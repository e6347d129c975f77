"""Vector functions against mpmath: accuracy, edge cases, the same bits at every width and whatever the neighbours."""

import ctypes
import functools
import math

import mpmath
import numpy as np
import pytest
from corpus import same_arrays
from tiers import mostly_full

llvm = pytest.importorskip("llvmlite.binding")

from autograd_lite.tape.llvm import vector_math  # noqa: E402 - of no use without LLVM

INF, NAN = math.inf, math.nan
NAMES = list(vector_math.FUNCTIONS)
WIDTHS = (1, 2, 3, 4, 8, 16)
TINY, LARGEST = 5e-324, 1.7976931348623157e308

#: Largest error in units in the last place, as the docstrings say.
BOUNDS = dict.fromkeys(NAMES, 1.0) | {"sinh": 2.0, "cosh": 2.0, "sigmoid": 2.0, "erfc": 2.0}

#: Where to look closely.
LOGARITHM = [(0.7, 1.42), (0.99, 1.01), (0, 10), (0, 1e-307)]
CIRCULAR = [(-0.8, 0.8), (-10, 10), (-1e3, 1e3), (-1.1e6, 1.1e6)]
HYPERBOLIC = [(-1, 1), (-5, 5), (-710.4, 710.4), (-1e-3, 1e-3)]
RANGES = {
    "exp": [(-0.36, 0.36), (-2, 2), (-745, 709.7), (-745.1, -708)],
    "exp2": [(-0.51, 0.51), (-2, 2), (-1074, 1023.9), (-1074, -1022)],
    "expm1": [(-0.36, 0.36), (-2, 2), (-40, 60), (-40, 709.7)],
    "log1p": [(-0.3, 0.42), (-1, 1), (-1, 10), (-1, -0.9999)],
    "atan": [(-0.5, 0.5), (-2.5, 2.5), (-10, 10), (0.43, 0.45)],
    "tanh": [(-0.4, 0.4), (-2, 2), (-20, 20), (0.17, 0.18)],
    "erf": [(-0.5, 0.5), (-1.5, 1.5), (-6, 6), (0.85, 1.1)],
    "erfc": [(-0.6, 0.6), (0.49, 2), (-6, 27.2), (26, 27.2), (-1e-3, 1e-3), (2, 6), (6, 26), (-6, -0.6)],
    "sigmoid": [(-2, 2), (-40, 40), (-745, 40), (-745, -708)],
    **dict.fromkeys(("log", "log2", "log10", "pow"), LOGARITHM),
    **dict.fromkeys(("sin", "cos", "tan"), CIRCULAR),
    **dict.fromkeys(("sinh", "cosh"), HYPERBOLIC),
}

REFERENCES = {name: getattr(mpmath, name) for name in NAMES if hasattr(mpmath, name)} | {
    "exp2": lambda x: mpmath.power(2, x),
    "log2": lambda x: mpmath.log(x) / mpmath.ln2,
    "log10": lambda x: mpmath.log(x) / mpmath.ln10,
    "erfc": lambda x: mpmath.erfc(max(min(x, 1000), -1000)),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "pow": mpmath.power,
}


@functools.cache
def compiled(width):
    """Return a function (name, array, ...) -> array that runs the vector functions of this width."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    kind = "double" if width == 1 else f"<{width} x double>"
    text = "".join(
        f"""
declare {kind} @{name}_v{width}({kind}{f", {kind}" * (name == "pow")})
define void @{name}_of_each(ptr %x, ptr %y, ptr %result, i64 %count) {{
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %after, %next ]
  %px = getelementptr double, ptr %x, i64 %i
  %py = getelementptr double, ptr %y, i64 %i
  %pr = getelementptr double, ptr %result, i64 %i
  %vx = load {kind}, ptr %px, align 8
  %vy = load {kind}, ptr %py, align 8
  %vr = call {kind} @{name}_v{width}({kind} %vx{f", {kind} %vy" * (name == "pow")})
  store {kind} %vr, ptr %pr, align 8
  %after = add i64 %i, {width}
  %more = icmp slt i64 %after, %count
  br i1 %more, label %next, label %end
end:
  ret void
}}"""
        for name in NAMES
    )
    text += "".join(
        f"""
declare {{ {kind}, {kind} }} @{name}_gaussian_v{width}({kind})
define void @{name}_gaussian_of_each(ptr %x, ptr %y, ptr %result, i64 %count) {{
entry:
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %after, %next ]
  %px = getelementptr double, ptr %x, i64 %i
  %py = getelementptr double, ptr %y, i64 %i
  %pr = getelementptr double, ptr %result, i64 %i
  %vx = load {kind}, ptr %px, align 8
  %both = call {{ {kind}, {kind} }} @{name}_gaussian_v{width}({kind} %vx)
  %first = extractvalue {{ {kind}, {kind} }} %both, 0
  %second = extractvalue {{ {kind}, {kind} }} %both, 1
  store {kind} %first, ptr %pr, align 8
  store {kind} %second, ptr %py, align 8
  %after = add i64 %i, {width}
  %more = icmp slt i64 %after, %count
  br i1 %more, label %next, label %end
end:
  ret void
}}"""
        for name in vector_math.WITH_GAUSSIAN
    )
    host = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    machine = host.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2)
    module = llvm.parse_assembly(text)
    for name in vector_math.NAMES:
        module.link_in(llvm.parse_assembly(vector_math.library(name, width).text))
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)

    def run(name, *arguments):
        count = len(arguments[0])
        arrays = np.zeros((3, -(-count // width) * width))
        arrays[: len(arguments), :count] = arguments
        prototype(engine.get_function_address(f"{name}_of_each"))(*(a.ctypes.data for a in arrays), count)
        return arrays[2, :count] if "gaussian" not in name else arrays[[2, 1], :count]

    return run


def points(name):
    """Return doubles of every size and sign, more in the ranges that matter, and the special ones: one array per argument."""
    rng = np.random.default_rng(len(name))
    dense = [rng.uniform(low, high, 550) for low, high in RANGES[name]]
    sizes = 2.0 ** np.concatenate([rng.uniform(-60, 12, 600), rng.uniform(-1074, 1023, 200)])
    special = [0.0, TINY, 1e-310, 2.0**-1022, 2.0**-54, 2.0**-28, 0.5, 1.0, 2.0, 2.0**20, 1e16, 1e300, LARGEST, INF]
    turns = [float(n * mpmath.pi / 2) for n in [*range(1, 50), *range(10**5, 10**5 + 50)]]
    x = np.concatenate([*dense, rng.choice([-1.0, 1.0], 800) * sizes, special, np.negative(special), turns, [NAN]])
    if name != "pow":
        return (x,)
    with np.errstate(all="ignore"):
        y = rng.uniform(-745, 709, len(x)) / np.log(np.abs(x))  # the result anywhere in range
    return x, np.where(rng.random(len(x)) < 0.5, np.round(y), y)


def error(result, exact):
    """Return |result - exact| in units in the last place of the exact value, an mpmath number."""
    unit = max(mpmath.frexp(exact)[1] - 53, -1074)
    return float(abs(mpmath.mpf(result) - exact) * mpmath.mpf(2) ** -unit)


def regular(name, *arguments):
    """Whether mpmath can say what is right; test_edges_are_those_of_the_standard has the other cases."""
    if not all(map(math.isfinite, arguments)):
        return False
    x = arguments[0]
    if name == "pow":
        return x > 0 or (x < 0 and arguments[1] % 1 == 0)
    return "log" not in name or x > -(name == "log1p")


@pytest.mark.parametrize("name", mostly_full(NAMES, slice(0, None, 2)))
def test_errors_are_within_the_bound(name):
    """3,000 points over the whole range, subnormal arguments and results among them."""
    worst = 0.0
    with mpmath.workprec(150):
        for *arguments, result in zip(*points(name), compiled(8)(name, *points(name)).tolist(), strict=True):
            if not regular(name, *arguments):
                continue
            exact = REFERENCES[name](*map(mpmath.mpf, arguments))
            if exact and abs(exact) < LARGEST:
                worst = max(worst, error(result, exact))
            else:
                assert result == float(exact), arguments
    assert worst <= BOUNDS[name]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", vector_math.WITH_GAUSSIAN)
def test_a_gaussian_beside_another_function_has_the_bits_of_exp(name, width):
    """erf or erfc of x and exp(-x·x) by one call are what two calls give, whatever the width: also at ±28, ±inf and nan."""
    (x,) = points(name)
    x = np.concatenate([x, [28.0, -28.0, 27.3, 27.31, np.nextafter(28.0, 29.0), -27.2262, 38.6, -1e200]])
    first, gaussian = compiled(width)(f"{name}_gaussian", x)
    assert same_arrays(first, compiled(8)(name, x))
    with np.errstate(over="ignore"):
        assert same_arrays(gaussian, compiled(8)("exp", -x * x))


@pytest.mark.parametrize("name", NAMES)
def test_bits_do_not_depend_on_the_width(name):
    """One lane or eight, even three: the same formulas, the same bits."""
    expected = compiled(8)(name, *points(name))
    for width in WIDTHS:
        assert same_arrays(compiled(width)(name, *points(name)), expected), width


@pytest.mark.parametrize("name", NAMES)
def test_bits_do_not_depend_on_the_neighbours(name):
    """Any other order, and a huge angle or nan as neighbour, leaves each result as it was."""
    arguments = points(name)
    expected = compiled(8)(name, *arguments)
    order = np.random.default_rng(0).permutation(len(expected))
    assert same_arrays(compiled(8)(name, *(a[order] for a in arguments)), expected[order])
    for neighbour in (1e300, INF, NAN, 0.0):
        mixed = np.full((len(arguments), len(expected), 8), neighbour)
        mixed[:, :, 5] = arguments
        assert same_arrays(compiled(8)(name, *mixed.reshape(len(arguments), -1))[5::8], expected), neighbour


ODD = ("expm1", "log1p", "sin", "tan", "atan", "sinh", "tanh", "erf")  # near 0, some of them only there
EDGES = [
    *[(name, NAN, NAN) for name in NAMES if name != "pow"],
    *[(name, x, x) for name in ODD for x in (0.0, -0.0, TINY, -TINY)],
    *[(name, x, 1.0) for name in ("exp", "exp2", "cos", "cosh", "erfc") for x in (0.0, -0.0, TINY, -TINY)],
    *[(name, x, NAN) for name in ("sin", "cos", "tan") for x in (INF, -INF)],
    *[(name, x, -INF) for name in ("log", "log2", "log10") for x in (0.0, -0.0)],
    *[(name, x, NAN) for name in ("log", "log2", "log10") for x in (-TINY, -1.0, -INF)],
    *[(name, INF, INF) for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sinh", "cosh")],
    *[(name, 1000.0, INF) for name in ("exp", "expm1", "sinh", "cosh")],
    *[(name, 1.0, 0.0) for name in ("log", "log2", "log10")],
    *[("exp2", 1024.0, INF), ("exp2", -1074.0, TINY), ("exp2", -1076.0, 0.0), ("exp2", -INF, 0.0)],
    *[("exp", -INF, 0.0), ("exp", -746.0, 0.0), ("exp", -745.0, TINY), ("exp", 709.7827128933841, INF)],
    *[("expm1", -INF, -1.0), ("expm1", -50.0, -1.0), ("log1p", -1.0, -INF), ("log1p", -1.5, NAN), ("log1p", -INF, NAN)],
    *[("sinh", -INF, -INF), ("cosh", -INF, INF), ("tanh", INF, 1.0), ("tanh", -INF, -1.0), ("tanh", 25.0, 1.0)],
    *[("atan", INF, math.pi / 2), ("atan", -INF, -math.pi / 2), ("erf", INF, 1.0), ("erf", -INF, -1.0)],
    *[("erfc", INF, 0.0), ("erfc", -INF, 2.0), ("erfc", 28.0, 0.0), ("erfc", -7.0, 2.0)],
    *[("sigmoid", 0.0, 0.5), ("sigmoid", INF, 1.0), ("sigmoid", -INF, 0.0), ("sigmoid", -800.0, 0.0)],
    *[("pow", x, y, 1.0) for x in (0.0, -0.0, -2.5, INF, -INF, NAN) for y in (0.0, -0.0)],
    *[("pow", 1.0, y, 1.0) for y in (-3.5, INF, -INF, NAN)],
    *[("pow", x, y, NAN) for x, y in ((NAN, 2.0), (2.0, NAN), (-0.0, NAN), (-2.0, 0.5), (-2.0, -1.5), (-TINY, 0.1))],
    *[("pow", x, y, 1.0) for x, y in ((-1.0, INF), (-1.0, -INF), (-1.0, 2.0**53), (-1.0, LARGEST))],
    *[
        ("pow", -1.0, 2.0**53 - 1, -1.0),
        ("pow", -1.0, -3.0, -1.0),
        ("pow", -8.0, 3.0, -512.0),
        ("pow", -8.0, 2.0, 64.0),
    ],
    *[("pow", 0.0, 3.0, 0.0), ("pow", -0.0, 3.0, -0.0), ("pow", -0.0, 2.0, 0.0), ("pow", -0.0, 2.5, 0.0)],
    *[("pow", 0.0, -3.0, INF), ("pow", -0.0, -3.0, -INF), ("pow", -0.0, -2.0, INF), ("pow", -0.0, -INF, INF)],
    *[("pow", INF, 0.5, INF), ("pow", INF, -0.5, 0.0), ("pow", -INF, 3.0, -INF), ("pow", -INF, 2.5, INF)],
    *[("pow", -INF, -3.0, -0.0), ("pow", -INF, -2.5, 0.0), ("pow", 0.5, INF, 0.0), ("pow", 0.5, -INF, INF)],
    *[("pow", -2.0, INF, INF), ("pow", -2.0, -INF, 0.0), ("pow", 2.0, 1024.0, INF), ("pow", -2.0, -1075.0, -0.0)],
    *[("pow", 2.0, -1074.0, TINY), ("pow", TINY, -1.0, INF), ("pow", 2.0, 1e300, INF), ("pow", 3.0, 2.0, 9.0)],
]


@pytest.mark.parametrize(("name", "arguments", "expected"), [(name, xs, y) for name, *xs, y in EDGES])
def test_edges_are_those_of_the_standard(name, arguments, expected):
    """C99, annex F: infinities, nan, the sign of zero, overflow and gradual underflow."""
    (result,) = compiled(8)(name, *np.array([arguments]).T).tolist()
    assert repr(result) == repr(expected)


def test_erfc_falls():
    """No step up between neighbours where two formulas could meet: near 0, at the clamp, and where results turn subnormal."""
    for middle in (0.0, 0.5, 0.92, 1.0, 2.09375, 26.5, 27.2, 28.0):
        x = np.sort(np.concatenate([middle + np.linspace(-1e-3, 1e-3, 999), [middle]]))
        assert (np.diff(compiled(8)("erfc", x)) <= 0.0).all(), middle
        assert (np.diff(compiled(8)("erfc", -x)) >= 0.0).all(), middle


def test_powers_of_two_are_exact():
    """log2 of what exp2 gives is the exponent again, and neither rounds; nor does pow."""
    exponents = np.arange(-1074.0, 1024.0)
    powers = compiled(8)("exp2", exponents)
    assert same_arrays(powers, np.ldexp(1.0, exponents.astype(int)))
    assert same_arrays(compiled(8)("log2", powers), exponents)
    assert same_arrays(compiled(8)("pow", np.full_like(exponents, 2.0), exponents), powers)


def test_a_wrong_result_would_be_seen():
    """The measure of errors itself: a neighbour of the exact value is one unit away, and of a subnormal one too."""
    for exact in (1.0, 1.5, -3e-310):
        assert error(np.nextafter(exact, 2.0), mpmath.mpf(exact)) == 1.0
