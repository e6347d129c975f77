"""Random structured programs: every order and executor gives the eager run's numbers."""

import pytest
import structured
from generator import FEATURES, generate
from structured import KEPT, every_check, failures, load, quick_checks

QUICK, FULL, GROUP = 200, 2000, 10

#: Kept cases that still fail, each with the reason. A case that passes again must leave the list.
KNOWN: dict[str, str] = {}


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


def test_quick_checks_cover_everything():
    """The plans of the quick seeds contain every order with every executor, and every executor with order 0."""
    drawn = {check for seed in range(QUICK) for check in quick_checks(seed)}
    assert {check for check in every_check() if check[0] == "value"} <= drawn
    assert {executor for _, executor in drawn} == {executor for _, executor in every_check()}
    assert len(drawn) >= 0.8 * len(every_check())


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
