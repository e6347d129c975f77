"""Inverse kinematics: an arm of seven links writes a figure, and moves its joints as little as it can.

    hand(q) = sum over i of l_i (cos(q_1 + ... + q_i), sin(q_1 + ... + q_i))

    q(goal) = the minimum over q of  |q - q_before|^2 / 2  under  hand(q) = goal

Seven angles for two numbers: many postures reach a goal, and the nearest to the last posture is wanted. The minimum is a
root of Lagrange's nine equations, which a gradient writes: q - q_before + grad(m . hand)(q) = 0 and hand(q) = goal. `al.root`
solves them along a figure, and differentiates the solution: dq/dgoal is how each joint turns when the hand is to move. You
will see the postures. After a round the hand is back at its place, and the joints are not quite.

Known: for q near q_before, dq/dgoal is the pseudoinverse J'(JJ')^-1 of J = d hand/dq, and J dq/dgoal = 1 always.

Source: Siciliano et al., Robotics: Modelling, Planning and Control, Springer 2009, section 3.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import COLOURS, GREY, INK, MUTED, ORANGE, Report

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = np.array([0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2])
FIRST = np.array([1.2, -0.4, -0.5, -0.3, -0.3, -0.2, -0.2])


def joints(q: Any) -> tuple[Any, Any]:
    """Return the places of the ends of the links."""
    directions = np.cumsum(q)
    return np.cumsum(LENGTHS * np.cos(directions)), np.cumsum(LENGTHS * np.sin(directions))


def hand(q: Any) -> Any:
    """Return the place of the hand."""
    x, y = joints(q)
    return np.array([x[-1], y[-1]])


def posture(goal: Any, before: Any) -> Any:
    """Return the angles that reach the goal, nearest to those before."""

    def lagrange(unknown: Any, goal: Any) -> Any:
        q, m = unknown
        pulled = al.grad(lambda q: al.sum(hand(q) * m))(q)
        return [q - before + pulled, hand(q) - goal]

    return al.root(lagrange, [before, np.zeros(2)], goal)[0]


def figure(count: int) -> Any:
    """Return points of a lying eight."""
    t = np.linspace(0.0, 2.0 * np.pi, count)
    return np.column_stack([1.5 + 0.45 * np.sin(t), 0.35 + 0.35 * np.sin(2.0 * t)])


def draw(goals: Any, angles: Any) -> Any:
    """Return a painter of the arm on its way, and of the joints."""

    def paint(_: Any, arm: Any, right: Any) -> None:
        for k in range(0, len(angles), max(1, len(angles) // 12)):
            x, y = joints(angles[k])
            colour, width = (INK, 2.2) if k == 0 else (GREY, 1.0)
            arm.plot(
                [0.0, *x],
                [0.0, *y],
                "o-",
                color=colour,
                linewidth=width,
                markersize=3,
                zorder=3 if k == 0 else 2,
                label="at the start" * (k == 0),
            )
        arm.plot(*goals.T, color=ORANGE, zorder=4, label="what the hand writes")
        arm.plot(0.0, 0.0, "s", color=MUTED, markersize=9)
        arm.set(title="Seven links", xlabel="x", ylabel="y", aspect="equal", ylim=(-0.35, 1.35))
        arm.legend(loc="upper right")
        rounds = np.linspace(0.0, 1.0, len(angles))
        for k, column in enumerate(angles.T):
            right.plot(
                rounds, column - column[0], color=COLOURS[k % 4], linestyle="-" if k < 4 else "--", label=f"{k + 1}"
            )
        right.set(title="Turn of each joint", xlabel="rounds", ylabel="radians")
        right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), title="joint")

    return paint


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Write the figure once; nothing in it is random."""
    del seed
    report, goals = Report(out), figure(61 if quick else 601)
    solve, slope = al.jit(posture), al.jit(al.jacobian(hand))
    q = solve(goals[0], FIRST)
    angles = []
    for goal in goals:
        q = solve(goal, q)
        angles.append(q)
    path = np.array(angles)
    misses = np.array([hand(q) - goal for q, goal in zip(path, goals, strict=True)])
    report.number("largest miss of the hand", np.abs(misses).max(), 0.0, 1e-12)
    turns = np.asarray(al.jit(al.jacobian(posture))(goals[-1], q))
    report.number("J dq/dgoal - 1", np.abs(slope(q) @ turns - np.eye(2)).max(), 0.0, 1e-13)
    report.number("dq/dgoal - pseudoinverse", np.abs(turns - np.linalg.pinv(slope(q))).max(), 0.0, 1e-12)
    report.number("length of the way of the joints", np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    report.number("posture after a round, off by", np.linalg.norm(path[-1] - path[0]))
    report.plot("inverse_kinematics.png", "The arm and its joints", draw(goals, path), (None, None), (12.5, 4.8))
    return report
