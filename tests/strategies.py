"""Hypothesis strategies: numbers by exponent, points, random programs with shared sub-expressions."""

from dataclasses import dataclass

from hypothesis import strategies as st
from reference import REFERENCE

import autograd_lite as al


def magnitudes(low=-300.0, high=300.0):
    """Positive floats with a uniform decimal exponent."""
    return st.floats(low, high).map(lambda e: 10.0**e)


def signed(low=-300.0, high=300.0):
    """Floats of both signs with a uniform decimal exponent."""
    return st.builds(lambda m, s: m * s, magnitudes(low, high), st.sampled_from((1.0, -1.0)))


def moderate():
    """Floats between 0.01 and 3 in size: smooth functions stay well scaled there."""
    return signed(-2.0, 0.47)


def points(size):
    """Lists of moderate floats."""
    return st.lists(moderate(), min_size=size, max_size=size)


# --- random programs ----------------------------------------------------------------------------------------

UNARY = ("neg", "sin", "cos", "tanh", "atan", "asinh", "sigmoid", "softplus", "erf", "square")
BINARY = ("add", "sub", "mul")
GUARDED = (
    "exp",
    "log1p",
    "sqrt",
    "div",
    "hypot",
    "logaddexp",
    "atan2",
)  # arguments are first brought where these are smooth


@dataclass(frozen=True)
class Step:
    """One instruction: an operation and the slots it reads; slots may be read any number of times."""

    operation: str
    slots: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A straight-line program of `inputs` numbers. Its result adds up its last three slots."""

    inputs: int
    steps: tuple[Step, ...]

    def run(self, arguments, apply):
        """Run it in any arithmetic: `apply(name, *arguments)` does one operation."""
        slots = list(arguments)
        for step in self.steps:
            a, *rest = (slots[i] for i in step.slots)
            if step.operation == "exp":
                a = apply("tanh", a)
            elif step.operation in ("log1p", "sqrt"):
                a = apply("add", apply("mul", a, a), 0.5)
            elif step.operation in ("div", "hypot", "atan2"):
                rest = [apply("add", apply("mul", rest[0], rest[0]), 0.5)]
            slots.append(apply(step.operation, a, *rest))
        total = slots[-1]
        for slot in slots[-3:-1]:
            total = apply("add", total, slot)
        return total

    def __call__(self, arguments):
        """Run it on a list of floats or Variables."""
        return self.run(arguments, lambda name, *args: getattr(al, name)(*args))

    def exactly(self, *arguments):
        """Run it on mpf numbers, through the reference functions."""
        return self.run(arguments, lambda name, *args: REFERENCE[name].value(*args))


@st.composite
def programs(draw, inputs=3, most=12):
    """Programs whose steps prefer recent slots, so that sub-expressions are shared and chains grow deep."""
    steps = []
    for k in range(draw(st.integers(3, most))):
        operation = draw(st.sampled_from(UNARY + BINARY + GUARDED))
        two = operation in BINARY or operation in ("div", "hypot", "logaddexp", "atan2")
        last = inputs + k - 1
        slot = st.one_of(st.integers(0, last), st.integers(max(0, last - 2), last))
        steps.append(Step(operation, tuple(draw(slot) for _ in range(2 if two else 1))))
    return Program(inputs, tuple(steps))
