"""Where a NaN or an infinity was born: the corpus of planted causes, and the sentences to the letter."""

import math

import pytest
from causes import BLAME
from tiers import sizes

import autograd_lite as al

V = al.Variable


@pytest.mark.parametrize("case", BLAME, ids=lambda case: case.name)
def test_planted_cause_is_named(case):
    """The cause, a word of its cure, and the line."""
    answer = al.blame(case.program())
    assert answer.cause == case.cause, answer
    for words in case.says:
        assert words in str(answer), answer
    if case.location:
        assert answer.location == case.location, answer


def test_sentences_to_the_letter():
    """The whole answer, forward and backward."""
    x = V(0.0, name="x")
    assert str(al.blame(x * al.log(x))).splitlines() == [
        "n2 is nan; it was born in n1 = log(x), which is -inf: log at 0.",
        "  inputs: x = 0.0",
        "  cure: write xlogy(p, p) for p·log p: 0 at p = 0.",
        "  from there: n1 -> n2",
    ]
    answer = al.blame(0.0 * al.sqrt(x))
    assert answer.cure == (
        "choose with where(mask, f(where(mask, x, 1.0)), 0.0) instead of multiplying by a mask: it sends nothing back"
    )
    assert str(answer).splitlines() == [
        "n2 is 0, but its derivative by x is nan; it was born in n1 = sqrt(x): 0 × inf.",
        "  inputs: x = 0.0",
        "  the product that failed: 0 × inf = nan, adjoint × local gradient",
        f"  cure: {answer.cure}.",
    ]
    assert str(al.blame(V(2.0) * 3.0)) == "Nothing to blame: n1 and its 2 gradients are finite."


def test_fields_for_programs():
    """Phase, product, cure, node."""
    x = V(0.0)
    root = al.sqrt(x)
    answer = al.blame(root * 2.0)
    assert (answer.phase, answer.product, answer.nodes[0]) == ("backward", (2.0, math.inf), root)
    assert answer.cure.startswith("choose with where(")
    assert al.blame(al.log(x)).phase == "forward"
    assert al.blame(x).phase == ""


def test_oldest_birth_is_named():
    """Of two, the one that came first."""
    a, b = V(0.0, name="a"), V(-1.0, name="b")
    first, second = al.log(a), al.sqrt(b)
    assert al.blame(second + first).nodes == (first,)


def test_cures_cure():
    """What is written in the table gives finite numbers and gradients where the first form did not."""
    p = V(0.0)
    cured = [
        al.xlogy(p, p + 1e-300),
        -al.softplus(V(800.0)),
        al.log_softmax([V(0.0), V(900.0)])[0],
        al.logsumexp([V(-1000.0), V(-999.0)]),
        al.logaddexp(V(1000.0), V(-1000.0)) - math.log(2.0),
        al.sinc(V(0.0)),
        al.norm([V(0.0), V(0.0)]),
        al.hypot(V(1e200), V(1e200)),
        al.cbrt(V(-8.0)),
        al.where(p, al.sqrt(al.where(p, p, 1.0)), 0.0),
        al.where(p, 1.0 / al.where(p, p, 1.0), 0.0),
        al.acos(al.clip(V(1.0 + 1e-12), -1.0 + 1e-12, 1.0 - 1e-12)),
    ]
    for y in cured:
        assert al.blame(y).cause == "none", al.blame(y)


def test_every_rule_at_the_edges_gets_an_answer():
    """Whatever is not finite is blamed on some node, in finite words."""
    for name, rule in al.PRIMITIVES.items():
        if rule.built_in:
            for point in (0.0, -1.0, 1.0, -0.5, 1e308, -1e308, math.inf, math.nan):
                leaves = [V(point) for _ in range(rule.arity)]
                y = rule(*leaves)
                bad = not all(map(math.isfinite, [y.value, *al.gradients(y, leaves)]))
                assert (al.blame(y).cause != "none") is bad, (name, point)


@pytest.mark.parametrize("nodes", sizes(10_000, 100_000))
def test_many_nodes(nodes):
    """The birth at the far end of a long chain."""
    y = al.log(V(0.0))
    for _ in range(nodes):
        y = y + 1.0
    assert al.blame(y).cause == "log at 0"
    assert len(str(al.blame(y))) < 500


def test_wrong_argument():
    """Which call, what it got."""
    with pytest.raises(al.OperandError, match=r"^blame got 'y', a str; give it a Variable\.$"):
        al.blame("y")
