"""The measured engines, a few lines each: ours, the installed peers, and plain floats as the floor.

A pass is record → backward → reset. Leaves are made once, as parameters are in training. `reset` does the work that a
user of the engine must do before the next pass, so that the housekeeping of every engine counts.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs import Program

Scalar = Any  # the number of an engine


def functions(number: Callable[[Scalar], float], **others: Callable[[Scalar], Scalar]) -> SimpleNamespace:
    """Return what programs ask for beside operators; the largest of some numbers is found without a derivative."""
    return SimpleNamespace(max=max, stop_gradient=lambda scalars: [number(x) for x in scalars], **others)


class Floats:
    """No derivative at all: what the interpreter takes for the arithmetic alone. The others override what they do."""

    m: Any = functions(float, relu=lambda x: max(0.0, x), exp=math.exp, log=math.log)

    def leaves(self, values: list[float]) -> Any:
        """Make the leaves."""
        return list(values)

    def record(self, program: Program, leaves: Any) -> Any:
        """Run the program on the leaves and return its output."""
        return program.run(leaves, self.m)

    def backward(self, output: Any, leaves: Any) -> None:
        """Compute the gradient of the output with respect to all leaves."""

    def value(self, output: Any) -> float:
        """Return the output's number."""
        return float(output)

    def gradient(self, leaves: Any) -> list[float] | None:  # noqa: ARG002 - floats have none
        """Return the gradient, leaf by leaf; None if the engine has none."""
        return None

    def reset(self, leaves: Any) -> None:
        """Clear the gradients before the next pass."""


class Nodes(Floats):
    """An engine of node objects: `y.backward()` sets `.grad` of each leaf."""

    def __init__(
        self, leaf: Callable[[float], Scalar], m: Any, number: Callable[[Scalar], float], cleared: float | None = None
    ) -> None:
        self.leaf, self.m, self.value, self.cleared = leaf, m, number, cleared  # type: ignore[method-assign]

    def leaves(self, values: list[float]) -> list[Scalar]:
        """Make a node for each leaf."""
        return [self.leaf(value) for value in values]

    def backward(self, output: Scalar, leaves: list[Scalar]) -> None:  # noqa: ARG002 - the output knows its leaves
        """Sweep."""
        output.backward()

    def gradient(self, leaves: list[Scalar]) -> list[float]:
        """Read `.grad`; a leaf that the output does not use may have none."""
        return [float(x.grad or 0.0) for x in leaves]

    def reset(self, leaves: list[Scalar]) -> None:
        """Set `.grad` to its first value."""
        cleared = self.cleared
        for x in leaves:
            x.grad = cleared


def autograd_lite() -> Floats:
    """Return this library."""
    import autograd_lite as al

    return Nodes(al.Variable, al, lambda y: y.value)


def value_class() -> Floats:
    """Return the class of forty lines."""
    from benchmarks.value import Value

    def number(y: Value) -> float:
        return y.data

    return Nodes(Value, functions(number, relu=Value.relu, exp=Value.exp, log=Value.log), number, cleared=0.0)


def micrograd() -> Floats:
    """Return karpathy/micrograd, with enough stack for its recursive sort (as installed, it ends at depth 1,000)."""
    from micrograd.engine import Value

    sys.setrecursionlimit(100_000_000)
    return Nodes(Value, SimpleNamespace(relu=Value.relu), lambda y: y.data, cleared=0)


def torch() -> Floats:
    """Return PyTorch on scalar tensors, one thread."""
    import torch as pytorch

    pytorch.set_num_threads(1)
    m = functions(pytorch.Tensor.item, relu=pytorch.relu, exp=pytorch.exp, log=pytorch.log)
    return Nodes(lambda value: pytorch.tensor(value, dtype=pytorch.float64, requires_grad=True), m, lambda y: y.item())


class Xad(Floats):
    """XAD's Python bindings: a C++ tape behind a Python number."""

    def __init__(self) -> None:
        import xad.math
        from xad.adj_1st import Real, Tape

        self.Real, self.Tape, self.tape = Real, Tape, None
        largest = xad.math.max
        self.m = functions(self.value, relu=lambda x: largest(x, 0.0), exp=xad.math.exp, log=xad.math.log)

    def leaves(self, values: list[float]) -> list[Scalar]:
        """Start a tape and register the leaves on it."""
        if self.tape is not None:
            self.tape.deactivate()
        self.tape = self.Tape()
        self.tape.activate()
        reals = [self.Real(value) for value in values]
        self.tape.registerInputs(reals)
        self.tape.newRecording()
        return reals

    def backward(self, output: Scalar, leaves: list[Scalar]) -> None:  # noqa: ARG002 - the tape knows them
        """Seed and sweep."""
        self.tape.registerOutput(output)
        output.derivative = 1.0
        self.tape.computeAdjoints()

    def value(self, output: Scalar) -> float:
        """Return the output's number."""
        return output.value

    def gradient(self, leaves: list[Scalar]) -> list[float]:
        """Read the adjoints."""
        return [x.derivative for x in leaves]

    def reset(self, leaves: list[Scalar]) -> None:  # noqa: ARG002
        """Rewind the tape."""
        self.tape.newRecording()


class Autograd(Floats):
    """HIPS/autograd; the leaves are elements of one array, as its users write it."""

    def __init__(self) -> None:
        import autograd.numpy
        from autograd.core import make_vjp
        from autograd.tracer import getval

        self.numpy, self.make_vjp = autograd.numpy, make_vjp
        larger = self.numpy.maximum
        self.m = functions(getval, relu=lambda x: larger(x, 0.0), exp=self.numpy.exp, log=self.numpy.log)

    def leaves(self, values: list[float]) -> dict[str, Any]:
        """Make the array, and a place for its gradient."""
        return {"array": self.numpy.array(values), "gradient": None}

    def record(self, program: Program, leaves: dict[str, Any]) -> tuple[Callable[[float], Any], float]:
        """Return the pull-back and the value."""
        count = len(leaves["array"])
        return self.make_vjp(lambda array: program.run([array[k] for k in range(count)], self.m), leaves["array"])

    def backward(self, output: tuple[Callable[[float], Any], float], leaves: dict[str, Any]) -> None:
        """Pull the cotangent 1 back."""
        leaves["gradient"] = output[0](1.0)

    def value(self, output: tuple[Callable[[float], Any], float]) -> float:
        """Return the output's number."""
        return float(output[1])

    def gradient(self, leaves: dict[str, Any]) -> list[float]:
        """Return the array's gradient."""
        return leaves["gradient"].tolist()

    def reset(self, leaves: dict[str, Any]) -> None:
        """Forget the gradient."""
        leaves["gradient"] = None


OURS, PURE, VALUE, FLOOR = "autograd_lite", "autograd_lite, pure Python", "Value class", "floats, no gradient"
GC_OFF = ", gc off"


class Engine(NamedTuple):
    """The module that it needs, its maker, whether the cyclic garbage collector runs as it does by default."""

    module: str
    make: Callable[[], Floats]
    collects: bool = True
    environment: dict[str, str] | None = None  # variables of its process

    def worker(self, factory: Callable[..., Any], *arguments: Any) -> measure.Worker:
        """Return a worker in the engine's environment."""
        return measure.Worker(factory, *arguments, environment=self.environment)


ENGINES = {
    OURS: Engine("autograd_lite", autograd_lite),
    OURS + GC_OFF: Engine("autograd_lite", autograd_lite, collects=False),
    PURE: Engine("autograd_lite", autograd_lite, environment={"AUTOGRAD_LITE_PURE": "1"}),
    VALUE: Engine("builtins", value_class),
    VALUE + GC_OFF: Engine("builtins", value_class, collects=False),
    "micrograd": Engine("micrograd", micrograd),
    "micrograd" + GC_OFF: Engine("micrograd", micrograd, collects=False),
    "xad": Engine("xad", Xad),
    "torch": Engine("torch", torch),
    "autograd": Engine("autograd", Autograd),
    FLOOR: Engine("builtins", Floats),
}


def present(names: list[str]) -> tuple[list[str], list[str]]:
    """Split engine names into those that can be run here and, by module, those that are not installed."""
    from autograd_lite import core

    missing = {ENGINES[name].module for name in names if importlib.util.find_spec(ENGINES[name].module) is None}
    pure = set() if core.compiled else {PURE}  # the first engine is pure Python itself
    return [name for name in names if ENGINES[name].module not in missing and name not in pure], sorted(missing)


def able(names: list[str], program: str) -> list[str]:
    """Return the engines that have the functions of a program: micrograd has neither exp nor log."""
    return [name for name in names if program != "microgpt" or ENGINES[name].module != "micrograd"]
