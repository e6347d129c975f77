"""Programs that repeat run as loops: the numbers of the program as it is written, whatever repeats in it."""

import math
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.primitives import PRIMITIVES
from autograd_lite.tape import paths
from autograd_lite.tape.llvm import engine
from autograd_lite.tape.rolled import ROWS, SMALLEST, Sum, rolled

EPS = np.finfo(float).eps
TABLE = [rule for rule in PRIMITIVES.values() if rule.built_in and rule.name != "positive"]
pytestmark = pytest.mark.skipif(not engine.AVAILABLE, reason="machine code only")


def rosenbrock(x):
    """The sum over neighbours."""
    total = 0.0
    for i in range(len(x) - 1):
        total = total + 100.0 * (x[i + 1] - x[i] * x[i]) ** 2 + (1.0 - x[i]) ** 2
    return total


def program_of(f, *arguments):
    """What is compiled of a function."""
    return al.trace(f, *arguments).program


def flat(result):
    """All numbers of a nest, in an array."""
    parts = result if isinstance(result, (tuple, list)) else [result]
    return np.concatenate([np.ravel(part) for part in parts])


# Whole numbers: every sum is exact in every order, so that the bits must be those of the program as it is written. Functions
# with branches add in their order, and get other numbers as well.


def number(rng, most, whole):
    return float(rng.randrange(-most, most + 1)) if whole or rng.random() < 0.5 else rng.gauss(0.0, 1.5)


UNARY = [lambda a: -a, abs, lambda a: a * 2.0, lambda a: a * a, lambda a: al.maximum(a, 1.0), lambda a: 3.0 - a]
BINARY = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: al.where(a < b, a, b),
    lambda a, b: al.maximum(a, b),
    lambda a, b: b - a - a,
]


def element(rng):
    """A random function of some numbers, of degree four at most."""
    plan = [
        (rng.random() < 0.5, rng.randrange(6), rng.randrange(6), rng.randrange(9), rng.randrange(9))
        for _ in range(rng.randrange(2, 9))
    ]

    def run(numbers):
        known = [(number, 1) for number in numbers]
        for binary, one, two, i, j in plan:
            (a, its), (b, other) = known[-1 - i % len(known)], known[-1 - j % len(known)]
            if binary and (two != 2 or its + other <= 4):
                known.append((BINARY[two](a, b), its + other if two == 2 else max(its, other)))
            elif not binary and (one != 3 or its <= 2):
                known.append((UNARY[one](a), 2 * its if one == 3 else its))
        return known[-1][0]

    return run


def repeating(seed):
    """A function that does the same for many items, in sums, in results, and with what all of them share; and its size."""
    rng = random.Random(seed)
    size, kinds = rng.randrange(60, 140), rng.randrange(1, 4)
    elements = [element(rng) for _ in range(kinds)]
    reach = [[rng.randrange(4) for _ in range(rng.randrange(1, 4))] for _ in range(kinds)]
    signs, shares = [rng.random() < 0.3 for _ in range(kinds)], [rng.random() < 0.5 for _ in range(kinds)]
    order = [*range(size - 4)]
    if rng.random() < 0.5:
        rng.shuffle(order)
    branches, outer, returned = rng.random() < 0.3, rng.randrange(4), rng.randrange(4)
    data = [number(rng, 3, not branches) for _ in range(size)]

    def f(x):
        total, results = 0.0, []
        shared = x[0] * x[1] + 1.0
        for i in order:
            for run, steps, minus, shares_it in zip(elements, reach, signs, shares, strict=True):
                term = run([*(x[i + k] for k in steps), data[i], *([shared] if shares_it else [])])
                if branches and x[i] > 0.0:
                    term = term * 2.0
                total = total - term if minus else total + term
                results.append(term)
        if outer == 1:
            total = total * x[2] + total
        elif outer == 2:
            total = al.maximum(total, -total) * 3.0
        return results if returned == 1 else [total, *results[::3], x[2], 1.5] if returned == 2 else total

    many = returned in (1, 2)
    point = [number(rng, 3, not branches) for _ in range(size)]
    direction = np.array([number(rng, 2, not branches) for _ in range(size)])
    transforms = (
        [lambda g: g] if many else [al.grad, al.value_and_grad, lambda g: lambda x: al.hvp(g, (x,), (direction,))]
    )
    return rng.choice(transforms)(f), np.array(point)


def assert_same_bits(seeds):
    """Rolled and as written, at two points each; how many were rolled."""
    count = 0
    for seed in seeds:
        f, x = repeating(seed)
        fast, slow = al.jit(f), al.jit(f, order="as written")
        for point in (x, x[::-1].copy()):
            assert np.array_equal(flat(fast(point)), flat(slow(point))), seed
        count += "rolled" in fast.report()
    return count


@pytest.mark.parametrize("seeds", [range(k, k + 10) for k in range(0, 30, 10)], ids=str)
def test_programs_that_repeat(seeds):
    """Values, gradients and products with Hessians of functions that do the same for many items."""
    assert assert_same_bits(seeds) >= 1


@pytest.mark.full
@pytest.mark.parametrize("seeds", [range(k, k + 25) for k in range(100, 200, 25)], ids=str)
def test_a_hundred_programs_that_repeat(seeds):
    """More of them."""
    assert assert_same_bits(seeds) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [range(k, k + 50) for k in range(200, 1200, 50)], ids=str)
def test_a_thousand_programs_that_repeat(seeds):
    """At length: four minutes; of 50 programs 9 or more are long and regular enough to be rolled."""
    assert assert_same_bits(seeds) >= 5


def test_rosenbrock_is_two_loops():
    """What neighbours do is one loop, the sums of neighbours' derivatives another; the value is a long sum."""
    found = rolled(program_of(al.value_and_grad(rosenbrock), np.linspace(-1.0, 1.0, 500)))
    assert [(loop.rows, len(loop.kernel.code)) for loop in found.loops if loop.rows > 1] == [(499, 12), (498, 3)]
    (total,) = [step for step in found.steps if isinstance(step, Sum)]
    assert len(total.terms) == 2 * 499 + 1


def test_the_gradient_keeps_its_bits():
    """Sums of few terms are added in their order, also as loops; without branches long ones are not."""
    x = np.random.default_rng(3).normal(size=300)
    value, gradient = al.jit(al.value_and_grad(rosenbrock))(x)
    its_value, its_gradient = al.value_and_grad(rosenbrock)(x)
    assert np.array_equal(gradient, its_gradient)
    assert abs(value - its_value) <= 600 * EPS * its_value  # n·eps·Σ|terms|: all terms are positive


def test_as_written():
    """`order="as written"` keeps the bits of the eager run."""
    x = np.random.default_rng(4).normal(size=300)
    compiled = al.jit(al.value_and_grad(rosenbrock), order="as written")
    assert compiled(x)[0] == rosenbrock(x)
    assert "as written" in compiled.report()
    with pytest.raises(al.ArgumentError, match="order='fast': choose one of 'rolled', 'as written'"):
        al.jit(rosenbrock, order="fast")


def test_small_programs_are_as_written():
    """Below 1,000 instructions, or 16 equal parts, every bit is that of the eager run."""
    x = np.random.default_rng(5).normal(size=100)
    assert len(program_of(rosenbrock, x).code) < SMALLEST
    assert al.jit(rosenbrock)(x) == rosenbrock(x)

    def few(x):
        total = 0.0
        for i in range(ROWS - 1):
            part = x[i]
            for _ in range(100):
                part = al.sin(part) * x[i]
            total = total + part * part
        return total

    x = x[:ROWS]
    program = program_of(few, x)
    assert len(program.code) > SMALLEST
    assert rolled(program) is None
    assert al.jit(few)(x) == few(x)


def test_recurrences_are_as_written():
    """Where every number hangs on the one before, nothing repeats side by side."""

    def logistic(x):
        y = x[0]
        for _ in range(800):
            y = 3.7 * y * (1.0 - y)
        return y

    assert rolled(program_of(logistic, np.array([0.3]))) is None
    assert al.jit(logistic)(np.array([0.3])) == logistic([0.3])


@pytest.mark.parametrize("rule", [r for r in TABLE if r.arity == 1], ids=lambda r: r.name)
def test_every_function_is_that_of_lanes(rule):
    """In loops and outside of them each function has the bits that it has in lanes, also at the edges of its domain."""
    special = [0.0, -0.0, 1.0, -1.0, 2.0, 1e-300, 1e300, -1e300, 710.0, math.inf, -math.inf, math.nan]
    x = np.concatenate([np.random.default_rng(6).normal(size=400), special])

    def f(x):
        return [*(y for a in x for y in (rule(a), rule(a * 0.5), a - 2.0)), rule(x[1] * x[2] - 1.0)]

    compiled = al.jit(f)
    found = np.array(compiled(x))
    assert "rolled" in compiled.report()
    lanes = al.jit(al.vmap(rule))
    assert np.array_equal(found[:-1:3], lanes(x), equal_nan=True)
    assert np.array_equal(found[1:-1:3], lanes(x * 0.5), equal_nan=True)
    assert found[-1] == lanes(np.array([x[1] * x[2] - 1.0]))[0] or np.isnan(found[-1])


def test_the_same_bits_at_every_call_and_in_every_process(tmp_path):
    """Whether a program is rolled follows from the program, and code from the disk is the same code."""
    text = (
        "import numpy as np, autograd_lite as al\n"
        "def f(x):\n    t = 0.0\n    for a, b in zip(x[1:], x):\n        t = t + al.exp(al.sin(a) * b) * 0.1\n    return t\n"
        "g = al.jit(al.value_and_grad(f), cache=True)\n"
        "x = np.random.default_rng(1).normal(size=400)\n"
        "v, d = g(x)\nw, e = g(x)\nassert v == w and np.array_equal(d, e)\n"
        "assert 'rolled' in g.report()\n"
        "print(v.hex(), d.tobytes().hex()[:4000])\n"
    )
    outputs = []
    for seed in "01":
        environment = {**os.environ, "AUTOGRAD_LITE_CACHE": str(tmp_path), "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=True)
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]


def test_zeros_keep_their_sign():
    """A long sum of negative zeros is one."""

    def f(x):
        total = -0.0
        for a in x:
            for _ in range(2):
                total = total + a * al.maximum(a * 0.5, 1.0) * 1.5
        return total

    compiled = al.jit(f)
    assert math.copysign(1.0, compiled(np.full(300, -0.0))) == -1.0
    assert "rolled" in compiled.report()


def test_doubt_asks_for_the_careful_program():
    """A NaN of a branch that was not taken is none of the gradient, in loops as elsewhere."""

    def f(x):
        total = 0.0
        for a in x:
            total = total + al.where(a > 0.0, al.sqrt(a) * a, a * 2.0) + a * a
        return total

    x = np.random.default_rng(7).normal(size=300)
    x[17] = 0.0
    compiled = al.jit(al.grad(f))
    assert np.array_equal(compiled(x), al.grad(f)(x))
    assert "rolled" in compiled.report()


def test_guards_of_items():
    """Comparisons of items are tested in loops, and lead to the eager results; order="as written" to its bits."""

    def f(x):
        total = 0.0
        for a, b in zip(x[1:], x, strict=False):
            r = a - b
            total = total + (0.5 * r * r if abs(r) <= 1.0 else abs(r) - 0.5) + a * b * a
        return total

    rng = np.random.default_rng(8)
    fast, slow = al.jit(al.grad(f)), al.jit(al.grad(f), order="as written")
    base = np.cumsum(rng.choice([0.25, 2.0], size=250))
    for k in range(6):
        x = base.copy()
        x[k * 7 :] += 4.0 * (k > 2)
        expected = al.grad(f)(x)
        assert np.array_equal(fast(x), expected)
        assert np.array_equal(slow(x), expected)
    assert "rolled" in fast.report()
    assert len(fast.paths()) < len(slow.paths())  # known branches are joined


def test_errors_of_a_users_operation_come_out():
    """An operation in Python is called row by row; what it raises is raised."""

    def root(a):
        if a < -90.0:
            raise ValueError("too small")
        return math.sqrt(a + 100.0)

    operation = al.Primitive(name="shifted_root", value=root, partials=(lambda a, y: 0.5 / y,))

    def f(x):
        total = 0.0
        for a in x:
            total = total + operation(a * 2.0) * a + a * a * 0.5
        return total

    x = np.random.default_rng(9).normal(size=200)
    compiled = al.jit(f)
    assert compiled(x) == pytest.approx(f(x), rel=200 * EPS)
    assert "rolled" in compiled.report()
    with pytest.raises(ValueError, match="too small"):
        compiled(x - 60.0)
    assert compiled(x) == pytest.approx(f(x), rel=200 * EPS)


def test_dropped_code_is_compiled_again():
    """Python gives other bits than loops: a path whose code was dropped does not run there."""
    x = np.random.default_rng(10).normal(size=300)
    compiled = al.jit(rosenbrock)
    before = compiled(x)
    (path,) = compiled.paths()
    path.drop()
    assert path.unpaid == 0
    assert compiled(x) == before
    short = al.jit(lambda x: x[0] * x[1])
    short(x[:2])
    short.paths()[0].drop()
    assert short.paths()[0].unpaid == paths.WORTH_COMPILING


def test_variables_from_outside():
    """Captured Variables are shared by all rows, and the result stays connected to them."""
    slope = al.Variable(0.5)

    def f(x):
        total = 0.0
        for a in x:
            total = total + al.tanh(a * slope) * a + slope * a * a
        return total

    x = np.random.default_rng(11).normal(size=200)
    result, expected = al.jit(f)(x), f(x)
    assert result.value == pytest.approx(expected.value, rel=400 * EPS, abs=400 * EPS)
    assert al.gradients(result, slope) == pytest.approx(al.gradients(expected, slope), rel=1000 * EPS)
    slope.value = 0.25
    assert al.jit(f)(x).value == pytest.approx(f(x).value, rel=400 * EPS, abs=400 * EPS)


def test_results_that_appear_twice():
    """A dense Hessian has most of its numbers twice, many constants, and inputs among them."""

    def f(x):
        total = x[0]
        for i in range(len(x) - 1):
            total = total + (x[i + 1] - x[i] * x[i]) ** 2 * x[i] + x[i] ** 4
        return total

    x = np.array([float(k % 5 - 2) for k in range(70)])
    compiled = al.jit(al.hessian(f))
    assert np.array_equal(compiled(x), al.hessian(f)(x))
    assert "rolled" in compiled.report()
    both = al.jit(lambda x: [*x, 1.0, al.value_and_grad(f)(x), 0.0, *x[::-1]])
    value, gradient = al.value_and_grad(f)(x)
    found = both(x)
    assert np.array_equal(found[:70], x)
    assert found[70] == 1.0
    assert found[71][0] == value
    assert np.array_equal(found[71][1], gradient)
    assert np.array_equal(found[73:], x[::-1])


def test_long_sums_inside_and_one_after_the_other():
    """A number that hangs on a long sum, used by all items of a second one."""

    def f(x):
        mean = 0.0
        for a in x:
            mean = mean + a * a
        mean = mean / len(x)
        total = 0.0
        for a in x:
            total = total + al.exp(-(a - mean) * (a - mean))
        return al.log(total) + mean

    x = np.random.default_rng(12).normal(size=300)
    for g in (f, al.grad(f)):
        compiled = al.jit(g)
        # Both sums have positive terms: each is within n·eps; twice that through the exponents and the logarithm.
        assert np.allclose(compiled(x), g(x), rtol=8 * 300 * EPS, atol=8 * 300 * EPS * np.abs(g(x)).max())
        assert "rolled" in compiled.report()


def test_networks_keep_their_matrices():
    """Layers have loops of their own, which keep the order of each row."""
    rng = np.random.default_rng(13)
    w, v = rng.normal(size=(40, 30)), rng.normal(size=(30, 40))
    x = rng.normal(size=30)
    loss = lambda w, v: al.sum((v @ al.tanh(w @ x) - x) ** 2)
    compiled = al.jit(al.grad(loss, argnums=(0, 1)))
    found = compiled(w, v)
    expected = al.jit(al.grad(loss, argnums=(0, 1)), order="as written")(w, v)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert "as written" in compiled.report()
    lanes = al.jit(al.vmap(al.sin))
    lanes(x)
    assert lanes.report().endswith("1 instructions, for each lane")


def test_the_report_names_lines():
    """Loops are reported with the lines of the user's code that they come from."""
    x = np.linspace(-1.0, 1.0, 300)
    compiled = al.jit(al.value_and_grad(rosenbrock))
    assert compiled.report() == "jit(value_and_grad(rosenbrock)): not called yet"
    compiled(x)
    compiled(x[:5])
    line = rosenbrock.__code__.co_firstlineno + 4
    assert compiled.report().splitlines() == [
        "jit(value_and_grad(rosenbrock))",
        "path 0: 5,082 instructions, rolled",
        f"  299 × 12 instructions: test_rolled.py:{line}",
        "  298 × 3 instructions: derivatives",
        "  2 instructions outside of loops, 1 long sum",
        "path 0: 67 instructions, as written",
    ]


def test_the_order_is_pickled():
    """A pickled function keeps its order."""
    again = pickle.loads(pickle.dumps(al.jit(rosenbrock, order="as written")))
    x = np.random.default_rng(14).normal(size=300)
    assert again(x) == rosenbrock(x)
