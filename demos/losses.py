"""Losses: mean squared error, softmax, cross-entropy, and the delta rule that follows from them.

    softmax         p_i = exp(a_i) / sum_k exp(a_k)              dp_i/da_j = p_i * (d_ij - p_j),  d_ij = 1 if i = j
    cross-entropy   H = -log p_t = log sum_k exp(a_k) - a_t      dH/da_j = p_j - d_jt
    perceptrons     E = sum_k (O_k - t_k)^2 / 2, O = s(x W)      dE/dw_jk = (O_k - t_k) * O_k * (1 - O_k) * x_j
    hidden layers   delta_j = O_j * (1 - O_j) * sum_k w_jk * delta_k,      dE/dw_ij = O_i * delta_j

You will see x (2 x 4), w (4 x 3), b (3) with the labels 2 and 0 under both losses, perceptrons with one output (1 x 3)
and with three (2 x 4), and a network with two hidden layers: every gradient equals its closed form. And you will see
why classifiers use cross-entropy: for a classifier that is sure and wrong, the slope of cross-entropy is near 1, that of
the squared error near 0.

Source: C. M. Bishop, Pattern Recognition and Machine Learning, Springer 2006, sections 4.3 and 5.3.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, ORANGE, Report, sigmoid, signed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LABELS, SURE = [2, 0], 10.0
TARGETS = np.eye(3)[LABELS]
NETWORKS = {"one output": (3, 1), "three outputs": (4, 3), "two hidden layers": (4, 5, 4, 3)}


def squared_error(logits: Any) -> Any:
    """Return the mean squared difference of the softmax, row by row, from the targets."""
    return al.mean((al.softmax(logits, axis=1) - TARGETS) ** 2)


def cross_entropy(logits: Any) -> Any:
    """Return the mean of -log p_label, from the logits: no probability is computed, so none rounds to 0."""
    return al.mean(al.logsumexp(logits, axis=1) - logits[[0, 1], LABELS])


def error(weights: Sequence[Any], x: np.ndarray, targets: np.ndarray) -> Any:
    """Return E of a network of sigmoids, one matrix a layer; a single matrix is a perceptron."""
    for W in weights:
        x = al.sigmoid(x @ W)
    return al.sum((x - targets) ** 2) / 2


def slopes_by_hand(P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return d/d(logits) of both losses by the closed forms; P holds the probabilities."""
    slope = 2 * (P - TARGETS) / P.size
    through = P * (slope - (P * slope).sum(axis=1, keepdims=True))  # sum_i slope_i * p_i * (d_ij - p_j)
    return through, (P - TARGETS) / len(P)


def delta_rule(weights: Sequence[np.ndarray], x: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    """Return every dE/dW by the textbook's recursion over the layers, from last to first."""
    outputs = list(accumulate(weights, lambda O, W: 1 / (1 + np.exp(-(O @ W))), initial=x))
    slope, found = outputs[-1] - targets, []
    for W, O, before in zip(weights[::-1], outputs[:0:-1], outputs[-2::-1], strict=True):
        delta = slope * O * (1 - O)
        found.append(before.T @ delta)
        slope = delta @ W.T
    return found[::-1]


def wrong_by(lead: Any) -> tuple[Any, Any]:
    """Return mean squared error and cross-entropy of two classes; the wrong class has the logit `lead`, the right one 0."""
    p = al.softmax([0.0, lead])
    return ((p[0] - 1) ** 2 + p[1] ** 2) / 2, al.logsumexp([0.0, lead])


def panels(jacobian: np.ndarray) -> Any:
    """Return a painter of the softmax Jacobian, and of the slopes of both losses."""

    def paint(_figure: Any, left: Any, right: Any) -> None:
        left.imshow(jacobian, signed(), vmin=-0.3, vmax=0.3)
        left.grid(visible=False)
        for (i, j), value in np.ndenumerate(jacobian):
            left.text(j, i, f"{value:+.3f}", ha="center", va="center")
        left.set(title="Softmax: ∂pᵢ/∂aⱼ = pᵢ(δᵢⱼ - pⱼ)", xlabel="j", ylabel="i", xticks=range(3), yticks=range(3))
        leads = np.linspace(-8, 8, 161)
        slopes = np.array([al.jacobian(wrong_by)(lead) for lead in leads])
        right.plot(leads, slopes[:, 1], color=BLUE, label="cross-entropy")
        right.plot(leads, slopes[:, 0], color=ORANGE, label="squared error")
        right.set(title="Sure and wrong: cross-entropy still learns", xlabel="lead of the wrong class", ylabel="slope")
        right.legend(loc="upper left")

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Compare each gradient with its closed form; nothing in it is slow."""
    del quick
    report = Report(out)
    rng = np.random.default_rng(seed)
    x, w, b = rng.normal(size=(2, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    P, jacobian = al.softmax(x @ w + b, axis=1), al.jacobian(al.softmax)(x[0] @ w + b)
    pairs = {"softmax Jacobian": ([jacobian], [np.diag(P[0]) - np.outer(P[0], P[0])])}
    for loss, slope in zip((squared_error, cross_entropy), slopes_by_hand(P), strict=True):
        value, ours = al.value_and_grad(lambda w, b, loss=loss: loss(x @ w + b), (0, 1))(w, b)
        report.number(loss.__name__, value)
        pairs[f"{loss.__name__}: dw, db"] = (ours, [x.T @ slope, slope.sum(axis=0)])
    for name, sizes in NETWORKS.items():
        targets = np.ones((1, 1)) if sizes[-1] == 1 else TARGETS
        weights, x = [rng.normal(size=shape) for shape in pairwise(sizes)], rng.normal(size=(len(targets), sizes[0]))
        pairs[name] = (al.grad(error)(weights, x, targets), delta_rule(weights, x, targets))
    report.say("largest difference from the closed form:")
    for name, (ours, known) in pairs.items():
        # Sums of at most 5 products of numbers below 8, each after some 20 roundings: 5 * 8 * 20 * 2**-53 = 9e-14.
        report.number(name, max(float(abs(a - k).max()) for a, k in zip(ours, known, strict=True)), 0.0, 9e-14)
    s, slopes = sigmoid(SURE), al.jacobian(wrong_by)(SURE)
    # 1 - s has an error of 2**-53; the softmax rounds some five times, numbers up to 1.
    report.number(f"squared error, wrong by {SURE:g}", slopes[0], 2 * s * s * (1 - s), 8 * 2.0**-53)
    report.number(f"cross-entropy, wrong by {SURE:g}", slopes[1], s, 8 * 2.0**-53)
    report.plot("losses.png", "The softmax Jacobian; two losses", panels(jacobian), (None, None))
    return report
