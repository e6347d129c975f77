"""Branches healed where they part: the numbers of Python whatever it keeps, few compilations, and the bits of any order."""

import sys
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.tape import healing, paths, states
from autograd_lite.tape.backends.registry import BACKENDS
from tests.tape.healing_functions import FUNCTIONS, huber

#: 200 were run when this was written.
POINTS = 24
#: Where a number goes on under another name on one side only, what its uses send to it is added up in another order.
MOVED = {("queue", 2), ("random", 3)}


@pytest.fixture
def small(monkeypatch):
    """Programs of any size are joined, and run by Python."""
    monkeypatch.setitem(BACKENDS, "python", replace(BACKENDS["python"], compiles=True))
    monkeypatch.setattr(healing, "SMALLEST", 0)
    monkeypatch.setattr(paths, "SMALLEST", 0)
    monkeypatch.setattr(paths, "ROWS", 1)
    monkeypatch.setattr(healing, "rolled", lambda _: True)


def healer_of(compiled):
    """What joins the ways of a compiled function."""
    return next(iter(compiled._families.values())).paths.healer


def transformed(f, order):
    """The function, its gradient, or its Hessian times a vector."""
    return [f, al.grad(f), al.hvp(f)][order]


def of_variables(f, order):
    """The same eagerly, of Variables: of plain arrays NumPy adds up several terms at a time."""
    return transformed(f, order) if order else lambda x: al.value_and_grad(f)(x)[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("order", [0, 1, 2], ids=["value", "gradient", "hvp"])
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_numbers_are_those_of_python(small, f, order):
    """Random points, whatever the function keeps in Python: the eager numbers to the bit, joined or not."""
    rng = np.random.default_rng(order)
    compiled, expected = al.jit(transformed(f, order), backend="python"), of_variables(f, order)
    for _ in range(POINTS):
        x = rng.normal(0.0, 1.0, 8)
        given = (x, np.linspace(-1.0, 1.0, 8)) if order == 2 else (x,)
        if (f.__name__, order) in MOVED:  # second derivatives of at most 8 items: 100 terms of at most 1e3
            np.testing.assert_allclose(compiled(*given), expected(*given), rtol=1e-11, atol=1e-11)
        else:
            assert np.array_equal(compiled(*given), expected(*given), equal_nan=True)


HEALED = {
    "huber", "counter_that_is_dead_and_comes_back", "break_at_once", "goes_on", "nested", "elif_chain", "while_inside",
    "with_enumerate", "with_zip_of_equal_numbers", "helper", "helper_in_a_sum", "recursion_in_halves", "branch_on_the_sum",
    "in_place", "in_place_variables", "conjunction", "chained", "conditional_expression", "attribute_of_variables_only",
    "domain", "two_dimensions", "many_results", "late_decision", "comprehension_of_variables", "early_return",
    "rows_of_numbers", "rows_of_variables",
}  # fmt: skip
REFUSED = {
    "sum_of_generator": "not Python", "sum_of_terms": "not Python", "reduced": "not Python", "in_order": "what decides",
    "endless_count": "a count", "queue_in_c": "SimpleQueue", "subclass_of_c": "Endless", "remembered": "wrapper",
    "bytes_that_are_written": "bytearray", "random_numbers": "a Generator", "gradient_inside": "derivatives",
    "gradient_of_the_sum": "derivatives", "tries": "an error", "counter_at_the_end": "cross", "method": "cross",
    "global_number": "cross", "global_list": "cross", "closure": "cross", "held": "stop_gradient",
    "rows_under_two_names": "share lists", "lists_in_tuples": "holds a list",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_what_is_joined(small, f):
    """Functions whose state is shown are one path; what cannot be told, or would be done many times, says why it is not."""
    rng = np.random.default_rng(5)
    compiled = al.jit(f, backend="python")
    for _ in range(40):
        compiled(rng.normal(0.0, 1.0, 8))
    healer = healer_of(compiled)
    if f.__name__ in HEALED:
        assert (healer.why, len(compiled.paths())) == ("", 1)
        assert "both sides known" in str(compiled.paths())
    if f.__name__ in REFUSED:
        assert REFUSED[f.__name__] in healer.why


def test_few_compilations():
    """200 residuals with a branch each: one path, which is made anew for few of 70 calls, most of them at the start."""
    rng = np.random.default_rng(0)
    compiled = al.jit(al.grad(huber), backend="llvm")
    made = []
    for _ in range(70):
        x = rng.normal(0.0, 1.0, 200)
        assert np.array_equal(compiled(x), al.grad(huber)(x))
        if not made or made[-1] is not compiled.paths()[0]:
            made += compiled.paths()
    assert len(made) <= 13
    assert len(compiled.paths()) == 1
    assert made[-1].lanes == 70
    assert "199 places, both sides known of 199" in str(compiled.paths())


def test_a_counter_keeps_the_paths_at_once():
    """Two sides that never meet are as long as the rest of the loop: to align those took 15 s a call."""

    def f(p):
        above, s = 0, 0.0
        for k in range(300):
            r = p[0] + 0.1 * k * p[1] - 3.0 * p[2]
            if r > 0:
                above += 1
            s = s + r
        return s * above

    rng = np.random.default_rng(0)
    compiled = al.jit(al.grad(f), backend="llvm")
    for _ in range(4):
        p = rng.normal(0.0, 1.0, 3)
        assert np.array_equal(compiled(p), al.grad(f)(p))
    assert healer_of(compiled).why == "its branches cross, in long sides"


def two_sums(v, w):
    """Several terms on one side, and two sums."""
    s, t = 0.0, 0.0
    for i in range(len(v) - 1):
        r = v[i + 1] * w - v[i]
        if abs(r) <= 1.0:
            s = s + 0.5 * r * r
            s, t = s + w * r, t - r
        else:
            s, t = s + (abs(r) - 0.5), r * w + t
    return s * t


def one_sided(v, w):
    """Branches without another side, one in the other, and what all items add."""
    s = 0.0
    for a, b in zip(v[1:], v, strict=False):
        r = a * w - b
        if r > 0.0:
            s += r * w
        if b > 0.5:
            s -= b * r
            if r < -1.0:
                s += 3.0 * r
        s += w * b * b
    return s


def transcendental(v, w):
    """Functions of which lanes have other bits; some ways have fewer than 1,000 instructions."""
    s = 0.0
    for a, b in zip(v[1:90], v, strict=False):
        r = a * w - b
        if r > 0.0:
            s = s + al.log(1.0 + r)
            if r > 1.0:
                s = s - al.tanh(r * w)
        else:
            s = s + al.exp(r)
        s = s + r * w
    return al.log(1.0 + s * s)


@pytest.mark.parametrize("f", [two_sums, one_sided, transcendental])
def test_the_order_in_which_branches_were_met_changes_no_bit(f):
    """Long sums too, of the value and of what all items share: the eager bits in any order, in the first call and later."""
    rng = np.random.default_rng(6)
    points = [(rng.normal(0.0, 2.0, 161), rng.normal()) for _ in range(4)]
    g = al.value_and_grad(f, argnums=(0, 1))
    expected = [g(*point) for point in points]
    for order in ([0, 1, 2, 3], [3, 1, 2, 0]):
        compiled = al.jit(g, backend="llvm")
        for k in (*order, *order):
            value, (by_v, by_w) = compiled(*points[k])
            assert (value, by_w) == (expected[k][0], expected[k][1][1])
            assert np.array_equal(by_v, expected[k][1][0])
        assert f is transcendental or (len(compiled.paths()) == 1 and "rolled" in compiled.report())


def test_numbers_that_are_not_finite():
    """A NaN among the numbers asks for the careful program, as without healing."""
    rng = np.random.default_rng(1)
    compiled = al.jit(al.grad(huber), backend="llvm")
    for number in (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308):
        x = rng.normal(0.0, 1.0, 200)
        x[17] = number
        np.testing.assert_array_equal(compiled(x), al.grad(huber)(x))


def test_captured_variables(small):
    """Variables from outside stay live inputs of what is joined."""
    w = al.Variable(1.0)

    def f(x):
        s = x[0] * 0.0
        for v in x:
            s = s + (w * v * v if v > w else w * v)
        return s

    compiled = al.jit(f, backend="python")
    rng = np.random.default_rng(2)
    for k in range(30):
        w.value = 0.1 * k
        x = rng.normal(0.0, 2.0, 8)
        mine, its = compiled(x), f(x)
        assert mine.value == pytest.approx(its.value, rel=1e-14, abs=1e-14)
        assert al.gradients(mine, w) == pytest.approx(al.gradients(its, w), rel=1e-14, abs=1e-14)
    assert len(compiled.paths()) == 1
    assert healer_of(compiled).why == ""


def test_as_written_is_not_joined():
    """Who asks for the order as written gets the bits of the eager run, and a path for each way."""
    compiled = al.jit(al.grad(huber), backend="llvm", order="as written", max_paths=2)
    rng = np.random.default_rng(3)
    for k in range(3):
        x = rng.normal(0.0, 1.0, 200)
        with pytest.warns(RuntimeWarning, match="different paths") if k == 2 else nullcontext():
            found = compiled(x)
        np.testing.assert_array_equal(found, al.grad(huber)(x))
    assert len(compiled.paths()) == 2


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the layout of its frames is not known")
def test_frames_can_be_looked_at():
    """What lies on the stack of a function that calls another is found there."""
    assert states.can_look()


def test_without_a_look_at_frames_nothing_is_joined(small, monkeypatch):
    """A Python that keeps its frames in another way has paths as before."""
    monkeypatch.setattr(states, "can_look", lambda: False)
    compiled = al.jit(huber, backend="python")
    rng = np.random.default_rng(4)
    for _ in range(5):
        x = rng.normal(0.0, 1.0, 4)
        assert compiled(x) == huber(x)
    assert "another way" in healer_of(compiled).why


class Source:
    """Random source text of a function of five numbers: loops and branches with counters, flags, lists and numbers."""

    NUMBERS = ("s", "t", "v", "x[0]", "x[k % 5]", "x[i]")
    TESTS = (
        "v > 0", "s > 0.5", "t < v", "v < -0.5", "flag", "k > 2", "not v > 0.3 or flag", "v > 0 and s > t", "len(kept) > 1",
    )  # fmt: skip
    DEEDS = (
        "s = s + {a} * {b}", "s = s - {a}", "t = {a} * 0.5 + {b}", "k += 1", "flag = not flag", "s, t = t, s", "w = 2.0",
        "kept.append({a})", "s = s + w * sin({a})", "w = 1.0", "k = 0", "t = max_of(t, {a})", "s = s + (v if v > 0 else t)",
        "box[0] = {a}", "s = s * 0.5 + box[0]", "box = [t]", "s = s + len(kept)", "t = helper({a})", "kept = kept[-2:]",
    )  # fmt: skip

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def one(self, choices):
        return choices[self.rng.integers(len(choices))]

    def block(self, depth, indent, loop):
        lines = []
        for _ in range(self.rng.integers(1, 4)):
            kind = self.rng.random()
            if depth and kind < 0.45:
                lines += [f"if {self.one(self.TESTS)}:", *self.block(depth - 1, "    ", loop)]
                if kind < 0.15:
                    lines += [f"elif {self.one(self.TESTS)}:", *self.block(depth - 1, "    ", loop)]
                if kind < 0.3:
                    lines += ["else:", *self.block(depth - 1, "    ", loop)]
            elif loop and kind > 0.97:
                lines.append(self.one(("break", "continue")))
            else:
                lines.append(self.one(self.DEEDS).format(a=self.one(self.NUMBERS), b=self.one(self.NUMBERS)))
        return [indent + line for line in lines]

    def function(self):
        loop = ["    for i, v in enumerate(x):", *self.block(2, "        ", loop=True)]
        after = ["    i, v = 1, x[1] * 1.0", *self.block(1, "    ", loop=False)]
        head = "k, flag, w, kept, box, s, t = 0, False, 1.0, [], [x[2] * 1.0], x[0] * 0.0, x[1] * 1.0"
        text = ["def f(x):", f"    {head}", *loop, *loop[: self.rng.integers(2) * 99], *after]
        text += ["    for v in kept:", "        s = s + v", "    return s * (1 + k) + t * w + box[0]"]
        space = {"sin": al.sin, "max_of": al.maximum, "helper": HELPER}
        exec("\n".join(text), space)  # noqa: S102
        return space["f"], "\n".join(text)


def HELPER(v):
    """A function with a branch of its own."""
    return v * v if v > 0.2 else -v


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(40))
def test_random_functions(small, seed):
    """The numbers of Python to the bit, whatever a random function does in its branches."""
    f, text = Source(seed).function()
    rng = np.random.default_rng(seed)
    for order in (0, 1):
        compiled, expected = al.jit(transformed(f, order), backend="python"), of_variables(f, order)
        for _ in range(15):
            x = rng.normal(0.0, 1.0, 5)
            if ("random", seed) in MOVED:
                np.testing.assert_allclose(compiled(x), expected(x), rtol=1e-13, err_msg=text)  # ten terms of one size
            else:
                assert np.array_equal(compiled(x), expected(x), equal_nan=True), text
