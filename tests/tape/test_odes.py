"""`odeint`: solutions and their derivatives by every argument, against closed forms and mpmath."""

import functools
import math

import numpy as np
import pytest
from executors import BACKENDS, COMPILED
from mpmath import mp
from tiers import full, mostly_full

import autograd_lite as al

TIMES = np.array([0.0, 0.3, 1.0, 2.5])
POINT = (1.5, 3.0, 0.5, TIMES)
#: The error of each method for this equation, measured and rounded up. Derivatives have some times as much.
METHODS = {"adaptive": 1e-10, "rk4": 1e-7, "DOP853": 1e-9, "LSODA": 1e-8, "Radau": 1e-8, "RK45": 1e-9, "BDF": 1e-7}
QUICK = slice(0, 3)


def how(method):
    """The options of a method."""
    return {"method": method, "steps": 60} if method == "rk4" else {"method": method}


def growth(y, t, rate, capacity):
    """The logistic equation."""
    return rate * y * (1.0 - y / capacity)


def logistic(rate, capacity, y0, t):
    """Its solution at all times; that at the first is y0."""
    return al.array([capacity / (1.0 + (capacity / y0 - 1.0) * al.exp(-rate * (s - t[0]))) for s in t])


def grown(method):
    """The same by a method."""
    return lambda rate, capacity, y0, t: al.odeint(growth, y0, t, rate, capacity, **how(method))[:, 0]


def last(f):
    """The last number of what f returns."""
    return lambda *arguments: f(*arguments)[-1]


@pytest.mark.parametrize("method", mostly_full(METHODS, QUICK))
def test_values_and_slopes(method):
    """By parameters, start and times, eagerly, compiled and forward."""
    f, bound = grown(method), METHODS[method]
    for run in (lambda f: f, al.jit):
        assert np.asarray(run(f)(*POINT), dtype=float) == pytest.approx(
            np.array(logistic(*POINT), dtype=float), rel=bound
        )
        for place in range(4):
            slopes = al.jacobian(logistic, place)(*POINT)
            assert run(al.jacobian(f, place))(*POINT) == pytest.approx(slopes, rel=20 * bound, abs=20 * bound)
    along = (1.0, -1.0, 2.0, np.array([0.1, 0.2, 0.3, 0.4]))
    expected = al.jvp(logistic, POINT, along)[1]
    for run in (lambda f: f, al.jit):
        tangents = run(lambda *a: al.jvp(f, a, along)[1])(*POINT)
        assert np.asarray(tangents, dtype=float) == pytest.approx(np.array(expected, dtype=float), rel=40 * bound)


@pytest.mark.parametrize("method", mostly_full(METHODS, [0, 2]))
def test_second_derivatives_and_lanes(method):
    """Hessians by parameters and start; a row for each rate."""
    f, bound, places = last(grown(method)), 200 * METHODS[method], (0, 1, 2)
    expected = np.array(al.hessian(last(logistic), places)(*POINT))
    for run in (lambda f: f, al.jit):
        assert np.array(run(al.hessian(f, places))(*POINT)) == pytest.approx(expected, rel=bound, abs=bound)
    lanes = al.jit(al.vmap(al.grad(f), in_axes=(0, None, None, None)))(np.array([1.5, 0.2]), *POINT[1:])
    assert lanes == pytest.approx([al.grad(last(logistic))(rate, *POINT[1:]) for rate in (1.5, 0.2)], rel=bound)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compiled_is_eager(backend):
    """The steps of the library's own methods: to a rounding of each."""
    for method in ("adaptive", "rk4"):
        f = last(grown(method))
        assert COMPILED[backend](f)(*POINT) == pytest.approx(f(*POINT), rel=1e-14)
        assert COMPILED[backend](al.grad(f))(*POINT) == pytest.approx(al.grad(f)(*POINT), rel=1e-13)
        rows = COMPILED[backend](al.vmap(al.grad(f), in_axes=(0, None, None, None)))(np.array([1.5, 0.1]), *POINT[1:])
        assert rows[1] == pytest.approx(al.grad(f)(0.1, *POINT[1:]), rel=1e-12)


def test_third_derivatives_of_steps():
    """Exact for the steps that were made: of the classical method by hand."""

    def by_hand(rate):
        y = 0.5
        for _ in range(5):
            k1 = growth(y, 0, rate, 3.0)
            k2 = growth(y + 0.1 * k1, 0, rate, 3.0)
            k3 = growth(y + 0.1 * k2, 0, rate, 3.0)
            k4 = growth(y + 0.2 * k3, 0, rate, 3.0)
            y = y + 0.2 * (k1 + 2 * k2 + 2 * k3 + k4) / 6
        return y

    f = lambda rate: al.odeint(growth, 0.5, [0.0, 1.0], rate, 3.0, method="rk4", steps=5)[-1, 0]
    third = lambda f: al.grad(al.grad(al.grad(f)))
    assert third(f)(1.5) == pytest.approx(third(by_hand)(1.5), rel=1e-11)
    assert al.jit(third(f))(1.5) == pytest.approx(third(by_hand)(1.5), rel=1e-11)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_orders_of_fixed_steps(method, order):
    """Twice as many steps: an error, of value and derivative, that is 2**order times smaller."""
    f = lambda steps: al.value_and_grad(
        lambda rate: al.odeint(growth, 0.5, [0.0, 1.0], rate, 3.0, method=method, steps=steps)[-1, 0]
    )(1.5)
    exact = al.value_and_grad(lambda rate: logistic(rate, 3.0, 0.5, [0.0, 1.0])[-1])(1.5)
    for place in (0, 1):
        coarse, fine = (abs(f(steps)[place] - exact[place]) for steps in (20, 40))
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.15)


def test_layout():
    """As SciPy's function has it; nests keep their structure, with a first axis of times."""
    integrate = pytest.importorskip("scipy.integrate")
    pendulum = lambda y, t, g: [y[1], -g * np.sin(y[0])]
    for y0 in ([1.0, 0.0], (1.0, 0.0), np.array([1.0, 0.0])):
        found = al.odeint(pendulum, y0, TIMES, 9.81)
        assert (type(found), found.dtype, found.shape) == (np.ndarray, np.float64, (4, 2))
        assert found == pytest.approx(integrate.odeint(pendulum, y0, TIMES, (9.81,), rtol=1e-12, atol=1e-12), abs=1e-8)
    assert al.odeint(lambda y, t: -y, 1.0, [0.0, 1.0]) == pytest.approx(np.array([[1.0], [math.exp(-1.0)]]))
    assert al.odeint(lambda y, t: -y, 1.0, [2.0]).tolist() == [[1.0]]
    nest = al.odeint(lambda s, t: {"x": s["v"][0], "v": -s["x"] * np.ones(2)}, {"x": 0.0, "v": np.ones(2)}, TIMES)
    assert nest["x"] == pytest.approx(np.sin(TIMES))
    assert nest["v"].shape == (4, 2)
    assert nest["v"][:, 1] == pytest.approx(np.cos(TIMES))


@pytest.mark.parametrize("method", ["adaptive", "rk4", "DOP853"])
def test_times(method):
    """They may decrease and repeat; an equation may depend on the time."""
    f = lambda y, t: t * y
    for times in ([0.0, 1.0, 2.0], [1.0, 0.5, -1.0], [0.0, 1.0, 1.0, 2.0]):
        expected = [math.exp((s * s - times[0] ** 2) / 2) for s in times]
        assert al.odeint(f, 1.0, times, **how(method))[:, 0] == pytest.approx(expected, rel=1e-7)
    end = lambda a, b: al.odeint(f, 1.0, [a, b], **how(method))[-1, 0]
    y = math.exp((4.0 - 1.0) / 2)
    for run in (lambda f: f, al.jit):
        assert run(al.grad(end, (0, 1)))(1.0, 2.0) == pytest.approx((-1.0 * y, 2.0 * y), rel=1e-6)


def test_an_integral():
    """∫ f from a to b, with derivatives by the ends and by what f uses."""
    area = lambda a, b, k: al.odeint(lambda _, x: al.exp(-k * x * x), 0.0, [a, b])[-1, 0]
    assert area(0.0, 2.0, 1.0) == pytest.approx(math.sqrt(math.pi) / 2 * math.erf(2.0), rel=1e-10)
    assert al.grad(area, (0, 1))(0.0, 2.0, 1.0) == pytest.approx((-1.0, math.exp(-4.0)), rel=1e-8)


def test_captured_variables():
    """What f takes from outside, by every kind of method."""
    for method in ("adaptive", "rk4", "DOP853"):
        k = al.Variable(0.5)
        half = k / 2
        y = al.odeint(lambda y, t: -(k + half) * y, 1.0, [0.0, 2.0], **how(method))[-1, 0]
        assert al.gradients(y, k) == pytest.approx(-3.0 * math.exp(-1.5), rel=1e-7)
        second = al.gradients(al.gradients(y, k, create_graph=True), k)
        assert second == pytest.approx(9.0 * math.exp(-1.5), rel=1e-6)


def predators(y, t, a, b, c, d):
    """Lotka and Volterra."""
    return [a * y[0] - b * y[0] * y[1], d * y[0] * y[1] - c * y[1]]


def test_what_stays():
    """Along an orbit of Lotka and Volterra a quantity is constant, and so are its derivatives but those at the start."""
    times = np.linspace(0.0, 10.0, 21)

    def spread(a):
        hares, lynxes = al.odeint(predators, [10.0, 5.0], times, a, 0.4, 0.4, 0.1).T
        kept = 0.1 * hares - 0.4 * np.log(hares) + 0.4 * lynxes - a * np.log(lynxes)
        return kept - kept[0]

    assert np.asarray(spread(1.1), dtype=float) == pytest.approx(np.zeros(21), abs=1e-8)
    assert al.jacobian(spread)(1.1) == pytest.approx(np.zeros(21), abs=1e-7)


@full
@pytest.mark.parametrize("method", ["adaptive", "LSODA"])
def test_sensitivities_against_mpmath(method):
    """Of an orbit of Lotka and Volterra: the variational equations by Taylor series of mpmath."""
    a, b, c, d = 1.1, 0.4, 0.4, 0.1
    with mp.workdps(25):

        def extended(_, z):
            y, s = z[:2], z[2:]
            j = [[a - b * y[1], -b * y[0]], [d * y[1], d * y[0] - c]]
            return [
                *predators(y, 0, a, b, c, d),
                j[0][0] * s[0] + j[0][1] * s[1] + y[0],
                j[1][0] * s[0] + j[1][1] * s[1],
            ]

        expected = [float(n) for n in mp.odefun(extended, 0, [10, 5, 0, 0])(2)]
    f = lambda a: al.odeint(predators, [10.0, 5.0], [0.0, 2.0], a, b, c, d, method=method)[-1]
    assert np.asarray(f(a), dtype=float) == pytest.approx(expected[:2], rel=1e-8)
    for run in (al.jacobian(f), al.jit(al.jacobian(f))):
        assert run(a) == pytest.approx(expected[2:], rel=1e-7)


@full
def test_a_stiff_equation():
    """Robertson's reactions, for SciPy's implicit methods. The sum of the numbers stays 1, and the sum of the slopes 0."""

    def rates(y, t, k):
        first, second, third = k * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] * y[1]
        return [second - first, first - second - third, third]

    f = lambda k: al.odeint(rates, [1.0, 0.0, 0.0], [0.0, 40.0], k, method="Radau", rtol=1e-9, atol=1e-12)[-1]
    slopes = al.jacobian(f)(0.04)
    step = 1e-5
    assert slopes == pytest.approx(
        (np.asarray(f(0.04 + step), float) - np.asarray(f(0.04 - step), float)) / (2 * step), rel=1e-5
    )
    assert np.sum(slopes) == pytest.approx(0.0, abs=1e-8)


def explosion(y, t, k):
    """Without bound at t = 1/(k·y0)."""
    return k * y * y


def test_no_solution():
    """An error, compiled too; NaN in lanes from the time on that is not reached."""
    with pytest.raises(al.NotConvergedError, match="odeint of explosion: no step is short enough"):
        al.odeint(explosion, 1.0, [0.0, 2.0], 1.0)
    end = lambda k: al.odeint(explosion, 1.0, [0.0, 0.5, 2.0], k)[:, 0]
    compiled = al.jit(lambda k: end(k)[-1])
    assert compiled(0.1) == pytest.approx(1 / 0.8)
    with pytest.raises(al.NotConvergedError):
        compiled(1.0)
    assert compiled(0.2) == pytest.approx(1 / 0.6)
    rows = al.jit(al.vmap(end))(np.array([0.1, 1.0, 0.2]))
    assert rows[0] == pytest.approx([1.0, 1 / 0.95, 1 / 0.8])
    assert rows[1] == pytest.approx([1.0, 2.0, math.nan], nan_ok=True)


@full
def test_no_solution_has_no_derivative():
    """NaN in its lane."""
    end = lambda k: al.odeint(explosion, 1.0, [0.0, 0.5, 2.0], k)[-1, 0]
    assert al.vmap(al.grad(end))(np.array([0.1, 1.0])) == pytest.approx([2 / 0.64, math.nan], nan_ok=True)


@pytest.mark.filterwarnings("ignore")  # SciPy's, of infinite numbers
def test_no_solution_by_scipy():
    """The same where SciPy chooses the steps."""
    end = lambda k: al.odeint(explosion, 1.0, [0.0, 2.0], k, method="DOP853")[-1, 0]
    with pytest.raises(al.NotConvergedError, match="DOP853 of SciPy has found no solution"):
        end(1.0)
    assert al.vmap(end)(np.array([0.1, 1.0])) == pytest.approx([1.25, math.nan], nan_ok=True)


@pytest.mark.filterwarnings("ignore")  # SciPy's, of steps that do not move
def test_lsoda_ends_where_time_stands():
    """Before a pole its steps get shorter than a digit of t, and SciPy went on for ever."""
    end = lambda k: al.odeint(explosion, 1.0, [0.0, 2.0], k, method="LSODA")[-1, 0]
    with pytest.raises(al.NotConvergedError, match="LSODA of SciPy has found no solution"):
        end(1.0)
    lanes = al.vmap(lambda k: al.odeint(explosion, 1.0, [0.0, 1.0], k, method="LSODA")[-1, 0])
    assert lanes(np.array([0.5, 2.0])) == pytest.approx([2.0, math.nan], nan_ok=True)


def test_arguments():
    """What is no problem, no method, no number of steps."""
    f = lambda y, t: -y
    for call, message in (
        (lambda: al.odeint(3, 1.0, TIMES), "odeint takes a function and got 3"),
        (lambda: al.odeint(f, [], TIMES), "y0 of odeint holds no numbers"),
        (lambda: al.odeint(f, 1.0, 2.0), r"t=2.0 of odeint: give the times"),
        (lambda: al.odeint(f, 1.0, []), r"t=\[\] of odeint"),
        (lambda: al.odeint(f, 1.0, [0.0, math.nan]), "sequence of finite numbers"),
        (lambda: al.odeint(f, 1.0, TIMES, method="rk5"), "method='rk5' of odeint: choose one of 'adaptive', 'euler'"),
        (lambda: al.odeint(f, 1.0, TIMES, steps=3), "steps=3 with method='adaptive'"),
        (lambda: al.odeint(f, 1.0, TIMES, method="rk4", steps=0), "steps=0 with method='rk4'"),
        (lambda: al.odeint(f, 1.0, TIMES, rtol=0.0), "rtol=0.0 of odeint"),
        (lambda: al.odeint(lambda y, t: [y, y], 1.0, TIMES), r"returned \[\*, \*\] for a state of 1 numbers"),
    ):
        with pytest.raises(al.ArgumentError, match=message):
            call()
    for run in (lambda t, y: -y, lambda t, state, *more: state, odd := functools.partial(lambda t, y, k: k * y, k=1.0)):
        with pytest.raises(
            al.ArgumentError, match=r"takes the time first, as for solve_ivp, .* Write odeint\(lambda y, t"
        ):
            al.odeint(run, 1.0, [0.0, 1.0])
    for run in (lambda t, _: -t, lambda *t: -t[0], functools.wraps(odd.func)(lambda y, t: -y)):
        assert abs(al.odeint(run, 1.0, [0.0, 1.0])[1, 0] - math.exp(-1.0)) < 1e-9
    with pytest.raises(al.OperandError, match="y0 of odeint is not a number"):
        al.odeint(f, "a", TIMES)
    with pytest.raises(al.UnknownKeywordError, match="Use the parameters themselves, behind t"):
        al.odeint(f, 1.0, TIMES, args=(1.0,))


def test_branches():
    """The library's own methods follow them; where SciPy chooses the steps they are refused."""
    f = lambda y, t: -y if y > 0.5 else -0.5 + 0.0 * y
    assert al.odeint(f, 1.0, [0.0, 1.0])[-1, 0] == pytest.approx(0.5 - 0.5 * (1.0 - math.log(2.0)), rel=1e-8)
    k = al.jit(al.grad(lambda y0: al.odeint(f, y0, [0.0, 1.0])[-1, 0]))
    assert k(1.0) == pytest.approx(al.grad(lambda y0: al.odeint(f, y0, [0.0, 1.0])[-1, 0])(1.0), rel=1e-9)
    with pytest.raises(al.ArgumentError, match=r"<lambda> branches at .*, which method='RK45' cannot follow"):
        al.odeint(f, 1.0, [0.0, 1.0], method="RK45")


def test_roots_and_equations_inside_one_another():
    """Shooting: the start that leads to a given end. Rates that solve an equation."""

    def shot(g):
        pendulum = lambda y, t: [y[1], -g * al.sin(y[0])]
        return al.root(lambda v: al.odeint(pendulum, [0.0, v], [0.0, 1.0])[-1, 0] - 1.0, 1.0)

    def slowed(k, **options):
        return al.odeint(lambda y, t: [-al.root(lambda z: z**3 + z - y[0] * k, 0.5)], [1.0], [0.0, 1.0], **options)[
            -1, 0
        ]

    assert al.grad(shot)(9.81) == pytest.approx((shot(9.82) - shot(9.80)) / 0.02, rel=1e-5)
    assert al.jit(al.grad(shot))(9.81) == pytest.approx(al.grad(shot)(9.81), rel=1e-9)
    assert al.grad(slowed)(1.0) == pytest.approx((slowed(1.01) - slowed(0.99)) / 0.02, rel=1e-4)
    by_scipy = lambda k: slowed(k, method="LSODA")
    for run in (lambda f: f, al.jit):
        assert run(al.grad(by_scipy))(1.0) == pytest.approx(al.grad(slowed)(1.0), rel=1e-7)
    with pytest.raises(al.TapeError, match="odeint is an equation that SciPy solves"):
        al.trace(lambda k: al.odeint(lambda y, t: -k * y, 1.0, [0.0, 1.0], method="RK45")[-1, 0], 1.0).save("f.tape")
