"""Gradient flow: sizes by layer, shares of units."""

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import nn


def variables(network):
    """The same network with Variables for numbers."""
    box = np.vectorize(al.Variable, otypes=[object])
    layers = [nn.Dense(box(layer.weight), box(layer.bias)) for layer in network.layers]
    return nn.Network(layers, network.activation, network.output)


def test_sizes_are_root_mean_squares_of_weights_and_biases_together():
    """One number a layer, whatever its shape."""
    network = nn.Network.create([2, 3, 1], "tanh", rng=0)
    gradient = al.grad(lambda n: n(np.array([1.0, 2.0]))[0] ** 2)(network)
    flow = al.gradient_flow(gradient)
    assert flow.names == ["layers.0", "layers.1"]
    for size, layer in zip(flow.sizes[0], gradient.layers, strict=True):
        numbers = np.concatenate([layer.weight.ravel(), layer.bias])
        assert size == pytest.approx(np.sqrt(np.mean(numbers**2)), rel=1e-14)
    assert len(flow.dead) == 0


def test_steps_are_a_list_of_nests():
    """One row for each."""
    assert al.gradient_flow([[1.0, 2.0], [3.0, 4.0]]).sizes.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert al.gradient_flow([1.0, 2.0]).sizes.tolist() == [[1.0, 2.0]]
    assert al.gradient_flow([np.ones(3), np.zeros(2)]).sizes.tolist() == [[1.0, 0.0]]


def test_tiny_gradients_do_not_vanish_by_squaring():
    """Squares of 1e-200 are 0."""
    assert al.gradient_flow([[1e-200, 0.0]]).sizes.tolist() == [[1e-200, 0.0]]


def test_dead_and_saturated_units_are_counted_by_layer():
    """A slope of 0 is dead, one below a twentieth of the steepest is saturated."""
    x = al.Variable(1.0)
    first = [al.relu(x * w) for w in (-1.0, -2.0, 3.0, 4.0)]
    second = [al.sigmoid(h * 10.0) for h in first]  # at 0, 0, 30 and 40
    flow = al.gradient_flow([1.0], al.sum(second))
    assert flow.dead.tolist() == [0.5, 0.0]
    assert flow.saturated.tolist() == [0.0, 0.5]
    assert (
        str(flow) == "0  1.000e+00\nunits of layer 1: 50% dead, 0% saturated\nunits of layer 2: 0% dead, 50% saturated"
    )


def test_units_of_several_graphs_are_counted_together():
    """And those that graphs share, once."""
    network = variables(nn.Network.create([2, 8, 8, 1], "relu", rng=1))
    losses = [network(np.random.default_rng(k).normal(size=2))[0] for k in range(20)]
    flow = al.gradient_flow([0.0], losses)
    slopes = [n.local_gradients[0][1] for y in losses for n in al.topological_order(y) if n.primitive is al.relu]
    assert np.mean(flow.dead) == pytest.approx(np.mean(np.equal(slopes, 0.0)))


def test_measuring_changes_no_gradient():
    """Neither `.grad` nor a value."""
    x = al.Variable(0.5)
    y = al.tanh(x)
    y.backward()
    before = x.value, x.grad
    al.gradient_flow([x.grad], y)
    assert (x.value, x.grad) == before


def test_the_picture_is_saved(tmp_path):
    """One step or many, with zeros, with units and without."""
    pytest.importorskip("matplotlib")
    y = al.relu(al.Variable(-1.0))
    for k, given in enumerate(([0.0, 1.0], [[0.0, 1.0], [1e-3, 2.0], [1e-9, 0.0]], [[0.0], [0.0]])):
        for graphs in ((), y):
            path = tmp_path / f"{k}.png"
            al.plot_gradient_flow(given, graphs, path=path)
            assert path.stat().st_size > 5000


@pytest.mark.parametrize(
    ("gradients", "message"), [([[1.0], [1.0, 2.0]], "nests of 2 structures"), ([], "no number"), ({}, "no number")]
)
def test_wrong_gradients(gradients, message):
    """Said at once."""
    with pytest.raises(al.ArgumentError, match=message):
        al.gradient_flow(gradients)
    with pytest.raises(al.OperandError, match="as computed on Variables"):
        al.gradient_flow([1.0], [2.0])
