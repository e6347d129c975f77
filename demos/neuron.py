"""Neuron: a network as objects whose weights are Variables.

    neuron(x) = tanh(w . x + b)        layer = neurons side by side        network = layers one after the other

This is the shortest program from a formula to a network that learns. The parameters are `Variable`s in lists; `backward`
writes a gradient into each; a step goes down the gradient. You will see four points being learnt, the graph of a single
neuron, and equal gradients from `al.nn`, where a network is a nest (pytree) of arrays. Larger programs use nests, such as
the demos `two_moons`, `mnist` and `fashion`: a nest can be compiled, saved, and given to an optimiser.

Source: A. Karpathy, micrograd (2020), whose class `MLP` and whose four points these are.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al
from autograd_lite import nn

from .common import BLUE, GRID, Report

if TYPE_CHECKING:
    from pathlib import Path

POINTS = ((2.0, 3.0, -1.0), (3.0, -1.0, 0.5), (0.5, 1.0, 1.0), (1.0, 1.0, -1.0))
TARGETS = (1.0, -1.0, -1.0, 1.0)
STEPS, RATE = 100, 0.05


class Neuron:
    """A weight for each input, and a bias."""

    def __init__(self, inputs: int, rng: np.random.Generator) -> None:
        self.w = [al.Variable(w, name=f"w{k}") for k, w in enumerate(rng.uniform(-1, 1, inputs))]
        self.b = al.Variable(0.0, name="b")

    def __call__(self, x: Any) -> Any:
        """Return tanh(w . x + b)."""
        return al.tanh(al.dot(self.w, x) + self.b)

    def parameters(self) -> list[al.Variable]:
        """Return the parameters."""
        return [*self.w, self.b]


class Network:
    """Layers of neurons."""

    def __init__(self, sizes: tuple[int, ...], rng: np.random.Generator) -> None:
        pairs = pairwise(sizes)
        self.layers = [[Neuron(inputs, rng) for _ in range(outputs)] for inputs, outputs in pairs]

    def __call__(self, x: Any) -> Any:
        """Return the output of the last layer's first neuron."""
        for layer in self.layers:
            x = [neuron(x) for neuron in layer]
        return x[0]

    def parameters(self) -> list[al.Variable]:
        """Return the parameters."""
        return [p for layer in self.layers for neuron in layer for p in neuron.parameters()]


def loss_of(network: Any) -> Any:
    """Return the sum of squared errors over the four points."""
    return al.sum([(network(x) - t) ** 2 for x, t in zip(POINTS, TARGETS, strict=True)])


def run(network: Network) -> list[float]:
    """Descend; return the losses."""
    losses = []
    for _ in range(STEPS):
        loss = loss_of(network)
        al.zero_grad(network.parameters())
        loss.backward()
        for p in network.parameters():
            p.value -= RATE * p.grad
        losses.append(loss.value)
    return losses


def as_nest(network: Network) -> nn.Network:
    """Return the network as a nest of arrays."""
    weights = [np.array([[w.value for w in neuron.w] for neuron in layer]) for layer in network.layers]
    biases = [np.array([neuron.b.value for neuron in layer]) for layer in network.layers]
    return nn.Network([nn.Dense(*pair) for pair in zip(weights, biases, strict=True)], "tanh", "tanh")


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Learn four points with objects; compare the gradients with those of a nest of arrays."""
    del quick
    report, rng = Report(out), np.random.default_rng(seed)
    single = Neuron(2, rng)
    y = single([al.Variable(1.0, name="x0"), al.Variable(-2.0, name="x1")])
    y.name = "y"
    y.backward()
    report.graph("neuron.svg", "One neuron: tanh(w . x + b) at x = (1, -2)", y, play="graph.html")
    network = Network((3, 4, 4, 1), rng)
    report.say(f"3-4-4-1, {len(network.parameters())} parameters, {STEPS} steps at rate {RATE}")
    loss_of(network).backward()
    nest = al.grad(lambda nest: loss_of(lambda x: nest(x)[0]))(as_nest(network))
    theirs = [g for layer in nest.layers for row, b in zip(layer.weight, layer.bias, strict=True) for g in (*row, b)]
    ours = [p.grad for p in network.parameters()]
    # Four points, each a sum of at most 4 * 4 products of factors below 10 in another order: 64 * 10 * 2**-53 = 7e-14.
    report.number("objects against a nest", float(np.max(np.abs(np.subtract(ours, theirs)))), 0.0, 7.2e-14)
    losses = run(network)
    report.number("loss at the start", losses[0])
    report.number("loss at the end", losses[-1])
    outputs = [network(x).value for x in POINTS]
    report.say("  outputs " + ", ".join(f"{y:+.3f} (wanted {t:+.0f})" for y, t in zip(outputs, TARGETS, strict=True)))
    report.check(
        "every output has the sign of its target", all(y * t > 0 for y, t in zip(outputs, TARGETS, strict=True))
    )
    report.check("the loss fell to a tenth", losses[-1] < losses[0] / 10)

    def paint(_: Any, left: Any, right: Any) -> None:
        left.semilogy(losses, color=BLUE)
        left.set(title="The loss over the steps", xlabel="step", ylabel="sum of squared errors")
        right.bar(np.arange(4) - 0.2, TARGETS, 0.4, color=GRID, label="wanted")
        right.bar(np.arange(4) + 0.2, outputs, 0.4, color=BLUE, label="output")
        right.set(title="The four points after it", xlabel="point", xticks=range(4))
        right.legend(loc="lower left")

    report.plot("learning.png", f"Seed {seed}, {STEPS} steps", paint, (None, None))
    return report
