"""The double pendulum: equations of motion from the energy, and how fast a small error grows.

    H(a, b, p, q) = (p^2 + 2 q^2 - 2 p q cos(a - b)) / (2 + 2 sin(a - b)^2) - g (2 cos a + cos b)

    a' = dH/dp,   b' = dH/dq,   p' = -dH/da,   q' = -dH/db          M(t) = d state(t) / d state(0)

Two rods of length 1 with masses of 1 at their ends: a and b are the angles from below, p and q their momenta. Hamilton's
equations are the gradient of the energy, so `al.grad` writes them, and `al.odeint` solves them. Its derivative by the
start, through gradient and steps, is M: the error at the time t of an error at the start. From a calm start M grows slowly;
from a wild one as e^(L t), which is chaos: after ten seconds of it nothing can be said about the pendulum.

Known: H is constant; M keeps areas, M' W M = W with W = (0 1; -1 0) (Liouville); near rest the frequencies are
sqrt(g (2 - sqrt 2)) and sqrt(g (2 + sqrt 2)).

Source: Landau & Lifshitz, Mechanics, 3rd ed., Pergamon 1976, sections 5, 40 and 46.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, GREY, MUTED, ORANGE, Report

if TYPE_CHECKING:
    from pathlib import Path

GRAVITY, APART = 9.81, 1e-6
STARTS = {"calm": np.array([0.3, 0.4, 0.0, 0.0]), "wild": np.array([2.0, 2.5, 0.0, 0.0])}
AREA = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])


def energy(state: Any) -> Any:
    """Return H."""
    a, b, p, q = state
    moving = p * p + 2.0 * q * q - 2.0 * p * q * al.cos(a - b)
    return moving / (2.0 + 2.0 * al.sin(a - b) ** 2) - GRAVITY * (2.0 * al.cos(a) + al.cos(b))


def slope(state: Any, _now: Any) -> Any:
    """Return the derivative by time, from the gradient of H."""
    by_a, by_b, by_p, by_q = al.grad(energy)(state)
    return [by_p, by_q, -by_a, -by_b]


def motion(start: Any, times: Any) -> Any:
    """Return the state at each time."""
    return al.odeint(slope, start, times, rtol=1e-12, atol=1e-12)


def draw(times: Any, pair: Any, growth: dict[str, Any], measured: Any) -> Any:
    """Return a painter of two paths of the lower mass, and of the growth of an error of the first angle."""

    def paint(_: Any, plane: Any, right: Any) -> None:
        for states, colour, label in zip(pair, (BLUE, ORANGE), ("from a = 2", "from a = 2.000001"), strict=True):
            a, b = states.T[:2]
            x, y = np.sin(a) + np.sin(b), -np.cos(a) - np.cos(b)
            plane.plot(x, y, color=colour, linewidth=1.1, label=label)
            plane.plot(x[-1], y[-1], "o", color=colour)
        plane.plot(0.0, 0.0, "s", color=MUTED)
        plane.set(title="The lower mass", aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.6))
        plane.legend(loc="upper left")
        for (name, norms), colour in zip(growth.items(), (MUTED, ORANGE), strict=True):
            right.semilogy(times, norms, color=colour, label=f"{name} start")
        some = slice(10, None, len(times) // 25)
        right.semilogy(times[some], measured[some], ".", color=BLUE, label="measured: the two paths")
        right.axhline(1.0 / APART, color=GREY, linewidth=0.8, label="the two paths are 1 apart")
        right.set(
            title="An error of the first angle grows",
            xlabel="seconds",
            ylabel="|derivative of the state by a(0)|",
            ylim=(0.3, 3e9),
        )
        right.legend(loc="upper left")

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Follow both starts for 4 or 10 seconds; nothing in it is random."""
    del seed
    report, seconds = Report(out), 4.0 if quick else 10.0
    times = np.linspace(0.0, seconds, round(40 * seconds) + 1)
    solve, sensitivity = al.jit(motion), al.jit(al.jacobian(motion))
    growth = {}
    for name, start in STARTS.items():
        states, m = solve(start, times), np.asarray(sensitivity(start, times))
        size = np.linalg.norm(m[-1])
        growth[name] = np.linalg.norm(m[:, :, 0], axis=1)
        heights = np.array([energy(state) for state in states])
        report.say(f"{name} start: after {seconds:g} s an error has grown by up to {size:.3g}")
        # each of some 200 steps may be wrong by 1e-12 of numbers of up to 30
        report.number(f"{name}: change of H", np.ptp(heights), 0.0, 1e-8)
        report.number(f"{name}: M'WM - W over |M|^2", np.abs(m[-1].T @ AREA @ m[-1] - AREA).max() / size**2, 0.0, 1e-11)
    curvature = al.hessian(energy)(np.zeros(4))
    frequencies = np.sort(np.linalg.eigvals(AREA @ curvature).imag)[2:]
    for found, sign in zip(frequencies, (-1.0, 1.0), strict=True):
        report.number(f"frequency near rest, {sign:+.0f}", found, (GRAVITY * (2.0 + sign * 2.0**0.5)) ** 0.5, 1e-12)
    pair = [solve(STARTS["wild"] + np.array([apart, 0.0, 0.0, 0.0]), times) for apart in (0.0, APART)]
    measured = np.linalg.norm(pair[1] - pair[0], axis=1) / APART
    early = (times > 0.0) & (growth["wild"] < 1e-3 / APART)  # later, the two are no longer near
    differ = np.abs(measured[early] / growth["wild"][early] - 1.0)
    report.number("growth against two paths", differ.max(), 0.0, 0.02)
    report.check("the wild start is chaos: it grows 100 times as much", growth["wild"][-1] > 100.0 * growth["calm"][-1])
    report.plot(
        "double_pendulum.png", "Two paths, and errors", draw(times, pair, growth, measured), (None, None), (12, 5)
    )
    return report
