"""`root`, `fixed_point`, `argmin`: the derivatives of solutions, of every order, in every executor, against mpmath."""

import math
import pickle

import numpy as np
import pytest
from executors import BACKENDS, COMPILED
from garbage import alive, collector_off
from mpmath import mp
from tiers import full

import autograd_lite as al

#: What a derivative of order 3 of a program of some twenty operations may lose: 8·n·eps·A, with A/|result| up to 30 here.
BOUND = 1e-13


def kepler(x, m, e):
    """E - e·sin E - M."""
    return x - e * al.sin(x) - m


def anomaly(m, e):
    """The root of Kepler's equation."""
    return al.root(kepler, m, m, e)


def balance(x, a):
    """Two equations."""
    return [x[0] ** 2 + x[1] ** 2 - a[0], x[0] - a[1] * al.exp(x[1])]


def balanced(a0, a1):
    """The second unknown of these."""
    return al.root(balance, [1.0, 0.2], [a0, a1])[1]


def cosine(a, b):
    """The fixed point of b·cos(a·x)."""
    return al.fixed_point(lambda x: b * al.cos(a * x), 0.5)


def valley(a, b):
    """The second number of a minimum in two dimensions."""
    return al.argmin(lambda x: (x[0] - a) ** 2 + al.exp(b * x[1]) - x[1] * x[0] + x[1] ** 2, np.array([0.5, 0.5]))[1]


def exactly(name, a, b):
    """The same in mpmath."""
    if name == "anomaly":
        return mp.findroot(lambda x: x - b * mp.sin(x) - a, 1.8)
    if name == "balanced":
        return mp.findroot(lambda x, y: [x**2 + y**2 - a, x - b * mp.exp(y)], (1.0, 0.2))[1]
    if name == "cosine":
        return mp.findroot(lambda x: b * mp.cos(a * x) - x, 0.5)
    return mp.findroot(lambda x, y: [2 * (x - a) - y, b * mp.exp(b * y) - x + 2 * y], (0.5, 0.0))[1]


CASES = {
    "anomaly": (anomaly, 1.3, 0.6),
    "balanced": (balanced, 2.0, 0.7),
    "cosine": (cosine, 0.8, 0.9),
    "valley": (valley, 0.9, 0.4),
}
ORDERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (1, 2), (3, 0), (0, 3))


def differentiated(f, orders):
    """The derivative of these orders by both arguments."""
    for place, times in enumerate(orders):
        for _ in range(times):
            f = al.grad(f, place)
    return f


def answer(name, orders):
    """The derivative in 60 digits."""
    _, a, b = CASES[name]
    with mp.workdps(60):
        if orders == (0, 0):
            return float(exactly(name, mp.mpf(a), mp.mpf(b)))
        return float(mp.diff(lambda a, b: exactly(name, a, b), (mp.mpf(a), mp.mpf(b)), orders))


def rows(f):
    """A function of numbers by way of lanes."""
    return lambda a, b: al.vmap(f)(np.array([a, a + 0.1]), np.array([b, b - 0.1]))[0]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "orders", [o if o in {(0, 0), (0, 1), (1, 1), (1, 2)} else pytest.param(o, marks=full) for o in ORDERS]
)
def test_every_order_against_mpmath(name, orders):
    """Value and derivatives to order 3, eagerly, compiled and in lanes."""
    f, a, b = CASES[name]
    f, expected = differentiated(f, orders), answer(name, orders)
    for executor in (lambda f: f, al.jit, rows):
        assert executor(f)(a, b) == pytest.approx(expected, rel=BOUND)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_is_eager(backend):
    """To the bit for one lane, by every backend."""
    f = al.value_and_grad(anomaly, (0, 1))
    compiled = COMPILED[backend](f)
    for m, e in ((1.3, 0.6), (0.1, 0.9), (5.0, 0.0), (-2.0, 0.3)):
        assert compiled(m, e) == f(m, e)
    assert len(compiled.paths()) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_lanes(backend):
    """Each row has its own number of turns, and the root that it has alone, to the error of vector functions."""
    m, e = np.linspace(0.0, 6.0, 50), np.linspace(0.0, 0.95, 50)
    f = al.value_and_grad(anomaly, (0, 1))
    values, slopes = COMPILED[backend](al.vmap(f))(m, e)
    single = [f(*pair) for pair in zip(m.tolist(), e.tolist(), strict=True)]
    assert values == pytest.approx([value for value, _ in single], rel=1e-14)
    assert np.array(slopes).T == pytest.approx(np.array([slope for _, slope in single]), rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_transforms_agree(name):
    """Reverse and forward sweeps, Hessians, products, eager and compiled: one number."""
    f, a, b = CASES[name]
    (faa, fab), (_, fbb) = al.hessian(f, (0, 1))(a, b)
    slope = al.grad(f, (0, 1))(a, b)
    for run in (lambda f: f, al.jit):
        assert run(al.hessian(f, (0, 1)))(a, b)[0][1] == pytest.approx(fab, rel=1e-12)
        assert run(lambda a, b: al.jvp(f, (a, b), (1.0, 2.0))[1])(a, b) == pytest.approx(
            slope[0] + 2 * slope[1], rel=1e-12
        )
        along = run(lambda a, b: al.hvp(f, (a, b), (1.0, 2.0)))(a, b)
        assert along == pytest.approx((faa + 2 * fab, fab + 2 * fbb), rel=1e-12)
        rows = run(al.jacobian(lambda v: [f(v[0], v[1]), v[0]]))(np.array([a, b]))
        assert rows[0] == pytest.approx(slope, rel=1e-12)
    value, pull = al.vjp(f, a, b)
    assert (value, pull(3.0)) == (f(a, b), pytest.approx((3 * slope[0], 3 * slope[1])))


def test_captured_variables():
    """What the equations take from outside has derivatives as the parameters have, also where one is made from another."""
    c = al.Variable(0.6)
    d = c * 2.0
    x = al.root(lambda x: x - (d - c) * al.sin(x) - 1.3, 1.0)
    x.backward()
    assert c.grad == pytest.approx(al.grad(anomaly, 1)(1.3, 0.6), rel=1e-14)
    second = al.gradients(al.gradients(x, c, create_graph=True), c)
    assert second == pytest.approx(al.grad(al.grad(anomaly, 1), 1)(1.3, 0.6), rel=1e-13)
    compiled = al.jit(lambda m: al.root(lambda x: x - c * al.sin(x) - m, m))
    assert al.gradients(compiled(1.3), c) == pytest.approx(c.grad, rel=1e-14)
    c.value = 0.3
    assert compiled(1.0).value == anomaly(1.0, 0.3)
    assert al.grad(lambda m: al.grad(lambda e: al.root(lambda x: kepler(x, m, e), m))(0.6))(1.3) == pytest.approx(
        al.grad(al.grad(anomaly, 1))(1.3, 0.6), rel=1e-14
    )


def test_the_start_has_no_derivative():
    """A Variable as x0 is a number."""
    x0 = al.Variable(1.0)
    x = al.root(lambda x: x * x - 2.0, x0)
    assert x == pytest.approx(math.sqrt(2.0), rel=1e-15)
    assert type(x) is float
    assert al.grad(lambda x0: al.root(lambda x: x * x - 2.0, x0) * x0)(1.0) == x


@pytest.mark.parametrize("scale", [1e-200, 1e-100, 1.0, 1e100, 1e200])
def test_scale(scale):
    """Roots, and what is left of the equations, may be of any size."""
    f = lambda a: al.root(lambda x: scale * ((x / a) ** 3 - 2.0), a)
    assert f(scale) == pytest.approx(scale * 2 ** (1 / 3), rel=1e-15)
    assert al.grad(f)(scale) == pytest.approx(2 ** (1 / 3), rel=1e-14)


@pytest.mark.parametrize(
    ("f", "x0", "x"),
    [
        (lambda x: al.sin(x), 0.5, 0.0),
        (lambda x: al.atan(x), 10.0, 0.0),  # full steps diverge
        (lambda x: x**10 - 1.0, 10.0, 1.0),
        (lambda x: al.exp(x) - 1e10, 0.0, math.log(1e10)),
        (lambda x: al.log(x) - 1.0, 0.1, math.e),
        (lambda x: (1e3 + x) ** 2 - 1e6, 0.5, 0.0),  # the residual has the rounding of 1e6
        (lambda x: 3.0 * x - 6.0, 2.0, 2.0),
    ],
)
def test_roots(f, x0, x):
    """From starts that are far away, or there."""
    assert al.root(f, x0) == pytest.approx(x, rel=1e-15, abs=1e-12)


def test_nests():
    """Unknowns and parameters in any structure."""

    def residual(x, p):
        return {"a": x["a"] ** 2 - p[0], "b": x["b"] * x["a"] - p[1]}

    f = lambda k: al.root(residual, {"a": 1.0, "b": np.ones(2)}, [k, np.array([1.0, 2.0])])
    assert f(4.0)["b"] == pytest.approx([0.5, 1.0])
    for g in (al.jacobian(f), al.jit(al.jacobian(f))):
        assert g(4.0)["a"] == pytest.approx(0.25)
        assert g(4.0)["b"] == pytest.approx([-0.0625, -0.125])
    assert al.root(lambda x, a: np.sin(x) - a, np.array([[0.1, 0.2]]), 0.5) == pytest.approx(
        np.full((1, 2), math.asin(0.5))
    )


def test_inside_one_another():
    """A root inside a scan, inside a minimum, and with a scan and a gradient inside."""

    def repeated(m, e):
        return al.scan(lambda x, _: (al.root(kepler, x, m * x, e), None), 1.0, length=4)[0]

    def placed(a):
        return al.argmin(lambda x: (al.root(lambda y: y**3 + y - x * a, 0.5) - 1.0) ** 2 + 0.1 * x * x, 0.5)

    def stepped(a):
        return al.root(lambda x: al.scan(lambda c, _: (c * a + 0.1 * x, None), x, length=40)[0] - 1.0, 0.5)

    def sloped(a):
        return al.root(lambda x: al.grad(lambda z: z**4 / 4 - a * z)(x), 1.0)

    assert al.grad(al.grad(sloped))(2.0) == pytest.approx(-2 / 9 * 2 ** (-5 / 3), rel=1e-13)
    assert al.grad(stepped)(0.9) == pytest.approx((stepped(0.9 + 1e-6) - stepped(0.9 - 1e-6)) / 2e-6, rel=1e-7)
    for f, x in ((lambda e: repeated(1.3, e), 0.6), (placed, 2.0), (stepped, 0.9), (sloped, 2.0)):
        assert al.jit(al.grad(f))(x) == pytest.approx(al.grad(f)(x), rel=1e-12)
        assert al.vmap(al.grad(f))(np.array([x, x]))[1] == pytest.approx(al.grad(f)(x), rel=1e-12)
    assert al.jit(al.grad(al.grad(stepped)))(0.9) == pytest.approx(al.grad(al.grad(stepped))(0.9), rel=1e-11)


def test_equations_that_branch():
    """The branch at the solution has the derivative; lanes take their own."""

    def f(a):
        return al.root(lambda x: x**3 - a if x > 1 else x - a, 1.5)

    points = [0.5, 3.0, 0.4, 2.9]
    expected = [al.value_and_grad(f)(a) for a in points]
    assert expected[1] == pytest.approx((3 ** (1 / 3), 3 ** (-2 / 3) / 3))
    compiled = al.jit(al.value_and_grad(f))
    assert np.array([compiled(a) for a in points]) == pytest.approx(np.array(expected))
    assert np.array(al.vmap(al.value_and_grad(f))(np.array(points))).T == pytest.approx(np.array(expected))


def square(a):
    """The root of x² - a."""
    return al.root(lambda x: x * x - a, 0.5)


def test_no_solution():
    """An error with the last point; compiled too, where other calls go on; NaN in lanes, whose neighbours are right."""
    with pytest.raises(
        al.NotConvergedError, match=r"root of <lambda> has not converged in 100 turns: at x = "
    ) as caught:
        square(-1.0)
    assert (caught.value.turns, caught.value.residual) == (100, pytest.approx(1.0))
    assert abs(caught.value.x[0]) < 1e-3
    assert isinstance(caught.value, RuntimeError)
    for f in (square, al.grad(square)):
        compiled = al.jit(f)
        assert compiled(4.0) == f(4.0)
        with pytest.raises(al.NotConvergedError):
            compiled(-1.0)
        assert compiled(9.0) == f(9.0)
        with pytest.raises(al.NotConvergedError):
            al.jit(f)(-1.0)
        lanes = al.jit(al.vmap(f))(np.array([4.0, -1.0, 9.0]))
        assert lanes == pytest.approx([f(4.0), math.nan, f(9.0)], nan_ok=True)


def test_singular_at_the_solution():
    """A double root has no derivative: an error, of ours and of linear algebra; NaN in lanes."""
    for run in (square, al.grad(square), al.jit(square)):
        with pytest.raises(np.linalg.LinAlgError, match="singular at the solution x = ") as caught:
            run(0.0)
        assert type(caught.value) is al.SingularError
    assert al.vmap(al.grad(square))(np.array([4.0, 0.0])) == pytest.approx([0.25, math.nan], nan_ok=True)
    for power in (2, 3, 4):
        with pytest.raises(np.linalg.LinAlgError):
            al.root(lambda x, power=power: (x - 3.0) ** power, 2.0)
    with pytest.raises(
        np.linalg.LinAlgError, match="has not converged: at x = .* largest residual is 1, the derivative .* is singular"
    ):
        al.root(lambda x: [x[0] + x[1] - 1.0, 2.0 * x[0] + 2.0 * x[1] - 1.0], [0.0, 0.0])
    with pytest.raises(np.linalg.LinAlgError, match="at x = 0.0, where the largest residual is 2"):
        al.root(lambda x: x * x - 2.0, 0.0)
    plane = al.vmap(al.jacobian(lambda a: al.root(lambda x: [x[0] + a * x[1] - 1.0, x[0] + x[1]], [0.0, 0.0])))
    first = plane(np.array([2.0, 1.0, 3.0]))[0]
    assert np.isnan(first).tolist() == [False, True, False]


def test_a_start_outside():
    """Where the equations have no value."""
    with pytest.raises(al.NotConvergedError, match=r"residual at x = -1.0 is not finite. Start where"):
        al.root(lambda x: al.log(x) - 1.0, -1.0)
    assert al.vmap(lambda a: al.root(lambda x: al.log(x) - 1.0, a))(np.array([1.0, -1.0])) == pytest.approx(
        [math.e, math.nan], nan_ok=True
    )


def test_no_fixed_point_and_no_minimum():
    """Iterations that leave, functions that fall for ever, saddles."""
    with pytest.raises(
        al.NotConvergedError, match=r"fixed_point of <lambda> has not converged in 1000 turns.*write root\("
    ):
        al.fixed_point(lambda x: 2.5 * x - 1.5 * x**3, 0.1)
    assert al.root(lambda x: 2.5 * x - 1.5 * x**3 - x, 0.9) == pytest.approx(1.0)
    with pytest.raises(al.NotConvergedError, match=r"fixed_point of <lambda>"):
        al.fixed_point(lambda x: x * x, 2.0)
    with pytest.raises(al.OutputError, match=r"<lambda> returned a .* of 2 numbers; a gradient needs one number"):
        al.argmin(lambda x: x * x, np.ones(2))
    with pytest.raises(al.NotConvergedError, match=r"argmin of <lambda> has not converged"):
        al.argmin(lambda x: -x * x, 1.0)
    with pytest.raises(al.NotConvergedError, match=r"slope is 0 at x = 0.0, but the second derivative is not positive"):
        al.argmin(lambda x: -x * x, 0.0)
    with pytest.raises(al.NotConvergedError, match="second derivative is not positive"):
        al.argmin(lambda x: x[0] ** 2 - x[1] ** 2, np.zeros(2))
    with pytest.raises(al.NotConvergedError, match="argmin of <lambda> has not converged"):
        al.argmin(lambda x: al.exp(x), 0.0)
    with pytest.raises(np.linalg.LinAlgError, match="argmin of <lambda>.*singular at the solution"):
        al.argmin(lambda x: (x - 1.0) ** 4, 0.0)
    lanes = al.vmap(lambda a: al.argmin(lambda x: a * x * x + x, 1.0))(np.array([1.0, -1.0, 2.0]))
    assert lanes == pytest.approx([-0.5, math.nan, -0.25], nan_ok=True)


def test_minima_from_far_away():
    """Where the second derivative is negative at the start, the steps still lead downhill."""
    assert al.argmin(lambda x: al.log(1 + (x - 3) ** 2), 10.0) == pytest.approx(3.0, rel=1e-15)
    assert al.argmin(lambda x: al.cos(x), 0.1) == pytest.approx(math.pi, rel=1e-15)
    banana = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    assert al.argmin(banana, np.array([-1.2, 1.0])) == pytest.approx([1.0, 1.0], rel=1e-14)
    assert al.argmin(lambda x: (x[0] * x[1] - 1) ** 2 + 0.1 * (x[0] - x[1]) ** 2, [0.3, 0.1]) == pytest.approx(
        [1.0, 1.0]
    )


def test_ridge_regression():
    """The weights, and their derivative by the penalty, are those of linear algebra."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3))
    y = x @ np.array([1.0, 2.0, 3.0]) + 0.1
    f = lambda penalty: al.argmin(lambda w: al.sum((x @ w - y) ** 2) + penalty * al.sum(w * w), np.zeros(3))
    normal = x.T @ x + 0.5 * np.eye(3)
    weights = np.linalg.solve(normal, x.T @ y)
    assert f(0.5) == pytest.approx(weights, rel=1e-13)
    for run in (al.jacobian(f), al.jit(al.jacobian(f))):
        assert run(0.5) == pytest.approx(-np.linalg.solve(normal, weights), rel=1e-12)


def test_steady_state():
    """A chemical network: A ⇌ B → C → A, whose rates are the parameters."""

    def rates(x, k):
        a, b, c = x
        total = a + b + c - 1.0  # in place of one of the equations, which depend on one another
        return [k[1] * b + k[3] * c - k[0] * a * a, k[0] * a * a - (k[1] + k[2]) * b, total]

    k = np.array([2.0, 0.5, 1.0, 0.7])
    f = lambda k: al.root(rates, [0.3, 0.3, 0.4], k)
    steady = f(k)
    assert rates(steady, k) == pytest.approx([0.0, 0.0, 0.0], abs=1e-16)
    rows = al.jit(al.jacobian(f))(k)
    for j in range(4):
        step = 1e-6 * np.eye(4)[j]
        change = (np.array(f(k + step)) - np.array(f(k - step))) / 2e-6
        assert [row[j] for row in rows] == pytest.approx(change, rel=1e-7, abs=1e-9)  # of central differences


def test_implied_volatility():
    """Its derivatives are those of the inverse function: 1/vega by the price."""

    def price(volatility, strike):
        d = al.log(100.0 / strike) / volatility + volatility / 2
        return 100.0 * al.ndtr(d) - strike * al.ndtr(d - volatility)

    def implied(value, strike):
        return al.root(lambda v: price(v, strike) - value, 0.3)

    value = price(0.25, 90.0)
    vega, volga = al.grad(price)(0.25, 90.0), al.grad(al.grad(price))(0.25, 90.0)
    assert implied(value, 90.0) == pytest.approx(0.25, rel=1e-14)
    assert al.grad(implied)(value, 90.0) == pytest.approx(1 / vega, rel=1e-12)
    assert al.grad(al.grad(implied))(value, 90.0) == pytest.approx(-volga / vega**3, rel=1e-11)
    smile = al.jit(al.vmap(al.grad(implied), in_axes=(0, None)))(np.array([value, value + 1.0]), 90.0)
    assert smile[0] == pytest.approx(1 / vega, rel=1e-12)


def test_many_unknowns():
    """A chain of 60, whose equations have their neighbours only."""
    n = 60

    def chain(x, k):
        left, right = np.concatenate([[0.0], x[:-1]]), np.concatenate([x[1:], [0.0]])
        return 2 * x - left - right + k * x**3 - 1.0 / n**2

    f = lambda k: al.sum(al.root(chain, np.zeros(n), k))
    slope = al.grad(f)(1.0)
    assert slope == pytest.approx((f(1.0 + 1e-5) - f(1.0 - 1e-5)) / 2e-5, rel=1e-7)
    assert al.grad(al.grad(f))(1.0) == pytest.approx((al.grad(f)(1.001) - al.grad(f)(0.999)) / 2e-3, rel=1e-5)


@pytest.mark.parametrize("name", ["brentq", "newton", "fsolve", "root", "root_scalar"])
def test_solvers_of_scipy(name):
    """On plain numbers, called back from compiled code; the derivatives do not depend on it."""
    optimize = pytest.importorskip("scipy.optimize")
    solver = {
        "brentq": lambda f, _: optimize.brentq(f, 0.0, 9.0),
        "root_scalar": lambda f, x0: optimize.root_scalar(f, x0=x0, x1=2.0),
    }
    solver = solver.get(name) or getattr(optimize, name)
    f = lambda m, e: al.root(kepler, 1.0, m, e, solver=solver)
    c = al.Variable(0.6)
    for orders in ((0, 0), (0, 1), (1, 1)):
        expected = differentiated(anomaly, orders)(1.3, 0.6)
        assert differentiated(f, orders)(1.3, 0.6) == pytest.approx(expected, rel=BOUND)
        assert al.jit(differentiated(f, orders))(1.3, 0.6) == pytest.approx(expected, rel=BOUND)
    assert al.vmap(f)(np.array([1.3, 2.0]), np.array([0.6, 0.1]))[1] == pytest.approx(anomaly(2.0, 0.1), rel=1e-14)
    compiled = al.jit(lambda m: al.root(lambda x: kepler(x, m, c), 1.0, solver=solver))
    assert al.gradients(compiled(1.3), c) == pytest.approx(al.grad(anomaly, 1)(1.3, 0.6), rel=1e-13)


def test_solvers_that_fail():
    """Their own error eagerly; in lanes NaN."""
    optimize = pytest.importorskip("scipy.optimize")
    f = lambda a: al.root(lambda x: x * x - a, 1.0, solver=lambda f, _: optimize.brentq(f, 0.0, 5.0))
    with pytest.raises(ValueError, match="different signs"):
        f(-1.0)
    assert al.vmap(f)(np.array([4.0, -1.0])) == pytest.approx([2.0, math.nan], nan_ok=True)
    with pytest.raises(al.ArgumentError, match=r"solver=brentq of root is called as solver\(f, x0\), and takes other"):
        al.root(lambda x: x, 1.0, solver=optimize.brentq)
    with pytest.raises(TypeError, match="^unsupported operand"):
        al.root(lambda x: x, 1.0, solver=lambda f, x0: x0 + None)
    with pytest.raises(al.ArgumentError, match="solver=3 of root"):
        al.root(lambda x: x, 1.0, solver=3)
    with pytest.raises(al.ArgumentError, match=r"solver returned \[\*, \*\] for x0 \*"):
        al.root(lambda x: x, 1.0, solver=lambda f, x0: [x0, x0])


@pytest.mark.parametrize("solver", [al.root, al.fixed_point, al.argmin])
def test_arguments(solver):
    """What is no function, no start, no equation."""
    name = solver.__name__
    with pytest.raises(al.ArgumentError, match=f"{name} takes a function and got 3"):
        solver(3, 1.0)
    with pytest.raises(al.ArgumentError, match=f"x0 of {name} holds no numbers"):
        solver(lambda x: x, [])
    with pytest.raises(al.OperandError, match=f"x0 of {name} is not a number"):
        solver(lambda x: x, "a")
    with pytest.raises(al.UnknownKeywordError, match="Use the parameters themselves"):
        solver(lambda x: x, 1.0, args=(1.0,))
    with pytest.raises(al.AutogradLiteError, match=r"returned a list of 2 numbers|returned \[\*, \*\] for x0 \*"):
        solver(lambda x: [x, x], 1.0)


def test_errors_of_the_equations_pass():
    """What they raise; refusals in our words."""
    with pytest.raises(ZeroDivisionError):
        al.root(lambda x: 1 / 0, 1.0)
    with pytest.raises(al.OperandError, match="would drop its derivative"):
        al.root(lambda x: math.sin(x), 1.0)
    with pytest.raises(al.UnconnectedError):
        al.grad(lambda a: al.root(lambda x: x * x - 2.0, 1.0), unconnected="raise")(3.0)


def test_pictures_and_words():
    """The node of a solution reads as any other, agrees with an audit in mpmath, and is pickled with its numbers."""
    m, e = al.Variable(1.3, name="M"), al.Variable(0.6, name="e")
    x = anomaly(m, e)
    assert repr(x) == "Variable(1.872838581798298, op='root')"
    assert "root(1.873, M, e)" in str(al.explain(x))
    assert not al.audit(x).faults
    assert "svg" in al.draw(x).svg
    again = pickle.loads(pickle.dumps(x))
    assert [by for _, by in again.local_gradients] == [by for _, by in x.local_gradients]
    assert not al.audit(balanced(al.Variable(2.0), al.Variable(0.7))).faults
    m.value = 1.0
    with pytest.raises(al.StaleGraphError):
        al.gradients(x, m, create_graph=True)


def test_tapes(tmp_path):
    """A trace has the turns one by one; its gradient and its texts are right; a file cannot hold the derivative."""
    tape = al.trace(anomaly, 1.3, 0.6)
    assert tape(1.3, 0.6) == anomaly(1.3, 0.6)
    assert tape.gradient()(1.3, 0.6) == al.grad(anomaly, (0, 1))(1.3, 0.6)
    m = al.Variable(1.3)
    assert al.gradients(tape(m, 0.6), m) == al.grad(anomaly)(1.3, 0.6)
    for language in ("python", "numpy"):
        space = {}
        exec(tape.source(language), space)  # noqa: S102 - our own text
        run = next(thing for name, thing in space.items() if "anomaly" in name and callable(thing))
        assert run(1.3, 0.6) == pytest.approx(anomaly(1.3, 0.6), rel=1e-15)
    with pytest.raises(al.TapeError, match="root is the result of a solver, whose derivative a file cannot hold"):
        tape.save(tmp_path / "f.tape")
    sparse = pytest.importorskip("scipy.sparse")
    found = al.sparse_jacobian(lambda v: np.array([anomaly(m, 0.3) for m in v]))(np.array([0.1, 0.2]))
    assert sparse.issparse(found)
    assert found.toarray() == pytest.approx(np.diag([al.grad(anomaly)(m, 0.3) for m in (0.1, 0.2)]))


def test_nothing_is_left_behind():
    """No cycle of references after derivatives of order 2, of one unknown and of two."""
    al.hessian(balanced, (0, 1))(2.0, 0.7)
    with collector_off():
        before = alive()
        for f, a, b in CASES.values():
            al.hessian(f, (0, 1))(a, b)
        assert alive() == before


@full
def test_random_systems():
    """Random equations of three unknowns: derivatives of order 2 by two routes, in lanes and alone."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        w, c = rng.normal(size=(3, 3)), rng.normal(size=3)

        def f(a, w=w, c=c):
            return al.sum(al.root(lambda x: x + 0.3 * np.tanh(w @ x * a) - c, np.zeros(3)) ** 2)

        a = float(rng.uniform(0.3, 1.0))
        slope, second = al.grad(f)(a), al.grad(al.grad(f))(a)
        assert slope == pytest.approx((f(a + 1e-6) - f(a - 1e-6)) / 2e-6, rel=1e-6, abs=1e-7)
        assert al.hessian(f)(a) == pytest.approx(second, rel=1e-12)
        assert al.vmap(al.grad(al.grad(f)))(np.array([a, 0.5]))[0] == pytest.approx(second, rel=1e-10)


def test_mapped_and_compiled_functions_inside():
    """Eagerly these are nodes of one place, and the equations are taken at others."""
    points = np.array([0.5, 1.0, 2.0])

    def f(k):
        return al.root(lambda x: al.sum(al.vmap(lambda m: al.tanh(m * x) * k)(points)) - 1.0, 0.3)

    def alike(k):
        return al.root(lambda x: sum(al.tanh(m * x) * k for m in points.tolist()) - 1.0, 0.3)

    for transform in (al.grad, lambda f: al.grad(al.grad(f)), lambda f: al.grad(al.grad(al.grad(f)))):
        for run in (lambda f: f, al.jit):
            assert run(transform(f))(1.0) == pytest.approx(transform(alike)(1.0), rel=1e-12)
    c = al.Variable(2.0)
    cube = al.jit(lambda x: c * x**3)
    slope = al.gradients(al.root(lambda x: cube(x) - 1.0, 0.5), c, create_graph=True)
    assert slope == pytest.approx(-(2 ** (-4 / 3)) / 3)
    assert al.gradients(slope, c) == pytest.approx(4 / 9 * 2 ** (-7 / 3))
    matrix = np.array([[2.0, 0.3], [0.1, 1.0]])
    g = lambda k: al.sum(al.root(lambda x: al.linalg.solve(matrix + k * np.outer(x, x), np.ones(2)) - x, np.ones(2)))
    assert al.grad(g)(0.5) == pytest.approx((g(0.5 + 1e-6) - g(0.5 - 1e-6)) / 2e-6, rel=1e-8)
    assert al.jit(al.grad(al.grad(g)))(0.5) == pytest.approx(al.grad(al.grad(g))(0.5), rel=1e-12)


FORMS = {
    "number": lambda x, r: r[0],
    "list": lambda x, r: r,
    "tuple": lambda x, r: tuple(r),
    "array": lambda x, r: al.array(r),
    "matrix": lambda x, r: al.array([r]),
    "nest": lambda x, r: {"one": r[0], "others": r[1:]},
}
STARTS = {
    "number": (1.0, lambda x: [x]),
    "array of no dimension": (np.array(1.0), lambda x: [x * 1.0]),
    "array of one": (np.array([1.0]), list),
    "list": ([1.0, 1.0], list),
    "tuple": ((1.0, 1.0), list),
    "array": (np.ones(2), list),
    "matrix": (np.ones((2, 1)), lambda x: [x[0, 0], x[1, 0]]),
    "nest": ({"b": 1.0, "a": np.array([1.0])}, lambda x: [x["b"], x["a"][0]]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("start", STARTS)
def test_equations_come_in_any_form(start, form):
    """As many as there are unknowns: a list for an array, a number for an array of one, a nest by other names."""
    x0, numbers = STARTS[start]

    def solved(a):
        return al.root(lambda x: FORMS[form](x, [n * n - a * (k + 1.0) for k, n in enumerate(numbers(x))]), x0)

    count = len(numbers(x0))
    if form == "number" and count > 1:
        with pytest.raises(al.ArgumentError, match="one equation for each unknown"):
            solved(2.0)
        return
    total = lambda a: sum(numbers(solved(a)))
    wanted = sum((2.0 * (k + 1.0)) ** 0.5 for k in range(count))
    assert type(solved(2.0)) is type(x0)
    for call in (total, al.jit(total)):
        assert call(2.0) == pytest.approx(wanted, rel=1e-14)
        assert al.grad(call)(2.0) == pytest.approx(wanted / 4.0, rel=1e-14)


def test_fixed_points_take_lists_for_arrays_but_no_other_names():
    """Which number is which must be known: a row has an order, and keys say it."""
    mapped = lambda x: [al.cos(n) for n in np.ravel(x)]
    for x0 in (np.array(0.5), np.array([0.5]), [0.5], (0.5,), 0.5):
        assert np.ravel(al.fixed_point(mapped, x0)) == pytest.approx([0.7390851332151607])
    with pytest.raises(al.ArgumentError, match="the next x, in the structure of x0"):
        al.fixed_point(lambda x: {"b": al.cos(x["a"])}, {"a": 0.5})
