"""Random programs with branches and loops: every executor gives eager's value and gradient, lane by lane."""

import itertools
import math
import random
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from checkers import running_bound
from corpus import EPS, TABLE, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import points, programs
from tiers import mostly_full

import autograd_lite as al

INPUTS = 3
EXACT = {
    1: ("neg", "square", "abs", "relu", "sqrt", "inv", "positive", "step", "sign", "floor", "ceil", "trunc"),
    2: ("add", "sub", "mul", "div", "maximum", "minimum", "copysign", "mod"),
}
LIBM = {
    1: (
        "sin", "cos", "tan", "tanh", "exp", "log", "sigmoid", "softplus", "erf", "erfc", "atan", "asin", "acos", "asinh",
        "acosh", "atanh", "cbrt", "expm1", "log1p", "log2", "log10", "exp2", "sinh", "cosh", "gamma", "lgamma",
        "digamma", "sinc",
    ),
    2: ("pow", "hypot", "atan2", "logaddexp", "floordiv", "xlogy"),
}  # fmt: skip
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, math.nan, math.inf, -math.inf, 5e-324, 1e200, -1e-200)
COMPARISONS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "bool": lambda a, b: bool(a) and not b > 3,
    "chain": lambda a, b: b <= a < 2.0,
}


@dataclass(frozen=True)
class Branching:
    """A random program: a block of statements, each of which appends one value to those it can see."""

    block: tuple
    seed: int

    def __call__(self, *arguments):
        values = run(self.block, list(arguments))
        return al.add(values[-1], al.mul(values[-2], values[-3]))

    @property
    def __name__(self):
        return f"program {self.seed}"


def branching(seed, *, exact=False):
    """Program number `seed`; `exact` ones use correctly rounded operations only."""
    rng = random.Random(seed)
    return Branching(block_of(rng, INPUTS, rng.randint(3, 8), 0, exact), seed)


def block_of(rng, size, count, depth, exact):
    """A block of `count` statements on `size` visible values; most read recent ones."""
    statements = []
    for seen in range(size, size + count):
        pick = lambda n=seen: rng.randrange(n) if rng.random() < 0.5 else max(0, n - 1 - rng.randrange(3))
        arity = rng.choice((1, 2))
        operation = rng.choice((EXACT if exact or rng.random() < 0.5 else LIBM)[arity])
        kind = "apply" if depth > 1 else rng.choices(KINDS, WEIGHTS)[0]
        statements.append(
            {
                "apply": lambda: ("apply", operation, *(pick() for _ in range(arity))),
                "where": lambda: ("where", pick(), pick(), pick(), pick()),
                "constant": lambda: ("constant", rng.choice("+-*/"), pick(), rng.choice((0.0, 1.0, -1.0, 2.0, 3.25))),
                "if": lambda: (
                    "if",
                    rng.choice(tuple(COMPARISONS)),
                    pick(),
                    pick() if rng.random() < 0.5 else rng.choice((0.0, 1.0, -0.5)),
                    block_of(rng, seen, rng.randint(1, 3), depth + 1, exact),
                    block_of(rng, seen, rng.randint(1, 3), depth + 1, exact),
                ),
                "while": lambda: ("while", pick(), rng.choice((0.5, 1.0, 2.0)), rng.choice(("half", "less"))),
                "max": lambda: ("max", rng.choice((max, min)), pick(), pick(), pick()),
                "sorted": lambda: ("sorted", pick(), pick(), pick()),
                "int": lambda: ("int", pick(), pick()),
                "index": lambda: ("index", pick(), pick(), pick()),
            }[kind]()
        )
    return tuple(statements)


KINDS = ("apply", "where", "constant", "if", "while", "max", "sorted", "int", "index")
WEIGHTS = (60, 8, 6, 12, 6, 3, 1, 2, 2)


def run(block, visible):
    """Run a block in floats or Variables."""
    v = list(visible)
    for kind, *s in block:
        v.append(STATEMENTS[kind](v, *s))
    return v


def in_a_loop(v, i, limit, how):
    """At most six rounds, as many as the data say."""
    x, rounds = v[i], 0
    while al.abs(x) > limit and rounds < 6:
        x = al.mul(x, 0.5) if how == "half" else al.sub(al.abs(x), 1.0)
        rounds += 1
    return x


def with_constant(v, sign, i, c):
    """A constant on one side."""
    a = v[i]
    return {"+": lambda: al.add(a, c), "-": lambda: al.sub(c, a), "*": lambda: al.mul(a, c), "/": lambda: al.div(c, a)}[
        sign
    ]()


def in_a_branch(v, comparison, i, other, yes, no):
    """An `if` on a visible value against another or a constant."""
    b = v[other] if isinstance(other, int) else other
    return run(yes if COMPARISONS[comparison](v[i], b) else no, v)[-1]


STATEMENTS = {
    "apply": lambda v, name, *slots: TABLE[name](*(v[i] for i in slots)),
    "where": lambda v, i, j, k, l: al.where(al.less(v[i], v[j]), v[k], v[l]),
    "constant": with_constant,
    "if": in_a_branch,
    "while": in_a_loop,
    "max": lambda v, select, i, j, k: select(v[i], v[j], v[k]),
    "sorted": lambda v, i, j, k: sorted((v[i], v[j], v[k]))[1],
    "int": lambda v, i, j: al.mul(v[j], float(int(v[i]))) if al.abs(v[i]) < 3.0 else v[j],
    "index": lambda v, i, j, k: [v[j], v[k], v[i]][int(v[i])] if 0 <= v[i] < 3 else al.neg(v[i]),
}


def point(rng):
    """Mostly moderate numbers, some special ones, some whole ones so that ties happen."""
    special = lambda: rng.choice(SPECIAL)
    moderate = lambda: rng.choice((-1, 1)) * 10 ** rng.uniform(-2, 1)
    whole = lambda: float(rng.randint(-3, 3))
    return tuple(rng.choices((special, moderate, whole), (12, 70, 18))[0]() for _ in range(INPUTS))


def value_and_gradient(program):
    """A function that returns value and gradient as one flat tuple."""
    both = al.value_and_grad(program, argnums=tuple(range(INPUTS)))

    def flat(*arguments):
        value, gradient = both(*arguments)
        return (value, *gradient)

    return flat


def agree(a, b):
    """The value bit for bit; gradients too, but for the sign of a zero."""
    return same_bits(a[0], b[0]) and all(p == q or (p != p and q != q) for p, q in zip(a, b, strict=True))


def check_single_lane(seeds, backends, calls):
    """All calls of all programs on the backends; reports the first few differences."""
    wrong = []
    for seed in seeds:
        program, rng = branching(seed), random.Random(-seed - 1)
        f, where = value_and_gradient(program), [point(rng) for _ in range(calls)]
        expected = [f(*p) for p in where]
        for backend in backends:
            jitted = al.jit(f, backend=backend)
            for p, e in itertools.chain(zip(where, expected, strict=True), [(where[0], expected[0])]):
                if not agree(e, got := jitted(*p)):
                    wrong.append((seed, backend, p, e, got))
    assert not wrong, f"{len(wrong)} differ (program, backend, point, eager, got): {wrong[:4]}"


def check_lanes(seeds, backends, count):
    """Programs of exact operations over lanes that branch differently: bit for bit."""
    wrong = []
    for seed in seeds:
        program, rng = branching(seed, exact=True), random.Random(-seed - 1)
        f, where = value_and_gradient(program), [point(rng) for _ in range(count)]
        expected, columns = [f(*p) for p in where], np.array(where).T
        for backend in backends:
            got = np.array(al.jit(al.vmap(f), backend=backend)(*columns)).T
            wrong += [
                (seed, backend, p, e, tuple(g)) for p, e, g in zip(where, expected, got, strict=True) if not agree(e, g)
            ]
    assert not wrong, f"{len(wrong)} differ (program, backend, point, eager, got): {wrong[:4]}"


@pytest.fixture(autouse=True)
def _quiet_about_paths():
    """Programs of nested branches may exceed max_paths; results must be right all the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*paths.*")
        yield


@pytest.mark.parametrize("first", mostly_full(range(0, 2000, 100), [0]))
def test_branching_programs(first):
    """2,000 programs: value and gradient at one lane by loop and by NumPy."""
    check_single_lane(range(first, first + 100), ("python", "numpy"), 4)


@pytest.mark.parametrize("first", mostly_full(range(0, 240, 40), [0]))
def test_branching_programs_as_machine_code(first):
    """240 of them compiled."""
    check_single_lane(range(first, first + 40), ("llvm",), 3)


@pytest.mark.parametrize("first", mostly_full(range(0, 160, 20), [0]))
def test_branching_programs_over_lanes(first):
    """160 programs of exact operations over 9 lanes: rows that go different ways keep eager's bits."""
    check_lanes(range(first, first + 20), ("numpy", "llvm"), 9)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 20_000, 500))
def test_many_branching_programs(first):
    """10,000 more, all backends, lanes too."""
    check_single_lane(range(first, first + 500), ("python", "numpy", "llvm"), 6)
    check_lanes(range(first, first + 500, 5), ("python", "numpy", "llvm"), 37)


@given(programs(most=8), st.lists(points(INPUTS), min_size=1, max_size=19))
@settings(max_examples=12)
@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_lanes_of_smooth_programs(backend, program, rows):
    """Vector functions differ from libm within their bound: value and gradient stay within the running error bounds.

    Both sides are within `running_bound` of the exact numbers, hence within twice that of one another; 8·eps for the
    rounding of the bound's own terms.
    """
    f = lambda x, y, z: program([x, y, z])
    slopes = al.jit(al.vmap(al.value_and_grad(f, argnums=(0, 1, 2))), backend=backend)
    value, gradient = slopes(*np.array(rows).T)
    for lane, row in enumerate(rows):
        variables = [al.Variable(x) for x in row]
        y = f(*variables)
        nodes = [y, *al.gradients(y, variables, create_graph=True)]
        for node, got in zip(nodes, [value[lane], *(g[lane] for g in gradient)], strict=True):
            bound = 2 * running_bound(node) + 8 * EPS * abs(node.value)
            assert abs(node.value - got) <= bound, f"{got!r}, eager {node.value!r} ± {bound:.2g}"


@given(programs(most=8), points(INPUTS), st.integers(1, 5))
@settings(max_examples=12)
def test_tapes_of_smooth_programs(program, where, times):
    """Traced at one point, replayed at another: eager's bits; its gradient tape adds in another order."""
    tape = al.trace(lambda x, y, z: program([x, y, z]), *where)
    gradient = tape.gradient()
    for k in range(times):
        moved = [x * (1 + k / 8) for x in where]
        assert same_bits(tape(*moved), program(moved))
        variables = [al.Variable(x) for x in moved]
        exact = al.gradients(program(variables), variables, create_graph=True)
        for node, got in zip(exact, gradient(*moved), strict=True):
            bound = 2 * running_bound(node) + 8 * EPS * abs(node.value)
            assert got == node.value or (got != got and node.value != node.value) or abs(got - node.value) <= bound
