"""The engines under test, a few lines each: ours, the peers that are installed, and plain floats as the floor.

A pass is record → backward → reset. Leaves are made once, as parameters are in training; `reset` does what an engine's
user must do before the next pass, so that no engine's housekeeping goes uncounted.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.programs import Program


class Floats:
    """No derivative at all: what the interpreter takes for the arithmetic alone."""

    module = "builtins"

    def leaves(self, values: list[float]) -> Any:
        """Make the leaves."""
        return list(values)

    def relu(self, x: Any) -> Any:
        """Return max(x, 0)."""
        return x if x > 0.0 else 0.0

    def record(self, program: Program, leaves: Any) -> Any:
        """Run the program on the leaves and return its output."""
        return program.run(leaves, self.relu)

    def backward(self, output: Any, leaves: Any) -> None:
        """Compute the gradient of the output with respect to all leaves."""

    def value(self, output: Any) -> float:
        """Return the output's number."""
        return float(output)

    def gradient(self, leaves: Any) -> list[float] | None:
        """Return the gradient, leaf by leaf; None if the engine has none."""

    def reset(self, leaves: Any) -> None:
        """Clear the gradients before the next pass."""


class AutogradLite(Floats):
    """This library."""

    module = "autograd_lite"

    def __init__(self) -> None:
        import autograd_lite as al

        self.Variable, self.relu = al.Variable, al.relu

    def leaves(self, values):
        return [self.Variable(v) for v in values]

    def backward(self, output, leaves):
        output.backward()

    def value(self, output):
        return output.value

    def gradient(self, leaves):
        return [x.grad for x in leaves]

    def reset(self, leaves):
        for x in leaves:
            x.grad = None


class Micrograd(Floats):
    """karpathy/micrograd; its recursive sort gets the stack it needs (as installed, it ends at depth 1,000)."""

    module = "micrograd"

    def __init__(self) -> None:
        from micrograd.engine import Value

        sys.setrecursionlimit(100_000_000)
        self.Value, self.relu = Value, Value.relu

    def leaves(self, values):
        return [self.Value(v) for v in values]

    def backward(self, output, leaves):
        output.backward()

    def value(self, output):
        return output.data

    def gradient(self, leaves):
        return [x.grad for x in leaves]

    def reset(self, leaves):
        for x in leaves:
            x.grad = 0


class Xad(Floats):
    """XAD's Python bindings: a C++ tape behind a Python number."""

    module = "xad"

    def __init__(self) -> None:
        import xad.math
        from xad.adj_1st import Real, Tape

        self.Real, self.Tape, self.max = Real, Tape, xad.math.max
        self.tape = None

    def relu(self, x):
        return self.max(x, 0.0)

    def leaves(self, values):
        if self.tape is not None:
            self.tape.deactivate()
        self.tape = self.Tape()
        self.tape.activate()
        reals = [self.Real(v) for v in values]
        self.tape.registerInputs(reals)
        self.tape.newRecording()
        return reals

    def backward(self, output, leaves):
        self.tape.registerOutput(output)
        output.derivative = 1.0
        self.tape.computeAdjoints()

    def value(self, output):
        return output.value

    def gradient(self, leaves):
        return [x.derivative for x in leaves]

    def reset(self, leaves):
        self.tape.newRecording()


class Autograd(Floats):
    """HIPS/autograd; the leaves are elements taken out of one array, as its users write it."""

    module = "autograd"

    def __init__(self) -> None:
        import autograd.numpy as numpy
        from autograd.core import make_vjp

        self.numpy, self.make_vjp = numpy, make_vjp

    def relu(self, x):
        return self.numpy.maximum(x, 0.0)

    def leaves(self, values):
        return {"array": self.numpy.array(values), "gradient": None}

    def record(self, program, leaves):
        count = len(leaves["array"])
        return self.make_vjp(lambda array: program.run([array[k] for k in range(count)], self.relu), leaves["array"])

    def backward(self, output, leaves):
        leaves["gradient"] = output[0](1.0)

    def value(self, output):
        return float(output[1])

    def gradient(self, leaves):
        return leaves["gradient"].tolist()

    def reset(self, leaves):
        leaves["gradient"] = None


class Torch(Floats):
    """PyTorch on scalar tensors, one thread."""

    module = "torch"

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch, self.relu = torch, torch.relu

    def leaves(self, values):
        return [self.torch.tensor(v, dtype=self.torch.float64, requires_grad=True) for v in values]

    def backward(self, output, leaves):
        output.backward()

    def value(self, output):
        return output.item()

    def gradient(self, leaves):
        return [x.grad.item() for x in leaves]

    def reset(self, leaves):
        for x in leaves:
            x.grad = None


OURS, FLOOR = "autograd_lite", "floats, no gradient"
# name in the tables → class, whether the cyclic garbage collector runs
ENGINES: dict[str, tuple[type[Floats], bool]] = {
    OURS: (AutogradLite, True),
    "autograd_lite, gc off": (AutogradLite, False),
    "micrograd": (Micrograd, True),
    "micrograd, gc off": (Micrograd, False),
    "xad": (Xad, True),
    "torch": (Torch, True),
    "autograd": (Autograd, True),
    FLOOR: (Floats, True),
}


def installed(module: str) -> bool:
    """Whether a module could be imported."""
    return importlib.util.find_spec(module) is not None


def present(names: list[str]) -> tuple[list[str], list[str]]:
    """Split engine names into those that can be imported here and, by module, those that cannot."""
    missing = {ENGINES[name][0].module for name in names if not installed(ENGINES[name][0].module)}
    return [name for name in names if ENGINES[name][0].module not in missing], sorted(missing)
