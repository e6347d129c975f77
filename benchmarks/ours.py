"""Our own contestant: scalar code, traced, differentiated, compiled."""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al
from autograd_lite.tape import background
from autograd_lite.tape.backends.registry import forget
from benchmarks import formulas, functions, networks
from benchmarks.functions import FUNCTIONS
from benchmarks.sparse_problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.derivatives import Case
    from benchmarks.formulas import Random
    from benchmarks.networks import Data

Run = Any
PHASES = ("trace", "gradient", "compile")


def settle() -> bool:
    """Wait for the machine code of programs that ran twice; whether there was any to come."""
    return background.wait()


def _loss(data: Data) -> Callable[..., Any]:
    def loss(params: Any, x: Any, target: Any) -> Any:
        return networks.scalar_sigmoids(params, x, target, data.widths, al.sigmoid)

    return loss


def network_gradient(data: Data) -> Run:
    """Gradient for one sample."""
    gradient = al.jit(al.grad(_loss(data)))
    return lambda: gradient(data.params, data.inputs[0], data.targets[0])


def tiny(point: tuple[float, float]) -> Run:
    """Value and gradient, called with Python floats."""
    both = al.jit(al.value_and_grad(formulas.tiny, argnums=(0, 1)))
    return lambda: both(*point)


def rosenbrock(x: Any) -> Run:
    """Value and gradient of scalar code, a loop over neighbours."""
    both = al.jit(al.value_and_grad(lambda x: functions.rosenbrock(x, al)))
    return lambda: both(x)


def training(data: Data, steps: int) -> Run:
    """Gradient steps: one scan over samples."""
    inputs, targets = (np.resize(a, (steps, a.shape[1])) for a in (data.inputs, data.targets))
    gradient = al.grad(_loss(data))

    def step(params: Any, sample: Any) -> Any:
        return params - networks.RATE * gradient(params, *sample), ()

    trained = al.jit(lambda params, x, t: al.scan(step, params, (x, t))[0])
    return lambda: trained(data.params, inputs, targets)


def mean_gradient(data: Data) -> Run:
    """Mean gradient over samples: lanes."""
    gradient = al.jit(al.vmap(al.grad(_loss(data)), in_axes=(None, 0, 0), reduce="mean"))
    return lambda: gradient(data.params, data.inputs, data.targets)


def classifier(data: Data) -> Run:
    """Mean gradient of the ReLU classifier: lanes."""

    def loss(params: Any, x: Any, target: Any) -> Any:
        return networks.scalar_classifier(params, x, target, data.widths, al)

    gradient = al.jit(al.vmap(al.grad(loss), in_axes=(None, 0, 0), reduce="mean"))
    return lambda: gradient(data.params, data.inputs, data.targets)


def black_scholes(points: Any) -> Run:
    """Prices and sensitivities: lanes."""
    both = al.jit(al.vmap(al.value_and_grad(partial(formulas.call, m=al), argnums=(0, 1, 2, 3, 4))))
    return lambda: both(*points)


def random_gradient(program: Random) -> Run:
    """Value and gradient of a random program."""
    both = al.jit(al.value_and_grad(lambda x: formulas.run_random(program, x, al)))
    return lambda: both(program.point)


def newton_roots(points: Any) -> Run:
    """Roots and their derivatives: a loop in lanes, and its reverse sweep."""

    def root(a: Any) -> Any:
        return al.while_loop(lambda x: formulas.going(x, a), lambda x: (x + a / x) / 2, a)

    both = al.jit(al.vmap(al.value_and_grad(root)))
    return lambda: both(points)


def kepler(points: Any) -> Run:
    """Roots and their derivatives by the implicit function theorem: lanes."""
    residual = partial(formulas.kepler, m=al)
    both = al.jit(al.vmap(al.value_and_grad(lambda m, e: al.root(residual, m, m, e), argnums=(0, 1))))
    return lambda: both(*points)


def bundle(parameters: Any, observed: Any) -> Run:
    """Jacobians of residuals: lanes."""
    jacobians = al.jit(al.vmap(al.jacobian(partial(formulas.residual, m=al))))
    return lambda: jacobians(parameters, observed)


def mean_payoff(z: Any) -> Run:
    """The mean over samples and its sensitivities, as array code in NumPy's style."""
    both = al.jit(al.value_and_grad(lambda contract: formulas.payoff(contract, z, np).mean()))
    return lambda: both(formulas.CONTRACT)


def mean_payoff_mapped(z: Any) -> Run:
    """The same from the function of one sample."""
    gradient = al.value_and_grad(lambda contract, z: formulas.payoff(contract, z, al))
    both = al.jit(al.vmap(gradient, in_axes=(None, 0), reduce="mean"))
    return lambda: both(formulas.CONTRACT, z)


def compiled(data: Data) -> Run:
    """Trace, differentiate and run, each time a fresh function and without code from the time before."""

    def run() -> Any:
        forget()
        return network_gradient(data)()

    return run


def sparse(problem: Problem) -> Run:
    """The entries of a sparse Jacobian, or of the lower triangle of a sparse Hessian; a matrix of its own in each run."""
    s = al.sparse(lambda x: problem.f(x, al))
    if problem.kind == "jacobian":
        return lambda: s.jacobian(problem.x).data
    return lambda: s.hessian(problem.x, problem.weights, triangle="lower").data


def sparse_anew(problem: Problem) -> Run:
    """The same from the function on, without code from the time before."""

    def run() -> Any:
        forget()
        return sparse(problem)()

    return run


def value(name: str, points: Any) -> Run:
    """One of the twenty functions, at a point or over rows of points."""
    return _at(lambda x: FUNCTIONS[name][0](x, al), points)


def gradient(name: str, points: Any) -> Run:
    """Return the gradient of one of the twenty functions."""
    return _at(al.grad(lambda x: FUNCTIONS[name][0](x, al)), points)


def _at(f: Callable[[Any], Any], points: Any) -> Run:
    compiled = al.jit(f if points.ndim == 1 else al.vmap(f))
    return lambda: compiled(points)


def derivative(case: Case, kind: str) -> Run:
    """The function itself, or a derivative; of a large Hessian the entries of its lower triangle."""
    if kind == "hessian" and case.large:
        return sparse(Problem(case.f, kind, case.x))

    def f(x: Any) -> Any:
        y = case.f(x, al)
        return al.array(y) if isinstance(y, list) else y  # a list of rows takes longer to make than a matrix

    of = {"value": lambda f: f, "gradient": al.grad, "jacobian": al.jacobian, "hessian": al.hessian}[kind]
    compiled = al.jit(of(f))
    return lambda: compiled(case.x)


def phases(program: Random) -> tuple[dict[str, float], int, Any, Run]:
    """Return seconds of each phase, the number of compiled operations, the gradient, and a function that runs it again.

    Compiling ends when there is machine code; the interpreter had the first result long before, see `fresh`.
    """
    forget()
    clock = time.perf_counter
    times = [clock()]
    tape = al.trace(lambda x: formulas.run_random(program, x, al), program.point)
    times.append(clock())
    both = tape.gradient()
    times.append(clock())
    compiled = al.jit(both)
    result = compiled(program.point)
    compiled(program.point)
    settle()
    times.append(clock())
    spent = [b - a for a, b in pairwise(times)]
    return dict(zip(PHASES, spent, strict=True)), len(both), result, lambda: compiled(program.point)
