"""`odeint`: solutions and their derivatives by every argument, against closed forms and mpmath."""

import math

import numpy as np
import pytest
from executors import BACKENDS, COMPILED
from mpmath import mp
from tiers import full, mostly_full

import autograd_lite as al

TIMES = np.array([0.0, 0.3, 1.0, 2.5])
#: The error of each method for the logistic equation over these times, measured and rounded up; derivatives have a few times as much.
METHODS = {"adaptive": 1e-10, "rk4": 1e-7, "DOP853": 1e-8, "LSODA": 1e-7, "Radau": 1e-7, "RK45": 1e-7, "BDF": 1e-6}
QUICK = slice(0, 4)


def how(method):
    """The options of a method."""
    return {"method": method, "steps": 60} if method == "rk4" else {"method": method}


def growth(y, t, rate, capacity):
    """The logistic equation."""
    return rate * y * (1.0 - y / capacity)


def logistic(rate, capacity, y0, t):
    """Its solution."""
    return capacity / (1.0 + (capacity / y0 - 1.0) * al.exp(-rate * t))


POINT = (1.5, 3.0, 0.5)


@pytest.mark.parametrize("method", mostly_full(METHODS, QUICK))
def test_value_and_derivatives(method):
    """By parameters, start and times; orders 0, 1 and 2; forward, in reverse, compiled and in lanes."""

    def states(rate, capacity, y0, t):
        return al.odeint(growth, y0, t, rate, capacity, **how(method))[:, 0]

    bound = METHODS[method]
    arguments = (*POINT, TIMES)
    exact = logistic(*POINT, TIMES)
    for run in (lambda f: f, al.jit):
        assert np.asarray(run(states)(*arguments)) == pytest.approx(exact, rel=bound)
    for place in range(4):
        slopes = al.jacobian(lambda *a: al.array([logistic(*a[:3], t) for t in a[3]]), place)(*arguments)
        if place == 3:
            slopes[:, 0] -= logistic_slope() * 0.0 + start_shift(exact)
        for run in (lambda f: f, al.jit):
            assert run(al.jacobian(states, place))(*arguments) == pytest.approx(slopes, rel=20 * bound, abs=20 * bound)
    last = lambda *a: al.odeint(growth, a[2], TIMES, a[0], a[1], **how(method))[-1, 0]
    end = lambda *a: logistic(*a, TIMES[-1])
    second = al.hessian(end, (0, 1, 2))(*POINT)
    for run in (al.hessian(last, (0, 1, 2)), al.jit(al.hessian(last, (0, 1, 2)))):
        assert np.array(run(*POINT)) == pytest.approx(np.array(second), rel=100 * bound)
    assert al.jvp(last, POINT, (1.0, 0.0, 2.0))[1] == pytest.approx(al.jvp(end, POINT, (1.0, 0.0, 2.0))[1], rel=20 * bound)
    lanes = al.jit(al.vmap(al.grad(last), in_axes=(0, None, None)))(np.array([1.5, 0.2]), *POINT[1:])
    assert lanes == pytest.approx([al.grad(end)(rate, *POINT[1:]) for rate in (1.5, 0.2)], rel=20 * bound)


def logistic_slope():
    """dy/dt at the start."""
    return growth(POINT[2], 0.0, *POINT[:2])


def start_shift(exact):
    """The equation does not depend on time: a later start is an earlier end, and the state there is y0 still."""
    return np.array([growth(y, 0.0, *POINT[:2]) for y in exact])
