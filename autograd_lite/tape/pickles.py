"""Copies and pickles of compiled and mapped functions: the function and its options, never the compiled code.

Pickle finds functions by their names. The function that `grad` or another transform returns has no name, so it is stored
as the transform and its argument. A function under a decorator such as `@jit` is found by its own name.
"""

import copy
import sys
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from autograd_lite import transforms
from autograd_lite.tape import files
from autograd_lite.tape.tape import Tape

at = resolve_name


class Stored:
    """A stand-in for an object that is made by a call when the pickle is read."""

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        self.made = make, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.made


def stored(f: Any) -> Any:
    """The function itself, or a stand-in that pickle can write."""
    recipe = transforms.recipe_of(f)
    if recipe is not None:
        label, inner, argnums, options = recipe
        return Stored(_transformed, label, stored(inner), argnums, options)
    return Stored(files.from_bytes, files.to_bytes(f)) if type(f) is Tape else f


def deeply_copied(f: Any, memo: dict[int, Any]) -> Any:
    """A deep copy of a function: of the object that it is a method of, or of the function under a transform."""
    recipe = transforms.recipe_of(f)
    if recipe is not None:
        label, inner, argnums, options = recipe
        again = deeply_copied(inner, memo)
        return f if again is inner else _transformed(label, again, argnums, options)
    return copy.deepcopy(f, memo)


def place_of(wrapper: Any) -> tuple[str] | None:
    """`module:name` under which `at` finds a decorated function, or None."""
    f = wrapper
    while (inner := getattr(f, "__wrapped__", None) or getattr(f, "f", None)) is not None:
        f = inner
    module, name = getattr(f, "__module__", None), getattr(f, "__qualname__", None)
    place = f"{module}:{name}"
    try:
        return (place,) if module in sys.modules and at(place) is wrapper else None
    except (AttributeError, ImportError, ValueError):  # it is of a function, as in `f.<locals>.g`
        return None


_transformed = transforms.transformed
