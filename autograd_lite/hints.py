"""What people of other libraries type, and what it is called here; for other names the nearest one.

`hints.txt` has the names. The functions below let modules, classes and functions raise errors with these hints.
"""

import contextlib
import difflib
import dis
import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from autograd_lite.errors import UnknownImportError, UnknownKeywordError, UnknownNameError

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type[Any])


@functools.cache
def table() -> dict[str, dict[str, str]]:
    """The remedies, by place and name."""
    found: dict[str, dict[str, str]] = {}
    places: list[str] = []
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            places = line[1:-1].split(", ")
        elif line and not line.startswith("#"):
            listed, _, remedy = line.partition(" = ")
            for place in places:
                found.setdefault(place, {}).update(dict.fromkeys(listed.split(), remedy))
    return found


def hint(place: str, name: str, known: Iterable[str] = (), prefix: str = "") -> str:
    """` Use …`, or ` Did you mean …?`, or nothing."""
    remedy = table().get(place, {}).get(name, "")
    if remedy:
        return f" Not needed{remedy[7:]}." if remedy.startswith("nothing:") else f" Use {remedy}."
    nearest = difflib.get_close_matches(name, [k for k in known if not k.startswith("_")], 1, 0.7)
    return f" Did you mean {prefix}{nearest[0]}?" if nearest else ""


def unknown(place: str, name: str, known: Iterable[str], prefix: str = "") -> UnknownNameError:
    """The error to raise where a thing lacks an attribute."""
    return UnknownNameError(f"{place} has no attribute {name!r}.{hint(place, name, known, prefix)}", name=name)


def of_module(
    module: str, shown: str, also: Iterable[str] = (), lazily: Callable[[str], Any] | None = None
) -> Callable[[str], Any]:
    """The `__getattr__` of a module, `shown` as the user writes it; `lazily` knows more names, or raises AttributeError."""

    def missing(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        if lazily is not None:
            with contextlib.suppress(AttributeError):
                return lazily(name)
        known = [*vars(sys.modules[module]).get("__all__", ()), *also]
        text = f"{shown} has no attribute {name!r}.{hint(module, name, known, f'{shown}.')}"
        # Python says nothing more of an AttributeError in `from … import name`.
        frame: Any = inspect.currentframe()
        frame = frame.f_back if frame else None
        if frame and frame.f_code.co_code[frame.f_lasti] == dis.opmap["IMPORT_FROM"]:
            raise UnknownImportError(text, name=name)
        raise UnknownNameError(text, name=name)

    return missing


def of_instances(place: str) -> Callable[[C], C]:
    """Let instances of a class answer with hints where they lack an attribute."""

    def decorated(cls: C) -> C:
        def missing(self: Any, name: str) -> Any:
            if name.startswith("__"):  # copies and pickles ask for these
                raise AttributeError(name)
            if hasattr(type(self), name):  # a property whose body lacks something: that is the error
                return object.__getattribute__(self, name)
            raise unknown(place, name, dir(self))

        cls.__getattr__ = missing
        cls.__init__ = keywords(cls.__init__, cls.__name__)
        return cls

    return decorated


def names(place: str) -> set[str]:
    """The names that others have, to read or to set."""
    return {*table()[place], *table()[f"{place} to set"]}


class Elsewhere:
    """An attribute that others have, for a class that has it not: reading and setting it is an error with a hint."""

    def __init__(self, place: str, name: str) -> None:
        self.place, self.name = place, name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        raise unknown(self.place, self.name, ())

    def __set__(self, instance: Any, value: Any) -> None:
        remedy = hint(f"{self.place} to set", self.name) or hint(self.place, self.name)
        raise UnknownNameError(f"{self.place} has no attribute {self.name!r} to set.{remedy}", name=self.name)

    def __delete__(self, instance: Any) -> None:
        raise unknown(self.place, self.name, ())


def keywords(function: F, name: str = "") -> F:
    """The function, which says of an unknown keyword what to write instead. `name` is that of its place in the table."""
    known = inspect.signature(function).parameters
    shown = name or function.__name__

    @functools.wraps(function)
    def checked(*arguments: Any, **given: Any) -> Any:
        if given and not known.keys() >= given.keys():
            wrong = next(key for key in given if key not in known)
            remedy = hint(shown, wrong, known)
            raise UnknownKeywordError(f"{shown}() got an unexpected keyword argument {wrong!r}.{remedy}")
        return function(*arguments, **given)

    return checked  # type: ignore[return-value]
