"""Backpropagation as books derive it, in NumPy: the reference for the demos of networks, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import nn


def classifier(network: nn.Network, x: Any, t: Any) -> tuple[float, nn.Network]:
    """Return the mean cross-entropy of a ReLU network over a batch, and the gradient as a network."""
    signals = [x]
    for layer in network.layers[:-1]:
        signals.append(np.maximum(signals[-1] @ layer.weight.T + layer.bias, 0))
    y = signals[-1] @ network.layers[-1].weight.T + network.layers[-1].bias
    y = y - y.max(axis=1, keepdims=True)
    total = np.exp(y).sum(axis=1, keepdims=True)
    delta, slopes = (np.exp(y) / total - t) / len(x), []
    for layer, signal in zip(network.layers[::-1], signals[::-1], strict=True):
        slopes.append(nn.Dense(delta.T @ signal, delta.sum(axis=0)))
        delta = (delta @ layer.weight) * (signal > 0)
    return float((np.log(total[:, 0]) - (y * t).sum(axis=1)).mean()), nn.Network(slopes[::-1], "relu")


def sigmoid_epoch(network: nn.Network, x: Any, targets: Any, rate: float) -> nn.Network:
    """Return a sigmoid network after one step down its squared error for each sample in turn."""
    weights = [layer.weight.copy() for layer in network.layers]
    biases = [layer.bias.copy() for layer in network.layers]
    for sample, target in zip(x, targets, strict=True):
        signals = [sample]
        for weight, bias in zip(weights, biases, strict=True):
            signals.append(1 / (1 + np.exp(-(weight @ signals[-1] + bias))))
        error = signals[-1] - target
        for k in reversed(range(len(weights))):
            delta = error * signals[k + 1] * (1 - signals[k + 1])
            error = weights[k].T @ delta
            weights[k] -= rate * np.outer(delta, signals[k])
            biases[k] -= rate * delta
    return nn.Network(
        [nn.Dense(*pair) for pair in zip(weights, biases, strict=True)], network.activation, network.output
    )


def difference(ours: nn.Network, theirs: nn.Network) -> float:
    """Return the largest difference between two networks."""
    pairs = zip(ours.layers, theirs.layers, strict=True)
    return max(float(np.abs(p - q).max()) for a, b in pairs for p, q in ((a.weight, b.weight), (a.bias, b.bias)))
