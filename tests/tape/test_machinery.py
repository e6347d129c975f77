"""Details of the sweep, the passes, the guards and the loops that nothing tested, as mutants showed."""

import builtins
import contextlib
import functools
import math
import operator
import types

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import Variable, context, gradients, jit
from autograd_lite.errors import OperandError
from autograd_lite.primitives import PRIMITIVES
from autograd_lite.tape.lowering import lowered

# --- the sweep ----------------------------------------------------------------------------------------------


def test_gradients_by_all_nodes_are_a_mapping():
    """It has a length, a text, and no entry for what the output does not depend on or what is no Variable."""
    x, other = Variable(2.0), Variable(1.0)
    found = gradients(x * 3.0)
    assert len(found) == 2
    assert repr(found) == "{Variable(2.0): 3.0, Variable(6.0, op='mul'): 1.0}" or "Variable(2.0): 3.0" in repr(found)
    assert x in found and other not in found and 2.0 not in found
    for missing in (other, 2.0):
        with pytest.raises(KeyError):
            found[missing]


def test_gradient_of_a_number_in_an_array_without_axes():
    """A number depends on nothing, in whatever holds it."""
    assert gradients(np.array(3.0), Variable(1.0)) == 0.0


def test_gradients_of_several_outputs_are_refused():
    """Lists, tuples and arrays, by how many there are."""
    x = Variable(2.0)
    for outputs in ([x, x * x], (x, x), np.array([x, x])):
        with pytest.raises(OperandError, match="of 2 outputs: give one output"):
            gradients(outputs, x)


def test_backward_in_a_trace_writes_zero_where_nothing_was_sent():
    """As outside of a trace: the condition of a selection is under the output and has no part in its derivative."""

    def f(x):
        condition = x * 2.0
        al.where(condition, x * 3.0, x).backward()
        return condition.grad

    assert f(Variable(3.0)) == jit(f)(3.0) == 0.0


def test_sweeps_in_a_trace_are_shown_from_the_output_back():
    """With branches in what is swept, too."""
    orders = []

    class Watch(context.Observer):
        def sweep(self, order, adjoints, *, forward):
            orders.append([node.number for node in order])

    with context.observing(Watch()):
        al.jit(al.grad(lambda x: al.where(x, al.sin(x) * x, x)))(2.0)
        al.grad(lambda x: al.where(x, al.sin(x) * x, x))(2.0)
    assert orders and all(order == sorted(order, reverse=True) for order in orders)


# --- the passes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["llvm", "python", "numpy"])
def test_a_guard_between_inputs_comes_before_everything(backend):
    """In a program with constants, too, which lie between the inputs and the instructions."""
    f = jit(lambda x, y: x * 2.0 + 5.0 if x > y else y * 3.0 + 7.0, backend=backend)
    assert [f(2.0, 1.0), f(1.0, 2.0), f(1.0, 1.0)] == [9.0, 13.0, 10.0]
    guards = al.trace(lambda x, y: x * 2.0 + 5.0 if x > y and x * y > x else y, 2.0, 1.5).guards
    assert [guard.position for guard in guards] == [0, 1]


def test_a_program_that_an_executor_has_code_for_stays_as_it_is():
    """Only a power is looked at: a square is a product, as in the rule's own value."""
    every = frozenset(PRIMITIVES.values())
    plain = al.trace(lambda x, y: al.sin(x) * y + al.tanh(y), 1.0, 2.0).program
    assert lowered(plain, every) is plain
    squared = al.trace(lambda x, k: al.pow(x, k), 1.0, 2.0)
    assert [p.name for p, _ in lowered(squared.program, every).code] == ["pow"]
    squared = al.trace(lambda x: al.pow(x, 2.0), 1.0)
    assert [p.name for p, _ in lowered(squared.program, every).code] == ["mul"]


# --- guards -------------------------------------------------------------------------------------------------


def fails(x):
    """Stop a trace in its middle."""
    raise ZeroDivisionError


def test_nothing_is_left_under_way():
    """After a transform and after a trace, whether it succeeded or not, the counts are 0 and the builtins are Python's."""
    for f in (lambda x: x * x if x > 0 else x, fails):
        for run in (al.grad(f), jit(f), jit(al.grad(f)), al.value_and_grad(f)):
            with contextlib.suppress(ZeroDivisionError):
                run(2.0)
            assert not context.running and not context.tracing
            assert context.recording() is None and context.runs() == ()
            assert type(builtins.max) is type(builtins.min) is types.BuiltinFunctionType


def test_a_transform_that_runs_is_counted():
    """The first one of a process, too: whoever looks at values asks for that."""
    seen = []
    al.grad(lambda x: [seen.append((len(context.running), len(context.tracing))), x * x][1])(2.0)
    assert seen == [(1, 0)]


@pytest.mark.parametrize(("a", "b"), [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (math.inf, math.inf), (0.0, -0.0)])
def test_comparisons_by_name_are_those_of_python(a, b):
    """As 1.0 and 0.0, of numbers outside of a trace and inside."""
    for name, relation in (
        ("greater", operator.gt),
        ("less_equal", operator.le),
        ("greater_equal", operator.ge),
        ("equal", operator.eq),
        ("not_equal", operator.ne),
    ):
        question = getattr(al, name)
        assert question(a, b) == jit(question)(a, b) == float(relation(a, b)), name


# --- the emitter --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [8, 16, 19])
def test_rows_of_neighbouring_weights_begin_with_their_own_numbers(outputs):
    """A matrix stored by inputs, times a vector, added to a vector: every bit of the eager run, in one lane."""

    def f(w, b, x):
        h = [v * 2.0 for v in x]  # a vector of results, which lie in a row
        return [functools.reduce(lambda s, i: s + w[i, j] * h[i], range(len(h)), b[j]) for j in range(outputs)]

    rng = np.random.default_rng(4)
    w, b, x = rng.normal(size=(12, outputs)), rng.normal(size=outputs), rng.normal(size=12)
    np.testing.assert_array_equal(jit(f, backend="llvm")(w, b, x), f(w, b, x))
