"""Layers, networks and losses: plain formulas, by every route, to the last digits; and what learners get wrong."""

import functools
import itertools
import math
import re

import mpmath
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import signed
from tiers import mostly_full

import autograd_lite as al
from autograd_lite import nn

EPS = 2.0**-52
ACTIVATIONS = sorted(nn.ACTIVATIONS)
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS)

#: Every activation once more, in NumPy and from its own paper.
FORMULAS = {
    "identity": lambda x: x,
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "gelu": lambda x: x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "relu": lambda x: np.where(x > 0, x, 0),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanh": np.tanh,
}

XS = np.random.default_rng(7).normal(size=(5, 2))
TARGETS = nn.one_hot([0, 2, 1, 1, 0], 3)


def drawn(activation="tanh", output="identity", sizes=(2, 4, 3)):
    """A small network with biases that are not 0."""
    return nn.Network.create(sizes, activation, rng=3, output=output, biases=nn.normal(0.5))


def flat(nest):
    """The numbers of a nest as an array."""
    return np.array(al.nests.unravel(nest)[0])


def near(left, right, ulps=200):
    """Equal but for the order of a few dozen additions and vector functions of a few ULP; numbers are of size 1."""
    np.testing.assert_allclose(flat(left), flat(right), rtol=ulps * EPS, atol=ulps * EPS)


def by_hand(network, x, between, last):
    """A forward pass in plain NumPy."""
    *hidden, final = network.layers
    for layer in hidden:
        x = FORMULAS[between](np.einsum("...i,oi->...o", x, layer.weight) + layer.bias)
    return FORMULAS[last](np.einsum("...i,oi->...o", x, final.weight) + final.bias)


# --- initialisers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("initialiser", "variance", "bound"),
    [
        (nn.normal(), 1.0, math.inf),
        (nn.normal(0.01), 1e-4, math.inf),
        (nn.normal(1.0, "out"), 1 / 200, math.inf),
        (nn.normal(1.0, "in"), 1 / 300, math.inf),
        (nn.normal(1.0, "average"), 2 / 500, math.inf),
        (nn.uniform(-2.0, 2.0), 16 / 12, 2.0),
        (nn.glorot_normal, 2 / 500, math.inf),
        (nn.glorot_uniform, 2 / 500, math.sqrt(6 / 500)),
        (nn.he_normal, 2 / 300, math.inf),
        (nn.he_uniform, 2 / 300, math.sqrt(6 / 300)),
    ],
)
def test_initialisers_have_their_variance(initialiser, variance, bound):
    """Mean 0 and the variance of the paper; uniform numbers stay within their bound."""
    numbers = initialiser(np.random.default_rng(5), 300, 200, (200, 300))
    assert numbers.shape == (200, 300)
    # The standard deviation of a mean of n is σ/√n, that of a variance of normal numbers σ²·√(2/n): five of them.
    assert abs(numbers.mean()) < 5 * math.sqrt(variance / numbers.size)
    assert abs(numbers.var() / variance - 1) < 5 * math.sqrt(2 / numbers.size)
    assert abs(numbers).max() <= bound


def test_initialisers_of_the_reference_programs():
    """The same draws as the programs' own lines."""
    rng, shape = functools.partial(np.random.default_rng, 4), (3, 2)
    assert np.array_equal(nn.normal()(rng(), 2, 3, shape), rng().normal(size=shape))
    assert np.array_equal(nn.normal(0.01)(rng(), 2, 3, shape), 0.01 * rng().normal(size=shape))
    assert np.array_equal(nn.uniform(0, 0.1)(rng(), 2, 3, shape), rng().uniform(size=shape) * 0.1)
    scaled = nn.normal(1.0, "out")(rng(), 2, 3, shape)
    np.testing.assert_allclose(scaled, rng().normal(size=shape) * np.sqrt(1 / 3), rtol=2 * EPS)  # a root, a quotient
    assert nn.zeros(rng(), 2, 3, shape).tolist() == np.zeros(shape).tolist()


def test_unknown_fan():
    """The choices are named."""
    with pytest.raises(al.ArgumentError, match='^fan=\'inputs\': choose None, "in", "out" or "average"\\.$'):
        nn.normal(1.0, "inputs")


def test_numbers_are_drawn_layer_by_layer_weights_first():
    """A seed, or a generator that goes on from where it is."""
    rng, kinds = np.random.default_rng(2), {"weights": nn.normal(), "biases": nn.uniform()}
    expected = [draw for a, b in ((2, 4), (4, 3)) for draw in (rng.normal(size=(b, a)), rng.uniform(size=b))]
    network = nn.Network.create((2, 4, 3), rng=2, **kinds)
    assert np.array_equal(flat(network), np.concatenate([draw.ravel() for draw in expected]))
    source = np.random.default_rng(2)
    assert np.array_equal(flat(nn.Network.create((2, 4, 3), rng=source, **kinds)), flat(network))
    assert source.normal() == rng.normal()
    assert not np.array_equal(flat(nn.Network.create((2, 4, 3))), flat(nn.Network.create((2, 4, 3))))


@pytest.mark.parametrize("rectifier", ["relu", "leaky_relu", "elu", "gelu", "silu", al.relu])
def test_rectifiers_begin_as_he_proposes_all_else_as_glorot(rectifier):
    """By name or as a function."""
    he = nn.Network.create([2, 3, 1], rng=0, weights=nn.he_normal)
    glorot = nn.Network.create([2, 3, 1], rng=0, weights=nn.glorot_uniform)
    assert np.array_equal(flat(nn.Network.create([2, 3, 1], rectifier, rng=0)), flat(he))
    for other in ("tanh", "sigmoid", math.sin):
        assert np.array_equal(flat(nn.Network.create([2, 3, 1], other, rng=0)), flat(glorot))


# --- layers and networks ------------------------------------------------------------------------------------


def test_a_network_is_a_nest_of_arrays():
    """Shapes, count, static activations; layers without biases have none."""
    network = nn.Network.create(np.array([784, 50, 10]), "relu", rng=0)
    assert [layer.weight.shape for layer in network.layers] == [(50, 784), (10, 50)]
    assert [layer.bias.tolist() for layer in network.layers] == [[0.0] * 50, [0.0] * 10]
    assert nn.count(network) == 784 * 50 + 50 + 50 * 10 + 10
    assert nn.count(nn.Network.create([784, 50, 10], biases=None)) == 784 * 50 + 50 * 10
    gradient = al.grad(lambda n: nn.squared_error(n([1.0, 2.0]), [0.0]))(
        nn.Network.create([2, 1], al.sin, rng=0, biases=None)
    )
    assert type(gradient) is nn.Network
    assert (gradient.activation, gradient.output, gradient.layers[0].bias) == (al.sin, "identity", None)


@each_activation
def test_forward_is_the_plain_formula(activation):
    """Between layers and after the last; a batch, a single sample, a list, and batches of batches.

    Two layers of numbers of size 1: a dozen roundings each, and functions that cancel (1 + x, eˣ - 1), some 100 ULP.
    """
    last = "softplus" if activation == "softmax" else "softmax"
    np.testing.assert_allclose(
        drawn(last, activation)(XS), by_hand(drawn(last), XS, last, activation), rtol=1e-13, atol=1e-14
    )
    network = drawn(activation, last)
    outputs = network(XS)
    assert (outputs.shape, outputs.dtype) == ((5, 3), np.float64)
    np.testing.assert_allclose(outputs, by_hand(network, XS, activation, last), rtol=1e-13, atol=1e-14)
    for x, row in zip(XS, outputs, strict=True):
        near(network(x), row, 20)
        near(network(x.tolist()), row, 20)
    near(network(np.stack([XS, XS])), np.stack([outputs, outputs]), 20)


@pytest.mark.parametrize("activation", mostly_full(ACTIVATIONS, slice(0, None, 2)))
def test_forward_by_every_route(activation):
    """On Variables, compiled by each executor, mapped, and in a loop: eager's numbers."""
    network = drawn(activation, "softmax")
    expected = network(XS)
    variables = [[al.Variable(x) for x in row] for row in XS]
    near(np.array([[y.value for y in network(row)] for row in variables]), expected)
    near(np.array([[y.value for y in row] for row in network(np.array(variables))]), expected)
    call = nn.Network.__call__
    for backend in ("llvm", "numpy", "python"):
        near(al.jit(call, backend=backend)(network, XS[0]), expected[0])
    near(al.jit(call)(network, XS), expected)
    near(al.vmap(call, (None, 0))(network, XS), expected)
    near(al.jit(al.vmap(call, (None, 0)))(network, XS), expected)
    for loop in (lambda n: al.scan(lambda c, x: (c, n(x)), 0.0, XS)[1],):
        near(loop(network), expected)
        near(al.jit(loop)(network), expected)


@pytest.mark.parametrize("activation", mostly_full(ACTIVATIONS, [ACTIVATIONS.index("relu")]))
def test_gradients_by_every_route(activation):
    """Eager over the batch, row by row, compiled, mapped with a mean, in a loop: one gradient, which check_grads confirms."""
    network = drawn(activation, activation, (2, 3, 3))

    def loss(network, x, t):
        return nn.mean_squared_error(network(x), t)

    def looped(network):
        return al.scan(lambda c, row: (c + loss(network, *row) / 5, 0.0), 0.0, (XS, TARGETS))[0]

    value, gradient = al.value_and_grad(loss)(network, XS, TARGETS)
    assert math.isclose(value, ((by_hand(network, XS, activation, activation) - TARGETS) ** 2).mean(), rel_tol=1e-13)
    mapped = al.vmap(al.value_and_grad(loss), (None, 0, 0), reduce="mean")
    for route in (al.jit(al.value_and_grad(loss)), mapped, al.jit(mapped)):
        near(route(network, XS, TARGETS), (value, gradient))
    rows = [flat(al.grad(loss)(network, x, t)) for x, t in zip(XS, TARGETS, strict=True)]
    near(np.mean(rows, axis=0), flat(gradient))
    near(al.value_and_grad(looped)(network), (value, gradient))
    near(al.jit(al.value_and_grad(looped))(network), (value, gradient))
    al.check_grads(lambda n: loss(n, XS[:2], TARGETS[:2]), (network,))


@each_activation
def test_hessian_of_a_network(activation):
    """Symmetric to the bit, the Jacobian of the gradient, and the same when compiled."""
    network = drawn(activation, "identity", (2, 2, 1))

    def loss(weight):
        first, last = network.layers
        changed = nn.Network([nn.Dense(weight, first.bias), last], activation)
        return nn.mean_squared_error(changed(XS[:3]), TARGETS[:3, :1])

    weight = network.layers[0].weight
    hessian = al.hessian(loss)(weight)
    assert hessian.shape == (2, 2, 2, 2)
    assert np.array_equal(hessian.reshape(4, 4), hessian.reshape(4, 4).T)
    near(hessian, al.jacobian(al.grad(loss))(weight))
    near(hessian, al.jit(al.hessian(loss))(weight))


def test_what_overflows_is_infinite_without_a_warning():
    """As everywhere in the library: plain arrays too."""
    layer = nn.Dense(np.array([[1e200]]), np.array([0.0]))
    assert layer([1e200]).tolist() == [math.inf]
    assert layer(np.array([[1e200], [-1e200]])).tolist() == [[math.inf], [-math.inf]]
    assert np.isnan(nn.Dense(np.array([[1.0, 1.0]]))(np.array([math.inf, -math.inf]))).all()
    assert nn.mean_squared_error([1e200], [0.0]) == nn.squared_error(1e200, 0.0) == math.inf
    assert math.isnan(nn.squared_error(np.array([math.inf]), np.array([math.inf])))
    assert nn.hinge(np.array([-1e200]), np.array([1e200])) == math.inf


def test_empty_batch_through_a_network():
    """No samples in, no outputs out."""
    assert drawn()(np.zeros((0, 2))).shape == (0, 3)


# --- losses -------------------------------------------------------------------------------------------------

finite_logits = st.lists(signed(-3, 300) | st.floats(-50, 50), min_size=1, max_size=5)


def relative(found, exact, ulps):
    """Whether a number is right to so many ULP; results below the normal range have those of the smallest one."""
    assert abs(mpmath.mpf(found) - exact) <= ulps * EPS * max(abs(exact), mpmath.mpf(2) ** -1022), (found, exact)


@given(st.floats(-800, 800) | signed(-300, 307), st.sampled_from((0.0, 1.0)) | st.floats(0.001, 0.999))
def test_binary_cross_entropy_against_mpmath(z, t):
    """Relative accuracy at any logit, where σ rounds to 0 or 1 too; and σ(z) - t likewise for hard targets."""
    with mpmath.workdps(60):
        e = mpmath.exp(-abs(mpmath.mpf(z)))
        softplus = mpmath.log1p(e) if e > 1e-40 else e  # e²/2 is beyond 60 digits of what a double holds
        above, below = (abs(mpmath.mpf(z)) + softplus, softplus)[
            :: 1 if z > 0 else -1
        ]  # log(1 + exp z), log(1 + exp -z)
        exact = t * below + (1 - mpmath.mpf(t)) * above
        # softplus 2 ULP, the products, 1 - t and the sum ½ each, all terms of one sign
        relative(nn.binary_cross_entropy(z, t), exact, 4)
        sigma = (1 / (1 + e), e / (1 + e))[:: 1 if z > 0 else -1]
        gradient = al.grad(nn.binary_cross_entropy)(z, t)
        if t in (0.0, 1.0):
            relative(gradient, sigma[0] if t == 0.0 else -sigma[1], 4)
        else:
            assert abs(gradient - (sigma[0] - t)) <= 4 * EPS


@example([0.0, -300.0], 0)
@example([-300.0, 0.0, 0.0, -95.0], 3)
@given(finite_logits, st.integers(0, 4))
def test_cross_entropy_against_mpmath(logits, label):
    """Relative accuracy however large the logits and however sure the network; the gradient is p - t."""
    label %= len(logits)
    with mpmath.workdps(60):
        z = [mpmath.mpf(x) for x in logits]
        powers = [mpmath.exp(max(x - max(z), -10_000)) for x in z]  # exp(-10000) is beyond 60 digits and all doubles
        top = z.index(max(z))
        rest = mpmath.fsum(p for k, p in enumerate(powers) if k != top)  # not Σ - 1, which is 0 from exp(-140) on
        tail = mpmath.log1p(rest) if rest > 1e-40 else rest
        exact = max(z) - z[label] + tail
        # Rounding max - x by ½ ULP moves its power by as many ULP as its size; then exp, sums and log1p, no cancellation.
        ulps = 8 + len(z) + float(min(750, max(max(z) - x for x in z)))
        relative(nn.cross_entropy(logits, label), exact, ulps)
        relative(nn.cross_entropy(np.array(logits), nn.one_hot(label, len(z))), exact, ulps)
        gradient = al.grad(nn.cross_entropy)(np.array(logits), label)
        for k, slope in enumerate(gradient):  # x·eˣ < 1: the same error is 1 ULP of 1 here
            assert abs(slope - (powers[k] / mpmath.fsum(powers) - (k == label))) <= (8 + len(z)) * EPS


def test_cross_entropy_of_a_sure_network_is_not_0():
    """log(1 + e⁻⁴⁰), not 40 - 40."""
    assert nn.cross_entropy([40.0, 0.0], 0) == nn.binary_cross_entropy(40.0, 1.0) == 4.248354255291589e-18
    assert nn.cross_entropy(np.array([0.0, -1000.0]), 1) == 1000.0
    assert math.copysign(1.0, nn.cross_entropy([1000.0, 0.0], 0)) == 1.0


def test_cross_entropy_of_probabilities_that_do_not_add_up_to_1():
    """-Σ t·log softmax(z), as it says."""
    z, t = np.array([0.5, -1.0, 2.0]), np.array([0.2, 0.9, 0.4])
    assert math.isclose(nn.cross_entropy(z, t), -(t * np.log(FORMULAS["softmax"](z))).sum(), rel_tol=1e-14)
    near(al.grad(nn.cross_entropy)(z, t), t.sum() * FORMULAS["softmax"](z) - t)


def test_gradients_are_the_closed_forms():
    """By outputs, and by targets."""
    o, t = np.array([[0.5, -1.0], [2.0, 0.25]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    near(al.grad(nn.squared_error)(o, t), 2 * (o - t), 2)
    near(al.grad(nn.mean_squared_error)(o, t), 2 * (o - t) / 4, 2)
    near(al.grad(nn.mean_squared_error, 1)(o, t), 2 * (t - o) / 4, 2)
    near(al.grad(nn.binary_cross_entropy)(o, t), (FORMULAS["sigmoid"](o) - t) / 4, 4)
    near(al.grad(nn.binary_cross_entropy, 1)(o, t), -o / 4, 4)
    signs = 2 * t - 1
    near(al.grad(nn.hinge)(o, signs), np.where(signs * o < 1, -signs, 0) / 4, 2)
    assert al.grad(nn.hinge)(1.0, 1.0) == 0.0  # at the margin: the subgradient of least norm


LOSSES = {
    "squared_error": (nn.squared_error, XS[0], XS[1]),
    "mean_squared_error": (nn.mean_squared_error, XS, XS[::-1].copy()),
    "binary_cross_entropy": (nn.binary_cross_entropy, XS[0], np.array([1.0, 0.3])),
    "cross_entropy": (nn.cross_entropy, np.array([0.5, -1.0, 2.0]), np.array([0.25, 0.25, 0.5])),
    "hinge": (nn.hinge, XS, np.where(XS[::-1] > 0, 1.0, -1.0)),
}


@pytest.mark.parametrize("name", mostly_full(LOSSES, [0]))
def test_losses_by_every_route(name):
    """Eager, on Variables, compiled, mapped, in a loop; their first and second derivatives too."""
    loss, outputs, targets = LOSSES[name]
    value, gradient = al.value_and_grad(loss)(outputs, targets)
    assert type(loss(outputs, targets)) is float
    assert type(loss(outputs.tolist(), targets.tolist())) is float
    near(loss(outputs, targets), value, 4)
    near(loss(outputs.tolist(), targets.tolist()), value, 4)
    variables = np.array([al.Variable(x) for x in outputs.ravel()]).reshape(outputs.shape)
    near(loss(variables, targets).value, value, 4)
    near(loss(variables.tolist(), targets).value, value, 4)
    for backend in ("llvm", "numpy", "python"):
        near(al.jit(al.value_and_grad(loss), backend=backend)(outputs, targets), (value, gradient))
    stacks = np.stack([outputs, outputs]), np.stack([targets, targets])
    near(al.vmap(loss, reduce="mean")(*stacks), value)
    near(al.jit(al.vmap(al.grad(loss), reduce="sum"))(*stacks), 2 * gradient)
    looped = lambda pair: al.scan(lambda c, row: (c + loss(*row), 0.0), 0.0, pair)[0]
    near(al.jit(al.value_and_grad(looped))(stacks)[0], 2 * value)
    near(al.hessian(loss)(outputs, targets), al.jit(al.hessian(loss))(outputs, targets))
    al.check_grads(loss, (outputs, targets))


@pytest.mark.parametrize("loss", [nn.squared_error, nn.mean_squared_error, nn.binary_cross_entropy, nn.hinge])
def test_single_numbers_have_losses(loss):
    """A float, a Variable, an array without axes: a single sample of a single output."""
    value = loss([0.25], [1.0])
    for number in (0.25, np.float64(0.25), np.array(0.25), np.float32(0.25)):
        assert loss(number, 1.0) == loss(number, 1) == loss(number, np.array(1.0)) == value
    x = al.Variable(0.25)
    assert loss(x, 1.0).value == value
    assert al.gradients(loss(x, 1.0), x) == al.grad(loss)(np.array([0.25]), [1.0])[0]
    assert al.jit(loss)(0.25, 1.0) == pytest.approx(value, rel=1e-14)
    assert al.vmap(loss, reduce="mean")(np.array([0.25, 0.25]), np.ones(2)) == pytest.approx(value, rel=1e-14)


def test_cross_entropy_by_a_label_under_jit_and_vmap():
    """A path for each class, and the numbers of eager."""
    logits, labels = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [1.0, 1.0, 1.0]]), [0, 2, 0]
    expected = [nn.cross_entropy(z, label) for z, label in zip(logits, labels, strict=True)]
    near(al.vmap(nn.cross_entropy)(logits, np.array(labels)), expected)
    compiled = al.jit(nn.cross_entropy)
    near([compiled(z, label) for z, label in zip(logits, labels, strict=True)], expected)
    for wrong in (3, 1.5):
        with pytest.raises(al.ArgumentError, match=r"for 3 logits\. Count classes from 0, in whole numbers\.$"):
            compiled(logits[0], wrong)


# --- what learners get wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (name, f"{name} got outputs of shape (3, 1) and targets of shape (3,). Give both one shape.")
        for name in ("squared_error", "mean_squared_error", "binary_cross_entropy", "hinge")
    ],
)
def test_column_against_row(name, text):
    """(n, 1) and (n,) would make n² differences: refused, by every route."""
    loss = getattr(nn, name)
    for route in (loss, al.grad(loss), al.jit(loss)):
        with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
            route(np.zeros((3, 1)), np.zeros(3))
    with pytest.raises(
        al.ArgumentError, match=re.escape("of shape (2,) and targets of shape (). Give both one shape.")
    ):
        loss([1.0, 2.0], 1.0)


@pytest.mark.parametrize("loss", [nn.squared_error, nn.mean_squared_error, nn.binary_cross_entropy, nn.hinge])
def test_losses_of_an_empty_batch(loss):
    """The mean of nothing would be NaN, in every parameter after one step."""
    text = f"{loss.__name__} got outputs of shape (0, 2), which hold no number. Give samples."
    with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
        loss(np.zeros((0, 2)), np.zeros((0, 2)))


@pytest.mark.parametrize("label", [-1, 3, 1.5, math.nan, math.inf])
def test_cross_entropy_of_a_label_out_of_range(label):
    """Python would count -1 from the end, and cut 1.5 off."""
    text = f"cross_entropy got class {label} for 3 logits. Count classes from 0, in whole numbers."
    with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
        nn.cross_entropy(np.zeros(3), label)
    for whole in (2, 2.0, np.int64(2), np.uint8(2), np.array(2), np.float32(2)):
        assert nn.cross_entropy(np.zeros(3), whole) == nn.cross_entropy([0.0, 0.0, 0.0], 2)


def test_cross_entropy_of_a_batch():
    """It says how to map it; other probabilities than logits are refused."""
    text = (
        "cross_entropy takes the logits of one sample and got shape (2, 3). Map it over samples with "
        "vmap(…, reduce='mean'), or write a loop."
    )
    with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
        nn.cross_entropy(np.zeros((2, 3)), np.array([0, 1]))
    with pytest.raises(al.ArgumentError, match=re.escape("outputs of shape (3,) and targets of shape (2,)")):
        nn.cross_entropy(np.zeros(3), np.array([0, 1]))


@pytest.mark.parametrize("shape", [(), (3,), (5, 3), (2, 0)], ids=str)
def test_wrong_input_size(shape):
    """What was expected and what came."""
    text = f"a layer of 2 inputs and 4 outputs got inputs of shape {shape}. Give an array whose last axis is 2 long."
    for route in (drawn(), al.jit(drawn()), lambda x: al.Variable(1.0) * drawn()(x)):
        with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
            route(np.zeros(shape))


@pytest.mark.parametrize("name", ["Tanh", "", None, 3, ["tanh"], {}], ids=repr)
def test_unknown_activation(name):
    """All that there are, before anything is drawn."""
    text = (
        f"there is no activation {name!r}. Choose one of identity, elu, gelu, leaky_relu, relu, selu, sigmoid, silu, "
        "softmax, softplus, softsign, tanh, or pass a function."
    )
    for position in ({"activation": name}, {"output": name}):
        with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
            nn.Network.create([2, 3, 1], rng=0, **position)
    with pytest.raises(al.ArgumentError, match="^there is no activation"):
        nn.Network([nn.Dense(np.ones((1, 1)))], output="linear")([1.0])


@pytest.mark.parametrize("sizes", [[], [5], (5,), 5, np.array([5]), np.array([[2, 1]])], ids=repr)
def test_sizes_of_one_number(sizes):
    """A network has inputs and outputs."""
    text = f"sizes={sizes!r}: give inputs and outputs, and the hidden layers between them."
    with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
        nn.Network.create(sizes)


@pytest.mark.parametrize("sizes", [[2, 0, 1], [2, -3], [2.0, 3], ["2", 3], [None, 1]], ids=repr)
def test_sizes_that_are_no_whole_numbers(sizes):
    """Which layer it is."""
    a, b = next(pair for pair in itertools.pairwise(sizes) if not all(isinstance(n, int) and n > 0 for n in pair))
    text = f"a layer of {a!r} inputs and {b!r} outputs: give whole numbers from 1."
    with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
        nn.Network.create(sizes)


# --- accuracy and one_hot -----------------------------------------------------------------------------------


def test_accuracy_of_classes():
    """Labels as numbers, as a column, as whole floats, as one_hot; a tie is the first class."""
    outputs = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 5.0]])
    labels = np.array([0, 2, 0, 2])
    for known in (labels, labels.tolist(), labels[:, None], labels * 1.0, nn.one_hot(labels, 3)):
        assert nn.accuracy(outputs, known) == nn.accuracy(outputs.tolist(), known) == 0.75


def test_accuracy_of_single_outputs():
    """(n,) and (n, 1) alike, against labels in either form: argmax of a column would always be class 0."""
    outputs, labels = np.array([2.0, 3.0, -1.0, -2.0]), np.array([0, 1, 1, 0])
    for o in (outputs, outputs[:, None]):
        for known in (labels, labels[:, None], labels == 1, labels * 1.0, nn.one_hot(labels, 2)):
            assert nn.accuracy(o, known) == 0.5
    assert nn.accuracy(np.array([0.4, 0.6]), [0, 1], threshold=0.5) == 1.0
    assert nn.accuracy([0.0], [0]) == 1.0


def test_accuracy_counts_nan_as_wrong():
    """A network that diverged is right about nothing, not about all of class 0."""
    assert nn.accuracy(np.full((3, 2), math.nan), [0, 0, 0]) == 0.0
    assert nn.accuracy([math.nan, -1.0], [0, 0]) == 0.5


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [
        ((3, 2), (2,)),
        ((3, 2), ()),
        ((), ()),
        ((3,), ()),
        ((0, 2), (0,)),
        ((0,), (0,)),
        ((0, 2), (0, 2)),
        ((2, 2, 2), (2, 2)),
    ],
    ids=repr,
)
def test_accuracy_of_other_shapes(outputs, labels):
    """Not equally many, none, or batches of batches."""
    text = (
        f"accuracy got outputs of shape {outputs} and labels of shape {labels}. Give a row of outputs for each "
        "label, and one or more."
    )
    with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
        nn.accuracy(np.zeros(outputs), np.zeros(labels, dtype=int))


@pytest.mark.parametrize(
    ("outputs", "labels", "last"),
    [((2, 3), [1, 2], None), ((2, 3), [1, 3], 2), ((2, 3), [-1, 0], 2), ((2,), [-1, 1], 1), ((2, 1), [0.5, 1.0], 1)],
)
def test_accuracy_with_labels_out_of_range(outputs, labels, last):
    """Labels of -1 and 1, or counted from 1, would be wrong in silence."""
    if last is None:
        assert nn.accuracy(np.zeros(outputs), labels) == 0.0
        return
    text = f"accuracy got labels {np.array(labels)!r}. Give classes, whole numbers from 0 to {last}."
    with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
        nn.accuracy(np.zeros(outputs), labels)


def test_accuracy_of_variables():
    """It has no derivative, and says how to get the numbers."""
    with pytest.raises(al.OperandError, match=r"float\(\) of Variable\(1\.0\) would drop its derivative"):
        nn.accuracy([al.Variable(1.0)], [1])


def test_one_hot():
    """A label, a row, a table of them; any integer type."""
    assert nn.one_hot(1, 3).tolist() == [0.0, 1.0, 0.0]
    for dtype in (np.uint8, np.int64):
        assert nn.one_hot(np.array([[2, 0]], dtype=dtype), 3).tolist() == [[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]
    assert nn.one_hot(np.zeros(0, dtype=int), 3).shape == (0, 3)


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [1.0, 2.0], [True], ["1"], 3, [math.nan]], ids=repr)
def test_one_hot_of_labels_that_are_no_classes(labels):
    """Out of range, floats, texts."""
    text = f"one_hot takes whole numbers from 0 to 2 and got {np.asarray(labels)!r}."
    with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
        nn.one_hot(labels, 3)
