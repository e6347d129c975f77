"""Why a gradient is zero, tiny, huge or missing: the corpus of planted causes, and the sentences to the letter."""

import math

import pytest
from causes import BLAME, WHY
from tiers import sizes

import autograd_lite as al

V = al.Variable


@pytest.mark.parametrize("case", WHY, ids=lambda case: case.name)
def test_planted_cause_is_named(case):
    """The cause, the words and the line."""
    y, x = case.program()
    answer = al.why(y, x)
    assert answer.cause == case.cause, answer
    for words in case.says:
        assert words in str(answer), answer
    if case.location:
        assert answer.location == case.location, answer


def test_corpus_is_large_enough():
    """At least forty programs, and each cause has one."""
    assert len(WHY) + len(BLAME) >= 100
    assert {case.cause for case in WHY} == {
        "no path", "captured constant", "stopped", "dead relu", "saturated", "untaken branch", "flat", "zero factor",
        "stationary", "kink", "hand-made", "cancellation", "vanishing", "exploding", "not finite", "none",
    }  # fmt: skip


def test_sentences_to_the_letter():
    """The whole answer, sentence and evidence."""
    x, z = V(2.37, name="x"), V(3.0, name="z")
    assert str(al.why(al.relu(-x) * 2.0, x)) == "∂n3/∂x = 0: n2 = relu(n1) got -2.37 ≤ 0: it is dead here."
    where = "the number of x, 2.37, stands as a constant in n1 = z * 2.37"
    assert str(al.why(z * x.value, x)).splitlines() == [
        f"n1 does not depend on x: no path leads from one to the other; {where}.",
        "  Use x itself where its number stands, or an al function for math's.",
        "  Run the program inside `with al.record_locations():` to see lines.",
    ]
    assert str(al.why(x * z - z * x, x)).splitlines() == [
        "∂n3/∂x = 0: the contributions of 2 paths to x cancel exactly, +3 and -3.",
        "  +3 along n3 -> n1 -> x",
        "  -3 along n3 -> n2 -> x",
    ]
    x.grad = 1.0
    assert str(al.why(x * z, x)).splitlines() == [
        "∂n1/∂x = 3: nothing stands out.",
        "  It lies between 1e-06 and 1e+06 in size and comes over 1 path.",
    ]


def test_fields_for_programs():
    """Nodes, gradient, number of paths; the prompt shows the text."""
    x = V(-1.0, name="x")
    h = al.relu(x)
    answer = al.why(h * h, x)
    assert answer.nodes == (h,)
    assert answer.gradient == 0.0
    assert answer.paths == 2
    assert repr(answer) == str(answer)
    assert al.why(x * 2.0, h).gradient is None


def test_what_is_named_when_several_things_are_wrong():
    """What is nearest to the output comes first, what lies behind it stands in the evidence."""
    x = V(-1.0, name="x")
    answer = al.why(0.0 * al.relu(x), x)
    assert answer.cause == "zero factor"
    assert "behind that: n1 = relu(x) got -1 ≤ 0" in str(answer)


def test_ordinary_numbers_are_no_evidence():
    """That 1.0 turns up in y does not mean that it is the value of x, unless x was read."""
    x, z = V(1.0, name="x"), V(3.0)
    assert al.why(z * 1.0 + 2.0, x).cause == "no path"
    assert al.why(z * math.e * math.pi, x).cause == "no path"  # exp(1)
    assert al.why(z * math.sqrt(2.0), V(2.0)).cause == "no path"
    assert al.why(al.clip(z, -1.0, math.inf), V(math.inf)).cause == "no path"


def test_programs_that_no_rule_was_written_for():
    """Hinge loss, losses of sure predictions, norm at the origin."""
    x = V(0.0, name="x")
    assert al.why(al.maximum(0.0, 1.0 - V(0.37) * 10.0 - x), x).cause == "untaken branch"
    assert al.why(al.norm([x, V(0.0)]), x).cause == "kink"
    sure = V(60.0)
    assert al.why(-al.log(al.softmax([sure, x])[0]), sure).cause == "saturated"
    assert al.why(-al.log_softmax([sure, x])[0], sure).cause == "saturated"
    assert al.why(al.gelu(V(-50.0) + x), x).cause == "saturated"
    far = V(-1000.0)
    assert al.why(al.logsumexp([far, x, V(1.0)]), far).cause == "saturated"


def test_limits_can_be_moved():
    """Tiny and huge are what the caller says."""
    x = V(1.0)
    assert al.why(x * 1e-9, x, tiny=1e-12).cause == "none"
    assert al.why(x * 10.0, x, huge=5.0).cause == "exploding"
    with pytest.raises(al.ArgumentError, match=r"^tiny=2\.0, huge=1\.0: give two sizes, 0 ≤ tiny < huge\.$"):
        al.why(x, x, tiny=2.0, huge=1.0)


def test_wrong_arguments_are_named():
    """Which call, what it got."""
    with pytest.raises(al.OperandError, match=r"^why got 3\.0, a float; give it a Variable\.$"):
        al.why(V(1.0), 3.0)


@pytest.mark.parametrize("kind", ["vanishing", "cancellation", "dead relu", "no path"])
@pytest.mark.parametrize("steps", sizes(5_000, 50_000))
def test_many_nodes(kind, steps):
    """No recursion, and seconds at most."""
    x = V(0.3, name="x")
    y = x
    for i in range(steps):
        y = (al.tanh(y) if kind == "vanishing" else -y) * (0.9 if kind == "vanishing" else 1.0 + i % 2 * 0.0)
    y = {"vanishing": y, "cancellation": y - y, "dead relu": al.relu(-al.abs(y) - 1.0), "no path": y}[kind]
    assert al.why(y, V(0.123, name="other") if kind == "no path" else x).cause == kind


@pytest.mark.parametrize("every", sizes(4, 1))
def test_nothing_changes(every):
    """No gradient appears, no value moves."""
    for case in WHY[:20:every]:
        y, x = case.program()
        before = [(node.value, node.grad) for node in al.topological_order([y, x])]
        al.why(y, x)
        assert repr(before) == repr([(node.value, node.grad) for node in al.topological_order([y, x])])


@pytest.mark.parametrize("sizes", [{"tiny": 1e5}, {"tiny": 0.1, "huge": 0.5}])
def test_a_node_by_itself_is_neither_tiny_nor_huge(sizes):
    """Its derivative is 1 over no edge at all."""
    x = al.Variable(2.0)
    assert "nothing stands out" in str(al.why(x, x, **({"huge": 1e9} | sizes)))
