"""Shared panels of the demos of networks: a confusion matrix, images in a grid, curves, a border between classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .common import BLUE, CLASSES, INK, MUTED, ORANGE, PAPER, blend, greys, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def confusion(axes: Any, labels: Any, answers: Any, classes: Sequence[str]) -> None:
    """Paint how often each class was answered for each class; right answers, on the diagonal, are grey."""
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (labels, answers), 1)
    wrong = counts - np.diag(np.diag(counts))
    axes.imshow(wrong, greys(), vmin=0, vmax=max(1, 1.4 * wrong.max()))
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            ink = MUTED if row == column else INK
            axes.text(column, row, counts[row, column], ha="center", va="center", fontsize=8, color=ink)
    axes.set(xticks=range(len(classes)), yticks=range(len(classes)), xlabel="answered", ylabel="true class")
    axes.set_xticklabels(classes, rotation=0 if max(map(len, classes)) < 3 else 60, fontsize=8)
    axes.set_yticklabels(classes, fontsize=8)
    axes.grid(visible=False)
    axes.set_title(f"{wrong.sum()} of {counts.sum()} test images wrong")


def grid(axes: Any, images: Any, columns: int, *, both_signs: bool = False, captions: Sequence[str] = ()) -> None:
    """Paint images in rows of `columns`: dark on white, or blue for positive and orange for negative numbers."""
    rows, (height, width) = -(-len(images) // columns), images.shape[1:]
    gap, caption = 2, 7 if captions else 0
    sheet = np.full((rows * (height + gap + caption), columns * (width + gap)), np.nan)
    for k, image in enumerate(images):
        top, left = k // columns * (height + gap + caption) + caption, k % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
        if captions:
            axes.text(left + width / 2, top - 1, captions[k], ha="center", va="bottom", fontsize=8)
    most = float(np.nanmax(np.abs(sheet))) if both_signs else 1.0
    colours = blend(ORANGE, PAPER, BLUE) if both_signs else blend(PAPER, INK)
    axes.imshow(sheet, colours, vmin=-most if both_signs else 0.0, vmax=most)
    axes.set_axis_off()


def missed(axes: Any, data: Any, answers: Any, classes: Sequence[str], most: int) -> None:
    """Paint test images with wrong answers, each with its class and the answer."""
    wrong = np.flatnonzero(answers != data.y_test)[:most]
    captions = [f"{classes[data.y_test[k]]} as {classes[answers[k]]}" for k in wrong]
    grid(axes, data.x_test[wrong].reshape(-1, 28, 28), -(-most // 5), captions=captions)
    axes.set_title("Some that it got wrong")


def losses(axes: Any, values: Sequence[float]) -> None:
    """Paint the loss of each batch, and the running mean."""
    width = max(1, len(values) // 40)
    smooth = np.convolve(values, np.ones(width) / width, "valid")
    axes.semilogy(values, color=BLUE, alpha=0.3, linewidth=0.8)
    axes.semilogy(np.arange(len(smooth)) + width / 2, smooth, color=BLUE)
    axes.set(title="Loss, batch by batch", xlabel="step", ylabel="cross-entropy")


def accuracy(axes: Any, places: Sequence[float], shares: Sequence[float], unit: str) -> None:
    """Paint the share of right answers on the test images, over steps or epochs."""
    axes.plot(places, shares, "o-", color=ORANGE, markersize=4)
    axes.set(title=f"Test accuracy {shares[-1]:.3f}", xlabel=unit, ylabel="accuracy")


def border(axes: Any, score: Callable[[Any], Any], data: Any) -> None:
    """Paint the sign of a score over the plane, and the test points; the score should be positive for class 1."""
    low, high = data.x_test.min(axis=0) - 0.3, data.x_test.max(axis=0) + 0.3
    u, v = np.meshgrid(*(np.linspace(*ends, 161) for ends in zip(low, high, strict=True)))
    scores = np.reshape(score(np.column_stack([u.ravel(), v.ravel()])), u.shape)
    most = float(np.abs(scores).max())
    axes.contourf(u, v, scores, levels=np.linspace(-1.1 * most, 1.1 * most, 25), cmap=signed(), alpha=0.6)
    axes.contour(u, v, scores, levels=[0.0], colors=INK, linewidths=1.5)
    found = (np.ravel(score(data.x_test)) > 0) == data.y_test
    for label, colour in enumerate(CLASSES):
        axes.plot(*data.x_test[(data.y_test == label) & found].T, ".", color=colour, markersize=4)
    axes.plot(*data.x_test[~found].T, "x", color=INK, markersize=7, markeredgewidth=2, label="wrong")
    axes.set(title=f"{(~found).sum()} of {len(found)} test samples wrong", xlabel="x1", ylabel="x2")
    axes.grid(visible=False)
    axes.legend(loc="lower left")
