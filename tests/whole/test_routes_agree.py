"""One derivative, every route: the recorded sweep, graphs of gradients, forward mode, products, nested transforms.

Whatever later runs a gradient (tape, lanes, machine code) adds its route here.
"""

import math

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import Variable

PROGRAMS = {
    "polynomial": (lambda x, y: x**3 * y - 2 * x * y**2 + y, (1.3, -0.7)),
    "shared": (lambda x, y: (x * y + al.sin(x * y)) * al.exp(x * y), (0.4, 0.9)),
    "loop": (lambda x, y: newton(x, y), (2.0, 1.0)),
    "branch": (lambda x, y: x * y if x > y else y / x, (1.5, 2.5)),
    "softmax": (lambda x, y: al.softmax([x, y, x * y])[0] + al.logsumexp([x, y]), (0.2, -1.1)),
    "special": (lambda x, y: al.erf(x) * al.lgamma(y) + al.hypot(x, y) + al.atan2(y, x), (0.6, 1.7)),
    "power": (lambda x, y: x**y + y**x, (1.2, 2.3)),
    "selected": (lambda x, y: al.maximum(x, y) * al.where(x < y, x, al.log(-x)) + al.clip(y, 0, 1), (0.3, 0.8)),
}


def newton(x, y):
    """A square root by iteration, as far as the data say."""
    while abs(y * y - x) > 1e-12:
        y = 0.5 * (y + x / y)
    return y


def backward_route(f, point):
    """.grad after one backward."""
    leaves = [Variable(p) for p in point]
    f(*leaves).backward()
    return [leaf.grad for leaf in leaves]


def create_graph_route(f, point):
    """gradients(create_graph=True)."""
    leaves = [Variable(p) for p in point]
    return [g.value for g in al.gradients(f(*leaves), leaves, create_graph=True)]


FIRST_ORDER = {
    "backward": backward_route,
    "mapping": lambda f, p: mapping(f, p),
    "create_graph": create_graph_route,
    "grad": lambda f, p: list(al.grad(f, argnums=(0, 1))(*p)),
    "value_and_grad": lambda f, p: list(al.value_and_grad(lambda v: f(*v))(np.array(p))[1]),
    "vjp": lambda f, p: list(al.vjp(f, *p)[1](1.0)),
    "jvp": lambda f, p: [al.jvp(f, p, direction)[1] for direction in ((1.0, 0.0), (0.0, 1.0))],
    "jacobian": lambda f, p: list(al.jacobian(lambda v: f(*v))(np.array(p))),
    "jacobian forward": lambda f, p: list(al.jacobian(lambda v: [f(*v)] * 3)(np.array(p))[1]),
    "of a Variable": lambda f, p: [g.value for g in al.grad(f, argnums=(0, 1))(*map(Variable, p))],
    "after pickling": lambda f, p: pickled(f, p),
}
SECOND_ORDER = {
    "hessian": lambda f, p: al.hessian(lambda v: f(*v))(np.array(p)),
    "jacobian of grad": lambda f, p: al.jacobian(al.grad(lambda v: f(*v)))(np.array(p)),
    "hvp": lambda f, p: np.array([al.hvp(lambda v: f(*v), (np.array(p),), (e,)) for e in np.eye(2)]),
    "grad of jvp": lambda f, p: np.array(
        [al.grad(lambda v, e=e: al.jvp(lambda u: f(*u), (v,), (e,))[1])(np.array(p)) for e in np.eye(2)]
    ),
    "jvp of jvp": lambda f, p: np.array(
        [
            [al.jvp(lambda v, e=e: al.jvp(lambda u: f(*u), (v,), (e,))[1], (np.array(p),), (d,))[1] for d in np.eye(2)]
            for e in np.eye(2)
        ]
    ),
    "sweep of a sweep": lambda f, p: swept_twice(f, p),
}


def mapping(f, point):
    """gradients() without wrt."""
    leaves = [Variable(p) for p in point]
    found = al.gradients(f(*leaves))
    return [found[leaf] for leaf in leaves]


def pickled(f, point):
    """The graph, written and read back."""
    import pickle

    leaves = [Variable(p) for p in point]
    y, again = pickle.loads(pickle.dumps((f(*leaves), leaves)))
    return al.gradients(y, again)


def swept_twice(f, point):
    """gradients of gradients."""
    leaves = [Variable(p) for p in point]
    slopes = al.gradients(f(*leaves), leaves, create_graph=True)
    return np.array([al.gradients(slope, leaves) for slope in slopes])


@pytest.mark.parametrize("name", PROGRAMS)
def test_first_order(name):
    """Same recorded numbers, same products: differences are in the order of additions only (a few ULP)."""
    f, point = PROGRAMS[name]
    reference = backward_route(f, point)
    for route, compute in FIRST_ORDER.items():
        for got, exact in zip(compute(f, point), reference, strict=True):
            assert math.isclose(got, exact, rel_tol=1e-14, abs_tol=1e-14), route


@pytest.mark.parametrize("name", PROGRAMS)
def test_second_order(name):
    """Six routes to the matrix of second derivatives."""
    f, point = PROGRAMS[name]
    reference = SECOND_ORDER["hessian"](f, point)
    for route, compute in SECOND_ORDER.items():
        assert np.allclose(compute(f, point), reference, rtol=1e-11, atol=1e-11), route


@pytest.mark.parametrize("name", PROGRAMS)
def test_finite_differences(name):
    """And no route shares a mistake of the rules: orders 1, 2 and 3."""
    f, point = PROGRAMS[name]
    al.check_grads(f, point, order=3)
