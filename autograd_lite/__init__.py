"""Exact derivatives of ordinary scalar Python.

>>> import autograd_lite as al
>>> x, y = al.Variable(2.0), al.Variable(3.0)
>>> f = al.sin(x) * y + x * y
>>> f.backward()
>>> f'{x.grad:.6f}'  # y·cos x + y
'1.751559'
>>> al.grad(lambda t: t**3)(2.0)
12.0
"""

from importlib import import_module as _import_module

from autograd_lite import hints as _hints
from autograd_lite import copies as _copies  # gives Variable its copy protocol
from autograd_lite.tape import array_code as _array_code  # gives traces their expressions of long arrays
from autograd_lite.tape import lookups as _lookups  # gives traces their look-ups in tables
from autograd_lite.tape import text as _text  # gives Tape its texts
from autograd_lite.tape import turns as _turns  # finds loops of Python whose paths are turns of one loop
from autograd_lite.tape.llvm import backend as _backend  # machine code among the backends
from autograd_lite.tape.ptx import backend as _device  # and devices
from autograd_lite.maths import linalg, stats
from autograd_lite.train import nn, optim
from autograd_lite.bridge.covariance import covariance
from autograd_lite.backward import gradients, stop_gradient, topological_order, zero_grad
from autograd_lite.errors import (
    ArgumentError, ArrayWarning, AutogradLiteError, BranchError, CompilationError, ConversionError, DerivativeWarning,
    DeviceError, DrawingError,
    GradientCheckError, GraphTooLarge, HandMadeNodeError, LoopLimitError, MatrixError, ModelFileError,
    NonFiniteError, NotConvergedError, OperandError,
    OutputError,
    PathWarning, PrimitiveError, ReadOnlyError, RendererNotFound, RowError, SingularError,
    StaleGraphError, TapeError, TraceError, UnconnectedError, UnknownImportError, UnknownKeywordError, UnknownNameError,
    UnpicklableError,
    WorkerError, WorkerWarning,
)
from autograd_lite.see.audit import audit
from autograd_lite.see.blame import blame
from autograd_lite.see.budget import error_budget
from autograd_lite.see.explain import explain
from autograd_lite.see.flow import gradient_flow, plot_gradient_flow
from autograd_lite.see.kinks import kinks
from autograd_lite.see.view import draw
from autograd_lite.see.watch import raise_on_nonfinite, record_locations, scope
from autograd_lite.see.why import why
from autograd_lite.functions import (
    dot, elu, gelu, log_softmax, logsumexp, mean, norm, prod, selu, silu, softmax, sum as sum,
)
from autograd_lite.nests import array, flatten, full, ones, register_dataclass, values, variables, zeros
from autograd_lite import primitives
from autograd_lite.primitives import *
from autograd_lite.primitives import PRIMITIVES, REAL, Interval, Primitive
from autograd_lite.selection import (
    all as all, any as any, equal, greater, greater_equal, less_equal, max as max, min as min, not_equal,
)
from autograd_lite.tables import take
from autograd_lite.tape.files import load, save  # gives Tape its files
from autograd_lite.tape.call import jit
from autograd_lite.tape.vmap import vmap
from autograd_lite.tape.scan import scan, while_loop
from autograd_lite.tape.in_blocks import in_blocks
from autograd_lite.tape.implicit import argmin, fixed_point, root
from autograd_lite.tape.odes import odeint
from autograd_lite.tape.sparse import sparse, sparse_hessian, sparse_jacobian
from autograd_lite.tape.tape import Tape, trace
from autograd_lite.testing import check_grads
from autograd_lite.maths.series import taylor
from autograd_lite.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from autograd_lite.variable import Variable

__version__ = "0.1.0"

#: `from autograd_lite import *` leaves the builtins abs, all, any, max, min, pow, round and sum alone: write al.abs, al.sum.
__all__ = [
    "PRIMITIVES", "REAL", "ArgumentError", "ArrayWarning", "AutogradLiteError", "BranchError", "CompilationError",
    "ConversionError", "DerivativeWarning", "DeviceError", "DrawingError", "GradientCheckError", "GraphTooLarge",
    "HandMadeNodeError", "Interval", "LoopLimitError", "MatrixError", "ModelFileError", "NonFiniteError",
    "NotConvergedError", "OperandError", "OutputError", "PathWarning", "Primitive", "PrimitiveError", "ReadOnlyError",
    "RendererNotFound", "RowError", "SingularError", "StaleGraphError", "Tape", "TapeError", "TraceError",
    "UnconnectedError", "UnknownImportError", "UnknownKeywordError", "UnknownNameError", "UnpicklableError", "Variable",
    "WorkerError", "WorkerWarning",
    "__version__",
    "argmin", "array", "audit", "blame", "check_grads", "covariance", "dot", "draw", "elu", "equal", "error_budget",
    "explain", "fixed_point", "flatten", "full", "gelu", "grad", "gradient_flow", "gradients", "greater",
    "greater_equal", "hessian", "hvp", "in_blocks", "jacobian", "jit", "jvp", "kinks", "less_equal", "linalg", "load",
    "log_softmax", "logsumexp", "mean", "nn", "norm", "not_equal", "odeint", "ones", "optim", "plot_gradient_flow",
    "prod", "raise_on_nonfinite", "record_locations", "register_dataclass", "root", "save", "scan", "scope", "selu",
    "silu", "softmax", "sparse", "sparse_hessian", "sparse_jacobian", "stats", "stop_gradient", "take", "taylor",
    "topological_order", "trace", "value_and_grad", "values", "variables", "vjp", "vmap", "while_loop", "why",
    "zero_grad", "zeros",
]
__all__ += [name for name in primitives.PUBLIC if name not in ("abs", "pow", "round")]

#: Second names, short and of one meaning: those of JAX, micrograd and others.
jacfwd = jacrev = jacobian
Value, stop_grad = Variable, stop_gradient
__all__ += ["Value", "jacfwd", "jacrev", "stop_grad"]

def _lazily(name: str) -> object:
    """`al.scipy`, which needs SciPy."""
    if name != "scipy":
        raise AttributeError(name)
    return _import_module("autograd_lite.scipy")


__getattr__ = _hints.of_module(__name__, "al", ("abs", "all", "any", "max", "min", "pow", "round", "sum"), _lazily)
