"""Error budgets: variances against Monte Carlo and `uncertainties`, rounding against 60 digits, lines, traces, messages."""

import copy
import math
import pickle
import random
import statistics
import threading

import mpmath
import numpy as np
import pytest
from reference import REFERENCE
from tiers import full

import autograd_lite as al
from autograd_lite.errors import ArgumentError, OperandError, OutputError

V = al.Variable

# ------------------------------------------------------------------------------------------------------ random programs

ARITHMETIC = ("add", "sub", "mul", "div") * 6
UNARY = (
    "neg", "inv", "square", "sqrt", "cbrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan",
    "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "sigmoid", "softplus",
    "abs", "relu", "softsign", "ndtr", "gamma", "lgamma", "digamma", "sinc",
)  # fmt: skip
BINARY = ("pow", "hypot", "atan2", "logaddexp", "xlogy", "maximum", "minimum", "copysign", "leaky_relu", "mod")
SIZES = 1e-30, 1e30


def random_program(seed):
    """Inputs, and steps `(operation, arguments)`: places of numbers before, or constants; all values of usual size."""
    rng = random.Random(f"budget {seed}")
    inputs = [rng.choice((-1, 1)) * 10 ** rng.uniform(-2, 2) for _ in range(rng.randint(1, 4))]
    values, steps = [*inputs], []
    length = rng.randint(3, 60)
    while len(steps) < length:
        primitive = al.PRIMITIVES[rng.choice(ARITHMETIC + UNARY + BINARY)]
        newest = len(values) - 1
        places = [newest if rng.random() < 0.4 else rng.randrange(len(values)) for _ in range(primitive.arity)]
        chosen = [place if rng.random() < 0.85 else rng.uniform(-3, 3) for place in places]
        if all(type(c) is float for c in chosen):
            continue
        numbers = [c if type(c) is float else values[c] for c in chosen]
        if (
            primitive.name in ("pow", "xlogy") and numbers[primitive.name == "xlogy"] <= 0.0
        ):  # real at whole exponents only
            continue
        if 0.0 in numbers and primitive.name in ("atan2", "copysign", "mod", "div", "inv"):  # mpmath has no -0.0
            continue
        value = primitive.value(*numbers)
        if SIZES[0] < abs(value) < SIZES[1] or value == 0.0:
            steps.append((primitive.name, tuple(chosen)))
            values.append(value)
    return inputs, steps


def run(steps, inputs, operation, constant=float):
    """Run a program in some arithmetic: the sum of its last three numbers, and what leads to them."""
    last = len(inputs) + len(steps)
    used = {last - 1, last - 2, last - 3}
    for place in range(last - 1, len(inputs) - 1, -1):
        if place in used:
            used.update(c for c in steps[place - len(inputs)][1] if type(c) is int)
    values = dict(enumerate(inputs))
    for place, (name, chosen) in enumerate(steps, start=len(inputs)):
        if place in used:
            values[place] = operation(name)(*[constant(c) if type(c) is float else values[c] for c in chosen])
    add = operation("add")
    return add(add(values[last - 1], values[last - 2]), values[last - 3])


def _exact(name):
    def checked(*arguments):
        value = REFERENCE[name].value(*arguments)
        if isinstance(value, mpmath.mpc) or not mpmath.isfinite(value):
            raise ArithmeticError(name)
        return value

    return checked


def rounding_of(seed):
    """The bound, the true error, and the flag of one random program; None if its value is 0 or not finite."""
    inputs, steps = random_program(seed)
    budget = al.error_budget(lambda x: run(steps, x, al.PRIMITIVES.__getitem__), inputs, [0.0] * len(inputs))
    with mpmath.workdps(60):
        try:
            exact = run(steps, [*map(mpmath.mpf, inputs)], _exact, mpmath.mpf)
            error = float(abs(exact - mpmath.mpf(budget.value)))
        except ArithmeticError:  # rounding has led across the end of a domain
            error = math.inf
    return float(budget.rounding), error, budget.flagged, budget.value


def verdict(seeds):
    """How many programs hold, are flagged, and fail; the median of bound over error."""
    held, flagged, failed, ratios = 0, 0, [], []
    for seed in seeds:
        bound, error, flag, _ = rounding_of(seed)
        if flag:
            flagged += 1
        elif error <= bound:
            held += 1
            if error:
                ratios.append(bound / error)
        else:
            failed.append(seed)
    return held, flagged, failed, statistics.median(ratios)


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=full), pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_bound_of_the_rounding_holds(count):
    """Against 60 digits: on every program that is not flagged, within 100 times the true error in the median."""
    held, flagged, failed, ratio = verdict(range(count))
    assert failed == []
    assert held + flagged == count
    assert flagged < 0.1 * count
    assert ratio <= 100.0


# --------------------------------------------------------------------------------------------------------- the variance


def pendulum(p):
    """g of a pendulum, with the first correction for its angle."""
    length = p["length"] / 100.0
    period = p["period"] / 20.0
    correction = 1.0 + al.square(al.sin(p["angle"] / 2.0)) / 4.0
    return 4.0 * math.pi**2 * length / period**2 * correction**2


MEASURED = {"length": 99.3, "period": 40.1, "angle": 0.1}
SIGMA = {"length": 0.1, "period": 0.05, "angle": 0.02}
PARTS = ("value", "variance", "std", "by_input", "by_line", "bias", "rounding", "rounding_by_line", "sensitivity")


def test_a_sum_and_a_product():
    """Closed forms: σ₁² + 4·σ₂²; (yσ₁)² + (xσ₂)²."""
    budget = al.error_budget(lambda x: x[0] - 2.0 * x[1], [1.0, 2.0], [0.3, 0.4])
    assert (budget.value, budget.variance, budget.std) == pytest.approx((-3.0, 0.73, math.sqrt(0.73)), rel=1e-15)
    assert budget.by_input == pytest.approx([0.09, 0.64], rel=1e-15)
    budget = al.error_budget(lambda x: x[0] * x[1], np.array([3.0, 2.0]), np.array([0.1, 0.2]))
    assert budget.by_input == pytest.approx(np.array([0.04, 0.36]), rel=1e-15)
    assert isinstance(budget.by_input, np.ndarray)
    assert budget.bias == 0.0


def test_parts_add_up():
    """By input and by line: the variance; by line: the rounding. Within a rounding a part."""
    budget = al.error_budget(pendulum, MEASURED, SIGMA)
    assert sum(budget.by_input.values()) == pytest.approx(budget.variance, rel=1e-15)
    assert sum(budget.by_line.values()) == pytest.approx(budget.variance, rel=1e-15)
    assert sum(budget.rounding_by_line.values()) == pytest.approx(budget.rounding, rel=1e-15)
    assert {k: v * SIGMA[k] for k, v in budget.sensitivity.items()} == pytest.approx(
        {k: math.copysign(math.sqrt(v), budget.sensitivity[k]) for k, v in budget.by_input.items()}, rel=1e-14
    )


def test_lines_are_those_that_use_an_input():
    """Of functions that are called too; a line that cancels another brings a negative part."""
    first = pendulum.__code__.co_firstlineno

    def difference(x):
        grown = 3.0 * x
        return grown - x

    by_line = al.error_budget(pendulum, MEASURED, SIGMA).by_line
    assert [*by_line] == [f"test_budget.py:{first + k}" for k in (2, 3, 4)]
    line = difference.__code__.co_firstlineno
    budget = al.error_budget(difference, 1.0, 0.1)
    assert budget.by_line == pytest.approx(
        {f"test_budget.py:{line + 1}": 0.06, f"test_budget.py:{line + 2}": -0.02}, rel=1e-14
    )
    assert al.error_budget(lambda x: x, 1.0, 0.1).by_line == pytest.approx({"returned": 0.01})
    assert al.error_budget(lambda _: 2.0, 1.0, 0.1).by_line == {}


@pytest.mark.parametrize(
    ("f", "x", "sigma"),
    [
        (pendulum, MEASURED, SIGMA),
        (lambda x: al.exp(x[0]) * al.sin(x[1]) / x[2], [0.3, 1.0, 2.0], [0.01, 0.02, 0.03]),
        (lambda x: al.hypot(x[0], x[1]) + al.log(x[2]), [3.0, 4.0, 5.0], [0.05, 0.02, 0.1]),
    ],
)
def test_monte_carlo(f, x, sigma):
    """A million lanes: variance to 5·√(2/N) and the terms of second order; bias to five standard errors of the mean."""
    count, rng = 1_000_000, np.random.default_rng(1)
    numbers, names = ([*x.values()], [*x]) if isinstance(x, dict) else (x, None)
    widths = [*sigma.values()] if names else sigma
    noise = [n + s * rng.standard_normal(count) for n, s in zip(numbers, widths, strict=True)]
    sample = al.jit(al.vmap(f))(dict(zip(names, noise, strict=True)) if names else noise)
    budget = al.error_budget(f, x, sigma)
    assert np.var(sample) == pytest.approx(budget.variance, rel=5 * math.sqrt(2 / count) + 2e-3)
    assert np.mean(sample) - budget.value == pytest.approx(budget.bias, abs=5 * budget.std / math.sqrt(count))


def test_uncertainties_agrees():
    """The package `uncertainties`, which propagates to first order too."""
    uncertainties = pytest.importorskip("uncertainties")
    umath = pytest.importorskip("uncertainties.umath")
    a, b, c = (uncertainties.ufloat(x, s) for x, s in ((0.3, 0.01), (1.0, 0.02), (2.0, 0.03)))
    theirs = umath.exp(a) * umath.sin(b) / c + a * b - umath.atan2(b, c)
    budget = al.error_budget(
        lambda x: al.exp(x[0]) * al.sin(x[1]) / x[2] + x[0] * x[1] - al.atan2(x[1], x[2]),
        [0.3, 1.0, 2.0],
        [0.01, 0.02, 0.03],
    )
    assert (budget.value, budget.std) == pytest.approx((theirs.nominal_value, theirs.std_dev), rel=1e-12)
    parts = theirs.error_components()
    assert budget.by_input == pytest.approx([parts[n] ** 2 for n in (a, b, c)], rel=1e-12)


# ----------------------------------------------------------------------------------------------------------- covariance


def test_a_diagonal_covariance_is_sigma():
    """Numbers of a dictionary in the order of its keys."""
    matrix = np.diag([SIGMA[k] ** 2 for k in sorted(SIGMA)])
    one, other = (al.error_budget(pendulum, MEASURED, **how) for how in ({"sigma": SIGMA}, {"covariance": matrix}))
    for part in PARTS:
        assert getattr(one, part) == pytest.approx(getattr(other, part), rel=1e-14)


def test_correlated_inputs():
    """Var(x - y) = σ₁² + σ₂² - 2c; parts add up; the bias of a product is the covariance."""
    matrix = [[0.04, 0.03], [0.03, 0.09]]
    budget = al.error_budget(lambda x: x[0] - x[1], [1.0, 2.0], covariance=matrix)
    assert budget.variance == pytest.approx(0.07, rel=1e-14)
    assert budget.by_input == pytest.approx([0.01, 0.06], rel=1e-14)
    assert sum(budget.by_line.values()) == pytest.approx(0.07, rel=1e-14)
    assert al.error_budget(lambda x: x[0] * x[1], [1.0, 2.0], covariance=matrix).bias == pytest.approx(0.03, rel=1e-15)
    same = np.full((2, 2), 0.04)
    assert al.error_budget(lambda x: x[0] - x[1], [1.0, 2.0], covariance=same).std == 0.0


def test_bias():
    """½·f''·σ²: σ² of a square, and of a quotient; 0 of a constant."""
    assert al.error_budget(lambda x: x * x, 3.0, 0.1).bias == pytest.approx(0.01, rel=1e-15)
    assert al.error_budget(lambda x: 1.0 / x, 2.0, 0.1).bias == pytest.approx(0.01 / 8.0, rel=1e-15)
    assert al.error_budget(lambda _: 1.0, 2.0, 0.1).bias == 0.0


# ------------------------------------------------------------------------------------------------------------- rounding


def test_rounding_of_one_operation():
    """Half a unit in the last place of a sum; that of the table of a function; nothing where nothing is rounded."""
    ulp = 2.0**-52
    assert al.error_budget(lambda x: x + 0.1, 0.2, 0.0).rounding == pytest.approx(0.5 * ulp * 0.3)
    assert al.error_budget(lambda x: al.exp(x), 1.0, 0.0).rounding == pytest.approx(ulp * math.e)
    assert al.error_budget(lambda x: -abs(al.relu(al.where(x > 0, x, 1.0))), 0.2, 0.0).rounding == 0.0
    assert al.error_budget(lambda x: al.floor(x * 1.3), 2.1, 0.0).rounding == 0.0


def test_cancellation_is_flagged_and_found():
    """(1 - cos x)/x² at 1e-7: no digit is right; the line says so."""

    def naive(x):
        above = 1.0 - al.cos(x)
        return above / (x * x)

    budget = al.error_budget(naive, 1e-7, 0.0)
    assert budget.flagged
    assert abs(budget.value - 0.5) <= budget.rounding
    worst = max(budget.rounding_by_line, key=budget.rounding_by_line.get)
    assert worst == f"test_budget.py:{naive.__code__.co_firstlineno + 1}"
    better = al.error_budget(lambda x: 2.0 * al.square(al.sin(x / 2.0) / x), 1e-7, 0.0)
    assert not better.flagged
    assert better.rounding < 1e-15


@pytest.mark.parametrize(("f", "x"), [(al.log, 0.0), (al.log, -1.0), (lambda x: 1e300 * x * x, 1e10), (al.inv, 0.0)])
def test_infinities_and_nan_are_flagged(f, x):
    """No bound is one there; everything prints itself."""
    budget = al.error_budget(f, x, 1.0)
    assert budget.flagged
    assert ": an estimate" in str(budget)


def test_kinks_are_flagged():
    """Where rounding decides on which side a number lies; not where the input itself stands there."""

    def tie(y):
        return al.maximum(y, y)

    budget = al.error_budget(lambda x: 1.0 + abs(x / 3.0 * 3.0 - x), 0.1, 0.0)
    assert budget.flagged
    assert len(budget.at_kinks) == 1
    assert not al.error_budget(lambda x: 1.0 + abs(x), 0.0, 0.0).flagged
    assert not al.error_budget(lambda x: tie(x * 0.1), 1.0, 0.0).flagged


def test_a_branch_that_cuts_warns():
    """As a gradient does: no variance where every branch is flat may not be meant."""
    with pytest.warns(al.DerivativeWarning, match="does not depend on its argument, although it was compared"):
        assert al.error_budget(lambda x: 1.0 if x > 0.5 else 0.0, 0.7, 0.1).std == 0.0


def test_own_operations_and_hand_made_nodes():
    """They count one unit without a bound of their own; the bias needs second derivatives, the rest does not."""
    own = al.Primitive(name="budget_cube", value=lambda x: x**3, partials=(lambda x, y: 3.0 * x * x,))
    budget = al.error_budget(own, 2.0, 0.1)
    assert (budget.rounding, budget.std) == pytest.approx((8.0 * 2.0**-52, 1.2))
    made = al.error_budget(lambda x: V(x.value**2, ((x, 2.0 * x.value),)), 3.0, 0.1)
    assert made.std == pytest.approx(0.6)
    assert "bias unknown" in repr(made)
    with pytest.raises(al.HandMadeNodeError):
        made.bias  # computed when it is asked for


# ------------------------------------------------------------------------------------------------------ traces and lanes


def branching(x):
    """A branch that is not taken and would be infinite; a loop."""
    total, _ = al.scan(lambda c, t: (c * x[0] + t, None), x[1], np.array([1.0, 2.0, 3.0]))
    return al.where(x[0] < 1.0, total, al.sqrt((x[0] - 1.0) * 1.3))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("f", "x", "sigma"), [(pendulum, MEASURED, SIGMA), (branching, np.array([0.5, 2.0]), np.array([0.1, 0.2]))]
)
def test_compiled_and_in_lanes(f, x, sigma, part):
    """The same numbers as eagerly: bit for bit compiled, to the vector functions' two units in lanes."""

    def asked(x, sigma):
        return getattr(al.error_budget(f, x, sigma), part)

    def threefold(nest):
        return {k: np.full(3, v) for k, v in nest.items()} if isinstance(nest, dict) else np.tile(nest, (3, 1))

    eager = asked(x, sigma)
    assert str(al.jit(asked)(x, sigma)) == str(eager)
    for mapped in (al.vmap(asked), al.jit(al.vmap(asked))):
        found = mapped(threefold(x), threefold(sigma))
        for leaf, expected in zip(leaves(found), leaves(eager), strict=True):
            assert np.asarray(leaf)[1] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_a_standard_uncertainty_has_no_scale(scale):
    """Its square may lie beyond all floats; without an error its slope is 0, as that of a length."""
    f = lambda x: x[0] + 2.0 * x[1]
    x, sigma = np.array([scale, scale]), np.array([0.3 * scale, 0.2 * scale])
    assert math.isclose(al.error_budget(f, x, sigma).std, 0.5 * scale, rel_tol=1e-15)
    assert math.isclose(al.jit(lambda x: al.error_budget(f, x, sigma).std)(x), 0.5 * scale, rel_tol=1e-15)
    assert al.grad(lambda sigma: al.error_budget(f, x, sigma).std)(np.zeros(2)).tolist() == [0.0, 0.0]


def test_flags_of_lanes():
    """One for each lane; a negative standard deviation is refused, and NaN in a lane."""
    lossy = lambda x: (1e16 + x) - 1e16
    for run in (
        al.vmap(lambda x: al.error_budget(lossy, x, 0.1)),
        al.jit(al.vmap(lambda x: al.error_budget(lossy, x, 0.1))),
    ):
        assert run(np.array([1.0, 1e6, math.nan, 1e15])).flagged.tolist() == [True, False, True, False]
    with pytest.raises(al.ArgumentError, match=r"a standard deviation is a finite number from 0 on"):
        al.error_budget(lossy, 1.0, -0.1)
    lanes = al.vmap(lambda s: al.error_budget(lossy, 1.0, s).std)
    assert np.array_equal(lanes(np.array([0.5, -0.5])), [0.5, math.nan], equal_nan=True)


def test_a_compiled_function_returns_a_budget():
    """All numbers are those of the call, and not Variables of a trace."""

    def asked(x, sigma):
        return al.error_budget(pendulum, x, sigma)

    compiled, lanes = al.jit(asked), al.jit(al.vmap(asked))
    for scale in (1.0, 1.5):
        x = {k: v * scale for k, v in MEASURED.items()}
        found, expected = compiled(x, SIGMA), asked(x, SIGMA)
        rows = lanes({k: np.array([v, 2.0 * v]) for k, v in x.items()}, {k: np.full(2, v) for k, v in SIGMA.items()})
        for part in PARTS:
            assert str(getattr(found, part)) == str(getattr(expected, part))
            for leaf, own in zip(leaves(getattr(rows, part)), leaves(getattr(expected, part)), strict=True):
                assert np.asarray(leaf)[0] == pytest.approx(own, rel=1e-14)
        assert str(found) == str(expected)
        assert type(found.value) is float
        assert str(rows) == "<error budgets of 2 lanes; each attribute has an entry for each>"
        assert "2 lanes" in rows._repr_html_()


def leaves(nest):
    """The numbers and arrays of a dictionary, or the thing itself."""
    return [*nest.values()] if isinstance(nest, dict) else [nest]


def test_derivatives_of_a_budget():
    """∂std/∂σ of a product, ∂std/∂x: (yσ₁)²/std/σ₁ and xσ₂²/std; what to measure better."""

    def std(x, sigma):
        return al.error_budget(lambda x: x[0] * x[1], x, sigma).std

    x, sigma = [3.0, 2.0], [0.1, 0.2]
    total = math.sqrt(0.04 + 0.36)
    assert al.grad(std, 1)(x, sigma) == pytest.approx([0.4 / total, 1.8 / total], rel=1e-14)
    assert al.grad(std)(x, sigma) == pytest.approx([0.12 / total, 0.02 / total], rel=1e-14)
    assert al.jit(al.grad(std))(x, sigma) == al.grad(std)(x, sigma)


def test_captured_variables_are_exact_and_differentiable():
    """They bring no variance; the budget depends on them."""
    w = V(2.0)
    budget = al.error_budget(lambda x: w * x * x, 3.0, 0.1)
    assert budget.variance.value == pytest.approx(1.44)
    assert al.gradients(budget.std, w) == pytest.approx(0.6)
    assert budget.by_input.value == budget.variance.value
    assert "± 1.2" in repr(budget)


# ------------------------------------------------------------------------------------------------------------- messages


def raises(error, text, *arguments, **keywords):
    """Whether a budget is refused with these words."""
    with pytest.raises(error) as caught:
        al.error_budget(*arguments, **keywords)
    assert str(caught.value) == text


def test_messages():
    """What happened, with which values, and what to do."""
    one = "Give one number for each number."
    raises(ArgumentError, "error_budget takes a function and got 3. Write error_budget(f, x, sigma).", 3, 1.0, 0.1)
    raises(
        ArgumentError,
        "error_budget got neither sigma nor covariance: give the standard deviations of the inputs, or the matrix of their "
        "covariances.", pendulum, MEASURED,
    )  # fmt: skip
    raises(
        ArgumentError,
        "error_budget got both sigma and covariance: give the standard deviations of the inputs, or the matrix of their "
        "covariances.", pendulum, MEASURED, SIGMA, covariance=np.eye(3),
    )  # fmt: skip
    raises(
        ArgumentError, "sigma at length is -1.0; a standard deviation is a finite number from 0 on.",
        pendulum, MEASURED, SIGMA | {"length": -1},
    )  # fmt: skip
    raises(ArgumentError, "sigma is nan; a standard deviation is a finite number from 0 on.", al.sin, 1.0, math.nan)
    raises(ArgumentError, f"the numbers of sigma * do not match x, [*, *]. {one}", al.sum, [1.0, 2.0], 0.1)
    form = "Give them in that structure, np.array([...]) for an array."
    raises(
        ArgumentError, f"the numbers of sigma [*, *] do not match x, array[2]. {form}", al.sum, np.ones(2), [0.1, 0.2]
    )
    raises(
        OutputError,
        "<lambda> returned a list of 2 numbers; an error budget is that of one. Choose one: error_budget(lambda x: f(x)[0], "
        "x, sigma).", lambda x: [x, x], 1.0, 0.1,
    )  # fmt: skip
    with pytest.raises(OutputError, match="returned None"):
        al.error_budget(lambda _: None, 1.0, 0.1)


@pytest.mark.parametrize(
    ("matrix", "text"),
    [
        (np.eye(3), "covariance is an array of shape (3, 3), and x has 2 numbers: give a matrix of shape (2, 2)."),
        (
            [[1.0, 0.5], [0.4, 1.0]],
            "covariance is not symmetric: 0.5 at [0, 1], 0.4 at [1, 0]. Give (c + c.T) / 2 if that is meant.",
        ),
        ([[1.0, 0.0], [0.0, -2.0]], "covariance has the variance -2.0 at [1, 1]; a variance is not negative."),
        ([[1.0, math.nan], [0.0, 2.0]], "covariance holds nan; give finite numbers."),
        (
            [[1.0, 1.5], [1.5, 1.0]],
            (
                "covariance is no covariance: the matrix of its correlations has the eigenvalue -0.5, so that some "
                "combination of the inputs would have a negative variance. Correlations lie between -1 and 1."
            ),
        ),
    ],
)
def test_matrices_that_are_no_covariance(matrix, text):
    """Symmetric and positive semi-definite, up to rounding."""
    raises(ArgumentError, text, al.sum, [1.0, 2.0], covariance=matrix)


def test_matrices_that_are_one_up_to_rounding():
    """As an inverse gives them; singular ones; of huge and tiny inputs."""
    exact = np.array([[1.0, 0.3], [0.3, 2.0]])
    for matrix in (
        exact + 1e-12 * np.eye(2)[::-1] * [1, 0],
        np.ones((2, 2)),
        exact * np.outer([1e150, 1e-150], [1e150, 1e-150]),
    ):
        al.error_budget(al.sum, [1.0, 2.0], covariance=matrix)
    with pytest.raises(OperandError, match="parts that differ in shape"):
        al.error_budget(al.sum, [1.0, 2.0], covariance=[[1.0, 2.0], [3.0]])


def test_the_text():
    """Value, uncertainty, bias and rounding; then tables, the largest rows first."""
    lines = str(al.error_budget(pendulum, MEASURED, SIGMA)).splitlines()
    first = pendulum.__code__.co_firstlineno
    assert lines[0] == "9.763881004 ± 0.027; bias +0.0005316; rounding at most 1.3019e-14"
    assert lines[1:5] == [
        "variance by input  value   std  sensitivity   share",
        "  period            40.1  0.05     -0.48698  83.1 %",
        "  length            99.3   0.1     0.098327  13.6 %",
        "  angle              0.1  0.02      0.24354   3.3 %",
    ]
    assert lines[6].endswith('period = p["period"] / 20.0')
    assert f"test_budget.py:{first + 5}" in lines[10]


def test_long_tables_say_how_much_is_left():
    """Twelve rows; the notebook's table is folded."""
    budget = al.error_budget(al.sum, np.arange(1.0, 31.0), np.ones(30))
    assert "  … and 18 more" in str(budget).splitlines()
    assert "<details><summary>variance by input</summary>" in budget._repr_html_()
    assert "larger than 1e-3 of the value: an estimate" in str(al.error_budget(lambda x: (x + 0.1) - x, 1e15, 0.0))
    assert ": an estimate" in str(al.error_budget(lambda x: 1.0 + abs(x / 3.0 * 3.0 - x), 0.1, 0.0))


def test_a_bias_that_takes_long_is_not_computed_for_a_text():
    """A thousand inputs of a program of ten thousand operations."""
    budget = al.error_budget(lambda x: al.sum([v for v in x for _ in range(11)]), [1.0] * 1000, [0.1] * 1000)
    assert "bias not computed yet" in str(budget)
    assert budget.bias == 0.0
    assert "bias +0;" in str(budget)


def test_operations_of_another_thread():
    """They have no line, and count all the same."""

    def threaded(x):
        found = []
        worker = threading.Thread(target=lambda: found.append(x * x))
        worker.start()
        worker.join()
        return found[0]

    budget = al.error_budget(threaded, 3.0, 0.1)
    assert budget.by_line == pytest.approx({"elsewhere": 0.36})


def test_budgets_can_be_copied_and_pickled():
    """With all their numbers, the bias too."""
    budget = al.error_budget(pendulum, MEASURED, SIGMA)
    for other in (copy.deepcopy(budget), pickle.loads(pickle.dumps(budget))):
        assert str(other) == str(budget)
