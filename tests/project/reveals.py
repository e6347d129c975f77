"""What a type checker knows of a user's lines; `test_types.py` runs two of them on this file."""

from typing import Any, assert_type

import numpy as np

import autograd_lite as al
from autograd_lite.backward import Gradients

Array = np.ndarray[Any, Any]

x, y = al.Variable(2.0, name="x"), al.Variable(3.0)
v = np.array([1.0, 2.0])

# An operation gives what it is given.
assert_type(al.sin(x), al.Variable)
assert_type(al.sin(2.0), float)
assert_type(al.sin(3), float)
assert_type(al.sin(v), Array)
assert_type(al.hypot(x, 1.0), al.Variable)
assert_type(al.hypot(1.0, x), al.Variable)
assert_type(al.hypot(1.0, 2), float)
assert_type(al.clip(x, lower=0.0), al.Variable)
assert_type(al.where(1.0, 2.0, x), al.Variable)
assert_type(al.leaky_relu(0.5), float)
al.sin("x")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
al.sin(x, y)  # type: ignore[call-overload] # pyright: ignore[reportCallIssue]

# Operators and methods of a Variable.
assert_type(x * 2 + al.sin(x), al.Variable)
assert_type(2.0 - x, al.Variable)
assert_type(1 / x, al.Variable)
assert_type(x**2, al.Variable)
assert_type(2**x, al.Variable)
assert_type(-x, al.Variable)
assert_type(abs(x), al.Variable)

assert_type(x * v, Array)
assert_type(x.sin(), al.Variable)
assert_type(x.tanh().exp(), al.Variable)
assert_type(x.hypot(y), al.Variable)
assert_type(x.value, float)
assert_type(x.grad, float | None)
assert_type(x.backward(), None)
x.value = 4.0

# Gradients.
assert_type(al.gradients(y, x), float)
assert_type(al.gradients(y, [x, y]), list[float])
assert_type(al.gradients(y), Gradients)


# Transforms keep the parameters of the function.
def f(a: float, scale: float = 1.0) -> float:
    return a * a * scale


assert_type(al.jit(f)(2.0), float)
assert_type(al.value_and_grad(f)(2.0, scale=3.0)[0], float)
al.grad(f)(2.0, scale=3.0)
al.grad(f)("x")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
al.hessian(f)(2.0, factor=3.0)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
al.grad(lambda w: w[0] * w[1])([1.0, 2.0])
al.jit(al.grad(lambda a, b: a * b))(1.0, 2.0)
al.vmap(f, in_axes=(0, None))(v, 2.0)

# Second names.
assert_type(al.Value(1.0), al.Variable)


# Functions that are written for Variables take numbers too; unions stay unions.
def cube(a: al.Variable) -> al.Variable:
    return a * a * a


def relu6(a: float | al.Variable) -> float | al.Variable:
    return al.minimum(al.maximum(a, 0.0), 6.0)


assert_type(al.value_and_grad(cube)(2.0)[0], float)
al.grad(cube)(2.0)
al.jit(cube)(2.0)
al.hessian(cube)(2.0)
assert_type(relu6(2.0), float | al.Variable)
al.sum([x, y])
al.max(x, y)
