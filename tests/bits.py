"""Every number and error of the eager engine, as lines of text: what the compiled core and pure Python must agree on.

Run `python -m tests.bits FILE`, in pure Python with AUTOGRAD_LITE_PURE=1; `python -m tests.bits FILE 4` a quarter of it.
"""

import itertools
import math
import operator
import pathlib
import random
import sys

import numpy as np

import autograd_lite as al
from autograd_lite.primitives import PRIMITIVES

SPECIAL = [
    0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -2.5, 3.0, 1e-310, -1e-310, 1e308, -1e308, math.inf, -math.inf, math.nan, 700.0,
    -745.0, 1e16, 0.1, 37.5, -40.0, 5e-324, 2.0**53, 1e-9, 170.0, 1e154,
]  # fmt: skip
ORDERS = [0.0, 1.0, 2.0, 3.0, 0.5]
ODD = [
    0, 1, 2, -3, True, False, 2**53 + 1, 10**23, 10**400, "x", b"x", None, 1j, [1.0], (1.0,), np.float64(2.5),
    np.float32(0.1), np.int64(3), np.bool_(True), np.array(2.0), np.array([1.0, 2.0]), np.array(None), np.complex128(1j),
]  # fmt: skip
BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    operator.mod,
    operator.floordiv,
    divmod,
]
COMPARE = [operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge]
UNARY = [
    operator.neg,
    operator.pos,
    abs,
    math.floor,
    math.ceil,
    math.trunc,
    round,
    bool,
    int,
    operator.index,
    float,
    complex,
]


def bits(x):
    """A float to the bit; every NaN is the same."""
    return "None" if x is None else "nan" if x != x else float(x).hex()


def facts(y):
    """What an operation gave."""
    if isinstance(y, al.Variable):
        arguments = [bits(a.value if isinstance(a, al.Variable) else a) for a in y.arguments]
        locals_ = [bits(local) for local in y._locals]
        y.backward()
        grads = [bits(parent.grad) for parent in y.parents]
        return f"{bits(y.value)} {y.primitive and y.primitive.name} {arguments} {locals_} {grads}"
    if isinstance(y, tuple):
        return " ".join(map(facts, y))
    if isinstance(y, np.ndarray):
        return f"{y.dtype} {[facts(item) for item in y.ravel().tolist()]}"
    return bits(y) if type(y) is float else f"{type(y).__name__} {y!r}"


def told(what, run):
    """A line: what was done, and the numbers or the error."""
    try:
        return f"{what}: {facts(run())}"
    except Exception as error:  # noqa: BLE001 - errors must agree too
        return f"{what}: {type(error).__name__} {error}"


def of_rules(choose, share):
    """Every rule of the table on special values, for each choice of the arguments that are Variables."""
    for name, rule in sorted(PRIMITIVES.items()):
        if not rule.built_in:
            continue
        orders = name in ("polygamma", "sinc_derivative", "moment_ratio")
        values = (
            ORDERS
            if orders
            else (SPECIAL + [choose.gauss(0.0, 3.0) for _ in range(6)])[:: 1 if rule.arity == 1 else share]
        )
        several = itertools.product(values, repeat=rule.arity)
        chosen = (
            several if rule.arity < 3 else [tuple(choose.choices(values, k=rule.arity)) for _ in range(600 // share)]
        )
        for numbers in chosen:
            for mask in range(2**rule.arity):
                given = [al.Variable(x) if mask >> i & 1 else x for i, x in enumerate(numbers)]
                yield told(f"{name} {numbers} {mask}", lambda rule=rule, given=given: rule(*given))


def of_operators(share):
    """Operators on special values and on what is no float."""
    for a in SPECIAL[::share]:
        x = al.Variable(a)
        for apply in UNARY:
            yield told(f"{apply.__name__} {a}", lambda x=x, apply=apply: apply(x))
        for b in SPECIAL + ODD:
            for apply in (*BINARY, *COMPARE):
                yield told(f"{apply.__name__} {a} {b!r}", lambda x=x, b=b, apply=apply: apply(x, b))
                yield told(f"{apply.__name__} {b!r} {a}", lambda x=x, b=b, apply=apply: apply(b, x))
                if type(b) is float:
                    yield told(f"{apply.__name__} {a} {b} both", lambda x=x, b=b, apply=apply: apply(x, al.Variable(b)))
    for b in ODD:
        yield told(f"Variable {b!r}", lambda b=b: al.Variable(b))
        for rule in (al.exp, al.maximum, al.where, al.clip, al.relu):
            arguments = [b] + [al.Variable(2.0)] * (rule.arity - 1)
            yield told(f"{rule.name} {b!r}", lambda rule=rule, arguments=arguments: rule(*arguments))
            yield told(f"{rule.name} no arguments but {b!r}", lambda rule=rule, b=b: rule(b))


_UNARY_RULES = sorted(
    (r for r in PRIMITIVES.values() if r.built_in and r.arity == 1 and r.name not in ("gamma", "digamma", "lgamma")),
    key=lambda rule: rule.name,
)


def grown(choose, leaves):
    """The nodes of a random graph, leaves first."""
    nodes = list(leaves)
    for _ in range(choose.randrange(5, 80)):
        a, b = (
            choose.choice(nodes),
            choose.choice(nodes) if choose.random() < 0.7 else choose.choice([2.0, -0.5, 3, 1.0]),
        )
        kind = choose.random()
        try:
            if kind < 0.6:
                pair = (a, b) if choose.random() < 0.8 else (b, a)
                nodes.append(choose.choice(BINARY[:4])(*pair))
            elif kind < 0.8:
                nodes.append(choose.choice([al.maximum(a, b), al.where(a, b, nodes[0]), al.clip(a, -1.0, 1.0), a**b]))
            else:
                nodes.append(choose.choice(_UNARY_RULES)(a))
        except OverflowError:
            continue
    return nodes


def of_graphs(choose, count):
    """Random graphs: two passes of `backward`, gradients of all kinds, second derivatives."""
    for number in range(count):
        leaves = [al.Variable(choose.gauss(0.0, 1.0)) for _ in range(4)]
        nodes = grown(choose, leaves)
        y = nodes[-1]
        y.backward()
        y.backward(0.3)
        yield f"graph {number}: {' '.join(bits(node.grad) for node in nodes)}"
        for unconnected in ("zero", "none"):
            yield " ".join(map(bits, al.gradients(y, nodes, unconnected=unconnected)))
        yield " ".join(bits(g) for g in al.gradients(y, np.array(leaves, dtype=object), seed=0.7))
        yield " ".join(bits(g) for g in al.gradients(y).values())
        yield " ".join(bits(g.value) for g in al.gradients(y, leaves, create_graph=True))


def of_traces(choose, count):
    """The programs of random functions and of their derivatives: every instruction, constant, output and guard."""
    for number in range(count):
        seed, point = choose.randrange(1 << 30), [choose.gauss(0.0, 1.0) for _ in range(4)]

        def f(x, seed=seed):
            return grown(random.Random(seed), x)[-1]

        for order, g in (
            ("value", f),
            ("gradient", al.value_and_grad(f)),
            ("hvp", lambda x, f=f: al.hvp(f, (x,), (x,))),
        ):
            program = al.trace(g, point).program
            yield f"trace {number} {order}: {[(rule.name, slots) for rule, slots in program.code]}"
            yield f"{[*map(bits, program.constants)]} {program.outputs} {program.doubtful} {program.guards}"


def of_functions():
    """Transforms of all orders, over lists and arrays."""

    def f(x):
        return x[0] * al.sin(x[1]) + al.exp(x[0] * x[1]) / (1.0 + x[2] ** 2) + al.maximum(x[0], x[2]) ** x[1]

    x = [0.7, 1.3, -0.4]
    for point in (x, np.array(x), tuple(x)):
        yield repr(al.value_and_grad(f)(point))
        yield repr(al.hessian(f)(point))
        yield repr(al.jacobian(lambda v: [f(v), v[0] / v[1]])(point))
        yield repr(al.jvp(f, (point,), (point,)))
        yield repr(al.hvp(f, (point,), (point,)))
        yield repr(al.grad(lambda v: sum(al.grad(f)(v)))(point))


def of_matrices(choose, count):
    """Operations with many results among others: every sweep, two passes, second derivatives."""
    for number in range(count):
        leaves = [al.Variable(choose.gauss(0.0, 1.0)) for _ in range(5)]
        nodes = grown(choose, leaves)
        a = al.array(
            [[choose.choice(nodes) + (3.0 if i == j else choose.random()) for j in range(5)] for i in range(5)]
        )
        found = [*al.linalg.solve(a, leaves), al.linalg.det(a), *al.linalg.eigvalsh(a)]
        y = sum(n * choose.choice(nodes) for n in found)
        yield f"{number} {bits(y.value)} {[bits(g) for g in al.gradients(y, leaves)]}"
        y.backward()
        al.relu(y).backward(0.5)
        yield str([bits(leaf.grad) for leaf in leaves])
        slopes = al.gradients(y, leaves, create_graph=True)
        yield str([bits(g) for g in al.gradients(slopes[0], leaves)])
        yield str([bits(local) for _, local in found[0].local_gradients])


def lines(share=1):
    """All of it, or some part."""
    choose = random.Random(1)
    yield from of_rules(choose, share)
    yield from of_operators(share)
    yield from of_graphs(choose, 300 // share)
    yield from of_traces(choose, 100 // share)
    yield from of_functions()
    yield from of_matrices(choose, 40 // share)


if __name__ == "__main__":
    text = "\n".join(lines(*map(int, sys.argv[2:])))
    pathlib.Path(sys.argv[1]).write_text(text, encoding="utf-8")
