"""Programs as kernels: their lanes, run by this processor, are those of `vmap`; their text is assembled where `ptxas` is."""

import re
from itertools import pairwise

import numpy as np
import pytest
from checkers import running_bound
from corpus import COMPOSED, EXAMPLES, HOMOGENEOUS, MAPS, NAMES, by_name, same_arrays
from hypothesis import given, settings
from strategies import points, programs
from tiers import mostly_full

import autograd_lite as al
from autograd_lite.errors import CompilationError
from autograd_lite.tape.backends import registry
from autograd_lite.tape.backends.lanes import Columns

pytest.importorskip("llvmlite.binding")

from devices import assembled, assembler, lanes_by_processor, on_processor, processor_as_device

from autograd_lite.tape.ptx import kernel

#: Instructions that would let the assembler fuse a product and a sum.
LOOSE = re.compile(r"\b(?:add|sub|mul)\.f64")

CASES = [*EXAMPLES, *HOMOGENEOUS, *MAPS, *COMPOSED[:9]]
#: Operations without code on a device: functions that are Python's here.
WITHOUT_CODE = frozenset((
    "bessel_i", "bessel_j", "betaln", "digamma", "gamma", "gamma_density_by_a", "gammainc", "gammainc_by_a", "gammaincc",
    "i0", "i1", "j0", "j1", "lgamma", "lower_beta", "polygamma", "polygamma_gap", "round", "sinc", "sinc_derivative",
    "stirling_error", "t_cdf", "upper_beta", "betainc_by", "beta_density_by", "t_cdf_by_df", "gamma_quantile",
    "upper_gamma_quantile", "beta_quantile", "upper_beta_quantile", "t_quantile", "poisson_quantile", "binom_quantile",
    "nbinom_quantile",
))  # fmt: skip
#: Functions of libm here, for which a device has its own, and operations without code.
FOREIGN = WITHOUT_CODE | {"hypot", "atan2", "asin", "acos", "asinh", "acosh", "atanh", "cbrt"}


def option(spot, strike, rate, volatility, years):
    """A call by Black and Scholes."""
    spread = volatility * al.sqrt(years)
    d = (al.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / spread
    normal = lambda x: 0.5 * al.erfc(-x / al.sqrt(2.0))
    return spot * normal(d) - strike * al.exp(-rate * years) * normal(d - spread)


def implied(price):
    """The volatility of an option by Newton's method: a guard for each step."""
    volatility = 0.3
    for _ in range(20):
        value, slope = al.value_and_grad(lambda v: option(100.0, 95.0, 0.03, v, 1.0))(volatility)
        volatility = volatility - (value - price) / slope
        if abs(value - price) < 1e-10:
            break
    return volatility


def network(weights, x):
    """Two hidden layers of tanh units."""
    for matrix in weights:
        x = [al.tanh(al.sum([w * a for w, a in zip(row, [*x, 1.0], strict=True)])) for row in matrix]
    return x[0]


def layers(*sizes):
    """Random weights."""
    rng = np.random.default_rng(3)
    return [rng.normal(size=(b, a + 1)) for a, b in pairwise(sizes)]


def lowest(x, y):
    """A careful program stands behind the first: the gradient is NaN in doubt where 0·∞ would be."""
    return al.where(x > y, al.sqrt(x - y), 0.0) + al.exp(x) * y


RNG = np.random.default_rng(4)
OPTIONS = RNG.uniform([50, 50, 0.0, 0.05, 0.1], [150, 150, 0.1, 0.8, 3.0], (203, 5))
PRICES = [[option(100.0, 95.0, 0.03, volatility, 1.0)] for volatility in RNG.uniform(0.25, 0.35, 203)]
WEIGHTS = layers(2, 8, 1)
#: Functions by name with rows of arguments, the first of which is traced.
FORMULAS = {
    "Black and Scholes": (al.value_and_grad(option, argnums=(0, 1, 2, 3, 4)), OPTIONS),
    "Newton": (al.value_and_grad(implied), np.array(PRICES)),
    "network": (lambda a, b: al.value_and_grad(network)(WEIGHTS, [a, b]), RNG.normal(size=(203, 2))),
    "doubt": (
        al.grad(lowest),
        np.append(RNG.normal(size=(200, 2)), [[1.0, 1.0], [np.inf, 0.0], [np.nan, 1.0]], axis=0),
    ),
}


def check_lanes(program, columns):
    """The lanes of a kernel have the bits and the statuses of the machine code of lanes here; how many have status 0."""
    columns = np.ascontiguousarray(columns, dtype=np.float64)
    tested, count = program.with_doubt_as_guards(), columns.shape[1]
    lanes = registry.lanes(tested, len(columns), "llvm", summed=False, contract=False)
    known, wanted = lanes.each(Columns(count, np.empty(0), [columns.T]), np.empty(0), [1] * len(program.outputs))
    wanted = np.zeros(count) if wanted is None else np.where(wanted > len(program.guards), -1, wanted)
    outputs, status = lanes_by_processor(program, columns)
    assert status.tolist() == wanted.tolist()
    assert same_arrays(outputs[:, status == 0], known.table()[:, status == 0])
    return np.count_nonzero(status == 0)


def traced(name):
    """The tape of a formula, and columns of lanes."""
    f, rows = FORMULAS[name]
    return al.trace(f, *rows[0].tolist()), rows.T


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("capability", [80, 90])
def test_assembles_without_unresolved_symbols(name, capability, tmp_path):
    """With derivatives and guards; the assembler refuses text that calls what is not there."""
    text = traced(name)[0].source("ptx")
    assert ".extern" not in text
    assert not LOOSE.search(text)
    if assembler() is None:
        pytest.skip("no ptxas: neither on the path nor in a wheel such as nvidia-cuda-nvcc-cu12")
    assert f"sm_{capability}" in assembled(text, tmp_path, capability)


@pytest.mark.parametrize("name", FORMULAS)
def test_lanes_have_the_bits_of_lanes_here(name):
    """Where all guards hold; elsewhere the number of the first guard that fails, and -1 for doubt."""
    tape, columns = traced(name)
    served = check_lanes(tape.program, columns)
    assert served == {"Newton": served, "doubt": served}.get(name, columns.shape[1])
    assert served > 10


@pytest.mark.parametrize("name", ["Newton", "doubt"])
def test_every_lane_by_its_path(name, monkeypatch):
    """A call of the backend serves the lanes of failed guards, and those in doubt, as `llvm` does."""
    f, rows = FORMULAS[name]
    processor_as_device(monkeypatch)
    ours, theirs = (al.flatten(al.jit(al.vmap(f), backend=b)(*rows.T))[0] for b in ("cuda", "llvm"))
    registry.forget()
    assert same_arrays(ours, theirs)


@pytest.mark.parametrize("example", mostly_full(CASES, slice(0, None, 3)), ids=by_name)
def test_examples_have_the_bits_of_lanes_here(example):
    """With their derivatives; those that call libm here, or Python, are another matter."""
    tape = al.trace(lambda *v: al.jacobian(lambda v: example.function(v))(list(v)), *example.point)
    if {rule.name for rule, _ in tape.code} & FOREIGN:
        pytest.skip("its functions are libm's or Python's here")
    rows = np.array(example.point) * np.random.default_rng(5).uniform(0.8, 1.2, (70, len(example.point)))
    assert check_lanes(tape.program, rows.T)


@given(programs(), points(3))
@settings(max_examples=8)
def test_random_programs(program, point):
    """Within the running error bound of the graph; without functions of libm to the bit of lanes here."""
    tape = al.trace(lambda *v: program(list(v)), *point)
    lanes = np.array([point, [1.5 * x for x in point]]).T
    outputs, _ = lanes_by_processor(tape.program, lanes)
    exact = program([al.Variable(x) for x in point])
    assert abs(outputs[0, 0] - exact.value) <= 2 * running_bound(exact)
    if not {rule.name for rule, _ in tape.code} & FOREIGN:
        check_lanes(tape.program, lanes)


def test_a_long_program_is_cut_into_functions(monkeypatch):
    """Whose numbers go through the memory of a thread: with the same bits, guards in between."""
    tape, columns = traced("Newton")
    texts = []
    for length in (5, 17, 10**9):
        monkeypatch.setattr(kernel, "LENGTH", length)
        check_lanes(tape.program, columns)
        texts.append(tape.source("ptx").count(".func lane_part"))
    assert texts[0] > texts[1] > texts[2] == 0


def test_products_and_sums_are_fused_on_request_only():
    """`contract=True` lets the text have one operation for both."""
    program = al.trace(lambda x, y, z: x * y + z, 1.0, 2.0, 3.0).program
    for contract, instructions in ((False, ["mul.rn.f64", "add.rn.f64"]), (True, ["fma.rn.f64"])):
        code = kernel.Kernel(program, 3, contract=contract)
        code.threads("lanes", code.lane, 4, 1)
        assert re.findall(r"\w+\.rn\.f64", kernel.assembly(code)) == instructions


def test_a_loop_runs_until_its_lane_is_done():
    """`while_loop` in lanes, with a limit that some lanes pass."""

    def root(a):
        step = lambda s: (0.5 * (s[0] + a / s[0]),)
        return al.while_loop(lambda s: abs(s[0] * s[0] - a) > 1e-12 * a, step, (a,), limit=12)[0]

    tape = al.jit(al.vmap(root), backend="llvm")
    a = np.exp(np.linspace(-3, 3, 70))
    expected = tape(a)
    with pytest.MonkeyPatch.context() as patch:
        processor_as_device(patch)
        assert same_arrays(al.jit(al.vmap(root), backend="cuda")(a), expected)


def test_every_operation_has_code_or_an_error_that_names_it(tmp_path):
    """Primitives of the table: one program of all that have code calls nothing outside; the others say what to do."""
    columns = {name: [1.0] * al.PRIMITIVES[name].arity for name in sorted(NAMES)}
    for name, point in columns.items():
        tape = al.trace(lambda *x, rule=al.PRIMITIVES[name]: rule(*x), *point)
        if name in WITHOUT_CODE:
            with pytest.raises(CompilationError, match=f"a device has no code for {name}. Write it in functions"):
                kernel.Kernel(tape.program, len(point))
    served = {name: point for name, point in columns.items() if name not in WITHOUT_CODE}
    every = lambda points: {name: al.PRIMITIVES[name](*point) for name, point in points.items()}
    text = al.trace(every, served).source("ptx")
    assert ".extern" not in text
    assert not LOOSE.search(text)
    if assembler() is not None:
        assembled(text, tmp_path, 80)


def test_operations_of_users_and_loops_without_code():
    """What the message says to do is what helps."""
    own = al.Primitive(name="thrice_by_python", value=lambda x: 3.0 * x, partials=(lambda x, y: 3.0,))
    with pytest.raises(CompilationError, match="no code for thrice_by_python. Give the Primitive an `expression`"):
        al.trace(own, 1.0).source("ptx")
    helped = al.Primitive(
        name="thrice_written_out", value=lambda x: 3.0 * x, partials=(lambda x, y: 3.0,), expression=lambda x: 3.0 * x
    )
    assert "mul.rn.f64" in al.trace(helped, 1.0).source("ptx")


def test_sums_of_blocks():
    """Of 64 lanes each, halves onto halves; lanes that are not there count as 0."""
    code = kernel.Kernel(al.trace(lambda x: x, 1.0).program, 1)
    add = on_processor(code)["sums"]
    rows = np.random.default_rng(6).normal(size=(3, 150))
    sums = np.empty((3, 3))
    add(rows.ctypes.data, sums.ctypes.data, 150, 3, 9)
    blocks = np.pad(rows, [(0, 0), (0, 42)]).reshape(3, 3, 64)
    while blocks.shape[2] > 1:
        half = blocks.shape[2] // 2
        blocks = blocks[..., :half] + blocks[..., half:]
    assert same_arrays(sums, blocks[..., 0])
