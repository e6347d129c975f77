"""CasADi: scalar code traced on SX, run by its virtual machine, called through FunctionBuffer, the fastest way."""

from __future__ import annotations

import time
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import casadi as ca
import numpy as np

from benchmarks import formulas, functions, networks
from benchmarks.functions import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.derivatives import Case
    from benchmarks.formulas import Random
    from benchmarks.networks import Data
    from benchmarks.sparse_problems import Problem

Run = Any
CORES = 2


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + ca.exp(-z))


def _logsumexp(logits: list[Any]) -> Any:
    return ca.logsumexp(ca.vertcat(*logits))


MATHS = SimpleNamespace(
    exp=ca.exp, log=ca.log, sqrt=ca.sqrt, sin=ca.sin, cos=ca.cos, tanh=ca.tanh, erf=ca.erf, erfc=lambda x: 1 - ca.erf(x),
    array=list,
    relu=lambda x: ca.fmax(x, 0), logsumexp=_logsumexp,
)  # fmt: skip


def _buffered(function: ca.Function, *arguments: Any) -> Callable[[], list[np.ndarray]]:
    """Bind a function to memory once; a run then copies nothing but the results."""
    buffer, trigger = function.buffer()
    held = [np.ascontiguousarray(a, dtype=np.float64) for a in arguments]
    for k, array in enumerate(held):
        buffer.set_arg(k, memoryview(array))
    outputs = [np.zeros(function.nnz_out(k)) for k in range(function.n_out())]  # column by column
    for k, array in enumerate(outputs):
        buffer.set_res(k, memoryview(array))

    def run(_held: Any = held, _buffer: Any = buffer) -> list[np.ndarray]:
        trigger()
        return [array.copy() for array in outputs]

    return run


def _network(data: Data, loss: Callable[..., Any]) -> ca.Function:
    """Return the gradient of a loss of one sample, as a function of parameters, inputs and targets."""
    params = ca.SX.sym("p", networks.count(data.widths))
    x, t = ca.SX.sym("x", data.widths[0]), ca.SX.sym("t", data.widths[-1])
    value = loss(*map(ca.vertsplit, (params, x, t)), data.widths)
    return ca.Function("gradient", [params, x, t], [ca.gradient(value, params)])


def _sigmoids(params: Any, inputs: Any, targets: Any, widths: Any) -> Any:
    return networks.scalar_sigmoids(params, inputs, targets, widths, _sigmoid)


def network_gradient(data: Data) -> Run:
    """Gradient for one sample."""
    return _buffered(_network(data, _sigmoids), data.params, data.inputs[0], data.targets[0])


def tiny(point: tuple[float, float]) -> Run:
    """Value and gradient."""
    a, b = ca.SX.sym("a"), ca.SX.sym("b")
    g = formulas.tiny(a, b)
    return _buffered(ca.Function("tiny", [a, b], [g, ca.gradient(g, a), ca.gradient(g, b)]), *point)


def rosenbrock(x: Any) -> Run:
    """Value and gradient of scalar code."""
    v = ca.SX.sym("x", len(x))
    value = functions.rosenbrock(ca.vertsplit(v), ca)
    return _buffered(ca.Function("rosenbrock", [v], [value, ca.gradient(value, v)]), x)


def training(data: Data, steps: int) -> Run:
    """Gradient steps folded over the samples, which repeat when all have been used."""
    gradient = _network(data, _sigmoids)
    names = ca.SX.sym("p", gradient.size1_in(0)), ca.SX.sym("x", data.widths[0]), ca.SX.sym("t", data.widths[-1])
    step = ca.Function("step", [*names], [names[0] - networks.RATE * gradient(*names)])
    order = np.arange(steps) % len(data.inputs)
    return _buffered(step.fold(steps), data.params, data.inputs[order], data.targets[order])


def mean_gradient(data: Data) -> Run:
    """Mean gradient over samples: the function mapped over them by threads, its outputs added up."""
    return _mapped(_network(data, _sigmoids), data)


def classifier(data: Data) -> Run:
    """Mean gradient of the ReLU classifier."""
    return _mapped(
        _network(data, lambda params, x, t, widths: networks.scalar_classifier(params, x, t, widths, MATHS)), data
    )


def _mapped(gradient: ca.Function, data: Data) -> Run:
    samples = len(data.inputs)
    run = _buffered(gradient.map(samples, "thread", CORES), np.tile(data.params, samples), data.inputs, data.targets)
    return lambda: run()[0].reshape(samples, -1).mean(axis=0)


def black_scholes(points: Any) -> Run:
    """Prices and sensitivities, mapped by threads over options."""
    names = [ca.SX.sym(name) for name in ("s", "k", "r", "v", "t")]
    price = formulas.call(*names, MATHS)
    function = ca.Function("call", names, [price, *(ca.gradient(price, name) for name in names)])
    return _buffered(function.map(points.shape[1], "thread", CORES), *points)


def bundle(parameters: Any, observed: Any) -> Run:
    """Jacobians of residuals, mapped by threads over observations; its matrices lie column by column."""
    p, o = ca.SX.sym("p", 15), ca.SX.sym("o", 2)
    residuals = ca.vertcat(*formulas.residual([p[k] for k in range(15)], [o[k] for k in range(2)], MATHS))
    function = ca.Function("bundle", [p, o], [ca.densify(ca.jacobian(residuals, p)).T])
    run = _buffered(function.map(len(parameters), "thread", CORES), parameters, observed)
    return lambda: run()[0]


def compiled(data: Data) -> Run:
    """Trace, differentiate and run; a fresh function each time."""

    def run() -> Any:
        return network_gradient(data)()

    return run


def sparse(problem: Problem) -> Run:
    """The entries of a sparse Jacobian row by row, or of the lower triangle of a sparse Hessian."""
    x = ca.SX.sym("x", len(problem.x))
    y = problem.f(ca.vertsplit(x), MATHS)
    y = ca.vertcat(*y) if isinstance(y, list) else y
    if problem.kind == "jacobian":
        return _buffered(ca.Function("jacobian", [x], [ca.jacobian(y, x).T]), problem.x)
    weights = ca.SX.sym("w", y.shape[0])
    hessian, _ = ca.hessian(ca.dot(weights, y), x)
    given = np.ones(1) if problem.weights is None else problem.weights
    return _buffered(ca.Function("hessian", [x, weights], [ca.triu(hessian)]), problem.x, given)


def sparse_anew(problem: Problem) -> Run:
    """The same from the function on."""

    def run() -> Any:
        return sparse(problem)()

    return run


def value(name: str, points: Any) -> Run:
    """One of the twenty functions, at a point or over rows of points."""
    return _at(name, points, lambda y, _x: y)


def gradient(name: str, points: Any) -> Run:
    """Return the gradient of one of the twenty functions."""
    return _at(name, points, ca.gradient)


def _at(name: str, points: Any, of: Callable[[Any, Any], Any]) -> Run:
    x = ca.SX.sym("x", points.shape[-1])
    function = ca.Function("f", [x], [of(FUNCTIONS[name][0](ca.vertsplit(x), MATHS), x)])
    return _buffered(function if points.ndim == 1 else function.map(len(points), "serial"), points)


def derivative(case: Case, kind: str) -> Run:
    """The function itself, or a derivative, dense; of a large Hessian the entries of its lower triangle."""
    x = ca.SX.sym("x", len(case.x))
    y = case.f(ca.vertsplit(x), MATHS)
    y = ca.vertcat(*y) if isinstance(y, list) else y
    if kind == "hessian":
        matrix = ca.hessian(y, x)[0]
        found = ca.triu(matrix) if case.large else ca.densify(matrix)
    else:
        first = {"gradient": ca.gradient, "jacobian": lambda y, x: ca.jacobian(y, x).T}
        found = ca.densify(y if kind == "value" else first[kind](y, x))
    return _buffered(ca.Function("f", [x], [found]), case.x)


def phases(program: Random) -> tuple[dict[str, float], int, Any, Run]:
    """Return seconds of each phase, the number of instructions, the gradient, and a function that runs it again."""
    clock = time.perf_counter
    times = [clock()]
    x = ca.SX.sym("x", len(program.point))
    y = formulas.run_random(program, ca.vertsplit(x), MATHS)
    times.append(clock())
    slope = ca.gradient(y, x)
    times.append(clock())
    function = ca.Function("random", [x], [slope])
    run = _buffered(function, program.point)
    result = run()
    times.append(clock())
    spent = [b - a for a, b in pairwise(times)]
    return dict(zip(("trace", "gradient", "compile"), spent, strict=True)), function.n_instructions(), result, run
