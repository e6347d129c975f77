"""The measured engines, a few lines each: ours, the installed peers, and plain floats as the floor.

A pass is record → backward → reset. Leaves are made once, as parameters are in training. `reset` does the work that a
user of the engine must do before the next pass, so that the housekeeping of every engine counts.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.programs import Program

Scalar = Any  # the number of an engine


class Floats:
    """No derivative at all: what the interpreter takes for the arithmetic alone. The others override what they do."""

    def leaves(self, values: list[float]) -> Any:
        """Make the leaves."""
        return list(values)

    def relu(self, x: Scalar) -> Scalar:
        """Return max(x, 0)."""
        return max(0.0, x)

    def record(self, program: Program, leaves: Any) -> Any:
        """Run the program on the leaves and return its output."""
        return program.run(leaves, self.relu)

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
        self,
        leaf: Callable[[float], Scalar],
        relu: Callable[[Scalar], Scalar],
        number: Callable[[Scalar], float],
        cleared: float | None = None,
    ) -> None:
        self.leaf, self.relu, self.value, self.cleared = leaf, relu, number, cleared  # type: ignore[method-assign]

    def leaves(self, values: list[float]) -> list[Scalar]:
        """Make a node for each leaf."""
        return [self.leaf(value) for value in values]

    def backward(self, output: Scalar, leaves: list[Scalar]) -> None:  # noqa: ARG002 - the output knows its leaves
        """Sweep."""
        output.backward()

    def gradient(self, leaves: list[Scalar]) -> list[float]:
        """Read `.grad`."""
        return [float(x.grad) for x in leaves]

    def reset(self, leaves: list[Scalar]) -> None:
        """Set `.grad` to its first value."""
        cleared = self.cleared
        for x in leaves:
            x.grad = cleared


def autograd_lite() -> Floats:
    """Return this library."""
    import autograd_lite as al

    return Nodes(al.Variable, al.relu, lambda y: y.value)


def micrograd() -> Floats:
    """Return karpathy/micrograd, with enough stack for its recursive sort (as installed, it ends at depth 1,000)."""
    from micrograd.engine import Value

    sys.setrecursionlimit(100_000_000)
    return Nodes(Value, Value.relu, lambda y: y.data, cleared=0)


def torch() -> Floats:
    """Return PyTorch on scalar tensors, one thread."""
    import torch as pytorch

    pytorch.set_num_threads(1)
    return Nodes(
        lambda value: pytorch.tensor(value, dtype=pytorch.float64, requires_grad=True), pytorch.relu, lambda y: y.item()
    )


class Xad(Floats):
    """XAD's Python bindings: a C++ tape behind a Python number."""

    def __init__(self) -> None:
        import xad.math
        from xad.adj_1st import Real, Tape

        self.Real, self.Tape, self.max, self.tape = Real, Tape, xad.math.max, None

    def relu(self, x: Scalar) -> Scalar:
        """Return max(x, 0)."""
        return self.max(x, 0.0)

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

        self.numpy, self.make_vjp = autograd.numpy, make_vjp

    def relu(self, x: Scalar) -> Scalar:
        """Return max(x, 0)."""
        return self.numpy.maximum(x, 0.0)

    def leaves(self, values: list[float]) -> dict[str, Any]:
        """Make the array, and a place for its gradient."""
        return {"array": self.numpy.array(values), "gradient": None}

    def record(self, program: Program, leaves: dict[str, Any]) -> tuple[Callable[[float], Any], float]:
        """Return the pull-back and the value."""
        count = len(leaves["array"])
        return self.make_vjp(lambda array: program.run([array[k] for k in range(count)], self.relu), leaves["array"])

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


OURS, FLOOR = "autograd_lite", "floats, no gradient"
# name in the tables → the module it needs, its maker, whether the cyclic garbage collector runs as it does by default
ENGINES: dict[str, tuple[str, Callable[[], Floats], bool]] = {
    OURS: ("autograd_lite", autograd_lite, True),
    "autograd_lite, gc off": ("autograd_lite", autograd_lite, False),
    "micrograd": ("micrograd", micrograd, True),
    "micrograd, gc off": ("micrograd", micrograd, False),
    "xad": ("xad", Xad, True),
    "torch": ("torch", torch, True),
    "autograd": ("autograd", Autograd, True),
    FLOOR: ("builtins", Floats, True),
}


def present(names: list[str]) -> tuple[list[str], list[str]]:
    """Split engine names into those that can be imported here and, by module, those that cannot."""
    missing = {ENGINES[name][0] for name in names if importlib.util.find_spec(ENGINES[name][0]) is None}
    return [name for name in names if ENGINES[name][0] not in missing], sorted(missing)
