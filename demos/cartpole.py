"""Cart and pole: the cheapest push that swings a pole up, an optimum under many sparse constraints.

    x'' = (l m sin(q) q'^2 + u + m g cos(q) sin(q)) / (M + m (1 - cos(q)^2))
    q'' = -(l m cos(q) sin(q) q'^2 + u cos(q) + (M + m) g sin(q)) / (l M + l m (1 - cos(q)^2))

A cart of mass M at x is pushed by a force u; a pole of length l with mass m at its end hangs from it (angle q = 0). In two
seconds the cart is to be at x = 1, and the pole upright (q = pi) and at rest, with the least integral of u^2. Collocation:
the states and forces at n times are the unknowns, and each two neighbours obey the trapezoidal rule

    s_(k+1) - s_k = h/2 (f_(k+1) + f_k)          minimise  sum h/2 (u_(k+1)^2 + u_k^2)

These are 5 n unknowns and 4 (n - 1) equations, and each knows two times only: the Jacobian and the Hessian of the Lagrange
function are narrow bands. `autograd_lite.scipy` finds and fills them. You will see the pole first swing back, and the force.

Known: an optimum obeys Pontryagin's principle, 2 u = -p . df/du, where p are the multipliers of the equations. Solved as a
boundary value problem for s and p to 1e-9, the principle gives the least effort 58.807667. The rule's error is some 900/n^2.

Source: M. Kelly, An introduction to trajectory optimization, SIAM Review 59, 2017, section 6 and appendix E.
"""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, GREY, INK, MUTED, ORANGE, Report

if TYPE_CHECKING:
    from pathlib import Path

CART, POLE, LENGTH, GRAVITY = 1.0, 0.3, 0.5, 9.81
SECONDS, AWAY, STRONGEST, TRACK = 2.0, 1.0, 20.0, 2.0


def slope(state: Any, force: Any) -> list[Any]:
    """Return the derivative by time of (x, q, x', q')."""
    _, q, dx, dq = state
    c, s = al.cos(q), al.sin(q)
    heavy = CART + POLE * (1.0 - c * c)
    ddx = (LENGTH * POLE * s * dq * dq + force + POLE * GRAVITY * c * s) / heavy
    ddq = -(LENGTH * POLE * c * s * dq * dq + force * c + (CART + POLE) * GRAVITY * s) / (LENGTH * heavy)
    return [dx, dq, ddx, ddq]


def effort(v: Any) -> Any:
    """Return the integral of the squared force; v has (x, q, x', q', u) of each time in turn."""
    n = len(v) // 5
    h, forces = SECONDS / (n - 1), [v[5 * k + 4] for k in range(n)]
    return sum(0.5 * h * (a * a + b * b) for a, b in pairwise(forces))


def defects(v: Any) -> list[Any]:
    """Return what is missing for the trapezoidal rule between neighbours."""
    times = [(v[k : k + 4], slope(v[k : k + 4], v[k + 4])) for k in range(0, len(v), 5)]
    half = 0.5 * SECONDS / (len(times) - 1)
    return [
        later[i] - state[i] - half * (end[i] + begin[i])
        for (state, begin), (later, end) in pairwise(times)
        for i in range(4)
    ]


def solved(n: int) -> Any:
    """Return SciPy's result for n times, from a straight line to the end."""
    from autograd_lite.scipy import Bounds, NonlinearConstraint, minimize  # noqa: PLC0415 - an extra

    low = np.tile([-TRACK, -np.inf, -np.inf, -np.inf, -STRONGEST], (n, 1))
    high = -low
    low[0, :4] = high[0, :4] = 0.0
    low[-1, :4] = high[-1, :4] = AWAY, np.pi, 0.0, 0.0
    start = np.zeros((n, 5))
    start[:, 0], start[:, 1] = np.linspace(0.0, AWAY, n), np.linspace(0.0, np.pi, n)
    method, options = "trust-constr", {"maxiter": 1000, "gtol": 1e-7, "xtol": 1e-12}
    if find_spec("cyipopt"):
        method, options = "ipopt", {"print_level": 0, "tol": 1e-8}
    rules, box = NonlinearConstraint(defects, 0.0, 0.0), Bounds(low.ravel(), high.ravel())
    return minimize(effort, start.ravel(), method=method, bounds=box, constraints=rules, options=options)


def replayed(times: Any, forces: Any) -> Any:
    """Return where the cart and the pole get under the force found, by small steps in time."""

    def pushed(state: Any, now: Any, forces: Any) -> Any:
        return slope(state, np.interp(now, times, forces))

    return al.odeint(pushed, np.zeros(4), times, forces, method="rk4", steps=5)


def draw(times: Any, v: Any) -> Any:
    """Return a painter of the swing, cart and pole at equal times, and of the force."""

    def paint(_: Any, swing: Any, force: Any) -> None:
        at = np.linspace(0.0, SECONDS, 25)
        x, q = (np.interp(at, times, column) for column in v.T[:2])
        for k, (a, b) in enumerate(zip(x, q, strict=True)):
            colour = INK if k in (0, len(at) - 1) else GREY
            swing.plot([a, a + LENGTH * np.sin(b)], [0.0, -LENGTH * np.cos(b)], color=colour)
        swing.plot(v[:, 0] + LENGTH * np.sin(v[:, 1]), -LENGTH * np.cos(v[:, 1]), color=BLUE)
        swing.plot(x, 0.0 * x, "s", color=MUTED, markersize=5, zorder=3)
        swing.set(title="25 equal times; blue: the end of the pole", aspect="equal", ylim=(-0.65, 0.65))
        swing.set(xlabel="x, m", ylabel="height, m")
        force.plot(times, v[:, 4], color=ORANGE)
        force.axhline(0.0, color=GREY, linewidth=0.8)
        force.set(title="The cheapest force", xlabel="time, s", ylabel="force u, N")

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Solve for 40 or 160 times; nothing in it is random."""
    del seed
    report, n = Report(out), 40 if quick else 160
    result, times = solved(n), np.linspace(0.0, SECONDS, n)
    v = result.x.reshape(n, 5)
    report.say(f"{5 * n} unknowns, {4 * (n - 1)} equations, {result.nit} steps. What the solver was given:")
    report.say("\n".join(f"  {name}: {use.form}" for name, use in result.derivatives.uses.items()))
    report.number("effort", result.fun, 58.807667, 1000.0 / (n - 1) ** 2)
    report.number("largest defect", np.abs(defects(v.ravel())).max(), 0.0, 1e-5)
    report.number("strongest force", np.abs(v[:, 4]).max(), 13.983908, 1000.0 / (n - 1) ** 2)
    end = replayed(times, v[:, 4])[-1]
    # the pole is unstable, so the replay has a larger error than the states
    report.number("replayed: angle at the end", end[1], np.pi, 1000.0 / (n - 1) ** 2)
    report.number("replayed: place at the end", end[0], AWAY, 1000.0 / (n - 1) ** 2)
    report.plot("cartpole.png", "The swing, and the force that makes it", draw(times, v), (None, None), (12, 4.6))
    return report
