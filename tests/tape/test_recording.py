"""Sweeps inside a trace: what they write, and what an observer sees of them."""

import autograd_lite as al
from autograd_lite import Variable, context, jit


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
