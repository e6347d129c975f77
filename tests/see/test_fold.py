"""Folded pictures: every node in one box, no cycle, few boxes whatever the graph, and titles that say what is inside."""

import math
import random
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from house import ROOT, TESTS
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import HOSTILE, boxes, fills, groups, parse, printed, texts, tooltip
from tiers import mostly_full, sizes

import autograd_lite as al
from autograd_lite.see import dot
from autograd_lite.see.fold import fold, levels, loops
from autograd_lite.see.graph import select

V = al.Variable
LIMIT = 60


def variables(rng, *shape):
    """Leaves without names, in nested lists."""
    return [variables(rng, *shape[1:]) for _ in range(shape[0])] if shape else V(rng.uniform(-1.0, 1.0))


def layer(x, w, b, f):
    """f(W x + b)."""
    return [f(sum(u * v for u, v in zip(row, x, strict=True)) + c) for row, c in zip(w, b, strict=True)]


def network(*sizes, scopes=False):
    """Squared error of a dense network, after backward."""
    rng = random.Random(0)
    x = variables(rng, sizes[0])
    parameters = [(variables(rng, k, n), variables(rng, k)) for n, k in pairwise(sizes)]
    for number, (w, b) in enumerate(parameters, 1):
        if scopes:
            with al.scope(f"layer{number}"):
                x = layer(x, w, b, al.tanh)
        else:
            x = layer(x, w, b, al.tanh)
    loss = sum((h - 0.5) ** 2 for h in x)
    loss.name = "loss"
    loss.backward()
    return loss


def newton(turns=1000):
    """The square root of 2."""
    y, a = V(1.0, name="y"), V(2.0, name="a")
    for _ in range(turns):
        y = 0.5 * (y + a / y)
    y.backward()
    return y


def pendulum(turns=1000):
    """The symplectic Euler method."""
    angle, speed, g = V(1.0, name="angle"), V(0.0, name="speed"), V(9.81, name="g")
    for _ in range(turns):
        speed = speed - 0.001 * g * al.sin(angle)
        angle = angle + 0.001 * speed
    angle.backward()
    return angle


def chain(turns=3_000):
    """Additions one behind the other."""
    y, x = V(0.0, name="y"), V(0.1, name="x")
    for _ in range(turns):
        y = y + x
    return y


def dag(count=5_000, seed=0, scopes=()):
    """A graph without any pattern; with `scopes`, its nodes are in any of these."""
    rng = random.Random(seed)
    nodes = [V(rng.uniform(-1.0, 1.0)) for _ in range(min(100, count // 3))]
    operations = [al.add, al.mul, al.sub, lambda a, _: al.sin(a), lambda a, _: al.tanh(a), lambda a, _: a * a]
    while len(nodes) < count:
        operation, a, b = rng.choice(operations), rng.choice(nodes), rng.choice(nodes)
        path = rng.choice(scopes) if scopes else None
        if path is None:
            nodes.append(operation(a, b))
        else:
            with al.scope(path):
                nodes.append(operation(a, b))
    return nodes


def xor():
    """A network of 2, 2 and 1 over four samples."""
    rng = random.Random(0)
    w, u, b, c = variables(rng, 2, 2), variables(rng, 2), variables(rng, 2), V(0.0)
    for i, leaf in enumerate([*w[0], *w[1]]):
        leaf.name = f"w{i}"
    loss = V(0.0)
    for p, q, t in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
        (o,) = layer(layer([p, q], w, b, al.tanh), [u], [c], al.sigmoid)
        loss = loss + (o - t) ** 2
    loss.backward()
    return loss


def recurrent(turns=60):
    """Two scopes in turns, each using the other: neither can be one box."""
    rng = random.Random(0)
    w, u, h, loss = variables(rng, 3, 3), variables(rng, 3), variables(rng, 3), 0.0
    for t in range(turns):
        with al.scope("cell"):
            h = layer(h, w, [a * math.sin(t) for a in u], al.tanh)
        with al.scope("head"):
            o = sum(h)
            h = [x + 0.1 * o for x in h]
        loss = loss + (o - math.cos(t)) ** 2
    return loss


GRAPHS = {
    "network": lambda: network(2, 25, 50, 25, 2),
    "wide network": lambda: network(40, 30, 10),
    "scopes": lambda: network(2, 25, 50, 25, 2, scopes=True),
    "newton": newton,
    "pendulum": pendulum,
    "chain": chain,
    "dag": dag,
    "xor": xor,
    "recurrent": recurrent,
    "small": lambda: dag(20),
    "dag with scopes": lambda: dag(2000, 1, ["a", "b", "a/c", "a/d", None]),
}


def folded(y, opened=()):
    """Fold, check what always holds, return the selection, the boxes and the frames."""
    outputs = [y] if isinstance(y, V) else y
    selection = select(outputs)
    drawn, frames = fold(selection, opened)
    held = sorted(i for box in drawn for i in box.nodes)
    assert held == list(range(len(selection.nodes))), "every node is in exactly one box"
    ids = [box.id for box in (*drawn, *frames)]
    assert len(set(ids)) == len(ids)
    index = {node: i for i, node in enumerate(selection.nodes)}
    place = {i: box.id for box in drawn for i in box.nodes}
    arrows = [(place[index[p]], place[i]) for i, node in enumerate(selection.nodes) for p in node.parents]
    order = levels([box.id for box in drawn], [(a, b) for a, b in arrows if a != b])
    assert len(order) == len(drawn), "the picture has no cycle"
    return selection, drawn, frames


def titles(y, opened=()):
    """Return the titles of the folded boxes."""
    return [" | ".join(box.title) for box in folded(y, opened)[1] if not box.id.startswith("n")]


# -------------------------------------------------------------------------------------------------------- what always holds


@pytest.mark.parametrize("name", mostly_full(GRAPHS, [2, 4, 7]))
def test_few_boxes_hold_every_node_once_without_a_cycle(name):
    """At most sixty boxes; the numbers that they show add up to the whole graph."""
    y = GRAPHS[name]()
    selection, drawn, _ = folded(y)
    view = al.draw(y, fold=True)
    assert len(drawn) <= LIMIT
    assert view.nodes == len(drawn)
    assert sum(view.folded.values()) + sum(box.id not in view.folded for box in drawn) == len(selection.nodes)
    assert set(groups(view, "node")) == {box.id for box in drawn}
    for box in drawn:
        if box.id in view.folded:
            count = f"{len(box.nodes):,} "
            assert count + "nodes" in texts(groups(view, "node")[box.id]) or any(
                count in text for text in texts(groups(view, "node")[box.id])
            )


@pytest.mark.parametrize("name", mostly_full(GRAPHS, slice(0, None, 6)))
def test_any_box_can_be_opened_down_to_its_nodes(name):
    """Opening keeps all other boxes and shows what is in this one."""
    y = GRAPHS[name]()
    _, drawn, _ = folded(y)
    opened = []
    for _ in range(4):
        box = max(drawn, key=lambda box: len(box.nodes))
        if len(box.nodes) == 1:
            break
        opened.append(box.id)
        before, (_, drawn, frames) = drawn, folded(y, opened)
        inside = [b for b in drawn if b.frame == box.id]
        assert sorted(i for b in inside for i in b.nodes) == list(box.nodes)
        assert len(inside) > 1 or inside[0].id.startswith(box.id)
        assert len(inside) <= LIMIT
        assert [b for b in before if b is not box and b != box] == [b for b in drawn if b.frame != box.id]
        assert {frame.id for frame in frames} == set(opened)


def test_opening_ends_at_single_nodes():
    """However large a box is, a few steps lead to its nodes."""
    y, opened = network(2, 25, 50, 25, 2), []
    for _ in range(5):
        inside = [box for box in folded(y, opened)[1] if not opened or box.frame == opened[-1]]
        opened.append(max(inside, key=lambda box: len(box.nodes)).id)
        if opened[-1].startswith("n"):
            break
    assert len(opened) == 4  # the layer, one neuron of it, a node
    assert titles(y, opened[:1])[11:13] == ["tanh(Σ w·x + b)"] * 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 400), st.booleans(), st.integers(1, 3))
def test_random_graphs(seed, count, scoped, rounds):
    """Any graph, scopes entered in any order, any boxes open."""
    y = dag(count, seed, ["a", "b", "a/b", "a/b/c", None, None] if scoped else ())
    rng = random.Random(seed)
    opened = []
    for _ in range(rounds):
        _, drawn, _ = folded(y, opened)
        closed = [box.id for box in drawn if not box.id.startswith("n")]
        opened += rng.sample(closed, min(2, len(closed)))
    folded(y, opened)


@pytest.mark.parametrize("turns", sizes(5_000, 25_000))
def test_nodes_behind_one_another_need_no_recursion(turns):
    """Folding and drawing are loops, at any depth."""
    y = V(0.3, name="y")
    for _ in range(turns):
        y = al.sin(y) * 0.5
    assert titles(y) == ["y = sin(y)·0.5", f"{turns - 2:,} turns of | y = sin(y)·0.5", "y = sin(y)·0.5"]


def test_folding_changes_nothing_and_has_no_chance_in_it():
    """Values and gradients stay; two processes with different hash seeds write the same bytes."""
    y = newton(100)
    before = [(n.value, n.grad, n.name) for n in al.topological_order(y)]
    assert al.draw(y, fold=True).svg == al.draw(newton(100), fold=True).svg
    assert [(n.value, n.grad, n.name) for n in al.topological_order(y)] == before
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]; import test_fold as t, autograd_lite as al\n"
        "for name in ('xor', 'recurrent', 'dag with scopes'): print(al.draw(t.GRAPHS[name](), fold=True).source)"
    )
    assert len(printed(program, str(Path(__file__).parent), str(TESTS))) == 1


# ------------------------------------------------------------------------------------------------------------- what is seen


def test_layers_are_boxes_with_the_formula_of_a_neuron():
    """One box for the neurons of a layer, one for its weights, one for its biases."""
    assert titles(network(2, 25, 50, 25, 2)) == [
        "2 × x",
        "50 × w",
        "25 × b",
        "1,250 × w",
        "50 × b",
        "1,250 × w",
        "25 × b",
        "50 × w",
        "2 × b",
        "25 × tanh(Σ w·x + b)",
        "50 × tanh(Σ w·x + b)",
        "25 × tanh(Σ w·x + b)",
        "2 × (tanh(Σ w·x + b) - 0.5)²",
        "loss = x + h",
    ]


def test_turns_of_loops():
    """The first turn, all between, the last."""
    assert titles(newton()) == ["y = 0.5·(y + a/y)", "998 turns of | y = 0.5·(y + a/y)", "y = 0.5·(y + a/y)"]
    assert "998 turns of | y = y - 0.001·g·sin(z) | z = z + 0.001·y" in titles(pendulum())
    assert titles(chain()) == ["2 × w", "Σ w"]


def test_samples_share_the_boxes_of_the_network():
    """Four samples are four copies; names lose their numbers, constants that differ are letters."""
    assert {"4 × w", "8 × tanh(Σ w·k + b)"} <= set(titles(xor()))


def test_scopes_are_boxes_and_lie_in_each_other():
    """A path is a way of boxes; naming an inner one opens those around it."""
    x = V(1.0, name="x")
    with al.scope("outer"):
        a = al.exp(x)
        for k in range(3):
            with al.scope(f"inner{k}"):
                a = al.sin(al.tanh(a))
    y = a * 2.0
    assert titles(y) == ["outer"]
    assert titles(y, ["outer"]) == ["outer/inner0", "outer/inner1", "outer/inner2"]
    _, drawn, frames = folded(y, ["outer/inner1"])
    assert [frame.title for frame in frames] == [("outer",), ("outer/inner1",)]
    assert [(box.id, box.frame) for box in drawn] == [
        ("n0", ""),
        ("n1", "g1"),
        ("g1-2", "g1"),
        ("n4", "g1-4"),
        ("n5", "g1-4"),
        ("g1-6", "g1"),
        ("n8", ""),
    ]
    clusters = groups(al.draw(y, fold=True, open="outer/inner1"), "cluster")
    assert list(clusters) == ["g1", "g1-4"]
    assert [texts(group)[0] for group in clusters.values()] == ["outer", "outer/inner1"]


def test_scopes_that_use_each_other_are_turns():
    """A box of all turns would have an arrow to itself by way of another."""
    order = [title for title in titles(recurrent()) if "cell" in title or "head" in title]
    assert order == ["cell", "head", "58 turns of | cell | head", "cell", "head"]


def test_thousand_scopes_with_a_number_are_turns():
    """`step0` … `step999` are not a thousand boxes."""
    y, a = V(1.0), V(2.0)
    for k in range(1000):
        with al.scope(f"step{k}"):
            y = 0.5 * (y + a / y)
    assert titles(y) == ["step0", "998 turns of | step#", "step999"]


def test_small_graphs_stay_as_they_are():
    """Up to sixty nodes, every one is its own box, with the id that it has without folding."""
    y = newton(10)
    y.name = "result"
    assert boxes(al.draw(y, fold=True)) == boxes(al.draw(y))
    assert al.draw(y, fold=True).folded == {}


def test_box_shows_ranges_and_the_colour_of_the_strongest_gradient():
    """Results are what other boxes use; gradients are those of all nodes."""
    y = network(3, 8, 8, 1)
    view = al.draw(y, fold=True)
    (box,) = [b for b in folded(y)[1] if b.title == ("8 × tanh(Σ w·x + b)",)][:1]
    nodes = [al.topological_order(y)[i] for i in box.nodes]
    results = [n.value for n in nodes if n.primitive.name == "tanh"]
    gradients = [n.grad for n in nodes]
    group = groups(view, "node")[box.id]
    assert texts(group) == [
        "8 × tanh(Σ w·x + b)",
        f"{len(nodes)} nodes",
        "results",
        f"{min(results):.4g} … {max(results):.4g}",
        "grad",
        f"{min(gradients):.4g} … {max(gradients):.4g}",
    ]
    strongest = max(gradients, key=abs)
    _, red, blue = (int(c, 16) for c in (fills(group)[2][i : i + 2] for i in (3, 1, 5)))
    assert (red < blue) is (strongest > 0)
    assert f"gradients {min(gradients)!r} … {max(gradients)!r}" in tooltip(group).splitlines()


def test_nan_inside_is_seen_outside():
    """A red header, and the tooltip names the first node that went wrong."""
    y = V(1.0, name="y")
    for _ in range(100):
        y = y * al.log(y - 0.9)
    view = al.draw(y, fold=True)
    (turns,) = [box for box in folded(y)[1] if len(box.nodes) > 50]
    group = groups(view, "node")[turns.id]
    assert fills(group)[0] == dot.ALARM
    assert "first that is not finite: n" in tooltip(group)


def test_arrows_are_counted():
    """One arrow between two boxes, with the number that it stands for."""
    view = al.draw(network(2, 25, 50, 25, 2), fold=True)
    labels = [text for group in groups(view, "edge").values() for text in texts(group)]
    assert labels.count(" ×1,250 ") == 4
    assert view.edges == len(labels)


def test_depth_and_fold_together():
    """Only what lies near the output is folded; a dashed box counts the others."""
    view = al.draw(newton(), fold=True, depth=200)
    assert "more" in groups(view, "node")
    assert sum(view.folded.values()) < 500


@pytest.mark.parametrize("name", mostly_full([name for name in HOSTILE if name], slice(0, None, 8)))
def test_hostile_scopes_and_names_stay_text(name):
    """Whatever a scope or a leaf is called, the picture has the same parts."""

    def shape(name):
        x = [V(0.1 * k, name=name) for k in range(30)]
        with al.scope(name.replace("/", "|")):  # a slash is a scope in a scope
            h = [al.tanh(sum(x) * (k + 1.0)) for k in range(30)]
        y = sum(a * b for a, b in zip(h, x, strict=True))
        return al.draw(y, fold=True), al.draw(y, fold=True, open=name.replace("/", "|"))

    for view, tame in zip(shape(name), shape("x"), strict=True):
        assert [e.tag for e in parse(view).iter() if "script" in e.tag] == []
        assert list(groups(view, "node")) == list(groups(tame, "node"))


# ------------------------------------------------------------------------------------------------------------- arguments


def test_wrong_arguments():
    """Exact texts."""
    with pytest.raises(al.ArgumentError) as caught:
        al.draw(newton(), open=("g3",))
    assert str(caught.value) == (
        "open=('g3',) without fold=True: there is no folded box to open. Pass fold=True as well."
    )
    with pytest.raises(al.ArgumentError) as caught:
        al.draw(newton(), fold=True, open="g3")
    assert str(caught.value) == (
        "open='g3' is no folded box of this picture. Give ids or scopes of boxes that are there, such as 'g2', 'g5', 'g2999'."
    )
    with pytest.raises(al.GraphTooLarge, match=r"or fold=True to draw what is repeated as one box\.$"):
        al.draw(newton())


def test_loops_are_found_where_they_are_longest():
    """Inside a long loop a short one is part of a turn; noise is none."""
    assert loops_of([1, 2, 3] * 10) == [(0, 3, 10)]
    assert loops_of([1, 1, 1, 1, 1, 1, 2] * 10) == [(0, 7, 10)]
    assert loops_of([5, *[1] * 8, 6, *[2, 3] * 7]) == [(1, 1, 8), (10, 2, 7)]
    assert loops_of(range(50)) == loops_of([]) == []


def loops_of(marks):
    import numpy as np

    return loops(np.array([*marks], dtype=int))


# ----------------------------------------------------------------------------------------------------------- documentation

PICTURES = {
    "network": lambda: al.draw(network(2, 25, 50, 25, 2), fold=True),
    "newton": lambda: al.draw(newton(), fold=True),
    "pendulum": lambda: al.draw(pendulum(), fold=True),
    "xor": lambda: al.draw(xor(), fold=True),
    "scopes": lambda: al.draw(network(2, 25, 50, 25, 2, scopes=True), fold=True, open="layer2"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_documentation_shows_what_is_drawn(name):
    """The pictures kept under docs/ have the titles and counts that folding gives."""
    path = ROOT / "docs" / "pictures" / f"fold-{name}.svg"
    kept = groups(SimpleNamespace(svg=path.read_text(encoding="utf-8")), "node")
    assert {i: texts(g) for i, g in kept.items()} == {i: texts(g) for i, g in groups(PICTURES[name](), "node").items()}


def test_what_an_operation_takes_twice_is_an_input():
    """It is not written into the formula twice over; a square is."""
    y = al.Variable(1.0)
    for k in range(30):
        t = al.sin(y + float(k))
        y = t / t
    assert "x/x" in "".join(titles(y))
    for _ in range(30):
        t = al.sin(y)
        y = t * t
    assert "sin(x)²" in "".join(titles(y))


if __name__ == "__main__":  # make the pictures anew: PYTHONPATH=tests python tests/see/test_fold.py
    for picture, view in PICTURES.items():
        view().save(ROOT / "docs" / "pictures" / f"fold-{picture}.svg")
