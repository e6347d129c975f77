"""A state machine over everything that has state: graphs, `.grad`, compiled functions, captured Variables, threads.

Whatever the order of the steps, values, `.grad`, gradients and refusals are those of a naive model: nodes in a list with
their own forward and reverse evaluation, and functions differentiated by nested dual numbers. It shares no code with the
library. All numbers are small integers (and halves at ties), so that every sum and product is exact and must be equal.
"""

import copy
import itertools
import operator
import pickle
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import autograd_lite as al

LARGE = 2.0**26  # beyond, adjoints could leave the integers that floats hold; such steps are left out


# --- the model: dual numbers --------------------------------------------------------------------------------


class TooLarge(Exception):
    """A number is not surely exact."""


class Dual:
    """A number a + b·ε of one level; the newest level is outermost."""

    levels = itertools.count(1)

    def __init__(self, level, a, b):
        self.level, self.a, self.b = level, a, b

    def __add__(self, other):
        return binary(self, other, operator.add, lambda x, y: 1.0, lambda x, y: 1.0)

    def __sub__(self, other):
        return binary(self, other, operator.sub, lambda x, y: 1.0, lambda x, y: -1.0)

    def __mul__(self, other):
        return binary(self, other, operator.mul, lambda x, y: y, lambda x, y: x)

    def __radd__(self, other):
        return Dual(0, other, 0.0) + self

    def __rsub__(self, other):
        return Dual(0, other, 0.0) - self

    def __rmul__(self, other):
        return Dual(0, other, 0.0) * self

    def __neg__(self):
        return self * -1.0


def parts(x, level):
    return (x.a, x.b) if isinstance(x, Dual) and x.level == level else (x, 0.0)


def binary(x, y, value, by_x, by_y):
    """Apply an operation with its partials, level by level."""
    level = max(x.level if isinstance(x, Dual) else 0, y.level if isinstance(y, Dual) else 0)
    if level == 0 and not (isinstance(x, Dual) or isinstance(y, Dual)):
        result = value(x, y)
        if abs(result) > LARGE:
            raise TooLarge
        return result
    (xa, xb), (ya, yb) = parts(x, level), parts(y, level)
    b = times(by_x(xa, ya), xb) + times(by_y(xa, ya), yb)
    return Dual(level, binary(xa, ya, value, by_x, by_y), b)


def times(x, y):
    return binary(x, y, operator.mul, lambda x, y: y, lambda x, y: x)


def primal(x):
    while isinstance(x, Dual):
        x = x.a
    return x


def derivative(f, x, direction=1.0):
    """Return the derivative of a function of one number."""
    level = next(Dual.levels)
    return parts(f(Dual(level, x, direction)), level)[1]


class Model:
    """The functions that programs call, on duals and floats."""

    @staticmethod
    def maximum(x, y):
        a, b = primal(x), primal(y)
        return (x + y) * 0.5 if a == b else (x if a > b else y) * 1.0

    @staticmethod
    def relu(x):
        return x * 1.0 if primal(x) > 0 else x * 0.0

    @staticmethod
    def absolute(x):
        return x * float((primal(x) > 0) - (primal(x) < 0))

    @staticmethod
    def where(c, x, y):
        return x if c else y

    @staticmethod
    def more(x, y):
        return primal(x) > primal(y)

    @staticmethod
    def bomb(x):
        return x


class Library:
    """The same functions, on Variables and floats."""

    maximum, relu, absolute, where, more = al.maximum, al.relu, abs, al.where, operator.gt

    @staticmethod
    def bomb(x):
        return BOMB(x)


class BombError(Exception):
    """Raised by a primitive in the middle of whatever runs."""


ARMED = threading.local()


def _explode(x):
    if getattr(ARMED, "now", False):
        raise BombError
    return x


def _slope(x, y):
    _explode(0.0)
    return 1.0


BOMB = al.Primitive(name="bomb", value=_explode, partials=(_slope,))


# --- random functions of one number -------------------------------------------------------------------------

STEPS = ("add", "sub", "mul", "maximum", "relu", "absolute", "where", "branch", "loop", "order", "bomb", "captured")
functions = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, 9), st.integers(-2, 2)), min_size=2, max_size=6
)


def function(steps, lib, captured):
    """Return a function of one number; `captured()` gives the Variable that it closes over."""

    def f(x):
        values = [x]
        for name, i, j, constant in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            if name in ("add", "sub", "mul"):
                v = getattr(operator, name)(a, b) + float(constant)
            elif name == "maximum":
                v = lib.maximum(a, b * 1.0 + float(constant))
            elif name in ("relu", "absolute", "bomb"):
                v = getattr(lib, name)(a)
            elif name == "where":
                v = lib.where(lib.more(a, float(constant)), a * b, b - a)
            elif name == "branch":
                v = a * 2.0 - b if lib.more(a, float(constant)) else b + 3.0
            elif name == "loop":
                v, n = a * 1.0, 0
                while lib.more(3.0, v) and n < 3:
                    v, n = v + 2.0, n + 1
            elif name == "order":
                v = b if lib.more(b, a) else a
            else:
                v = a * captured() + float(constant)
            values.append(v)
        return values[-1] + x * 0.0 if len(values) == 1 else values[-1]

    return f


def _own_pass(f, x):
    w = al.Variable(2.0)
    return al.gradients(w * f(x), w) + x


def _own_backward(f, x):
    w = al.Variable(2.0)
    (w * f(x)).backward()
    return w.grad + x


#: Functions whose inner function takes what it needs from the outer one.
INNER = {
    "inner jit": lambda f, x: al.jit(lambda t: f(x) * t)(2.0),
    "inner jit grad": lambda f, x: al.jit(al.grad(lambda t: f(x) * t * x), backend="python")(2.0),
    "inner grad": lambda f, x: al.grad(lambda t: f(x) * t * x)(2.0),
    "inner vmap": lambda f, x: al.vmap(lambda t: f(x) * t, reduce="sum")(np.array([1.0, 2.0])),
    "inner scan": lambda f, x: al.scan(lambda c, r: (c + f(x) * r, None), 0.0, np.array([1.0, 2.0]))[0],
    "inner copy": lambda f, x: copy.copy(f(x) * 1.0) * x,  # outside of a transform the copy of a leaf is another leaf
    "inner deepcopy": lambda f, x: copy.deepcopy(f(x)) + x,
    "own pass": _own_pass,
    "own backward": _own_backward,
    "held": lambda f, x: al.stop_gradient(f(x)) * x,
    "read": lambda f, x: value_of(f(x)) * x,
    "greatest": lambda f, x: max([f(x), x, 1.0]) + sorted([x, 2.0])[0],
}
INNER_MODEL = {
    "inner jit": lambda f, x: f(x) * 2.0,
    "inner jit grad": lambda f, x: f(x) * x,
    "inner grad": lambda f, x: f(x) * x,
    "inner vmap": lambda f, x: f(x) * 3.0,
    "inner scan": lambda f, x: f(x) * 3.0,
    "inner copy": lambda f, x: f(x) * x,
    "inner deepcopy": lambda f, x: f(x) + x,
    "own pass": lambda f, x: primal(f(x)) + x,
    "own backward": lambda f, x: primal(f(x)) + x,
    "held": lambda f, x: primal(f(x)) * x,
    "read": lambda f, x: primal(f(x)) * x,
    "greatest": lambda f, x: max([f(x), x, 1.0], key=primal) + sorted([x, 2.0], key=primal)[0],
}


def real_transform(name, f):
    """Return a transformed function of one number."""
    if name == "grad":
        return al.grad(f)
    if name.startswith("jit"):
        return al.jit(f, backend=name.removeprefix("jit "))
    if name == "value_and_grad":
        both = al.value_and_grad(f)
        return lambda x: sum(both(x))
    if name == "jvp":
        return lambda x: al.jvp(f, (x,), (2.0,))[1]
    if name == "vmap sum":
        mapped = al.vmap(f, reduce="sum")
        return lambda x: mapped(np.array([x, x + 1.0, x - 2.0]))
    if name == "vmap":
        mapped = al.vmap(f)
        return lambda x: mapped(np.array([x, x + 1.0]))[1]
    if name in INNER:
        return lambda x: INNER[name](f, x)
    if name == "gradients":
        return lambda x: al.gradients(f(x), x, create_graph=True) if isinstance(x, al.Variable) else al.grad(f)(x)
    return lambda x: al.scan(lambda c, r: (f(c) + r, None), x, np.array([1.0, -1.0]))[0]


def model_transform(name, f):
    """Return what the transformed function is on duals."""
    if name in ("grad", "gradients"):
        return lambda x: derivative(f, x)
    if name.startswith("jit"):
        return f
    if name == "value_and_grad":
        return lambda x: f(x) + derivative(f, x)
    if name == "jvp":
        return lambda x: derivative(f, x) * 2.0
    if name == "vmap sum":
        return lambda x: f(x) + f(x + 1.0) + f(x - 2.0)
    if name == "vmap":
        return lambda x: f(x + 1.0)
    if name in INNER_MODEL:
        return lambda x: INNER_MODEL[name](f, x)
    return lambda x: f(f(x) + 1.0) + -1.0


TRANSFORMS = (
    "grad",
    "jit python",
    "jit auto",
    "value_and_grad",
    "jvp",
    "vmap sum",
    "vmap",
    "scan",
    "gradients",
    *INNER,
)
#: Transforms that are left out, each with the known defect that is the reason.
KNOWN: dict[str, str] = {}
DIFFERENTIATING = ("grad", "value_and_grad", "jvp", "gradients", "inner jit grad")
nests = st.lists(st.sampled_from([name for name in TRANSFORMS if name not in KNOWN]), min_size=0, max_size=4).filter(
    lambda names: sum(name in DIFFERENTIATING for name in names) <= 2 and names.count("scan") <= 1
)

# --- the model: nodes ---------------------------------------------------------------------------------------

OPERATIONS = {
    "add": (lambda x, y: x + y, lambda x, y: (1.0, 1.0), lambda x, y: x + y),
    "sub": (lambda x, y: x - y, lambda x, y: (1.0, -1.0), lambda x, y: x - y),
    "mul": (lambda x, y: x * y, lambda x, y: (y, x), lambda x, y: x * y),
    "maximum": (max, lambda x, y: (0.5, 0.5) if x == y else (float(x > y), float(y > x)), al.maximum),
    "square": (lambda x, _: x * x, lambda x, _: (2.0 * x, 0.0), lambda x, _: al.square(x)),
    "relu": (lambda x, _: max(x, 0.0), lambda x, _: (float(x > 0), 0.0), lambda x, _: al.relu(x)),
    "neg": (lambda x, _: -x, lambda x, _: (-1.0, 0.0), lambda x, _: -x),
}
UNARY = ("square", "relu", "neg")


class Node:
    """A node of the model: leaves have no arguments."""

    def __init__(self, value, name=None, arguments=()):
        self.value, self.name, self.arguments = value, name, arguments
        self.grad, self.version = None, 0
        self.locals = ()
        if arguments:
            x, y = (a.value if isinstance(a, Node) else a for a in arguments)
            self.locals = OPERATIONS[name][1](x, y)
        self.seen = [a.version if isinstance(a, Node) else 0 for a in arguments]

    def is_stale(self):
        return any(isinstance(a, Node) and a.version != v for a, v in zip(self.arguments, self.seen, strict=True))

    def under(self, *, sent=False):
        """Return all nodes below, users before arguments; with `sent` those that an adjoint reaches."""
        order, met = [], set()

        def visit(node):
            if node not in met:
                met.add(node)
                for a, local in zip(node.arguments, node.locals, strict=True):
                    if isinstance(a, Node) and (local or not sent):
                        visit(a)
                order.append(node)

        visit(self)
        return order[::-1]

    def adjoints(self, seed=1.0):
        """Return the adjoint of every node below."""
        found = {self: seed}
        for node in self.under():
            for a, local, k in zip(node.arguments, node.locals, (0, 1), strict=False):
                if isinstance(a, Node) and not (k == 1 and node.name in UNARY):
                    found[a] = found.get(a, 0.0) + found[node] * local
        return found

    def function_of(self, leaves):
        """Return the value with other numbers for some nodes."""
        known = dict(leaves)
        for node in reversed(self.under()):
            if node not in known:
                if not node.arguments:
                    known[node] = node.value
                    continue
                x, y = (known[a] if isinstance(a, Node) else a for a in node.arguments)
                known[node] = _dual_operation(node.name, x, y)
        return known[self]


def _dual_operation(name, x, y):
    if name == "square":
        return x * x
    if name == "neg":
        return x * -1.0
    if name == "relu":
        return Model.relu(x)
    return Model.maximum(x, y) if name == "maximum" else OPERATIONS[name][0](x, y)


index = st.integers(0, 10**6)
numbers = st.integers(-3, 3).map(float)
several = st.lists(numbers, min_size=2, max_size=4)


class Machine(RuleBasedStateMachine):
    """Steps on the library and on the model."""

    @initialize(value=numbers, captured=numbers)
    def start(self, value, captured):
        self.real, self.model = [al.Variable(value)], [Node(value)]
        self.w, self.w_model = al.Variable(captured), captured
        self.compiled = []  # (real, model, their names)

    def choose(self, i):
        i %= len(self.real)
        return self.real[i], self.model[i]

    def add(self, real, model):
        self.real.append(real)
        self.model.append(model)

    # --- graphs -------------------------------------------------------------------------------------------

    @rule(value=numbers)
    def create(self, value):
        self.add(al.Variable(value), Node(value))

    @rule(
        operations=st.lists(
            st.tuples(st.sampled_from(sorted(OPERATIONS)), index, index, st.none() | numbers), min_size=3, max_size=8
        ),
        seed=numbers,
    )
    def build(self, operations, seed):
        """Several operations, then a pass and gradients of the last node."""
        for operation in operations:
            self.operate(*operation)
            self.gradients(-1, operation[1], operation[2])
        self.second_gradient(-1, operations[0][1], operations[0][2])
        self.backward(-1, seed)

    def operate(self, name, i, j, constant):
        (x, mx), (y, my) = self.choose(i), self.choose(j)
        if constant is not None and name not in UNARY:
            y = my = constant
        value, _, apply = OPERATIONS[name]
        result = value(mx.value, my.value if isinstance(my, Node) else my)
        if abs(result) > 2.0**12:
            return
        self.add(apply(x, y), Node(result, name, (mx, 0.0 if name in UNARY else my)))

    @rule(i=index, value=numbers, inner=st.booleans())
    def set_leaf(self, i, value, inner):
        """Set a leaf; an inner node refuses."""
        places = [k for k, node in enumerate(self.model) if bool(node.arguments) == inner] or [0]
        self.set_leaf_at(places[i % len(places)], value)

    def set_leaf_at(self, i, value):
        x, node = self.choose(i)
        if node.arguments:
            with pytest.raises(al.ReadOnlyError):
                x.value = value
            return
        x.value = value
        if value != node.value:
            node.version += 1
            node.value = value
        for k in [k for k, user in enumerate(self.model) if node in user.under()][-4:]:
            self.second_gradient(k, i, i)

    @rule(i=index, seed=numbers)
    def backward(self, i, seed):
        y, node = self.choose(i)
        y.backward(seed)
        for n, adjoint in node.adjoints(seed).items():
            n.grad = (n.grad or 0.0) + adjoint

    @rule(i=index, j=index, k=index)
    def gradients(self, i, j, k):
        (y, my), (a, ma), (b, mb) = self.choose(i), self.choose(j), self.choose(k)
        right = my.adjoints()
        assert al.gradients(y, [a, {"b": b}]) == [right.get(ma, 0.0), {"b": right.get(mb, 0.0)}]
        assert al.gradients(y, a, unconnected="none") == right.get(ma)
        if ma not in right:
            with pytest.raises(al.UnconnectedError):
                al.gradients(y, a, unconnected="raise")

    @rule(i=index, j=index, k=index)
    def second_gradient(self, i, j, k):
        (y, my), (a, ma), (b, mb) = self.choose(i), self.choose(j), self.choose(k)
        if ma.arguments or mb.arguments:
            return
        if any(node.is_stale() for node in my.under()):
            # What is not sent (relu's and maximum's other side) may or may not be looked at.
            if any(node.is_stale() and ma in node.under(sent=True) for node in my.under(sent=True)):
                with pytest.raises(al.StaleGraphError):
                    al.gradients(y, a, create_graph=True)
            return
        try:
            outer = lambda t: derivative(lambda s: my.function_of([(ma, s), (mb, t)]), ma.value)
            if ma is mb:
                outer = lambda t: derivative(lambda s: my.function_of([(ma, s)]), t)
            right = primal(outer(ma.value if ma is mb else mb.value)), primal(derivative(outer, mb.value))
        except TooLarge:
            return
        g = al.gradients(y, a, create_graph=True)
        assert (float(g.value), float(al.gradients(g, b))) == right

    @rule(value=numbers, other=numbers, name=st.sampled_from(sorted(OPERATIONS)))
    def differentiate_after_a_change(self, value, other, name):
        """A node is recorded, its leaf is set, and it is differentiated again."""
        self.create(value)
        leaf = len(self.real) - 1
        self.operate(name, leaf, leaf, None)
        self.set_leaf_at(leaf, other)
        self.second_gradient(-1, leaf, leaf)

    @rule(i=index)
    def zero_grad(self, i):
        x, node = self.choose(i)
        al.zero_grad([x])
        node.grad = None if x.grad is None else 0.0
        assert x.grad in (None, 0.0)

    @rule(i=index)
    def shallow_copy(self, i):
        x, node = self.choose(i)
        twin = Node.__new__(Node)
        twin.__dict__ |= node.__dict__ | {"version": 0}
        self.add(copy.copy(x), twin)

    @rule(i=index, through=st.sampled_from(["deepcopy", "pickle"]))
    def deep_copy(self, i, through):
        x, node = self.choose(i)
        twins = copy.deepcopy(node)
        self.add(copy.deepcopy(x) if through == "deepcopy" else pickle.loads(pickle.dumps(x)), twins)

    @rule(i=index)
    def a_primitive_raises_in_backward(self, i):
        """All or nothing: no .grad changes; the invariant looks."""
        x, _ = self.choose(i)
        y = BOMB(x) * x
        ARMED.now = True
        try:
            with pytest.raises(BombError):
                al.gradients(y, x, create_graph=True)
            with pytest.raises(BombError):
                BOMB(x)
            with pytest.raises(BombError):
                al.grad(lambda t: t * BOMB(t + x))(2.0)
        finally:
            ARMED.now = False

    # --- functions ----------------------------------------------------------------------------------------

    @rule(made=st.lists(st.tuples(functions, nests, several), min_size=2, max_size=4))
    def transform(self, made):
        """Make functions in nests of transforms and call them; they stay and are called again."""
        for steps, names, xs in made:
            self.make(steps, names, xs)

    def make(self, steps, names, xs):
        traced_inside = {"inner jit", "inner jit grad", "inner vmap", "inner scan", "scan"} & set(names)
        if (
            any(step[0] == "captured" for step in steps) or traced_inside
        ):  # a trace refuses to write .grad outside itself
            names = [name for name in names if name != "own backward"]
        f = function(steps, Library, lambda: self.w)
        m = function(steps, Model, lambda: self.w_model)
        for name in names:
            f, m = real_transform(name, f), model_transform(name, m)
        self.compiled.append((f, m, (steps, names)))
        self.call(-1, xs[1:])
        self.w.value = self.w_model = xs[0]
        self.call(-1, xs[-1:])

    def right(self, m, x):
        """Return the value, and the derivatives by the argument and by the captured number, or None."""
        kept = self.w_model
        try:
            value = primal(m(x))
            by_x = primal(derivative(m, x))

            def of_w(w):
                self.w_model = w
                return m(x)

            return value, by_x, primal(derivative(of_w, kept))
        except TooLarge:
            return None
        finally:
            self.w_model = kept

    def call(self, i, xs):
        """Call on numbers, and on Variables."""
        f, m, (_, names) = self.compiled[i % len(self.compiled)]
        for x in xs:
            right = self.right(m, x)
            if right is None:
                continue
            result = f(x)
            assert float(value_of(result)) == right[0]
            if isinstance(result, al.Variable) and is_linked(names):
                assert al.gradients(result, self.w) == right[2]
            if "own backward" in names:
                continue  # a jit inside would have to write the gradient of v, which it refuses
            if {"inner deepcopy", "gradients"} <= {*names}:
                continue  # outside of a transform a deep copy is a graph of its own, and `gradients` by v does not see it
            v = al.Variable(x)
            result = f(v)
            assert float(value_of(result)) == right[0]
            if isinstance(result, al.Variable) and is_linked(names):
                assert al.gradients(result, [v, self.w]) == [right[1], right[2]]

    @precondition(lambda self: self.compiled)
    @rule(i=index, xs=several, captured=numbers)
    def call_after_a_change(self, i, xs, captured):
        """The captured Variable has another number now."""
        self.w.value = self.w_model = captured
        self.call(i, xs)

    @precondition(lambda self: self.compiled)
    @rule(i=index, first=numbers, then=numbers)
    def trace_and_replay(self, i, first, then):
        f, m, _ = self.compiled[i % len(self.compiled)]
        if self.right(m, first) is None:
            return
        tape = al.trace(f, first)
        assert float(value_of(tape(first))) == self.right(m, first)[0]
        right = self.right(m, then)
        try:
            result = tape(then)
        except al.BranchError:
            assert then != first
            return
        assert right is None or float(value_of(result)) == right[0]

    @precondition(lambda self: self.compiled)
    @rule(i=index, x=numbers)
    def a_primitive_raises_in_a_call(self, i, x):
        """Whether or not the primitive is reached, the next call is right."""
        f, _, (steps, _) = self.compiled[i % len(self.compiled)]
        ARMED.now = True
        try:
            f(x)
        except BombError:
            assert any(step[0] == "bomb" for step in steps)
        finally:
            ARMED.now = False

    @precondition(lambda self: self.compiled)
    @rule(i=index, xs=st.lists(numbers, min_size=2, max_size=4))
    def threads(self, i, xs):
        """The same function from several threads at once, cold or warm."""
        f, m, _ = self.compiled[i % len(self.compiled)]
        rights = [self.right(m, x) for x in xs]
        results = [None] * len(xs)

        def work(k):
            try:
                results[k] = float(value_of(f(xs[k])))
            except Exception as error:  # noqa: BLE001
                results[k] = error

        workers = [threading.Thread(target=work, args=(k,)) for k in range(len(xs))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for result, right in zip(results, rights, strict=True):
            assert right is None or result == right[0]

    # --- always -------------------------------------------------------------------------------------------

    @invariant()
    def values_and_grads_agree(self):
        for x, node in zip(getattr(self, "real", ()), getattr(self, "model", ()), strict=True):
            assert (x.value, x.grad) == (node.value, node.grad)
        if hasattr(self, "w"):
            assert (self.w.value, self.w.grad) == (self.w_model, None)


def is_linked(names):
    """Say whether the result hangs on the Variables: outside transforms a deep copy has leaves of its own."""
    return "inner deepcopy" not in names


def value_of(result):
    return result.value if isinstance(result, al.Variable) else result


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}
QUICK = settings(
    max_examples=45,
    stateful_step_count=30,
    derandomize=True,
    phases=[Phase.generate],  # shrinking takes minutes: the longer tier shrinks
    report_multiple_bugs=False,
    **QUIET,
)


def test_machine():
    """Short runs; derandomized, so that the quick suite does not depend on luck."""
    run_state_machine_as_test(Machine, settings=QUICK)


def _wrong_adjoint(monkeypatch):
    monkeypatch.setattr(Node, "is_stale", lambda self: False)


def _wrong_tie(monkeypatch):
    monkeypatch.setitem(OPERATIONS, "maximum", (max, lambda x, y: (1.0, 0.0) if x >= y else (0.0, 1.0), al.maximum))


def _wrong_function(monkeypatch):
    monkeypatch.setattr(Model, "relu", staticmethod(lambda x: x * 1.0 if primal(x) > 0 else x * 0.5))


def _wrong_captured(monkeypatch):
    monkeypatch.setattr(Machine, "right", _RIGHT_OF_ONE_CAPTURED)


def _RIGHT_OF_ONE_CAPTURED(self, m, x):
    """The number of the first call, for ever."""
    kept, self.w_model = self.w_model, getattr(self, "first", self.w_model)
    self.first = self.w_model
    try:
        return _RIGHT(self, m, x)
    finally:
        self.w_model = kept


_RIGHT = Machine.right


@pytest.mark.full
@pytest.mark.parametrize("plant", [_wrong_adjoint, _wrong_tie, _wrong_function, _wrong_captured])
def test_a_planted_difference_is_found(plant, monkeypatch):
    """A model with one wrong rule disagrees with the library."""
    plant(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception, al.StaleGraphError)):
        run_state_machine_as_test(Machine, settings=QUICK)


@pytest.mark.slow
def test_machine_at_length():
    """Many long runs."""
    run_state_machine_as_test(Machine, settings=settings(max_examples=1000, stateful_step_count=50, **QUIET))
