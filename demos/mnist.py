"""MNIST: a network of two layers reads handwritten digits, 39,760 derivatives a step from scalar code.

    784-50-10, ReLU, softmax and cross-entropy;  weights 0.01 N(0, 1);  batches of 100, rate 0.1, 10,000 steps

The loss is written for one image and one network. `jit(vmap(value_and_grad(loss), reduce="mean"))` makes a batch of it:
120,000 operations, recorded once, as machine code in which the sums over pixels run as matrices. You will see our gradient
beside differences of the loss, parameter by parameter; the loss beside that of NumPy from one start; the weights of the
hidden units as images, and the digits with wrong answers.

Published (60,000 images, 17 epochs): test accuracy 0.970; mean differences of the gradient check W1 4.3e-10, b1 2.7e-9,
W2 4.8e-9, b2 1.4e-7. Without --data or --download the demo runs on 5,000 of the images and says so.

Source: Saitoh, "Deep Learning from Scratch", O'Reilly Japan 2016, chapters 4 and 5; LeCun et al., Proc. IEEE 86, 1998.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al
from autograd_lite import nn, optim

from . import by_hand, pictures
from .common import Report, one_thread, progress
from .data import images

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN, BATCH, STEPS, QUICK_STEPS, COMPARED = 50, 100, 10_000, 400, 100
OPTIMISER = optim.SGD(0.1)
PUBLISHED = {"W1": 4.3e-10, "b1": 2.7e-9, "W2": 4.8e-9, "b2": 1.4e-7}
DIFFERENCE = 1e-4  # as in the published check
#: The accuracies that a run of NumPy on the subset reached, and three standard deviations of a share counted on 1,000 images.
REACHED, SPREAD = {1000: 0.92, 3000: 0.92, STEPS: 0.925}, 3 * (0.925 * 0.075 / 1000) ** 0.5


def loss(network: nn.Network, image: Any, target: Any) -> Any:
    """Cross-entropy of one image."""
    return nn.cross_entropy(network(image), target)


def arrays(network: nn.Network) -> list[Any]:
    """Return the four arrays of a network of two layers."""
    return [array for layer in network.layers for array in (layer.weight, layer.bias)]


def check_gradient(report: Report, network: nn.Network, batch: Any, gradient: nn.Network, most: int) -> None:
    """Compare a gradient with central differences of the loss, for up to `most` entries of each array."""
    copy, rng = (
        nn.Network([nn.Dense(l.weight.copy(), l.bias.copy()) for l in network.layers], "relu"),
        np.random.default_rng(0),
    )
    for name, array, slope in zip(PUBLISHED, arrays(copy), arrays(gradient), strict=True):
        flat, apart = array.ravel(), []
        for k in rng.choice(flat.size, min(most, flat.size), replace=False):
            kept, ends = flat[k], []
            for flat[k] in (kept + DIFFERENCE, kept - DIFFERENCE):
                ends.append(by_hand.classifier(copy, *batch)[0])
            flat[k] = kept
            apart.append(abs((ends[0] - ends[1]) / (2 * DIFFERENCE) - slope.ravel()[k]))
        report.number(f"mean difference, {name}", float(np.mean(apart)), 0.0, PUBLISHED[name])


def train(network: nn.Network, step: Any, data: Any, steps: int, seed: int) -> dict[str, Any]:
    """Descend by random batches, for the first steps beside NumPy; return the network and all numbers to show."""
    targets, rng, clock = nn.one_hot(data.y_train, 10), np.random.default_rng(seed), perf_counter
    answer, hand, state = al.jit(al.vmap(nn.Network.__call__, (None, 0))), network, OPTIMISER.init(network)
    losses, shares, apart, times = [], [], 0.0, []  # times of a step, ours and NumPy's
    for number in progress(range(1, steps + 1), "mnist"):
        rows = rng.choice(len(targets), BATCH)
        batch, began = (data.x_train[rows], targets[rows]), clock()
        value, gradient = step(network, *batch)
        network, state = OPTIMISER.update(gradient, state, network)
        losses.append(value)
        if number <= COMPARED:
            between = clock()
            with one_thread():
                second = clock()
                mean, gradient = by_hand.classifier(hand, *batch)
                hand, _ = OPTIMISER.update(gradient, state, hand)
                times.append((between - began, clock() - second))
            apart = max(apart, abs(value - mean))
        if number % (steps // 40) == 0:
            shares.append((number, nn.accuracy(answer(network, data.x_test), data.y_test)))
    answers = answer(network, data.x_test).argmax(axis=1)
    return {"network": network, "answers": answers, "losses": losses, "shares": shares, "apart": apart, "times": times}


def main(out: Path, seed: int = 0, *, quick: bool = False, data: Path | None = None, download: bool = False) -> Report:
    """Check the gradient, train, and compare the first steps with NumPy."""
    report, found, steps = Report(out), images(data, download=download, seed=seed), QUICK_STEPS if quick else STEPS
    report.say(found.describe())
    network, began = nn.Network.create((784, HIDDEN, 10), "relu", seed, weights=nn.normal(0.01)), perf_counter()
    step = al.jit(al.vmap(al.value_and_grad(loss), (None, 0, 0), reduce="mean"))
    three = found.x_train[:3], nn.one_hot(found.y_train[:3], 10)
    gradient = step(network, *three)[1]
    report.say(f"  {nn.count(network):,} parameters, ready in {perf_counter() - began:.1f} s")
    check_gradient(report, network, three, gradient, 100 if quick else gradient.layers[0].weight.size)
    run = train(network, step, found, steps, seed)
    report.number("mean loss of the last 100 steps", float(np.mean(run["losses"][-100:])))
    report.check("the loss fell below half", np.mean(run["losses"][-100:]) < run["losses"][0] / 2)
    for number, share in run["shares"]:
        if number in REACHED or number == steps:
            report.number(f"test accuracy at {number}", share)
    if not quick:
        close = all(share >= REACHED.get(number, 0) - SPREAD for number, share in run["shares"])
        report.check("accuracies: 0.92 at 1,000 and 3,000, 0.925 at the end, or within 3 sigma of a count", close)
    report.number("loss against NumPy, 100 steps", run["apart"], 0.0, 1e-8)  # the bar; rounding leaves 1e-13
    ours, theirs = np.median(run["times"], axis=0)
    report.say(f"  a step takes {ours * 1e3:.2f} ms, NumPy on one thread {theirs * 1e3:.2f} ms (medians of {COMPARED})")

    def paint(_: Any, curve: Any, units: Any, table: Any, wrong: Any) -> None:
        pictures.accuracy(curve, *zip(*run["shares"], strict=True), "step")
        pictures.grid(units, run["network"].layers[0].weight.reshape(-1, 28, 28), 8, both_signs=True)
        units.set_title("Weights of the 50 hidden units")
        names = [str(k) for k in range(10)]
        pictures.confusion(table, found.y_test, run["answers"], names)
        pictures.missed(wrong, found, run["answers"], names, 30)

    report.plot("mnist.png", f"{found.name}, seed {seed}, {steps:,} steps", paint, (None,) * 4, (19, 5))
    return report
