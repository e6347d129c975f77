"""Functions that ship: imported by name where plain pickle writes them, and run as `__main__` where cloudpickle does.

python shipped_functions.py out.pickle     writes every case, before and after its first calls, with its results
python -c "…" out.pickle                   reads them: see `test_ships`
"""

import dataclasses
import functools
import pickle
import sys
from pathlib import Path

import numpy as np
import optree

import autograd_lite as al

ROWS = np.array([1.0, -2.0, 3.0])


def cube(x):
    """Plain."""
    return x**3


def bent(x):
    """Two paths."""
    return x * x * x if x > 0 else -x


@al.jit
def decorated(x):
    """Found by its name."""
    return x * x


@al.grad
def slope(x):
    """Found by its name."""
    return x**3


@al.jit
@al.vmap
@al.grad
def thrice(x):
    """Found by its name."""
    return al.sin(x) * x


def doubled(f):
    """A decorator of a user, which keeps the name of what it decorates, and whatever it has."""

    @functools.wraps(f)
    def twice(*arguments):
        return optree.tree_map(lambda y: 2.0 * y, f(*arguments))

    return twice


@doubled
@al.jit
def over_jit(x):
    """Found by its name."""
    return x**3


@doubled
@al.jit
@al.vmap
def over_lanes(x):
    """Found by its name."""
    return al.sin(x) * x


@al.jit
@doubled
@al.grad
def around_grad(x):
    """Found by its name."""
    return x**3


@al.register_dataclass
@dataclasses.dataclass
class Line:
    """A model with a fact and methods."""

    a: float
    b: float
    kind: str = dataclasses.field(default="sin", metadata={"static": True})

    def __call__(self, x):
        return getattr(al, self.kind)(self.a * x) + self.b

    @al.jit
    def fast(self, x):
        """Bound by name."""
        return self.a * x + self.b


@al.register_dataclass
@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """A model of models."""

    first: Line
    second: Line


class Holder:
    """An object with compiled methods."""

    def __init__(self):
        self.factor = 2.0
        self.fast = al.jit(al.grad(self.loss))

    def loss(self, x):
        """Depends on the object."""
        return self.factor * x * x


cubed = al.Primitive(name="cubed_that_ships", value=lambda x: x**3, partials=(lambda x, y: 3.0 * squared(x),))
squared = al.Primitive(name="squared_that_ships", value=lambda x: x * x, partials=(lambda x, y: 2.0 * x,))
w = al.Variable(3.0, name="w")
PAIR = Pair(Line(2.0, 1.0), Line(0.5, -1.0, "cos"))


def ring():
    """An operation that knows itself through another."""
    outer = al.Primitive(name="outer_that_ships", value=lambda t: t**3, partials=(lambda t, y: inner(t),))
    inner = al.Primitive(
        name="inner_that_ships", value=lambda t: 3.0 * t * t, partials=(lambda t, y: 6.0 * t + 0.0 * outer(t),)
    )
    return outer


RING = ring()


def of_pair(pair, x):
    """A loss of a model."""
    return (pair.first(x) * pair.second(x)) ** 2


def captures(x):
    """A live input."""
    return w * x * x


def makes(x):
    """Has an operation of its own."""
    return al.Primitive(name="made_that_ships", value=lambda t: t**3, partials=(lambda t, y: 3.0 * t * t,))(x)


def neighbours(x):
    """Sparse."""
    return al.sum(x[1:] * x[:-1])


def long(x):
    """Branches that are joined."""
    return sum((v * v if v > 0 else -v) for v in x)


#: By plain pickle: a function made of names, and its argument.
NAMED = {
    "decorated": lambda: (decorated, 2.0),
    "slope": lambda: (slope, 2.0),
    "thrice": lambda: (thrice, ROWS),
    "decorator over jit": lambda: (over_jit, 2.0),
    "decorator over lanes": lambda: (over_lanes, ROWS),
    "decorator between": lambda: (around_grad, 2.0),
    "method": lambda: (Line(2.0, 1.0).fast, 2.0),
    "object": lambda: (Holder().fast, 2.0),
    "jit": lambda: (al.jit(bent, max_paths=3, order="as written"), 2.0),
    "cache": lambda: (al.jit(cube, cache=True), 2.0),
    "grad": lambda: (al.grad(cube), 2.0),
    "value_and_grad": lambda: (al.value_and_grad(cube, unconnected="none"), 2.0),
    "jacobian": lambda: (al.jacobian(cube), 2.0),
    "hessian": lambda: (al.hessian(cube), 2.0),
    "hvp": lambda: (functools.partial(al.hvp(cube), v=1.0), 2.0),
    "nest": lambda: (al.jit(al.vmap(al.value_and_grad(bent), reduce="mean")), ROWS),
    "in_blocks": lambda: (al.in_blocks(al.jit(al.vmap(al.grad(bent), reduce="mean")), rows=2), ROWS),
    "model": lambda: (functools.partial(al.jit(al.grad(of_pair)), PAIR), 2.0),
    "primitive": lambda: (al.hessian(cubed), 2.0),
    "ring": lambda: (al.hessian(RING), 2.0),
    "captured": lambda: (al.jit(captures), 2.0),
    "gradient of captured": lambda: (al.grad(captures), 2.0),
    "tape": lambda: (al.trace(captures, 1.0), 2.0),
    "careful tape": lambda: (al.trace(bent, 1.0).gradient().gradient(), 2.0),
    "tape of a model": lambda: (functools.partial(al.trace(of_pair, PAIR, 1.0), PAIR), 2.0),
    "tape of a primitive": lambda: (al.jit(al.trace(cubed, 1.0)), 2.0),
    "own primitive": lambda: (al.jit(makes), 2.0),
    "sparse": lambda: (al.sparse(neighbours).hessian, ROWS),
    "sparse of grad": lambda: (al.sparse_jacobian(al.jacobian(neighbours)), ROWS),
    "joined": lambda: (al.jit(al.grad(long)), np.linspace(-1.0, 1.0, 1500)),
    "builtin": lambda: (al.jit(al.sin), 2.0),
    "budget": lambda: (functools.partial(getattr, al.error_budget(neighbours, ROWS, 0.1 * abs(ROWS))), "bias"),
    "text of budget": lambda: (al.error_budget(neighbours, ROWS, 0.1 * abs(ROWS)).__str__, None),
    "distribution": lambda: (al.jit(al.grad(al.stats.norm.logpdf)), 2.0),
}
#: By cloudpickle also these.
UNNAMED = {
    "lambda": lambda: (al.jit(lambda x: x * x if x > 0 else -x), 2.0),
    "grad of lambda": lambda: (al.grad(lambda x: x**3), 2.0),
    "lambdas in a nest": lambda: (al.jit(al.vmap(al.value_and_grad(lambda x: al.sin(x) * x), reduce="mean")), ROWS),
    "recursion": lambda: (functools.partial(powers, 3), 2.0),
    "scan": lambda: (al.jit(al.grad(lambda x: al.scan(lambda c, _: (al.sin(c) * x, None), x, length=9)[0])), 2.0),
    "loop": lambda: (al.jit(al.vmap(lambda a: al.while_loop(lambda x: x < a, lambda x: 2.0 * x, 1.0))), ROWS),
    "root": lambda: (al.jit(al.grad(lambda a: al.root(lambda x: x * x - a, 1.0))), 2.0),
    "partial": lambda: (al.jit(functools.partial(lambda a, x: a * x, 2.0)), 3.0),
    "pullback": lambda: (late(lambda: al.vjp(lambda x: x**3, 2.0)[1]), 1.0),
    "pullback to a live input": lambda: (late(lambda: al.vjp(lambda x: w * x**3, 2.0)[1]), 1.0),
    "big array": lambda: (of_array(np.ones(1000)), 2.0),
}


def late(make):
    """After more nodes than the process makes that reads it."""
    for _ in range(100_000):
        al.Variable(0.0)
    return make()


def of_array(big):
    """Holds an array."""
    return al.jit(lambda x: x * big[0])


@al.jit
def powers(n, x):
    """Calls itself by the decorated name."""
    return x if n == 0 else x * powers(n - 1, x)


def told(result):
    """A result as text, to the last bit."""

    def one(leaf):
        leaf = leaf.toarray() if hasattr(leaf, "toarray") else leaf
        kind = "Variable" if isinstance(leaf, al.Variable) else ""
        return kind + repr(np.asarray(getattr(leaf, "value", leaf)).tolist())

    return repr(optree.tree_map(one, result, namespace="autograd_lite"))


def call(f, x):
    """The result at `x`."""
    return told(f() if x is None else f(x))


def written(dumps, cases):
    """Each case before and after its first call."""
    found = {}
    for name, make in cases.items():
        f, x = make()
        fresh = dumps((f, x))
        found[name] = call(f, x), fresh, dumps((f, x))
    return found


if __name__ == "__main__":
    import cloudpickle

    found = cloudpickle.dumps(call), written(cloudpickle.dumps, NAMED | UNNAMED)
    Path(sys.argv[1]).write_bytes(pickle.dumps(found))
