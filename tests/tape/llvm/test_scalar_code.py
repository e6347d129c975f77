"""Values of the table that machine code has from their Python text: the bits of the eager run, without Python."""

import ast
import itertools
import math
from math import inf, nan

import numpy as np
import pytest
from corpus import same_bits

import autograd_lite as al
from autograd_lite import ieee, special
from autograd_lite.errors import CompilationError
from autograd_lite.primitives import PRIMITIVES
from autograd_lite.tape.backends.registry import BACKENDS

pytestmark = pytest.mark.skipif("llvm" not in BACKENDS, reason="needs llvmlite")
if "llvm" in BACKENDS:
    from autograd_lite.tape.llvm import scalar_code
    from autograd_lite.tape.llvm.emit import lane_module
    from autograd_lite.tape.llvm.ir import Module

VALUES = sorted(rule.name for rule in scalar_code.VALUES) if "llvm" in BACKENDS else []
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 2.0, 3.0, 25.0, 1e-310, 5e-324, 1e300, 1e-300, 2.0**53, inf, -inf, nan]
ORDERED = {"bessel_j": 1, "bessel_i": 1, "stirling_error": 1, "polygamma": 0, "polygamma_gap": 2}


def points(name, count):
    """Pairs of special numbers, and numbers of all sizes; orders where an argument is one."""
    rng, arity = np.random.default_rng(5), PRIMITIVES[name].arity
    found = 10.0 ** rng.uniform(-3.0, 3.0, (count, arity))
    found[::4] = 10.0 ** rng.uniform(-300.0, 300.0, found[::4].shape)
    found[1::4] = rng.uniform(-30.0, 30.0, found[1::4].shape)
    if name.startswith("gammainc"):
        found[2::4, 1] = found[2::4, 0] * rng.uniform(0.95, 1.05, len(found[2::4]))
    if name in ("lower_beta", "upper_beta"):
        found[:, 2] = rng.uniform(0.0, 1.0, count)
    if name in ORDERED:
        found[:, ORDERED[name]] = rng.choice([0.0, 1.0, 2.0, 3.0, 9.0, 80.0, 81.0, -2.0, 0.5], count)
    pairs = list(itertools.product(SPECIAL, repeat=arity))
    return np.concatenate([found, pairs[:: -(-len(pairs) // 300)]])


@pytest.mark.parametrize("name", VALUES)
def test_lanes_and_single_calls_have_the_bits_of_the_eager_run(name):
    rule, rows = PRIMITIVES[name], points(name, 400)
    eager = [rule.value(*row) for row in rows.tolist()]
    lanes, single = al.jit(al.vmap(rule), backend="llvm")(*rows.T), al.jit(rule, backend="llvm")
    for row, expected, found in zip(rows.tolist(), eager, lanes.tolist(), strict=True):
        assert same_bits(expected, found), (name, row)
    for row, expected in list(zip(rows.tolist(), eager, strict=True))[::7]:
        assert same_bits(expected, single(*row)), (name, row)


@pytest.mark.parametrize("name", VALUES)
def test_machine_code_calls_no_python(name):
    rule = PRIMITIVES[name]
    module = lane_module(al.trace(rule, *[0.5] * rule.arity).program)
    assert not module.callbacks


@pytest.mark.parametrize(
    ("python", "twin"), [(ieee._lgamma, special.lanczos_lgamma), (ieee.gamma, special.lanczos_gamma)]
)
def test_what_python_has_in_c_is_written_again_to_the_bit(python, twin):
    rng = np.random.default_rng(2)
    numbers = [
        10.0 ** rng.uniform(-30.0, 3.0, 3000),
        rng.uniform(-200.0, 200.0, 3000),
        np.arange(-30.0, 180.0),
        SPECIAL,
    ]
    for x in np.concatenate(numbers).tolist():
        assert same_bits(python(x), twin(x)), x


def written(text):
    """Write one function, whose names are those of `special`."""
    node = ast.parse(text).body[0]
    return scalar_code._Function(Module(None), special, node, [])


@pytest.mark.parametrize(
    "statement",
    [
        "return [x][0]",
        "return open(x)",
        "return x @ x",
        "raise x",
        "with x: return x",
        "return x.real",
        "a.b = x",
        "x()",
    ],
)
def test_what_is_beyond_the_subset_is_refused(statement):
    with pytest.raises((CompilationError, AttributeError)):
        written(f"def f(x: float) -> float:\n    {statement}")


def test_a_variable_keeps_its_type():
    with pytest.raises(CompilationError, match="k is a whole number here and none there"):
        written("def f(x: float) -> float:\n    k = 1\n    k = x\n    return k")
    assert math.isfinite(special.j0(1.0))


def test_a_backend_without_the_text_calls_back(monkeypatch):
    monkeypatch.setattr(scalar_code, "VALUES", {})
    rule = PRIMITIVES["bessel_j"]
    assert lane_module(al.trace(rule, 0.5, 2.0).program).callbacks == {rule: "callback_0"}
