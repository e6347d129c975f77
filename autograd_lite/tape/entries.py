"""The short way of a call: leaves of a nest go straight into one buffer of floats, and results straight into a nest.

Source is written for the structure of the arguments that were seen: in a call nothing is flattened, looked up or looped
over. Arguments of another structure, and numbers that are not exact floats, go the general way, which has the messages.
"""

import enum
import itertools
import math
import operator
import struct
from collections import deque
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
import optree

from autograd_lite import context
from autograd_lite.nests import NAMESPACE, Fixed, Shape
from autograd_lite.tape.paths import Unmapped, Unserved
from autograd_lite.transforms import Transformed

#: Arrays of these are exact as floats; NumPy converts them on the way into the buffer.
_EXACT = frozenset("efbBhHiI?")

#: Facts of a call that compare at once: by identity, or by value where the type is the very one.
_BY_IDENTITY = (bool, type(None), type, enum.Enum, FunctionType, BuiltinFunctionType, Transformed)

#: Statements beyond which nobody gains by source that is written out.
_LONG = 4000

_CALL = """
def call({parameters}):
    if not context.active:
        try:
            {lines}
            try:
                frame = frames.pop()
            except IndexError:
                frame = new_frame()
            given, out, {views}go, _ = frame
            {stores}
            status = go()
            if status == 0:
                {counted}
                result = {result}
                frames.append(frame)
                return result
            frames.append(frame)
        except UNUSABLE:
            pass
    return general(({positional}), {{{keywords}}})
"""


class Other(Exception):  # noqa: N818 - no error: the call goes the general way
    """An argument is of another structure than the source was written for."""


def _whole(x: Any) -> float:
    converted = float(x)
    if int(converted) != x:
        raise Other
    return converted


_CONVERTED: dict[type, Callable[[Any], float]] = {
    **dict.fromkeys((float, np.float64, np.float32, np.float16), float),
    **dict.fromkeys((int, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64), _whole),
}


def number(x: Any) -> float:
    """A float equal to a number of another type."""
    try:
        return _CONVERTED[type(x)](x)
    except (KeyError, OverflowError):
        raise Other from None


def numbers(items: Sequence[Any]) -> Sequence[float]:
    """Floats equal to numbers of other types among them."""
    return items if {float}.issuperset(map(type, items)) else [number(x) for x in items]


def _same(one: Any, other: Any) -> bool:
    try:
        return one is other or (type(one) is type(other) and bool(one == other))
    except ValueError:  # arrays among the facts of a container
        return False


class Way:
    """Source that takes arguments apart and puts their numbers into the array `given`.

    It is written for the containers of an example, of which `shape` is that of `(arguments, keywords)`. With `axes`, the axis
    of lanes of each leaf or None, the leaves that have one become `rows`: arrays (lanes, numbers), all of `lanes` lanes.
    Raises `Other` for leaves and containers that source cannot tell apart in a moment.
    """

    def __init__(self, shape: Shape, arguments: tuple[Any, ...], keywords: dict[str, Any], axes: Any = None) -> None:
        self.lines, self.stores, self.rows = list[str](), list[str](), list[str]()
        self.scope: dict[str, Any] = {
            "Other": Other, "UNUSABLE": (Other, Unmapped, Unserved), "number": number, "numbers": numbers,
            "ndarray": np.ndarray, "float64": np.dtype(np.float64), "EXACT": _EXACT, "same": _same, "context": context,
            "unflatten": optree.tree_unflatten,
        }  # fmt: skip
        self.views: list[tuple[int, int, tuple[int, ...]]] = []  # start, size and shape of the arrays in the buffer
        axes = [None] * len(shape.leaves) if axes is None else axes
        own = [size if axis is None else 0 for size, axis in zip(shape.sizes, axes, strict=True)]
        self.count = sum(own)
        self._leaves = zip(shape.leaves, shape.sizes, itertools.accumulate(own, initial=0), axes, strict=False)
        self._names = (f"c{k}" for k in itertools.count())
        self._parameters = [f"a{k}" for k in range(len(arguments) + len(keywords))]
        self._keywords = dict(zip(keywords, self._parameters[len(arguments) :], strict=True))
        positional, named = shape.containers.children()
        for name, thing, spec in zip(self._parameters, arguments, positional.children(), strict=False):
            self._take(name, thing, spec)
        for key, spec in zip(named.entries(), named.children(), strict=True):
            self._take(self._keywords[key], keywords[key], spec)
        if len(self.lines) + len(self.stores) > _LONG:
            raise Other

    def _kept(self, thing: Any) -> str:
        name = f"k{len(self.scope)}"
        self.scope[name] = thing
        return name

    def _unless(self, condition: str) -> None:
        self.lines.append(f"if not ({condition}): raise Other")

    def _take(self, name: str, thing: Any, spec: Any) -> None:
        if spec.is_leaf():
            self._leaf(name, type(thing))
            return
        self._unless(f"type({name}) is {self._kept(type(thing))}")
        if thing is None:
            return
        source, things = self._opened(name, thing, spec)
        children = spec.children()
        if len(children) > 3 and all(c.is_leaf() for c in children) and all(type(x) in _CONVERTED for x in things):
            start, *_ = [start for _, _, start, _ in itertools.islice(self._leaves, len(children))]
            pack, run = self._kept(struct.Struct(f"{len(children)}d").pack_into), next(self._names)
            self.lines.append(f"{run} = numbers({source})")
            self.stores.append(f"{pack}(given, {8 * start}, *{run})")
            return
        parts = [next(self._names) for _ in children]
        if parts:
            self.lines.append(f"{''.join(f'{part}, ' for part in parts)} = {source}")
        for part, child, inner in zip(parts, things, children, strict=True):
            self._take(part, child, inner)

    def _opened(self, name: str, thing: Any, spec: Any) -> tuple[str, Sequence[Any]]:
        """Source of the children of a container, in the order of its leaves, and these of the example."""
        kind = type(thing)
        if kind is list or kind is tuple or (isinstance(thing, tuple) and hasattr(kind, "_fields")):
            self._unless(f"len({name}) == {len(thing)}")
            return name, thing
        if isinstance(thing, dict):  # the function may see the order of keys
            if not all(type(key) is str for key in thing):
                raise Other
            self._unless(f"[*{name}] == {self._kept([*thing])}")
        if kind is dict:
            keys = spec.entries()
            things = [thing[key] for key in keys]
            if len(keys) < 2 or keys == [*thing]:
                return f"[*{name}.values()]", things
            return f"{self._kept(operator.itemgetter(*keys))}({name})", things
        registered = optree.register_pytree_node.get(kind, namespace=NAMESPACE)
        if registered is None:
            raise Other
        children, facts, *_ = registered.flatten_func(thing)
        inside, found = next(self._names), next(self._names)
        self.lines.append(f"{inside}, {found}, *_ = {self._kept(registered.flatten_func)}({name})")
        self._unless(f"same({found}, {self._kept(facts)})")
        return inside, tuple(children)

    def _leaf(self, name: str, kind: type) -> None:
        leaf, size, start, axis = next(self._leaves)
        if axis is not None:
            if axis:
                raise Other
            self._unless(f"type({name}) is ndarray and {name}.dtype is float64 and {name}.shape[1:] == {leaf or ()}")
            self._unless(f"len({name}) == lanes") if self.rows else self.lines.append(f"lanes = len({name})")
            self.rows.append(f"{name}.reshape(lanes, {size})")
        elif leaf is None:
            self.lines.append(f"if type({name}) is not float: {name} = number({name})")
            self.stores.append(f"given[{start}] = {name}")
        elif isinstance(leaf, Fixed):
            if isinstance(leaf.thing, _BY_IDENTITY):
                self._unless(f"{name} is {self._kept(leaf.thing)}")
            elif kind in (str, bytes):
                self._unless(f"type({name}) is {self._kept(kind)} and {name} == {self._kept(leaf.thing)}")
            else:
                raise Other
        elif kind is np.ndarray:
            self._unless(
                f"type({name}) is ndarray and {name}.shape == {leaf} "
                f"and ({name}.dtype is float64 or {name}.dtype.char in EXACT)"
            )
            self.stores.append(f"g{len(self.views)}[...] = {name}")
            self.views.append((start, size, leaf))
        else:
            raise Other

    def call(
        self,
        general: Callable[..., Any],
        bound: Callable[[], tuple[Any, ...]],
        result: str = "{nest}",
        *,
        returned: Shape | None = None,
        counted: str = "pass",
        fresh: bool = False,
        **scope: Any,
    ) -> Callable[..., Any]:
        """A function of such arguments; those that it cannot serve it gives to `general`, as a tuple and a dict.

        `bound` makes the arrays `given` and `out`, a function `go` that runs on them and returns 0 if it succeeds, and memory
        that must live. They are kept in frames, one for each call that is under way, unless each needs `fresh` ones. `result`
        is the source of the result, in which {nest} stands for the numbers in `out` as a nest of shape `returned`; `counted`
        is a statement before it, and `scope` has further names that they use.
        """
        nest, taken = ("", []) if returned is None else _nest(returned)
        if len(nest) > 20 * _LONG:
            raise Other

        def new_frame() -> tuple[Any, ...]:
            given, out, *rest = bound()
            inside = [given[start : start + size].reshape(leaf) for start, size, leaf in self.views]
            outside = [out[start : start + size].reshape(leaf) for start, size, leaf in taken]
            return given, out, *inside, *outside, *rest

        positional = "".join(f"{name}, " for name in self._parameters[: len(self._parameters) - len(self._keywords)])
        source = _CALL.format(
            parameters=", ".join(self._parameters),
            lines="\n            ".join(self.lines) or "pass",
            stores="\n            ".join(self.stores) or "pass",
            views="".join([f"g{k}, " for k in range(len(self.views))] + [f"r{k}, " for k in range(len(taken))]),
            counted=counted,
            result=result.format(nest=nest, rows=", ".join(self.rows), positional=positional),
            positional=positional,
            keywords=", ".join(f"{key!r}: {name}" for key, name in self._keywords.items()),
        )
        scope |= self.scope | {"frames": deque(maxlen=0 if fresh else None), "new_frame": new_frame, "general": general}
        if returned is not None:
            scope["leaves"], scope["containers"] = returned.leaves, returned.containers
        exec(compile(source, __file__, "exec"), scope)  # noqa: S102 - the text above
        call: Callable[..., Any] = scope["call"]
        return call


def _nest(shape: Shape) -> tuple[str, list[tuple[int, int, tuple[int, ...]]]]:
    """Source of a nest of numbers in `out`, and the arrays in it as (start, size, shape)."""
    items: list[str | int] = []  # source, or the place of a bare number
    taken: list[tuple[int, int, tuple[int, ...]]] = []
    starts = itertools.accumulate(shape.sizes, initial=0)
    for k, (leaf, size, start) in enumerate(zip(shape.leaves, shape.sizes, starts, strict=False)):
        if leaf is None:
            items.append(start)
        elif isinstance(leaf, Fixed):
            items.append(f"leaves[{k}].copy()")
        else:
            items.append(f"r{len(taken)}.copy()")
            taken.append((start, size, leaf))
    try:
        return _display(optree.tree_unflatten(shape.containers, items)), taken
    except Other:
        return f"unflatten(containers, {_display(items)})", taken


def _display(nest: Any) -> str:
    """Source of a nest of plain containers; `Other` if there are others in it."""
    kind = type(nest)
    if kind is str or nest is None:
        return str(nest)
    if kind is int:
        return f"out.item({nest})"
    if kind is dict and all(type(key) is str for key in nest):
        return f"{{{', '.join(f'{key!r}: {_display(part)}' for key, part in nest.items())}}}"
    if kind is not list and kind is not tuple:
        raise Other
    if lengths := _lengths(nest):  # lists in lists by one call
        first, count = nest, math.prod(lengths)
        while type(first) is list:
            first = first[0]
        if count > 3:
            shaped = f".reshape({lengths})" if len(lengths) > 1 else ""
            return f"out[{first} : {first + count}]{shaped}.tolist()"
    if len(nest) > 3 and all(type(part) is int for part in nest):
        return f"tuple(out[{nest[0]} : {nest[-1] + 1}].tolist())"
    parts = "".join(f"{_display(part)}, " for part in nest)
    return f"[{parts}]" if kind is list else f"({parts})"


def _lengths(nest: Any) -> tuple[int, ...] | None:
    """The lengths of lists in lists of numbers, if all lists of a depth have the same; () for a number."""
    if type(nest) is int:
        return ()
    inner = {_lengths(part) for part in nest} if type(nest) is list else set()
    (lengths,) = inner if len(inner) == 1 else (None,)
    return None if lengths is None else (len(nest), *lengths)
