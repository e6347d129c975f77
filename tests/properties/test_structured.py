"""Random structured programs: every order and executor gives the eager run's numbers."""

import pytest
import structured
from generator import FEATURES, generate
from structured import KEPT, every_check, failures, load, quick_checks

QUICK, FULL, WHOLE, GROUP = 200, 600, 20, 10

#: Kept cases that still fail, each with the reason. A case that passes again must leave the list.
KNOWN = {}


@pytest.mark.parametrize("path", sorted(KEPT.glob("*.json")), ids=lambda path: path.stem)
def test_kept(path):
    """What failed once is run first."""
    case, order, executor = load(path)
    difference = structured.Runner(case).check(order, executor)
    if path.stem in KNOWN:
        assert difference, f"{path.stem} passes: take it off the list of known defects"
        pytest.xfail(KNOWN[path.stem])
    assert difference is None, case.source


@pytest.mark.parametrize("first", range(0, QUICK, GROUP))
def test_programs(first):
    """Each seed through a few orders and executors; together the seeds cover all of them."""
    assert all_failures(range(first, first + GROUP), quick_checks) == []


@pytest.mark.full
@pytest.mark.parametrize("first", range(QUICK, QUICK + FULL, GROUP))
def test_many_programs(first):
    """The same for more of them."""
    assert all_failures(range(first, first + GROUP), quick_checks) == []


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(first, marks=pytest.mark.full if first < QUICK + WHOLE else pytest.mark.slow)
        for first in range(QUICK, QUICK + FULL, GROUP)
    ],
)
def test_programs_through_everything(first):
    """Each seed through every order and executor."""
    assert all_failures(range(first, first + GROUP), lambda seed: every_check()) == []


def all_failures(seeds, checks):
    """Return what differs, with the program."""
    found = []
    for seed in seeds:
        case = generate(seed)
        found += [(seed, *failure, case.source) for failure in failures(case, checks(seed))]
    return found


LEAKS = {  # what a trace cannot see, written into a program: each must be found
    "a number that leaves by a private name": ("x * 1.0 * float(x._value)", "jit python"),
    "a captured number that is bound at trace time": ("x * W[0]._value", "jit numpy"),
    "an eager result behind the back": ("x * (2.0 if x._value > 1.0 else 3.0)", "jit llvm"),
    "lanes that share a number": ("x * 1.0 + x._value", "vmap"),
    "lanes summed with a wrong number": ("x * 1.0 + x._value", "vmap sum"),
    "a tape of another number": ("x * 1.0 + x._value", "tape"),
}


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("order", ["value", "gradient"])
def test_a_planted_leak_is_found(name, order):
    """The comparison fails where a replay differs."""
    expression, executor = LEAKS[name]
    head = "def program(x):\n    x = x if isinstance(x, al.Variable) else al.Variable(x)\n"
    source = f"{head}    t = {expression}\n    return t * x, t\n"
    case = structured.Case(source, [[2.0], [0.5], [2.0]], [[0.75, 1.0], [0.75, 1.0], [3.0, 1.0]], exact=True, seed=-1)
    assert structured.Runner(case).check(order, executor) is not None


def test_failures_are_shrunk_and_come_back_from_their_file(tmp_path):
    """A statement that does not matter is left out; the file holds the whole case."""
    source = (
        "def program(x):\n    a = x * 2.0\n    if a > 1.0:\n        b = a + 1.0\n"
        "    t = x * float(x.value if 0 else x._value)\n    return t, t\n"
    )
    case = structured.Case(source, [[2.0], [0.5], [2.0], [3.0]], [[0.75, 1.0]] * 4, exact=True, seed=7)
    small, difference = structured.shrunk(case, "gradient", "jit python", seconds=5.0)
    assert difference and len(small.calls) == 2 and "if a" not in small.source and "b =" not in small.source
    path = structured.keep(small, "gradient", "jit python", difference, tmp_path)
    assert load(path) == (small, "gradient", "jit python")


def test_quick_checks_cover_everything():
    """The plans of the quick seeds contain most pairs of order and executor, and every executor."""
    drawn = {check for seed in range(QUICK) for check in quick_checks(seed)}
    assert {executor for _, executor in drawn} == {executor for _, executor in every_check()}
    assert len(drawn) >= 0.7 * len(every_check())


def test_generator_writes_every_feature():
    """Each feature that is on occurs among the programs of the quick suite."""
    marks = {
        "if": "if ", "while": "while ", "for": "for e", "order": "sorted(", "integers": "int(", "value": "val(",
        "float of value": "float(val(", "select": "al.where(", "np.where": "np.where(", "scan": "al.scan(",
        "scan of changing objects": "box", "vmap": "al.vmap(", "nests": "Pair(", "captured Variables": "W[",
        "inner grad": "al.grad(", "inner jit": "al.jit(", "gradients": ".backward()", "copies": "copy.",
        "stop_gradient": "al.stop_gradient(", "reductions": "np.sum(", "reductions over axes": "axis=",
        "membership": " in {", "recursion": "halve", "big integers": "10**23",
    }  # fmt: skip
    text = "".join(generate(seed).source for seed in range(QUICK))
    assert [feature for feature, mark in marks.items() if FEATURES[feature] and mark not in text] == []
