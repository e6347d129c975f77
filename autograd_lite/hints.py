"""What people of other libraries type, and what it is called here; for other names the nearest one.

`hints.txt` has the names. The functions below let modules, classes and functions raise errors with these hints.
"""

import contextlib
import difflib
import dis
import functools
import inspect
import math
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


def unknown(place: str, name: str, known: Iterable[str], prefix: str = "", shown: str = "") -> UnknownNameError:
    """The error to raise where a thing, `shown` as the user writes it, lacks an attribute."""
    remedy = hint(place, name, known, prefix)
    return UnknownNameError(f"{shown or place} has no attribute {name!r}.{remedy}", name=name)


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


def keywords(function: F, name: str = "", inner: str = "") -> F:
    """The function, which says of a wrong call what to write instead. `name` is that of its place in the table.

    A function that takes another one and what that is called with, as `*params`, says the same of that call; `inner` is what
    it passes if that is less.
    """
    known = inspect.signature(function).parameters
    shown = name or function.__name__
    open_ended = any(p.kind is p.VAR_KEYWORD for p in known.values())
    places = [p for p in known.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in places if p.default is p.empty]
    rest = [f"*{p.name}" for p in known.values() if p.kind is p.VAR_POSITIONAL]
    least, most = len(needed), math.inf if rest else len(places)
    written = [part for part in [*needed, *rest] if part not in ("self", "cls")]
    call = f"{shown}({', '.join(written)})"
    inner = inner or (", ".join(written[1:]) if rest else "")

    @functools.wraps(function)
    def checked(*arguments: Any, **given: Any) -> Any:
        if given and not open_ended and not known.keys() >= given.keys():
            wrong = next(key for key in given if key not in known)
            remedy = hint(shown, wrong, known) or (f" Write {call}." if rest else "")
            raise UnknownKeywordError(f"{shown}() got an unexpected keyword argument {wrong!r}.{remedy}")
        if not least <= len(arguments) <= most:
            _count(call, [part for part in needed[len(arguments) :] if part not in given], given, len(arguments) - most)
        try:
            return function(*arguments, **given)
        except TypeError as error:
            passed = max(len(arguments), least) - 1 if rest else inner.count(",") + 1
            if not inner or not arguments or takes(arguments[0], passed, given.keys() - known.keys()):
                raise
            raise TypeError(f"{error}. {call} calls {needed[0]}({inner}).") from error

    return checked  # type: ignore[return-value]


def _count(call: str, missing: list[str], given: dict[str, Any], beyond: float) -> None:
    """Refuse a call with too few or too many arguments by position; a transform with options is a decorator, perhaps."""
    shown = call.partition("(")[0]
    if beyond > 0:
        raise TypeError(f"{shown}() got {beyond} more by position than it takes. Write {call}.")
    if missing:
        options = ", ".join(f"{key}={value!r:.40}" for key, value in given.items())
        decorating = f" As a decorator with options: @functools.partial(al.{shown}, {options})."
        raise TypeError(
            f"{shown}() misses {', '.join(missing)}. Write {call}.{decorating if options and missing == ['f'] else ''}"
        )


def takes(f: Any, count: int, names: Iterable[str] = ()) -> bool:
    """Whether a function may be called with so many arguments by position, and these by keyword."""
    try:
        inspect.signature(f).bind(*range(count), **dict.fromkeys(names))
    except ValueError:  # it does not say
        return True
    except TypeError:
        return not callable(f)
    return True
