"""Layers: forward and backward by hand, and what they must equal.

    multiply       z = x*y                 dx = dz*y        dy = dz*x
    add            z = x + y               dx = dz          dy = dz
    ReLU           y = max(x, 0)           dx = dy where x > 0, else 0
    sigmoid        y = 1/(1 + exp(-x))     dx = dy*y*(1 - y)
    affine         Y = X W + B             dX = dY W^T      dW = X^T dY      dB = sum over the rows of dY
    softmax loss   L = -mean of log p_t    dX = dL*(P - T)/rows

A layer returns its output and its backward: a function from the gradient by the output to the gradients by the inputs.
(The book has a class with two methods for each layer; here a closure keeps the numbers that backward needs.)

You will see every backward beside the result of `al.vjp`, which needs only the output. And an errand: 2 apples at 100 and
3 oranges at 150 with 10 % tax cost 715. One more apple costs 110, an apple price that is higher by 1 costs 2.2, and so on.

Source: K. Saitoh, Deep Learning from Scratch, O'Reilly Japan 2016 (in Japanese), chapter 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import Report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Layer = tuple[Any, Callable[[Any], tuple[Any, ...]]]

ERRAND = {"apples": 2.0, "apple price": 100.0, "oranges": 3.0, "orange price": 150.0, "tax": 1.1}
KNOWN = {"apples": 110.0, "apple price": 2.2, "oranges": 165.0, "orange price": 3.3, "tax": 650.0}
LABELS = np.eye(4)[[2, 0]]


def multiply(x: Any, y: Any) -> Layer:
    """Return x*y, elementwise."""
    return x * y, lambda dz: (dz * y, dz * x)


def add(x: Any, y: Any) -> Layer:
    """Return x + y, elementwise."""
    return x + y, lambda dz: (dz, dz)


def relu(x: Any) -> Layer:
    """Return max(x, 0), elementwise."""
    return al.relu(x), lambda dy: (np.where(x > 0, dy, 0.0),)


def sigmoid(x: Any) -> Layer:
    """Return the sigmoid of x."""
    y = al.sigmoid(x)
    return y, lambda dy: (dy * y * (1 - y),)


def affine(X: Any, W: Any, B: Any) -> Layer:
    """Return X W + B, row by row."""
    return X @ W + B, lambda dY: (dY @ W.T, X.T @ dY, dY.sum(axis=0))


def softmax_loss(X: Any) -> Layer:
    """Return the mean cross-entropy of rows of logits."""
    P = al.softmax(X, axis=1)
    loss = -al.sum(LABELS * al.log_softmax(X, axis=1)) / len(X)
    return loss, lambda dL: (dL * (P - LABELS) / len(X),)


def errand(v: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the price, and its derivatives by the layers' own backward."""
    apples, back_to_apples = multiply(v["apples"], v["apple price"])
    oranges, back_to_oranges = multiply(v["oranges"], v["orange price"])
    fruit, back_to_fruit = add(apples, oranges)
    price, back_to_both = multiply(fruit, v["tax"])
    d_fruit, d_tax = back_to_both(1.0)
    d_apples, d_oranges = back_to_fruit(d_fruit)
    return price, dict(zip(v, (*back_to_apples(d_apples), *back_to_oranges(d_oranges), d_tax), strict=True))


def largest_difference(layer: Callable[..., Layer], inputs: tuple[np.ndarray, ...], cotangent: Any) -> float:
    """Return the largest difference between the layer's backward and al.vjp of its output."""
    by_hand = layer(*inputs)[1](cotangent)
    ours = al.vjp(lambda *given: layer(*given)[0], *inputs)[1](cotangent)
    return max(float(np.max(np.abs(a - b))) for a, b in zip(ours, by_hand, strict=True))


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Compare every layer, then do the errand; nothing in it is slow."""
    del quick
    report = Report(out)
    x, y, dy, W = np.random.default_rng(seed).normal(size=(4, 2, 4))
    report.say("largest difference between backward by hand and al.vjp:")
    for layer, inputs in ((multiply, (x, y)), (add, (x, y)), (relu, (x,))):
        report.number(layer.__name__, largest_difference(layer, inputs, dy), 0.0)
    # Sums of at most 4 products of numbers below 5, each rounded some 4 times: 4 * 25 * 4 * 2**-53 = 4.4e-14.
    report.number("sigmoid", largest_difference(sigmoid, (x,), dy), 0.0, 5e-14)
    report.number("affine", largest_difference(affine, (x, W.T, y[0, :2]), dy[:, :2]), 0.0, 5e-14)
    report.number("softmax_loss", largest_difference(softmax_loss, (x,), 1.0), 0.0, 5e-14)
    v = {name: al.Variable(value, name=name) for name, value in ERRAND.items()}
    price, _ = errand(v)
    price.name = "price"
    price.backward()
    report.say("the errand:")
    # At most three operations lead to each, and 1.1 is itself rounded: 4 * 2**-53 of the value.
    report.number("price", price.value, 715.0, 715.0 * 2.0**-51)
    for name, leaf in v.items():
        report.number(f"d(price)/d({name})", leaf.grad, KNOWN[name], KNOWN[name] * 2.0**-51)
    same = errand(ERRAND)[1] == {name: leaf.grad for name, leaf in v.items()}
    report.check("the layers' own backward gives the same, bit for bit", same)
    report.graph("errand.svg", "The errand: every input with what one more of it costs", price)
    return report
