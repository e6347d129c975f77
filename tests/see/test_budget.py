"""Error budgets: variances against Monte Carlo and `uncertainties`, rounding against 60 digits, lines, traces, messages."""

import math
import random
import statistics

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
        if primitive.name in ("pow", "xlogy") and numbers[primitive.name == "xlogy"] <= 0.0:  # real at whole exponents only
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
    budget = al.error_budget(
        lambda x: run(steps, x, al.PRIMITIVES.__getitem__), inputs, [0.0] * len(inputs)
    )
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
