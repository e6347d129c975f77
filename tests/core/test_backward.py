"""The reverse sweep: accumulation, inner nodes, several passes, all or nothing, threads."""

import linecache
import math
import sys
import threading

import numpy as np
import pytest
from garbage import alive, collector_off
from threads import at_once

import autograd_lite as al
from autograd_lite import Variable, core


def test_worked_example_of_the_original_engine():
    """f = 1/(exp(-(wx + b)) + 1) at (1, 0, 0), built from five functions: 0.5, and 0.25 twice."""
    x, w, b = Variable(1.0), Variable(0.0), Variable(0.0)
    h1 = al.mul(w, x)
    h2 = al.add(h1, b)
    h3 = al.neg(h2)
    h4 = al.exp(h3)
    h5 = al.add(h4, Variable(1.0))
    h6 = al.inv(h5)
    chain = [dict(h.local_gradients) for h in (h1, h2, h3, h4, h5, h6)]
    assert h6.value == 0.5
    assert (chain[0][w], chain[0][x]) == (1.0, 0.0)
    assert [chain[i][h] for i, h in ((1, h1), (2, h2), (3, h3), (4, h4), (5, h5))] == [1.0, -1.0, 1.0, 1.0, -0.25]
    mapping = al.gradients(h6)
    assert (mapping[w], mapping[b], mapping[x]) == (0.25, 0.25, 0.0)


def test_adjoints_accumulate_over_paths():
    """L = (w1 + w2)·w3, and a Variable used three times."""
    w1, w2, w3 = Variable(2.0), Variable(3.0), Variable(4.0)
    loss = (w1 + w2) * w3
    loss.backward()
    assert [w.grad for w in (w1, w2, w3)] == [4.0, 4.0, 5.0]
    x = Variable(3.0)
    (x * x * x).backward()
    assert x.grad == 27.0


def test_each_node_is_visited_once_in_a_diamond_chain():
    """60 diamonds have 2**60 paths; the gradient is 2**60, at once."""
    x = Variable(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == 2.0**60


def test_second_backward_adds_the_same_numbers_again():
    """6, 12, 18, 24: an inner node's old adjoint never re-enters."""
    x = Variable(3.0)
    h = x * x
    y = h + 0.0
    for k in range(1, 5):
        y.backward()
        assert (x.grad, h.grad, y.grad) == (6.0 * k, 1.0 * k, 1.0 * k)


def test_seed_scales_and_is_checked():
    """Every gradient times the seed; a seed that is no number is refused before anything is written."""
    x = Variable(3.0)
    y = x * x
    y.backward(seed=0.5)
    assert x.grad == 3.0
    with pytest.raises(TypeError):
        y.backward(seed="1")
    assert (x.grad, y.grad) == (3.0, 0.5)
    assert al.gradients(y, x, seed=2) == 12.0


def test_backward_writes_grad_of_every_node_reached():
    """Inner nodes, the output, and a branch that was not taken (0)."""
    x, unused = Variable(2.0), Variable(5.0)
    h = al.where(True, x * x, unused)
    h.backward()
    assert (h.grad, x.grad, unused.grad) == (1.0, 4.0, 0.0)


def test_gradients_with_respect_to_inner_nodes():
    """dy2/dy1·dy1/dw1 = dy2/dw1 = 2 (the chain rule of the documents)."""
    x, w1, b1, w2, b2 = map(Variable, (1.0, 2.0, 1.0, 2.0, 1.0))
    y1 = x * w1 + b1
    y2 = y1 * w2 + b2
    assert al.gradients(y2, y1) * al.gradients(y1, w1) == al.gradients(y2, w1) == 2.0
    assert al.gradients(y2, y2) == 1.0


def test_gradients_in_any_nest():
    """The same nest comes back, with arrays for arrays."""
    a, b = Variable(2.0), Variable(3.0)
    y = a * b
    got = al.gradients(y, {"p": [a, (b,)], "q": np.array([a, b])})
    assert got["p"] == [3.0, (2.0,)]
    assert got["q"].dtype == np.float64
    assert got["q"].tolist() == [3.0, 2.0]
    assert al.gradients(y, ()) == ()


def test_gradients_without_wrt_is_a_mapping_of_the_nodes_reached():
    """Keyed by node."""
    x, other = Variable(2.0), Variable(1.0)
    y = x * x
    mapping = al.gradients(y)
    assert mapping == {y: 1.0, x: 4.0}
    assert other not in mapping


def test_gradients_by_all_nodes_are_a_mapping():
    """It has a length, a text, and no entry for what the output does not depend on or what is no Variable."""
    x, other = Variable(2.0), Variable(1.0)
    found = al.gradients(x * 3.0)
    assert len(found) == 2
    assert repr(found) == "{Variable(2.0): 3.0, Variable(6.0, op='mul'): 1.0}" or "Variable(2.0): 3.0" in repr(found)
    assert x in found and other not in found and 2.0 not in found
    for missing in (other, 2.0):
        with pytest.raises(KeyError):
            found[missing]


def test_gradient_of_a_number_in_an_array_without_axes():
    """A number depends on nothing, in whatever holds it."""
    assert al.gradients(np.array(3.0), Variable(1.0)) == 0.0


def test_gradients_of_several_outputs_are_refused():
    """Lists, tuples and arrays, by how many there are."""
    x = Variable(2.0)
    for outputs in ([x, x * x], (x, x), np.array([x, x])):
        with pytest.raises(al.OperandError, match="of 2 outputs: give one output"):
            al.gradients(outputs, x)


def test_gradients_never_touches_grad():
    """Pure."""
    x = Variable(2.0)
    y = x * x
    al.gradients(y, x)
    al.gradients(y, x, create_graph=True)
    assert (x.grad, y.grad) == (None, None)


def test_unconnected():
    """zero, none, raise; also with arrays, with create_graph, and for a plain number."""
    x, z = Variable(2.0), Variable(3.0)
    y = x * x
    assert al.gradients(y, [x, z]) == [4.0, 0.0]
    assert al.gradients(y, [x, z], unconnected="none") == [4.0, None]
    assert al.gradients(y, np.array([x, z]), unconnected="none").tolist() == [4.0, None]
    with pytest.raises(al.UnconnectedError, match="does not depend on"):
        al.gradients(y, [x, z], unconnected="raise")
    assert type(al.gradients(y, z, create_graph=True)) is Variable
    assert al.gradients(3.0, x, unconnected="none") is None
    with pytest.raises(al.ArgumentError, match="choose"):
        al.gradients(y, x, unconnected="error")
    with pytest.raises(al.OperandError, match="wrt holds the number"):
        al.gradients(y, 2.0)
    with pytest.raises(TypeError):
        al.gradients("y", x)


def test_node_behind_an_untaken_branch_is_connected_with_gradient_zero():
    """It was an argument; nothing was sent into it."""
    x = Variable(-1.0)
    assert al.gradients(al.relu(x), x, unconnected="raise") == 0.0


def test_topological_order_is_parents_first():
    """Every node once."""
    x = Variable(0.3)
    y = al.sin(x) * x + al.exp(al.sin(x))
    order = al.topological_order(y)
    place = {node: i for i, node in enumerate(order)}
    assert len(place) == len(order) == 6
    assert order[-1] is y
    assert all(place[parent] < place[node] for node in order for parent in node.parents)
    assert al.topological_order([y, x]) == order


def test_create_graph_gives_every_order():
    """d³/dx³ of x⁴ by three sweeps; mixed derivatives."""
    x, y = Variable(2.0), Variable(3.0)
    z = x**4 * y
    d1 = al.gradients(z, x, create_graph=True)
    d2 = al.gradients(d1, x, create_graph=True)
    d3 = al.gradients(d2, [x, y])
    assert [d1.value, d2.value, *d3] == [96.0, 144.0, 144.0, 48.0]


def test_create_graph_with_a_variable_as_seed():
    """The result depends on it."""
    x, seed = Variable(2.0), Variable(5.0)
    g = al.gradients(x * x, x, seed=seed, create_graph=True)
    assert g == 20.0
    assert al.gradients(g, seed) == 4.0


def test_stale_graph_is_refused_only_when_differentiated_again():
    """Recorded local gradients stay; setting an equal value changes nothing."""
    x = Variable(2.0, name="x")
    y = x * x
    x.value = 2.0
    assert al.gradients(al.gradients(y, x, create_graph=True), x) == 2.0
    x.value = 7.0
    y.backward()
    assert x.grad == 4.0
    with pytest.raises(al.StaleGraphError, match=r"Variable\(7.0, grad=4.0, name='x'\) was set after"):
        al.gradients(y, x, create_graph=True)
    assert al.gradients(x * x, x, create_graph=True) == 14.0


def test_zeros_keep_their_signs():
    """Also as the first summand; a node behind a branch that was not taken has 0.0."""
    x, z = al.Variable(2.0), al.Variable(1.0)
    (al.maximum(x, z) * -0.0).backward()
    assert [math.copysign(1.0, v.grad) for v in (x, z)] == [-1.0, 1.0]
    y = x * -0.0 + x * 0.0
    assert math.copysign(1.0, al.gradients(y, x)) == 1.0
    y = x * -0.0 + x * -0.0
    assert math.copysign(1.0, al.gradients(y, x)) == -1.0


def test_hand_made_node_cannot_be_differentiated_twice():
    """The message says what to write instead."""
    x = Variable(2.0)
    y = Variable(4.0, ((x, 4.0),), name="mine")
    with pytest.raises(al.HandMadeNodeError, match="name='mine'.*Primitive"):
        al.gradients(y * x, x, create_graph=True)


def test_zero_grad_and_stop_gradient_take_nests():
    """As their names say."""
    a, b = Variable(2.0), Variable(3.0)
    (a * b).backward()
    al.zero_grad({"a": a, "rest": [np.array([b, 1.0], dtype=object), "text"]})
    assert (a.grad, b.grad) == (0.0, 0.0)
    held = al.stop_gradient([a, np.array([b]), 1.0])
    assert al.gradients(held[0] * a + held[1][0] * b, [a, b]) == [2.0, 3.0]
    assert held[0].parents == ()


def test_zero_grad_takes_whatever_holds_parameters():
    """A generator, a set, dictionary views; an object that it cannot see into is refused."""
    x = Variable(2.0)
    for holder in (lambda: (v for v in [x]), lambda: {x}, lambda: {"x": x}.values()):
        x.grad = 1.0
        al.zero_grad(holder())
        assert x.grad == 0.0
    for function in (al.zero_grad, al.stop_gradient):
        with pytest.raises(al.OperandError, match="may hold Variables that cannot be seen"):
            function(threading.Event())


def test_create_graph_visits_only_what_leads_to_wrt():
    """A node made by hand below or beside it is no obstacle, and costs no nodes."""
    x = Variable(3.0)
    h = Variable(2.0, ((x, 1.0),))
    assert al.gradients(h * h, h, create_graph=True) == 4.0
    v = Variable(2.0)
    assert al.grad(lambda t: t * v + Variable(4.0, ((v, 4.0),)))(3.0) == 2.0
    with pytest.raises(al.HandMadeNodeError):
        al.gradients(h * h, x, create_graph=True)


@pytest.mark.skipif(core.compiled is not None, reason="an interrupt waits until a compiled pass is over")
def test_interrupt_while_writing_leaves_grad_as_it_was():
    """All or nothing, also for Ctrl-C."""
    x = Variable(2.0)
    y = x * x
    x.grad = 1.0
    written = []

    def interrupting(frame, event, _):
        if frame.f_code.co_name != "_add":
            return None
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and "+ adjoint" in line:
            written.append(y.grad)
            raise KeyboardInterrupt
        return interrupting

    sys.settrace(interrupting)
    try:
        with pytest.raises(KeyboardInterrupt):
            y.backward()
    finally:
        sys.settrace(None)
    assert written == [1.0]  # that of y was there
    assert (x.grad, y.grad) == (1.0, None)


def test_several_outputs_share_one_graph():
    """Passes over two outputs add up on the shared leaves."""
    x = Variable(3.0)
    h = x * x
    (h * 2.0).backward()
    (h * 3.0).backward()
    assert x.grad == 30.0


def test_all_or_nothing():
    """A pass that fails leaves every .grad as it was."""
    x = Variable(0.0)
    y = al.sqrt(x) * 1.0
    x.grad = 5.0
    with pytest.raises(al.NonFiniteError), al.raise_on_nonfinite():
        y.backward()
    assert (x.grad, y.grad) == (5.0, None)


def test_threads_on_shared_leaves_lose_no_addition():
    """Eight threads add to the same .grad."""
    x = Variable(2.0)

    def work(k):
        for _ in range(200):
            (x * x).backward()

    at_once(work)
    assert x.grad == 8 * 200 * 4.0


def test_a_pass_inside_a_partial():
    """Re-entrancy: a rule may run the engine itself."""
    inner = al.Primitive(
        name="newton_root", value=math.sqrt, partials=(lambda x, y: al.div(1.0, al.grad(lambda t: t * t)(y)),)
    )
    assert al.grad(inner)(4.0) == 0.25
    assert al.grad(al.grad(inner))(4.0) == -1 / 32


def test_no_reference_cycles():
    """With the collector off, a graph that nobody holds is gone at once."""
    with collector_off():
        before = alive()
        x = Variable(1.5)
        for _ in range(100):
            y = al.sin(x) * x + al.exp(x)
            y.backward()
            al.gradients(y, x, create_graph=True)
            al.grad(al.grad(lambda t: t**3))(1.0)
            al.hessian(lambda v: (v * v).sum())(np.array([1.0, 2.0]))
        del y
        assert alive() == before + 1


class Interrupting(float):
    """A gradient at whose sum Ctrl-C arrives."""

    def __add__(self, other):
        raise KeyboardInterrupt


@pytest.mark.skipif(
    core.compiled is not None, reason="the compiled core adds plain doubles, between which nothing arrives"
)
def test_an_interrupt_while_gradients_are_written_gives_them_back():
    """Those of an earlier pass, and None where there was none."""
    x, w, b = Variable(2.0), Variable(3.0), Variable(1.0)
    product = x * w
    product.backward()
    y = product + b
    w._grad = Interrupting(2.0)
    before = [node._grad for node in (x, w, b, product, y)]
    with pytest.raises(KeyboardInterrupt):
        y.backward()
    assert [node._grad for node in (x, w, b, product, y)] == before == [3.0, 2.0, None, 1.0, None]
