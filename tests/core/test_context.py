"""What is under way: transforms and traces are counted, and nothing of them is left."""

import builtins
import contextlib
import types

import autograd_lite as al
from autograd_lite import context, jit


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
