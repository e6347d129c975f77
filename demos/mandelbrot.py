"""The Mandelbrot set: a loop in every pixel, and how far each is from the set, by the derivative of its loop.

    z <- z^2 + c   from z = 0, while |z| < 1000, at most 300 turns

A pixel c whose loop ends lies outside of the set. Its potential is G(c) = log|z| / 2^n after n turns, and the set is at
most d = 2 sinh(G) / |dG/dc| away, and at least a quarter of d or so. G is a loop with a number of turns of its own in each
pixel; its gradient is that of the turns made. You will see the turns, and d, which shows hairs of the set that are thinner
than a pixel.

Known: dz/dc obeys w <- 2 z w + 1, so |dG/dc| = |w| / (|z| 2^n). The area of the set is 1.5066.

Source: Y. Fisher, Exploring the Mandelbrot set, in Peitgen & Saupe, The Science of Fractal Images, Springer 1988, appendix D.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import INK, PAPER, Report, greys

if TYPE_CHECKING:
    from pathlib import Path

TURNS, FAR = 300, 1000.0
LEFT, RIGHT, TOP = -2.15, 0.75, 1.25


def potential(real: Any, imaginary: Any) -> tuple[Any, Any]:
    """Return G at one point, and the turns."""

    def goes_on(carry: Any) -> Any:
        x, y, n = carry
        return (x * x + y * y < FAR * FAR) & (n < TURNS)

    def turn(carry: Any) -> Any:
        x, y, n = carry
        return x * x - y * y + real, 2.0 * x * y + imaginary, n + 1.0

    x, y, n = al.while_loop(goes_on, turn, (0.0 * real, 0.0 * imaginary, 0.0))
    return 0.5 * al.log(x * x + y * y) * al.exp2(-n), n


def grid(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of pixels, rows from below."""
    size = (RIGHT - LEFT) / width
    height = round(2 * TOP / size)
    x, y = LEFT + size * (np.arange(width) + 0.5), size * (np.arange(height) + 0.5 - height / 2)
    across, up = np.meshgrid(x, y)
    return across, up


def run(across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return G, the size of its gradient and the turns in every pixel, and how many paths served them all."""
    compiled = al.jit(al.vmap(al.value_and_grad(potential, argnums=(0, 1), has_aux=True)))
    (value, turns), slopes = compiled(across.ravel(), up.ravel())
    return value, np.hypot(*slopes), turns, len(compiled.paths())


def by_hand(c: np.ndarray) -> np.ndarray:
    """Return the size of dG/dc by the recurrence of the derivative, for complex c outside."""
    z, w, n = np.zeros_like(c), np.zeros_like(c), np.zeros(len(c))
    while (on := abs(z) < FAR).any():
        w, z = np.where(on, 2 * z * w + 1, w), np.where(on, z * z + c, z)
        n += on
    return abs(w) / (abs(z) * 2.0**n)


def picture(turns: np.ndarray, distance: np.ndarray) -> Any:
    """Return a painter of the turns and of the distances."""

    def paint(_figure: Any, left: Any, right: Any) -> None:
        extent = (LEFT, RIGHT, -TOP, TOP)
        left.imshow(np.log(turns), origin="lower", extent=extent, cmap=greys(), interpolation="none")
        left.set(title="Turns of the loop in each pixel", xlabel="Re c", ylabel="Im c")
        right.imshow(
            np.tanh(distance) ** 0.5,
            origin="lower",
            extent=extent,
            cmap=greys().reversed(),
            interpolation="none",
            vmax=0.8,
        )
        right.set(title="Distance to the set, by the derivative", xlabel="Re c")
        for axes in (left, right):
            axes.grid(visible=False)
            axes.set_facecolor(PAPER)
            axes.tick_params(colors=INK)

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Compute the set; nothing in it is random."""
    del seed
    report = Report(out)
    across, up = grid(200 if quick else 900)
    value, slope, turns, paths = run(across, up)
    outside = turns < TURNS
    report.say(f"{len(turns):,} pixels, loops of {int(turns.min())} to {int(turns.max())} turns")
    report.number("paths that serve all pixels", paths, 1, 0)
    near = (
        turns <= 20
    )  # later, the orbit multiplies the rounding of each turn: less than 4 times a turn, to 1e-4 of 1e-16
    differ = slope[near] / by_hand((across + 1j * up).ravel()[near]) - 1
    report.number("largest relative difference from the recurrence", abs(differ).max(), 0.0, 1e-8)
    distance = np.where(outside, 2 * np.sinh(value) / np.where(outside, slope, 1.0), 0.0)
    pixel = across[0, 1] - across[0, 0]
    # Pixels that would leave after more than 300 turns count: 1 % of the area.
    report.number("area of the set", np.count_nonzero(~outside) * pixel**2, 1.5066, 0.02)
    from_half = np.hypot(across.ravel() - 0.5, up.ravel())
    true = from_half[distance < pixel].min()  # to the nearest pixel that the set meets
    report.number("distance of 0.5 from the set, over its bound", true / distance[from_half.argmin()], 0.625, 0.375)
    report.plot(
        "mandelbrot.png", "Turns and distances", picture(turns.reshape(across.shape), distance.reshape(across.shape)),
        (None, None), (12, 5.6),
    )  # fmt: skip
    return report
