"""Fashion-MNIST with Adam: five layers, a quarter of a million parameters, 820,000 operations.

    784-256-128-64-32-10, ReLU, cross-entropy from logits;  Adam at 0.001, batches of 100, 30 epochs

This is the largest network of the demos, and it needs the same few calls as the smallest: a loss of one image in
scalar code, `value_and_grad`, `vmap` with a mean, `jit`. Recording, differentiating and compiling takes some twenty
seconds. After that a batch takes 1.5 to 2 times as long as in NumPy. You will see loss and accuracy, a table of confused
garments, and images with wrong answers.

Fashion-MNIST has to be fetched: --data DIR with its four files, or --download. Without these options the demo trains this
network on the 5,000-image subset of MNIST, and says so. With --quick it has 32 and 16 hidden units and three epochs.

Source: Xiao, Rasul & Vollgraf, "Fashion-MNIST", arXiv:1708.07747, 2017; Kingma & Ba, "Adam", ICLR 2015.
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

SIZES, QUICK_SIZES, BATCH = (784, 256, 128, 64, 32, 10), (784, 32, 16, 10), 100
EPOCHS, QUICK_EPOCHS = 30, 3
GARMENTS = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


def loss(network: nn.Network, image: Any, target: Any) -> Any:
    """Cross-entropy of one image."""
    return nn.cross_entropy(network(image), target)


def train(network: nn.Network, step: Any, data: Any, epochs: int, seed: int) -> dict[str, Any]:
    """Descend through all images in a new order each epoch; return the network, losses and accuracies by epoch."""
    targets, rng, optimiser = nn.one_hot(data.y_train, 10), np.random.default_rng(seed), optim.Adam(1e-3)
    state, answer = optimiser.init(network), al.jit(al.vmap(nn.Network.__call__, (None, 0)))
    losses, shares = [], []
    for _ in progress(range(epochs), "fashion"):
        order = rng.permutation(len(targets))
        for first in range(0, len(order), BATCH):
            rows = order[first : first + BATCH]
            value, gradient = step(network, data.x_train[rows], targets[rows])
            network, state = optimiser.update(gradient, state, network)
            losses.append(value)
        shares.append(nn.accuracy(answer(network, data.x_test), data.y_test))
    return {"answers": answer(network, data.x_test).argmax(axis=1), "losses": losses, "shares": shares}


def timed(report: Report, step: Any, network: nn.Network, batch: Any) -> None:
    """Compare one batch with NumPy: loss, gradient and time."""
    times: list[list[float]] = [[], []]
    for _ in range(9):
        for clock, run in zip(times, (step, by_hand.classifier), strict=True):
            with one_thread():
                began = perf_counter()
                run(network, *batch)
                clock.append(perf_counter() - began)
    (value, gradient), (mean, slopes) = step(network, *batch), by_hand.classifier(network, *batch)
    worst = max(abs(value - mean), by_hand.difference(gradient, slopes))
    # Sums of 784 products below 1 in each of five layers, in another order: 5 * 784 * 2**-53 = 4e-13.
    report.number("a batch against NumPy", worst, 0.0, 4.4e-13)
    ours, theirs = (float(np.median(clock)) for clock in times)
    report.say(f"  a batch of {BATCH} takes {ours * 1e3:.1f} ms, NumPy on one thread {theirs * 1e3:.1f} ms")


def main(out: Path, seed: int = 0, *, quick: bool = False, data: Path | None = None, download: bool = False) -> Report:
    """Compile, compare a batch with NumPy, train."""
    report, asked = Report(out), data is not None or download
    found = images(data, download=download, fashion=asked, seed=seed)
    report.say(found.describe())
    if not asked:
        report.say("  (Fashion-MNIST is not at hand: --data DIR or --download; the same network on these images)")
    network = nn.Network.create(QUICK_SIZES if quick else SIZES, "relu", seed)
    step = al.jit(al.vmap(al.value_and_grad(loss), (None, 0, 0), reduce="mean"))
    batch, began = (found.x_train[:BATCH], nn.one_hot(found.y_train[:BATCH], 10)), perf_counter()
    step(network, *batch)
    report.say(f"  {nn.count(network):,} parameters, ready in {perf_counter() - began:.1f} s")
    timed(report, step, network, batch)
    epochs = QUICK_EPOCHS if quick else EPOCHS
    run = train(network, step, found, epochs, seed)
    report.number("mean loss of the last 40 batches", float(np.mean(run["losses"][-40:])))
    report.number("test accuracy", run["shares"][-1])
    report.check(f"test accuracy at least {0.8 if quick else 0.93}", run["shares"][-1] >= (0.8 if quick else 0.93))
    names = GARMENTS if found.name == "Fashion-MNIST" else [str(k) for k in range(10)]

    def paint(_: Any, curve: Any, share: Any, table: Any, wrong: Any) -> None:
        pictures.losses(curve, run["losses"])
        pictures.accuracy(share, range(1, epochs + 1), run["shares"], "epoch")
        pictures.confusion(table, found.y_test, run["answers"], names)
        pictures.missed(wrong, found, run["answers"], names, 20)

    report.plot("fashion.png", f"{found.name}, seed {seed}, {epochs} epochs", paint, (None,) * 4, (19, 5))
    return report
