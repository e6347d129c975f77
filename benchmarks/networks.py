"""The networks of the benchmarks: their data, scalar code, array code, and their gradients by hand in NumPy.

Parameters are one flat array: for each layer the weights, one row for each output, then the biases.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Array = Any  # of any library
SIGMOIDS, CLASSIFIER = (2, 25, 50, 25, 2), (784, 50, 10)
SMALL_SIGMOIDS, SMALL_CLASSIFIER = (2, 3, 4, 2), (6, 5, 3)
RATE = 0.5


class Data(NamedTuple):
    """A network, and its samples with targets, one row for each sample."""

    widths: Sequence[int]
    params: Array
    inputs: Array
    targets: Array


def count(widths: Sequence[int]) -> int:
    """Return the number of parameters."""
    return sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths))


def start(widths: Sequence[int]) -> Array:
    """Draw parameters: weights and biases uniform in ±1/√n_in."""
    draw = np.random.default_rng(0)
    sizes = [((n_in + 1) * n_out, n_in**-0.5) for n_in, n_out in pairwise(widths)]
    return np.concatenate([draw.uniform(-bound, bound, size) for size, bound in sizes])


def spirals(samples: int, *, small: bool = False) -> Data:
    """Return two arms of a spiral around the origin, one class each, in shuffled order, targets one-hot."""
    label = np.arange(samples) % 2
    radius = (np.arange(samples) // 2 + 1) / (samples // 2 + 1)
    angle = 3 * np.pi * radius + np.pi * label
    inputs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    order = np.random.default_rng(1).permutation(samples)
    widths = SMALL_SIGMOIDS if small else SIGMOIDS
    return Data(widths, start(widths), inputs[order], np.eye(2)[label[order]])


def digits(samples: int, *, small: bool = False) -> Data:
    """Return random pictures of as many pixels as MNIST has, and random labels one-hot."""
    draw, widths = np.random.default_rng(2), SMALL_CLASSIFIER if small else CLASSIFIER
    labels = draw.integers(widths[-1], size=samples)
    return Data(widths, start(widths), draw.uniform(size=(samples, widths[0])), np.eye(widths[-1])[labels])


def layers(params: Array, widths: Sequence[int]) -> list[tuple[Array, Array]]:
    """Return weights and biases of each layer as views."""
    views, at = [], 0
    for n_in, n_out in pairwise(widths):
        end = at + n_in * n_out
        views.append((params[at:end].reshape(n_out, n_in), params[end : end + n_out]))
        at = end + n_out
    return views


# ---- scalar code, as one writes it who has only numbers ----------------------------------------------------------------


def neurons(params: Any, inputs: Any, widths: Sequence[int], hidden: Callable[[Any], Any]) -> Any:
    """Return the outputs; the last layer has no activation."""
    at = 0
    for n_in, n_out in pairwise(widths):
        bias = at + n_in * n_out
        outputs = []
        for j in range(n_out):
            total = params[bias + j]
            for i in range(n_in):
                total = total + params[at + j * n_in + i] * inputs[i]
            outputs.append(total)
        at = bias + n_out
        inputs = outputs if at == count(widths) else [hidden(total) for total in outputs]
    return inputs


def scalar_sigmoids(
    params: Any, inputs: Any, targets: Any, widths: Sequence[int], sigmoid: Callable[[Any], Any]
) -> Any:
    """Return the squared error of one sample, every layer sigmoid."""
    outputs = [sigmoid(z) for z in neurons(params, inputs, widths, sigmoid)]
    loss = 0.0
    for j, output in enumerate(outputs):
        loss = loss + (output - targets[j]) * (output - targets[j])
    return loss


def scalar_classifier(params: Any, inputs: Any, targets: Any, widths: Sequence[int], m: Any) -> Any:
    """Return the cross-entropy of one sample after ReLU layers and a softmax; `m` has `relu` and `logsumexp`."""
    logits = neurons(params, inputs, widths, m.relu)
    loss = m.logsumexp(logits)
    for j, logit in enumerate(logits):
        loss = loss - targets[j] * logit
    return loss


# ---- array code, as one writes it for JAX, PyTorch or HIPS autograd ----------------------------------------------------


def array_sigmoids(
    params: Array, inputs: Array, targets: Array, widths: Sequence[int], sigmoid: Callable[[Array], Array]
) -> Array:
    """Return the squared error, of one sample or added up over rows of samples."""
    for weights, biases in layers(params, widths):
        inputs = sigmoid(inputs @ weights.T + biases)
    return ((inputs - targets) ** 2).sum()


def array_classifier(params: Array, inputs: Array, targets: Array, widths: Sequence[int], m: Any) -> Array:
    """Return the mean cross-entropy over rows; `m` has `relu` and `log_softmax`."""
    *hidden, (weights, biases) = layers(params, widths)
    for w, b in hidden:
        inputs = m.relu(inputs @ w.T + b)
    return -(targets * m.log_softmax(inputs @ weights.T + biases)).sum() / len(targets)


# ---- gradients by hand ---------------------------------------------------------------------------------------------------

Layers = list[tuple[Any, Any]]


def sweep_sample(its_layers: Layers, gradients: Layers, inputs: Array, targets: Array) -> None:
    """Write the gradient of one sample's squared error into `gradients`, in place wherever NumPy can."""
    outputs = [inputs]
    for weights, biases in its_layers:
        z = weights @ outputs[-1]
        z += biases
        outputs.append(_sigmoid_in_place(z))
    back = 2.0 * (outputs[-1] - targets)
    for k in range(len(its_layers) - 1, -1, -1):
        y, (into_weights, delta) = outputs[k + 1], gradients[k]
        np.subtract(1.0, y, out=delta)
        delta *= y
        delta *= back
        np.multiply(delta[:, None], outputs[k], out=into_weights)
        if k:
            back = delta @ its_layers[k][0]


def _sigmoid_in_place(z: Array) -> Array:
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += 1.0
    return np.reciprocal(z, out=z)


def sample_gradient(params: Array, inputs: Array, targets: Array, widths: Sequence[int]) -> Array:
    """Return the gradient for one sample, by hand."""
    gradient = np.empty_like(params)
    sweep_sample(layers(params, widths), layers(gradient, widths), inputs, targets)
    return gradient


def mean_gradient(data: Data) -> Array:
    """Return the mean over samples of the sigmoid network's gradient, by hand with matrices of samples."""
    its_layers, gradient = layers(data.params, data.widths), np.empty_like(data.params)
    outputs = [data.inputs]
    for weights, biases in its_layers:
        z = outputs[-1] @ weights.T
        z += biases
        outputs.append(_sigmoid_in_place(z))
    back = outputs[-1] - data.targets
    back *= 2.0 / len(data.inputs)
    into = layers(gradient, data.widths)
    for k in range(len(its_layers) - 1, -1, -1):
        y = outputs[k + 1]
        back *= y
        back *= np.subtract(1.0, y, out=y)
        np.matmul(back.T, outputs[k], out=into[k][0])
        back.sum(axis=0, out=into[k][1])
        if k:
            back = back @ its_layers[k][0]
    return gradient


def classifier_gradient(data: Data) -> Array:
    """Return the gradient of the mean cross-entropy of the ReLU classifier, by hand with matrices of samples."""
    its_layers, gradient = layers(data.params, data.widths), np.empty_like(data.params)
    outputs = [data.inputs]
    for weights, biases in its_layers:
        z = outputs[-1] @ weights.T
        z += biases
        outputs.append(z if weights is its_layers[-1][0] else np.maximum(z, 0.0, out=z))
    back = outputs[-1]
    back -= back.max(axis=1, keepdims=True)
    np.exp(back, out=back)
    back /= back.sum(axis=1, keepdims=True)
    back -= data.targets
    back /= len(back)
    into = layers(gradient, data.widths)
    for k in range(len(its_layers) - 1, -1, -1):
        np.matmul(back.T, outputs[k], out=into[k][0])
        back.sum(axis=0, out=into[k][1])
        if k:
            back = back @ its_layers[k][0]
            back *= outputs[k] > 0.0
    return gradient


def trained(data: Data, steps: int) -> Array:
    """Return the parameters after single-sample gradient steps, by hand, with views made once and all work in place."""
    params = data.params.copy()
    gradient = np.empty_like(params)
    its_layers, into = layers(params, data.widths), layers(gradient, data.widths)
    samples = len(data.inputs)
    for step in range(steps):
        sweep_sample(its_layers, into, data.inputs[step % samples], data.targets[step % samples])
        gradient *= RATE
        params -= gradient
    return params
