"""The compiled core, `_core.c`, where there is one; else nothing, and all is pure Python (see docs/core.md)."""

import inspect
import os
import warnings
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from autograd_lite.errors import StaleCoreWarning

compiled: Any = None
if os.environ.get("AUTOGRAD_LITE_PURE", "0") in ("", "0"):
    try:
        compiled = import_module("autograd_lite._core")
    except ImportError:  # there was no compiler when the package was installed
        pass
    else:
        source = Path(__file__).with_name("_core.c")
        if source.exists() and compiled.digest != sha256(source.read_bytes()).hexdigest()[:16]:
            compiled = None
            warnings.warn(
                "autograd_lite: _core.c has changed since it was compiled. Run pip install -e . again; until then all is "
                "pure Python, with the same results.",
                StaleCoreWarning,
                stacklevel=2,
            )
        elif "about" in vars(compiled.Variable):  # an earlier import of the package, or another interpreter, has it
            compiled = None


class Rule:
    """The base class of `Primitive`; the compiled one calls it."""

    __slots__ = ()


if not TYPE_CHECKING and compiled:
    Rule = compiled.Rule

#: Creation numbers of nodes.
numbers: Any = compiled.numbers if compiled else count()

C = TypeVar("C", bound=type[Any])
F = TypeVar("F", bound=Callable[..., Any])


def name() -> str:
    """Which core runs, as `--version` and the pages of benchmarks say it."""
    return "core: compiled" if compiled else "core: pure Python"


def or_compiled(function: F) -> F:
    """The compiled function of that name where there is one."""
    return getattr(compiled, function.__name__) if compiled else function


def node_class(python: C) -> C:
    """The compiled class of nodes, with all attributes of the Python class that it does not bring itself."""
    if not compiled:
        return python
    node: Any = compiled.Variable
    own = {"__slots__", "__weakref__", "__dict__", "_pow", *vars(python)["__slots__"], *vars(node)} - {"__doc__"}
    node.__signature__ = inspect.signature(python)
    for attribute, thing in vars(python).items():
        if attribute not in own:
            setattr(node, attribute, thing)
    body = vars(python)
    compiled.install(
        init=body["__init__"],
        get_value=body["value"].fget,
        set_value=body["value"].fset,
        get_grad=body["grad"].fget,
        set_grad=body["grad"].fset,
        compared=tuple(body[f"__{relation}__"] for relation in ("lt", "le", "eq", "ne", "gt", "ge")),
        truth=body["__bool__"],
        hashed=body["__hash__"],
        documents={fact: body[fact].__doc__ for fact in ("value", "grad")},
    )
    return node  # type: ignore[no-any-return]


def rule_class(python: C) -> C:
    """The class of rules; calls of its instances are compiled, and fall back on the Python body."""
    if compiled:
        compiled.install(applied=python.__call__)
        del python.__call__
    return python


def install(**bodies: Any) -> None:
    """Hand over Python's part: what goes on, and functions for what is rare."""
    if compiled:
        compiled.install(**bodies)
