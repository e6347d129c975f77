"""Himmelblau's function: gradient descent finds the valley it starts in.

    f(x, y) = (x^2 + y - 11)^2 + (x + y^2 - 7)^2

Four minima, all with f = 0: (3, 2), (-2.805118, 3.131313), (-3.779310, -3.283186), (3.584428, -1.848127). From four
starts, 200 steps p <- p - 0.01 * df/dp each reach a different one. You will see the four paths on the surface and on
its contour lines, and the end of each beside the minimum known from solving the two equations.

The original programs work in 32-bit floats. At their steps 19 and 39 they print the point after the step beside the value
before it; this demo prints the same pairs.

Source: D. M. Himmelblau, Applied Nonlinear Programming, McGraw-Hill 1972.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import COLOURS, GREY, PAPER, Report, greys

if TYPE_CHECKING:
    from pathlib import Path

STEPS, RATE = 200, 0.01
MINIMUM_OF = {  # the minimum that each start leads to, to the six digits commonly printed
    (4.0, 0.0): (3.584428, -1.848127),
    (1.0, 0.0): (3.0, 2.0),
    (-4.0, 0.0): (-3.779310, -3.283186),
    (-2.0, 2.0): (-2.805118, 3.131313),
}
PRINTED = {19: (3.5381215, -1.3465767, 3.7151756), 39: (3.5843277, -1.8470242, 3.45e-5)}


def himmelblau(p: Any) -> Any:
    """Return f at p = (x, y)."""
    x, y = p
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def run(start: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Descend from `start`; return the points, 201 x 2, and f at each."""
    points, heights = [np.array(start)], []
    value_and_gradient = al.value_and_grad(himmelblau)
    for _ in range(STEPS):
        value, gradient = value_and_gradient(points[-1])
        heights.append(value)
        points.append(points[-1] - RATE * gradient)
    return np.array(points), np.array([*heights, himmelblau(points[-1])])


def landscape(paths: dict[tuple[float, float], tuple[np.ndarray, np.ndarray]]) -> Any:
    """Return a painter of the surface and the contour lines, both with the paths."""

    def paint(_figure: Any, surface: Any, plane: Any) -> None:
        grid = np.linspace(-5.2, 5.2, 261)
        x, y = np.meshgrid(grid, grid)
        z = himmelblau((x, y))
        # The root of f keeps the valleys visible beside walls of several hundred.
        surface.plot_surface(x, y, np.sqrt(z), cmap=greys(), vmax=40, alpha=0.6, rstride=4, cstride=4, linewidth=0)
        surface.view_init(elev=52, azim=-112)
        surface.set_box_aspect((1, 1, 0.6), zoom=1.1)
        surface.set(title="The surface", xlabel="x", ylabel="y", zlabel="√f")
        plane.contourf(x, y, np.sqrt(z), levels=24, cmap=greys(), vmax=40, alpha=0.7)
        plane.contour(x, y, z, levels=[1, 5, 20, 60, 120, 180, 300, 500], colors=GREY, linewidths=0.6)
        plane.set(title="Four starts, four minima", xlabel="x", ylabel="y", aspect="equal")
        for (start, (points, heights)), colour in zip(paths.items(), COLOURS, strict=True):
            surface.plot(*points.T, np.sqrt(heights) + 0.3, color=colour, linewidth=2.5, zorder=10)
            plane.plot(*points.T, "-", color=colour, label=f"from ({start[0]:g}, {start[1]:g})")
            plane.plot(*points[0], "o", color=colour, markeredgecolor=PAPER, markersize=8)
            plane.plot(*points[-1], "*", color=colour, markeredgecolor=PAPER, markersize=15)
        plane.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))

    return paint


def heights_over_steps(paths: dict[tuple[float, float], tuple[np.ndarray, np.ndarray]]) -> Any:
    """Return a painter of f over the steps."""

    def paint(_figure: Any, axes: Any) -> None:
        for (start, (_points, heights)), colour in zip(paths.items(), COLOURS, strict=True):
            axes.semilogy(np.maximum(heights, 1e-32), color=colour, label=f"from ({start[0]:g}, {start[1]:g})")
        axes.set(title="Down to rounding error", xlabel="step", ylabel="f", xlim=(0, STEPS))
        axes.legend(loc="upper right")

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Run the four descents; nothing in them is random or slow."""
    del seed, quick
    report = Report(out)
    paths = {start: run(start) for start in MINIMUM_OF}
    points, heights = paths[4.0, 0.0]
    report.say(f"from (4, 0), {STEPS} steps at rate {RATE}: the points that the original printed")
    for step, (x, y, f) in PRINTED.items():
        # The original rounds to 24 bits at each of up to 40 steps, where f is still steep: 5 digits agree.
        report.number(f"x after step {step}", points[step + 1, 0], x, 5e-6)
        report.number(f"y after step {step}", points[step + 1, 1], y, 5e-6)
        report.number(f"f before step {step}", heights[step], f, 1e-4 * max(f, 1e-3))
    for start, (x, y) in MINIMUM_OF.items():
        points, heights = paths[start]
        report.say(f"from ({start[0]:g}, {start[1]:g}) to the minimum at ({x:g}, {y:g})")
        report.number(f"x from {start[0]:g}, {start[1]:g}", points[-1, 0], x, 1.5e-6)
        report.number(f"y from {start[0]:g}, {start[1]:g}", points[-1, 1], y, 1.5e-6)
        report.number(f"f from {start[0]:g}, {start[1]:g}", heights[-1], 0.0, 1e-11)
    report.plot("landscape.png", "The descents, on the surface and from above", landscape(paths), ("3d", None), (12, 5))
    report.plot("heights.png", "f over the steps", heights_over_steps(paths), (None,), (7, 4.2))
    return report
