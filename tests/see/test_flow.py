"""Gradient flow: sizes by layer, shares of units."""

import itertools
import math

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import nn
from autograd_lite.see import palette


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
    assert flow.names == ["layers[0]", "layers[1]"]
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
        str(flow)
        == "[0]  1.000e+00\nunits of layer 1: 50% dead, 0% saturated\nunits of layer 2: 0% dead, 50% saturated"
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


def test_layers_have_names():
    """Given ones, keys of a dict, or places as a user writes them; too few names are an error."""
    assert al.gradient_flow([1.0, 2.0], names=["w1", "w2"]).names == ["w1", "w2"]
    assert al.gradient_flow({"up": 1.0, "down": [2.0, 3.0]}).names == ["down", "up"]
    assert al.gradient_flow([1.0, 2.0]).names == ["[0]", "[1]"]
    assert al.gradient_flow(1.0).names == ["all"]
    with pytest.raises(al.ArgumentError, match=r"1 names for 2 layers \(\[0\], \[1\]\)\. Give one for each"):
        al.gradient_flow([1.0, 2.0], names=["w1"])


def written(axes):
    """Every text in a panel."""
    axes.figure.canvas.draw()
    texts = [*axes.texts, *axes.get_xticklabels(), *(axes.get_legend().get_texts() if axes.get_legend() else ())]
    return [text.get_text() for text in texts]


def test_the_picture_names_every_layer():
    """On the axis for one step, at the ends of the lines for many, where no two names touch; a hostile name stays text."""
    pytest.importorskip("matplotlib")
    names = [f"w{k}" for k in range(1, 11)] + ["$x^$"]
    (axes,) = al.plot_gradient_flow([1.0 + k for k in range(11)], names=names).axes
    assert {*names[:-1], r"\$x^\$"} <= {*written(axes)}
    (axes,) = al.plot_gradient_flow([[1.0 + 1e-3 * k for k in range(11)]] * 5, names=names).axes
    assert {*names[:-1], r"\$x^\$"} <= {*written(axes)}
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert all(upper.y0 >= lower.y0 + 0.75 * lower.height for lower, upper in itertools.pairwise(boxes))
    assert boxes[-1].x1 <= axes.figure.bbox.x1


def test_no_panel_is_empty():
    """A second one only where a unit is dead or saturated; else a line says that none is."""
    pytest.importorskip("matplotlib")
    open_, closed = al.relu(al.Variable(1.0)), al.relu(al.Variable(-1.0))
    assert len(al.plot_gradient_flow([1.0], closed).axes) == 2
    figure = al.plot_gradient_flow([1.0], open_)
    assert len(figure.axes) == 1
    assert figure.get_supxlabel() == "No unit of the 1 layers of units is dead or saturated."
    assert al.plot_gradient_flow([1.0]).get_supxlabel() == ""


def test_red_is_for_nan_and_infinity_only():
    """Zeros and dead units are grey; what is not finite has a mark of its own."""
    matplotlib = pytest.importorskip("matplotlib")

    def colours(figure):
        lines = [matplotlib.colors.to_hex(line.get_color()) for axes in figure.axes for line in axes.lines]
        return {*lines, *(matplotlib.colors.to_hex(p.get_facecolor()) for axes in figure.axes for p in axes.patches)}

    red = palette.BAD.light
    for given in ([0.0, 1.0], [[0.0, 1.0], [1.0, 2.0]], [[0.0], [0.0]]):
        figure = al.plot_gradient_flow(given, al.relu(al.Variable(-1.0)))
        assert red not in colours(figure)
        assert "exactly 0" in written(figure.axes[0])
    for given in ([math.nan, 1.0], [[1.0, math.inf], [1.0, 2.0]]):
        figure = al.plot_gradient_flow(given)
        assert red in colours(figure)
        assert "NaN or infinite" in written(figure.axes[0])


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
