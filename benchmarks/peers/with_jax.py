"""JAX, float64, jitted: array code as its users write it, and scalar code in the rows about scalar code."""

from __future__ import annotations

import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import formulas, networks

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.derivatives import Case
    from benchmarks.formulas import Random
    from benchmarks.networks import Data

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_cpu_enable_async_dispatch", False)  # a call returns three times as fast

Run = Any
MATHS = SimpleNamespace(
    exp=jnp.exp, log=jnp.log, sqrt=jnp.sqrt, sin=jnp.sin, cos=jnp.cos, array=jnp.stack, erfc=jax.scipy.special.erfc,
    relu=jax.nn.relu, log_softmax=jax.nn.log_softmax,
)  # fmt: skip


def _ready(f: Callable[..., Any], *arguments: Any) -> Run:
    """Jit a function and bind its arguments, which are on the device already."""
    compiled, placed = jax.jit(f), [jax.tree.map(jnp.asarray, a) for a in arguments]
    return lambda: jax.block_until_ready(compiled(*placed))


def network_gradient(data: Data) -> Run:
    """Gradient for one sample; the arguments are JAX arrays already."""
    loss = partial(networks.array_sigmoids, widths=data.widths, sigmoid=jax.nn.sigmoid)
    return _ready(jax.grad(loss), data.params, data.inputs[0], data.targets[0])


def tiny(point: tuple[float, float]) -> Run:
    """Value and gradient, called with Python floats."""
    compiled = jax.jit(jax.value_and_grad(formulas.tiny, argnums=(0, 1)))
    return lambda: jax.block_until_ready(compiled(*point))


def rosenbrock(x: Any) -> Run:
    """Value and gradient of array code: scalar code of this length takes JAX minutes to compile."""

    def value(x: Any) -> Any:
        return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    compiled, point = jax.jit(jax.value_and_grad(value)), jnp.asarray(x)
    return lambda: jax.block_until_ready(compiled(point))


def training(data: Data, steps: int) -> Run:
    """Gradient steps by lax.scan over samples, not unrolled, since that is faster here."""
    loss = partial(networks.array_sigmoids, widths=data.widths, sigmoid=jax.nn.sigmoid)
    inputs, targets = (jnp.asarray(np.resize(a, (steps, a.shape[1]))) for a in (data.inputs, data.targets))

    def step(params: Any, sample: Any) -> Any:
        return params - networks.RATE * jax.grad(loss)(params, *sample), None

    compiled = jax.jit(lambda params: jax.lax.scan(step, params, (inputs, targets))[0])
    start = jnp.asarray(data.params)
    return lambda: compiled(start).block_until_ready()


def mean_gradient(data: Data) -> Run:
    """Mean gradient over samples: one loss over matrices of samples."""

    def loss(params: Any, inputs: Any, targets: Any) -> Any:
        return networks.array_sigmoids(params, inputs, targets, data.widths, jax.nn.sigmoid) / len(inputs)

    return _ready(jax.grad(loss), data.params, data.inputs, data.targets)


def classifier(data: Data) -> Run:
    """Mean gradient of the ReLU classifier."""
    loss = partial(networks.array_classifier, widths=data.widths, m=MATHS)
    return _ready(jax.grad(loss), data.params, data.inputs, data.targets)


def black_scholes(points: Any) -> Run:
    """Prices and sensitivities: vmap of value_and_grad."""
    f = jax.vmap(jax.value_and_grad(partial(formulas.call, m=MATHS), argnums=(0, 1, 2, 3, 4)))
    return _ready(f, *points)


def newton_roots(points: Any) -> Run:
    """Roots and their derivatives: lax.while_loop over arrays that carries the derivative along, since it has no reverse."""

    def root(a: Any) -> Any:
        def step(carry: Any) -> Any:
            x, d = carry
            quotient, on = a / x, formulas.going(x, a)
            following = (x + quotient) / 2, (d + (1.0 - quotient * d) / x) / 2
            return jnp.where(on, following[0], x), jnp.where(on, following[1], d)

        return jax.lax.while_loop(lambda c: formulas.going(c[0], a).any(), step, (a, jnp.ones_like(a)))

    return _ready(root, points)


def kepler(points: Any) -> Run:
    """Roots and their derivatives by lax.custom_root over Newton's method in a lax.while_loop."""
    residual = partial(formulas.kepler, m=MATHS)

    def newton(f: Any, start: Any) -> Any:
        slope = jax.grad(f)

        def step(carry: Any) -> Any:
            change = f(carry[0]) / slope(carry[0])
            return carry[0] - change, change

        return jax.lax.while_loop(lambda c: jnp.abs(c[1]) >= 1e-13, step, (start, jnp.ones_like(start)))[0]

    def root(mean: Any, eccentricity: Any) -> Any:
        return jax.lax.custom_root(
            lambda x: residual(x, mean, eccentricity), mean, newton, lambda linear, y: y / linear(1.0)
        )

    return _ready(jax.vmap(jax.value_and_grad(root, argnums=(0, 1))), *points)


def bundle(parameters: Any, observed: Any) -> Run:
    """Jacobians of residuals, forward: 15 directions take less time than 3 sweeps back."""
    return _ready(jax.vmap(jax.jacfwd(partial(formulas.residual, m=MATHS))), parameters, observed)


def mean_payoff(z: Any) -> Run:
    """The mean over samples and its sensitivities."""
    return _ready(
        jax.value_and_grad(lambda contract, z: formulas.payoff(contract, z, jnp).mean()), formulas.CONTRACT, z
    )


def derivative(case: Case, kind: str) -> Run:
    """The scalar code of the other contestants, or a derivative of it, dense."""
    if case.large:
        raise NotImplementedError("minutes to compile")

    def f(x: Any) -> Any:
        y = case.f([x[k] for k in range(len(case.x))], MATHS)
        return jnp.stack(y) if isinstance(y, list) else y

    of = {"value": lambda f: f, "gradient": jax.grad, "jacobian": jax.jacrev, "hessian": jax.hessian}[kind]
    return _ready(of(f), case.x)


def compiled_arrays(data: Data) -> Run:
    """Trace, differentiate, compile and run array code; a fresh function each time."""

    def run() -> Any:
        jax.clear_caches()
        return network_gradient(data)()

    return run


def compiled_scalars(data: Data) -> Run:
    """Trace, differentiate, compile and run the scalar code of the other contestants; a fresh function each time."""

    def run() -> Any:
        jax.clear_caches()
        loss = partial(networks.scalar_sigmoids, widths=data.widths, sigmoid=jax.nn.sigmoid)
        return jax.jit(jax.grad(loss))(data.params, data.inputs[0], data.targets[0]).block_until_ready()

    return run


def phases(program: Random) -> tuple[dict[str, float], int, Any, Run]:
    """Return seconds of each phase, the number of compiled equations, the gradient, and a function that runs it again."""
    clock, point = time.perf_counter, jnp.asarray(program.point)
    times = [clock()]
    traced = jax.jit(jax.grad(lambda x: formulas.run_random(program, x, MATHS))).trace(point)
    times.append(clock())
    compiled = traced.lower().compile()
    result = compiled(point).block_until_ready()
    times.append(clock())
    spent = {
        "trace": times[1] - times[0],
        "gradient": 0.0,
        "compile": times[2] - times[1],
    }  # it differentiates as it traces
    return spent, len(traced.jaxpr.eqns), result, lambda: compiled(point).block_until_ready()
