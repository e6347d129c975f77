"""The exceptions of autograd_lite: all under one base, each also under the builtin that a caller would catch.

Every message says what happened, with which values and where, and what to do. The examples show a failure and its cure.
"""

from pickle import PicklingError

import numpy as np


class AutogradLiteError(Exception):
    """Base of every exception that this library raises on purpose."""


class ArgumentError(AutogradLiteError, ValueError):
    """An argument of a library function has a wrong value, such as `argnums=3` for a function of two arguments.

    >>> import autograd_lite as al
    >>> al.grad(lambda x: x * x, argnums=1)(2.0)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.ArgumentError: argnums=1, but <lambda> was called with 1 positional argument. ...
    >>> al.grad(lambda x: x * x, argnums=0)(2.0)
    4.0
    """


class ConversionError(AutogradLiteError, ValueError):
    """A number cannot be represented exactly as a 64-bit float, so it cannot become a Variable unchanged.

    >>> import autograd_lite as al
    >>> al.Variable(2**53 + 1)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.ConversionError: 9007199254740993 is not exactly representable as a 64-bit float. ...
    >>> al.Variable(float(2**53 + 1))
    Variable(9007199254740992.0)
    """


class OperandError(AutogradLiteError, TypeError):
    """An operation got something that it cannot differentiate, or that would drop the derivative.

    >>> import math
    >>> import autograd_lite as al
    >>> math.sin(al.Variable(1.0))
    Traceback (most recent call last):
        ...
    autograd_lite.errors.OperandError: float() of Variable(1.0) would drop its derivative. ...
    >>> al.sin(al.Variable(0.0))
    Variable(0.0, op='sin')
    """


class OutputError(AutogradLiteError, TypeError):
    """The function to be differentiated did not return one number.

    >>> import autograd_lite as al
    >>> al.grad(lambda x: [x, x * x])(2.0)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.OutputError: <lambda> returned a list of 2 numbers; a gradient needs one number. ...
    >>> al.jacobian(lambda x: [x, x * x])(2.0)
    [1.0, 4.0]
    """


class PrimitiveError(AutogradLiteError, ValueError):
    """A `Primitive` is malformed: wrong number of partials, a name that is taken, a partial that returns no number.

    >>> import autograd_lite as al
    >>> al.Primitive(name="exp", value=lambda x: x, partials=(1.0,))
    Traceback (most recent call last):
        ...
    autograd_lite.errors.PrimitiveError: a primitive named 'exp' exists already. ...
    """


class UnpicklableError(AutogradLiteError, PicklingError):
    """A pickle cannot hold a function: it has no name in its module, as a lambda, or it holds a lock or an open file.

    >>> import pickle
    >>> import autograd_lite as al
    >>> pickle.dumps(al.jit(lambda x: x * x))
    Traceback (most recent call last):
        ...
    autograd_lite.errors.UnpicklableError: jit(<lambda>) cannot be pickled by its name: <lambda> is no name of module ...
    >>> import cloudpickle
    >>> pickle.loads(cloudpickle.dumps(al.jit(lambda x: x * x)))(3.0)
    9.0
    """


class ReadOnlyError(AutogradLiteError, AttributeError):
    """A fact of the recorded graph was assigned to; only a leaf's `value` and any node's `grad` may be set.

    >>> import autograd_lite as al
    >>> x = al.Variable(2.0)
    >>> y = x * x
    >>> y.value = 3.0
    Traceback (most recent call last):
        ...
    autograd_lite.errors.ReadOnlyError: value of Variable(4.0, op='mul') is computed by mul and cannot be set. ...
    >>> x.value = 3.0
    """


class UnknownNameError(AutogradLiteError, AttributeError):
    """A name that the library does not have, with what stands for it here, or the nearest one.

    >>> import autograd_lite as al
    >>> al.sigmiod
    Traceback (most recent call last):
        ...
    autograd_lite.errors.UnknownNameError: al has no attribute 'sigmiod'. Did you mean al.sigmoid?
    >>> al.Variable(2.0).item()
    Traceback (most recent call last):
        ...
    autograd_lite.errors.UnknownNameError: a Variable has no attribute 'item'. Use x.value.
    """


class UnknownImportError(AutogradLiteError, ImportError):
    """A name that the library does not have is imported.

    >>> from autograd_lite.nn import MLP
    Traceback (most recent call last):
        ...
    autograd_lite.errors.UnknownImportError: al.nn has no attribute 'MLP'. Use al.nn.Network.create([2, 3, 1]).
    """


class UnknownKeywordError(AutogradLiteError, TypeError):
    """A function does not take this keyword.

    >>> import autograd_lite as al
    >>> al.optim.SGD(lr=0.1)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.UnknownKeywordError: SGD() got an unexpected keyword argument 'lr'. Use rate=number.
    """


class StaleGraphError(AutogradLiteError, RuntimeError):
    """A leaf changed its value after the graph was recorded, and the graph is to be differentiated again.

    >>> import autograd_lite as al
    >>> x = al.Variable(2.0, name="x")
    >>> y = x * x
    >>> x.value = 5.0
    >>> al.gradients(y, x)                      # recorded local gradients stay what they were
    4.0
    >>> al.gradients(y, x, create_graph=True)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.StaleGraphError: Variable(5.0, name='x') was set after Variable(4.0, op='mul') was recorded ...
    """


class HandMadeNodeError(AutogradLiteError, RuntimeError):
    """A node that was made by hand has numbers as local gradients, which cannot be differentiated again.

    >>> import autograd_lite as al
    >>> x = al.Variable(2.0)
    >>> y = al.Variable(4.0, ((x, 4.0),))
    >>> al.gradients(y, x)
    4.0
    >>> al.gradients(y, x, create_graph=True)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.HandMadeNodeError: Variable(4.0) was made by hand: ...
    """


class UnconnectedError(AutogradLiteError, ValueError):
    """A gradient was asked for with respect to something the output does not depend on, with `unconnected="raise"`.

    >>> import autograd_lite as al
    >>> x, y = al.Variable(2.0), al.Variable(3.0, name="y")
    >>> al.gradients(x * x, y, unconnected="raise")
    Traceback (most recent call last):
        ...
    autograd_lite.errors.UnconnectedError: Variable(4.0, op='mul') does not depend on Variable(3.0, name='y'). ...
    >>> al.gradients(x * x, y)
    0.0
    """


class NonFiniteError(AutogradLiteError, ArithmeticError):
    """Inside `raise_on_nonfinite()`, a value or an adjoint became infinite or NaN.

    >>> import autograd_lite as al
    >>> with al.raise_on_nonfinite():
    ...     al.log(al.Variable(0.0, name="x"))
    Traceback (most recent call last):
        ...
    autograd_lite.errors.NonFiniteError: log(x) is -inf for x = 0.0 ...
    """


class GradientCheckError(AutogradLiteError, AssertionError):
    """A gradient does not agree with finite differences; the message holds a table of what differs."""


class TraceError(AutogradLiteError, RuntimeError):
    """A function cannot be recorded once and replayed: two traces of it gave different programs.

    >>> import itertools
    >>> import autograd_lite as al
    >>> count = itertools.count()
    >>> al.jit(lambda x: x * next(count))(2.0)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.TraceError: <lambda> gave different programs when traced twice with the same numbers: ...
    >>> al.jit(lambda x, n: x * n)(2.0, 1.0)
    2.0
    """


class BranchError(AutogradLiteError, RuntimeError):
    """A tape was called with numbers for which the function takes another branch than the one recorded; `jit` follows it.

    >>> import autograd_lite as al
    >>> f = lambda x: x * x if x > 1 else 2 * x - 1
    >>> al.trace(f, 3.0)(0.0)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.BranchError: the tape of <lambda> was recorded where x > 1.0 was True ...
    >>> al.jit(f)(0.0)
    -1.0
    """


class LoopLimitError(AutogradLiteError, RuntimeError):
    """A `while_loop` would make more turns than its `limit`.

    >>> import autograd_lite as al
    >>> al.while_loop(lambda x: x > 1.0, lambda x: x / 2.0, 1e9, limit=10)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.LoopLimitError: while_loop of <lambda> has made limit=10 turns and its condition still holds. ...
    >>> al.while_loop(lambda x: x > 1.0, lambda x: x / 2.0, 1e9, limit=100)
    0.9313225746154785
    """


class NotConvergedError(AutogradLiteError, RuntimeError):
    """A solver has not found a solution; `x` is the last point, `residual` what is left there, `turns` how many were made.

    >>> import autograd_lite as al
    >>> al.root(lambda x: x * x + 1.0, 0.5)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.NotConvergedError: root of <lambda> has not converged in 100 turns: at x = ...
    >>> al.root(lambda x: x * x - 1.0, 0.5)
    1.0
    """

    def __init__(self, message: str, x: object = None, residual: float | None = None, turns: int | None = None) -> None:
        super().__init__(message)
        self.x, self.residual, self.turns = x, residual, turns


class RowError(AutogradLiteError, IndexError):
    """An index of `take` names no row of its table: it is out of range, NaN, or not whole.

    >>> import autograd_lite as al
    >>> al.take([10.0, 20.0], 2.0)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.RowError: take got index 2.0, and the table has 2 rows, from 0 to 1, or from -2 to -1. ...
    >>> al.take([10.0, 20.0], 1.0)
    20.0
    """


class DerivativeWarning(RuntimeWarning):
    """A derivative is 0 because branches cut it off: the function compared or read its argument, and returned something else.

    >>> import warnings
    >>> import autograd_lite as al
    >>> def bisected(a):                        # the root of x² - a: floats, chosen by comparing with a
    ...     low, high = 0.0, 2.0
    ...     for _ in range(50):
    ...         middle = (low + high) / 2
    ...         low, high = (middle, high) if middle * middle < a else (low, middle)
    ...     return low
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     al.grad(bisected)(2.0)
    0.0
    >>> print(caught[0].message)
    the result of bisected does not depend on its argument, although it was compared or read at ... Branches cut ...
    """


class PathWarning(RuntimeWarning):
    """A function that is compiled takes a path of its own for every order of some numbers, or for every index.

    `sorted`, or `max` with a key, makes such paths; so does `items[x]` of a list, where `take(items, x)` does not.

    >>> import warnings
    >>> import autograd_lite as al
    >>> median = al.jit(lambda v: sorted(v)[1])
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     [median(list(v)) for v in ((1.0, 2.0, 3.0), (2.0, 1.0, 3.0), (3.0, 2.0, 1.0))]
    [2.0, 2.0, 2.0]
    >>> [warning.category.__name__ for warning in caught]
    ['PathWarning']
    """


class ArrayWarning(RuntimeWarning):
    """A traced function works on large arrays: each element becomes an instruction, which takes long to record and compile.

    >>> import warnings
    >>> import numpy as np
    >>> import autograd_lite as al
    >>> samples = np.linspace(-1.0, 1.0, 20_000)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     tape = al.trace(lambda s: np.mean(np.exp(s * samples)) + np.mean(s * samples), 0.5)
    >>> print(caught[0].message)
    60,000 operations were recorded from arrays of shape (20000,) at ...: each element becomes an instruction. Write ...
    """


class StaleCoreWarning(RuntimeWarning):
    """The compiled core was built from another `_core.c` than the one that lies beside it, and is left out."""


class TapeError(AutogradLiteError, ValueError):
    """A tape is malformed, or a file is no tape: corrupt, cut off, or of another kind."""


class ModelFileError(AutogradLiteError, ValueError):
    """A file is no saved model, or not the one expected: corrupt, cut off, of other names or shapes, or with NaN in it."""


class WorkerError(AutogradLiteError, RuntimeError):
    """A worker of a cluster cannot run the function that was sent: it lacks a package, or has another version of Python."""


class WorkerWarning(RuntimeWarning):
    """A worker of a cluster has another processor or other versions: results may differ in their last bits."""


class CompilationError(AutogradLiteError, RuntimeError):
    """A program could not be compiled, or the backend that was asked for is not installed."""


class DeviceError(AutogradLiteError, RuntimeError):
    """A device for compiled code, or its driver, reported a failure."""


class DrawingError(AutogradLiteError, RuntimeError):
    """A graph cannot be drawn."""


class GraphTooLarge(DrawingError):  # noqa: N818 - the name that the design fixes
    """The graph has more nodes than a picture can show; pass `max_nodes=None` or `depth=`."""


class RendererNotFound(DrawingError):  # noqa: N818 - reads as the fact it states
    """No Graphviz renderer was found; the message lists what was tried and how to install one."""


class MatrixError(AutogradLiteError, np.linalg.LinAlgError):
    """A matrix has no such result: it is singular, not square, not positive definite, or of too low a rank.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.linalg.inv([[1.0, 2.0], [2.0, 4.0]])
    Traceback (most recent call last):
    ...
    autograd_lite.errors.MatrixError: inv of a singular matrix of shape (2, 2): pivot 2 of 2 is 0, ...
    """


class SingularError(NotConvergedError, MatrixError):
    """A solver came to a point where the derivative of its equations is singular: at the solution there is no derivative.

    >>> import autograd_lite as al
    >>> al.root(lambda x, a: (x - a) ** 2, 1.0, 3.0)
    Traceback (most recent call last):
        ...
    autograd_lite.errors.SingularError: root of <lambda>: the derivative of the equations is singular at the solution ...
    >>> al.root(lambda x, a: x - a, 1.0, 3.0)
    3.0
    """
