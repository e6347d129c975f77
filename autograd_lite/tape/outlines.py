"""Shapes of arguments and results in JSON, for tapes in files; every container says what it is."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from autograd_lite.errors import TapeError
from autograd_lite.nests import DATACLASSES, NAMESPACE, Fixed, Shape


class MissingError(Exception):
    """The file is whole, but this process cannot use it."""


def require(fact: bool, otherwise: str) -> None:
    """Refuse a file that does not fit together."""
    if not fact:
        raise ValueError(otherwise)


@dataclasses.dataclass(frozen=True)
class _Leaf:
    """Stands in a nest for the leaf that has this entry in `Shape.leaves`."""

    outline: Any


def coded(shape: Shape) -> Any:
    """The shape in JSON."""
    return _coded(optree.tree_unflatten(shape.containers, [_Leaf(leaf) for leaf in shape.leaves]))


def _coded(nest: Any) -> Any:
    """A nest in JSON; every container says what it is."""
    kind = type(nest)
    if nest is None:
        return None
    if kind is _Leaf and not isinstance(nest.outline, Fixed):
        return "number" if nest.outline is None else {"array": list(nest.outline)}
    thing = nest.outline.thing if kind is _Leaf else nest
    if type(thing) in (bool, int, float, str):
        return {"fixed": thing}
    if kind in (tuple, list):
        return {kind.__name__: [_coded(part) for part in nest]}
    if kind is dict and all(type(key) in (str, int) for key in nest):
        return {"dict": [[key, _coded(part)] for key, part in nest.items()]}
    name = f"{kind.__module__}:{kind.__qualname__}"
    if name in DATACLASSES:
        parts = {field.name: _coded(getattr(nest, field.name)) for field in dataclasses.fields(kind)}
        return {"dataclass": name, "fields": parts}
    raise TapeError(
        f"a tape with {thing!r:.60} among its arguments or results cannot be saved: files hold numbers, arrays, bools, "
        "texts, None, and tuples, lists, dicts with texts or ints as keys, and registered dataclasses of these. Trace a "
        "function without it."
    )


def shape_of(code: Any, numbers: list[Any]) -> Shape:
    """The shape that is so coded, of so many numbers."""
    leaves, containers = optree.tree_flatten(_nest(code, _Leaf), namespace=NAMESPACE)
    shape = Shape(containers, tuple(leaf.outline for leaf in leaves))
    require(sum(shape.sizes) == len(numbers), "its arguments or results have another number of elements than it says")
    return shape


def _nest(code: Any, leaf: Callable[[Any], Any]) -> Any:
    """The nest that `_coded` wrote, with `leaf(entry)` for each leaf."""
    match code:
        case None:
            return None
        case "number":
            return leaf(None)
        case {"array": [*sizes]}:
            require(all(type(n) is int for n in sizes), "the shape of an array is none")
            np.broadcast_to(0.0, sizes)  # refuses sizes that no array has, without memory for it
            return leaf(tuple(sizes))
        case {"fixed": bool() | int() | float() | str() as thing}:
            return leaf(Fixed(thing))
        case {"tuple": [*parts]}:
            return tuple(_nest(part, leaf) for part in parts)
        case {"list": [*parts]}:
            return [_nest(part, leaf) for part in parts]
        case {"dict": [*pairs]}:
            require(all(type(key) in (str, int) for key, _ in pairs), "a key of a dict is neither text nor int")
            return {key: _nest(part, leaf) for key, part in pairs}
        case {"dataclass": str(name), "fields": dict(parts)}:
            return _instance(name, parts, leaf)
    raise ValueError(f"it has {str(code)[:40]} among its arguments or results")


def _instance(name: str, parts: dict[str, Any], leaf: Callable[[Any], Any]) -> Any:
    """An instance of a registered dataclass, made without `__init__` as in `register_dataclass`."""
    cls: Any = DATACLASSES.get(name)
    if cls is None or [field.name for field in dataclasses.fields(cls)] != list(parts):
        raise MissingError(
            f"needs a registered dataclass {name} with fields {', '.join(parts)}, and this process has none. Import the "
            "module that defines it first; if the class has changed, trace and save again."
        )
    instance: Any = object.__new__(cls)
    for field in dataclasses.fields(cls):
        static = field.metadata.get("static")
        object.__setattr__(instance, field.name, _nest(parts[field.name], _fact if static else leaf))
    return instance


def _fact(outline: Any) -> Any:
    require(isinstance(outline, Fixed), "a static field is a number that varies")
    return outline.thing
