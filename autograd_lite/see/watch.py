"""Watching nodes as they are made: non-finite numbers raised at once, lines of the user's code, scopes."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from autograd_lite import context
from autograd_lite.errors import NonFiniteError, OperandError
from autograd_lite.frames import user_location


class _NonFiniteWatch(context.Observer):
    def node(self, node: Any) -> None:
        if math.isfinite(node._value):
            node.about.location = user_location()
            if trace := context.recording():  # a replay watches too: where it fails, f runs again
                trace.guard("lt", node, math.inf, outcome=True)
                trace.guard("gt", node, -math.inf, outcome=True)
            return
        letters = ["x"] if len(node.arguments) == 1 else [chr(ord("a") + i % 26) for i in range(len(node.arguments))]
        names = [getattr(a, "name", repr(a)) or letter for a, letter in zip(node.arguments, letters, strict=True)]
        values = [getattr(a, "_value", a) for a in node.arguments]
        shown = [f"{n} = {v}" if n != repr(v) else n for n, v in zip(names, values, strict=True)]
        if len(shown) > 8:  # an operation on matrices
            names, shown = [f"{len(names)} numbers"], [*shown[:6], "…"]
        inputs = ", ".join(shown)
        made = "a node made by hand" if node.primitive is None else node.primitive.name
        raise NonFiniteError(
            f"{made}({', '.join(names)}) is {node._value} for {inputs} at {user_location()}. Keep the inputs inside the "
            "domain (where(condition, safe, other), clip, maximum), or use the form made for it (log1p, expm1, softplus, "
            "logaddexp, hypot, xlogy)."
            if node.arguments
            else f"a leaf was given the value {node._value} at {user_location()}. Check the data before this line."
        )

    def sweep(self, order: Sequence[Any], adjoints: Mapping[int, Any], *, forward: bool = False) -> None:
        for node in order:
            adjoint = adjoints[node._number]
            value = getattr(adjoint, "_value", adjoint)
            if value is None or math.isfinite(value):
                continue
            if forward:
                raise NonFiniteError(
                    f"the tangent of {node!r}{_made_at(node)} is {value}: the sum of local gradient × tangent over its "
                    f"arguments, with local gradients {[local or 0.0 for local in node._locals]}. Move the inputs away "
                    "from the singular point, or select with where()."
                )
            raise NonFiniteError(self._adjoint_message(node, value, order, adjoints))

    def _adjoint_message(self, node: Any, value: float, order: Sequence[Any], adjoints: Mapping[int, Any]) -> str:
        products = [
            f"{getattr(adjoint, '_value', adjoint)} × {local}  (through {user!r}{_made_at(user)})"
            for user in order
            if (adjoint := adjoints[user._number]) is not None
            for parent, local in zip(user._arguments, user._locals, strict=True)
            if parent is node
        ]
        return (
            f"the adjoint of {node!r}{_made_at(node)} is {value}: the sum of adjoint × local gradient over its users, "
            f"{'; '.join(products[:4]) or 'which is the seed'}{'; …' if len(products) > 4 else ''}. "
            "No .grad was written. Move the inputs away from the singular point, or select with where()."
        )


def _made_at(node: Any) -> str:
    location = None if node._about is None else node._about.location
    return f" made at {location}" if location else ""


def raise_on_nonfinite() -> AbstractContextManager[None]:
    """Turn the first infinite or NaN value or adjoint into an error.

    Returns
    -------
    context manager
        To be entered by `with`.

    Raises
    ------
    NonFiniteError
        It names the node, its inputs and the line of the user's code; for an adjoint, the products of which it is the
        sum. A failed pass writes no `.grad`.

    Notes
    -----
    Nodes made inside also remember their line, so that a later pass can name it. Cost: about 7 µs a node. The watch holds
    for the thread or task that entered it: threads started inside are not watched, and a generator that is suspended
    inside leaves its caller watched.

    Examples
    --------
    >>> import autograd_lite as al
    >>> with raise_on_nonfinite():
    ...     x = al.Variable(0.0, name="x")
    ...     al.sqrt(x).backward()
    Traceback (most recent call last):
        ...
    autograd_lite.errors.NonFiniteError: the adjoint of Variable(0.0, name='x') made at ... is inf: ...
    """
    return context.observing(_NonFiniteWatch())


class _Locations(context.Observer):
    def node(self, node: Any) -> None:
        node.about.location = user_location()

    def read(self, node: Any) -> None:
        node.about.read = user_location()


def record_locations() -> AbstractContextManager[None]:
    """Let nodes remember the file and line of the user's code that makes them: `x.location`.

    Messages, `why`, `blame` and the pages of `draw` name these lines; `why` also names the line that took the number out
    of a Variable with `.value`.

    Returns
    -------
    context manager
        To be entered by `with`.

    Notes
    -----
    Cost: about 3 µs a node inside, nothing outside. It holds for the thread or task that entered it.

    Examples
    --------
    >>> import autograd_lite as al
    >>> with record_locations():
    ...     y = al.exp(al.Variable(1.0))
    >>> y.location
    '...:2'
    """
    return context.observing(_Locations())


class _Scope(context.Observer):
    def __init__(self, name: str) -> None:
        self.name = name

    def node(self, node: Any) -> None:
        about = node.about
        about.scope = self.name if about.scope is None else f"{about.scope}/{self.name}"


def scope(name: str) -> AbstractContextManager[None]:
    """Give the nodes made inside a common name: folded pictures draw them as one box.

    Parameters
    ----------
    name : str
        Scopes may be nested: `layer1/neuron0`.

    Returns
    -------
    context manager
        To be entered by `with`.

    Examples
    --------
    >>> import autograd_lite as al
    >>> x = al.Variable(1.0)
    >>> with scope("layer1"):
    ...     h = al.tanh(x)
    >>> h.scope, x.scope
    ('layer1', None)
    """
    if not isinstance(name, str) or not name:
        raise OperandError(f"scope({name!r}): name a scope with a text.")
    return context.observing(_Scope(name))
