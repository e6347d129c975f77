"""Machine code for lanes that comes when it pays: nobody sees in a result whether it has come."""

import numpy as np
import pytest
from corpus import same_bits

import autograd_lite as al
from autograd_lite import primitives
from autograd_lite.tape import background
from autograd_lite.tape.backends import registry
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.backends.registry import BACKENDS
from autograd_lite.tape.interim import VARIABLE
from autograd_lite.tape.llvm import later
from autograd_lite.tape.program import Program

pytestmark = pytest.mark.skipif("llvm" not in BACKENDS, reason="needs llvmlite")

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e-310, 1e308, -1e308, np.inf, -np.inf, np.nan, 700.0, -745.0, 5e-324, 1e9]
NONE = np.empty(0)


@pytest.fixture(autouse=True)
def _without_programs():
    """No program is known from another test."""
    registry.forget()


def rows(seed, count):
    """Three numbers for each lane: all pairs of special ones, and others."""
    rng = np.random.default_rng(seed)
    pairs = [(x, y, z) for x in SPECIAL for y in SPECIAL for z in (-3.0, 0.0)]
    return np.concatenate([pairs, rng.normal(0.0, 10.0 ** rng.integers(-9, 9, (count, 1)), (count, 3))])


def both(program, x):
    """The results of NumPy and of machine code on these rows, and what ran the first."""
    columns, sizes = Columns(len(x), NONE, [x]), [1] * len(program.outputs)
    lanes = later.LanesLater(program, program.inputs, summed=False, contract=False)
    machine = registry.lanes(program, program.inputs, "llvm", summed=False, contract=False)
    return lanes.each(columns, NONE, sizes), machine.each(columns, NONE, sizes), lanes


def test_every_operation_has_the_bits_of_machine_code():
    """Zeros of both signs, numbers without all digits, infinities, NaN; angles beyond those that need no more digits of π."""
    known = sorted(later.functions(), key=lambda rule: rule.name)
    code = tuple((rule, tuple(range(rule.arity))) for rule in known)
    program = Program(3, (), code, tuple(range(3, 3 + len(code))))
    (ours, _), (theirs, _), lanes = both(program, rows(1, 500))
    assert {primitives.add, primitives.where, primitives.sin, primitives.pow, primitives.erfc} <= {*known}
    assert lanes._machine is None
    for rule, one, other in zip(known, ours.columns(), theirs.columns(), strict=True):
        assert all(map(same_bits, one, other)), rule.name


def test_a_program_with_guards():
    """The number of the first guard that fails in each lane."""
    program = al.trace(lambda x, y, z: al.sin(x) * y if x < y and y > z else x - z, 1.0, 2.0, 0.5).program
    assert len(program.guards) == 2
    (_, ours), (_, theirs), _ = both(program, rows(2, 100))
    assert np.array_equal(ours, theirs)
    assert {*ours} == {0.0, 1.0, 2.0}


def test_code_comes_when_it_pays(monkeypatch):
    """After as many runs as take as long as compiling; with the same bits."""
    made, lanes = [], registry.lanes
    monkeypatch.setattr(registry, "lanes", lambda *a, **k: made.append(a) or lanes(*a, **k))
    program = al.trace(lambda x, y: al.exp(x) * y / (x - y) - al.sqrt(y), 1.0, 2.0).program
    x = np.random.default_rng(3).uniform(0.1, 1.0, (5000, 2))
    own, results = later.LanesLater(program, 2, summed=False, contract=False), []
    while not made:
        results.append(own.each(Columns(len(x), NONE, [x]), NONE, [1])[0].numbers)
        assert len(results) < 1000
    assert own.left <= 0.0
    size = len(program.code)
    allowed, each = later.PROGRAM + later.OPERATION * size, size * (later.CALL + later.LANE * len(x))
    assert len(results) == 1 + np.ceil(allowed / each)
    assert all(np.array_equal(results[0], other) for other in results)
    own.each(Columns(len(x), NONE, [x]), NONE, [1])
    assert len(made) == 1


@pytest.mark.parametrize("how", ["unknown", "summed"])
def test_what_numpy_cannot_is_compiled(how):
    """Operations that round otherwise in NumPy, and sums over lanes."""
    f = (lambda x: al.exp(x)) if how == "summed" else lambda x: al.floor(x) + al.exp(x)
    own = later.LanesLater(al.trace(f, 1.0).program, 1, summed=how == "summed", contract=False)
    x = np.linspace(0.0, 3.0, 10)[:, None]
    columns = Columns(10, NONE, [x])
    if how == "summed":
        found = own.sums(columns, NONE, lambda sums, _: sums.sum())
        assert found == pytest.approx(np.exp(x).sum(), rel=1e-14)
    else:
        own.each(columns, NONE, [1])
    assert own._machine is not None


def test_elements_have_the_bits_of_compiled_ones(monkeypatch):
    """Sparse derivatives run their elements so, and not where everything is to be compiled first."""

    def f(x):
        return al.sum([al.sin(x[i] * x[i + 1]) / (2.0 + al.cos(x[i])) for i in range(len(x) - 1)])

    x = np.linspace(-1.0, 2.0, 50)
    found = al.sparse(f, backend="llvm")
    monkeypatch.setenv(VARIABLE, "0")
    compiled = al.sparse(f, backend="llvm")
    assert (later.later("llvm"), later.later("numpy")) == ("llvm", "numpy")
    assert found.value(x) == compiled.value(x)
    for kind in ("jacobian", "hessian"):
        assert np.array_equal(getattr(found, kind)(x).data, getattr(compiled, kind)(x).data)


def test_functions_are_compiled_beside_the_first_cut(monkeypatch):
    """Those that NumPy will call, and those only; the program waits for what is under way."""
    begun = []
    monkeypatch.setattr(later, "_compiling", lambda name: begun.append(name) or background.Job(lambda: None))
    al.sparse_jacobian(lambda x: [al.sin(a) * al.exp(b) + abs(a) for a, b in zip(x[1:], x[:-1], strict=True)])(
        np.ones(20)
    )
    assert {*begun} == {"exp", "sin"}
    begun.clear()
    al.sparse_jacobian(lambda x: [al.sin(a) * b for a, b in zip(x[1:], x[:-1], strict=True)], backend="numpy")(
        np.ones(20)
    )
    assert begun == []
