"""The short way of a call: leaves of a nest go straight into one buffer of floats, and results straight into a nest.

Source is written for the structure of the arguments that were seen: in a call nothing is flattened, looked up or looped
over. Arguments of another structure, and numbers that are not exact floats, go the general way, which has the messages.
"""

import enum
import functools
import itertools
import operator
import struct
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
import optree

from autograd_lite import context
from autograd_lite.nests import NAMESPACE, Fixed, Shape
from autograd_lite.tape.backends.lanes import Columns
from autograd_lite.tape.paths import Unmapped, Unserved

FLOATS, FLOAT64 = frozenset({float}), np.dtype(np.float64)

#: Arrays of these are exact as floats; NumPy converts them on the way into the buffer.
_EXACT = frozenset("efbBhHiI?")

#: Facts of a call that compare at once: by identity, or by value where the type is the very one.
_BY_IDENTITY = (bool, type(None), type, enum.Enum, FunctionType, BuiltinFunctionType)

#: Statements beyond which nobody gains by source that is written out.
_LONG = 4000


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
    return items if FLOATS.issuperset(map(type, items)) else [number(x) for x in items]


def _same(one: Any, other: Any) -> bool:
    try:
        return one is other or (type(one) is type(other) and bool(one == other))
    except ValueError:  # arrays among the facts of a container
        return False


class Way:
    """Source that takes arguments apart and puts their numbers into the array `given`.

    Parameters
    ----------
    shape : Shape
        Of `(arguments, keywords)`.
    arguments, keywords
        An example, whose containers the source is written for.
    axes : list, optional
        For each leaf the axis of lanes; such leaves become `rows`, arrays (lanes, numbers), all of `lanes` lanes.

    Raises
    ------
    Other
        If they hold what source cannot tell apart in a moment.
    """

    def __init__(
        self,
        shape: Shape,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
        axes: Sequence[int | None] | None = None,
    ) -> None:
        self.lines: list[str] = []
        self.stores: list[str] = []
        self.views: list[tuple[int, int, tuple[int, ...]]] = []  # start, size and shape of the arrays in the buffer
        self.scope: dict[str, Any] = {
            "Other": Other, "UNUSABLE": (Other, Unmapped, Unserved), "number": number, "numbers": numbers,
            "ndarray": np.ndarray, "float64": FLOAT64, "EXACT": _EXACT, "same": _same,
        }  # fmt: skip
        self.rows: list[str] = []
        axes = [None] * len(shape.leaves) if axes is None else axes
        own = [size if axis is None else 0 for size, axis in zip(shape.sizes, axes, strict=True)]
        self.count = sum(own)
        starts = itertools.accumulate(own, initial=0)
        self._leaves = zip(shape.leaves, shape.sizes, starts, axes, strict=False)
        self._names = (f"c{k}" for k in itertools.count())
        positional, named = shape.containers.children()
        self.names = [f"a{k}" for k in range(len(arguments) + len(keywords))]
        self.keywords = dict(zip(keywords, self.names[len(arguments) :], strict=True))
        for name, thing, spec in zip(self.names, arguments, positional.children(), strict=False):
            self._take(name, thing, spec)
        for key, spec in zip(named.entries(), named.children(), strict=True):
            self._take(self.keywords[key], keywords[key], spec)
        if len(self.lines) + len(self.stores) > _LONG:
            raise Other

    def _kept(self, thing: Any) -> str:
        """The name under which the source finds a thing."""
        name = f"k{len(self.scope)}"
        self.scope[name] = thing
        return name

    def _unless(self, condition: str) -> None:
        self.lines.append(f"if not ({condition}): raise Other")

    def _take(self, name: str, thing: Any, spec: Any) -> None:
        if spec.is_leaf():
            self._leaf(name, type(thing))
            return
        if thing is None:
            self._unless(f"{name} is None")
            return
        self._unless(f"type({name}) is {self._kept(type(thing))}")
        source, things = self._opened(name, thing, spec)
        children = spec.children()
        if self._is_run(things, children):
            self._run(source, len(children))
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

    @staticmethod
    def _is_run(things: Sequence[Any], specs: Sequence[Any]) -> bool:
        """Whether a container holds bare numbers only, enough to be stored together."""
        return len(specs) > 3 and all(spec.is_leaf() for spec in specs) and all(type(x) in _CONVERTED for x in things)

    def _run(self, name: str, count: int) -> None:
        _, _, start, _ = next(self._leaves)
        for _ in range(count - 1):
            next(self._leaves)
        run = next(self._names)
        self.lines.append(f"{run} = numbers({name})")
        self.stores.append(f"{self._kept(struct.Struct(f'{count}d').pack_into)}(given, {8 * start}, *{run})")

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
                path.lanes += 1
                result = {result}
                frames.append(frame)
                return result
            frames.append(frame)
        except UNUSABLE:
            pass
    return general({arguments}, {keywords})
"""


def short_call(program: Any, path: Any, way: Way, general: Callable[..., Any]) -> Callable[..., Any] | None:
    """A function that calls the compiled code of a path for arguments of one structure; None if there is no short way.

    Memory is kept in frames, one for each call that is under way.
    """
    bound = getattr(program, "bound", None)
    if bound is None or path.tape.captured:
        return None
    returned = path.tape.output_shape
    result, taken = _result(returned)
    if len(result) > 20 * _LONG:
        return None

    def new_frame() -> tuple[Any, ...]:
        given, out, go, kept = bound()
        inside = [given[start : start + size].reshape(leaf) for start, size, leaf in way.views]
        outside = [out[start : start + size].reshape(leaf) for start, size, leaf in taken]
        return given, out, *inside, *outside, go, kept

    views = [f"g{k}" for k in range(len(way.views))] + [f"r{k}" for k in range(len(taken))]
    source = _CALL.format(
        parameters=", ".join(way.names),
        lines="\n            ".join(way.lines) or "pass",
        stores="\n            ".join(way.stores) or "pass",
        views="".join(f"{view}, " for view in views),
        result=result,
        arguments=f"({''.join(f'{name}, ' for name in way.names[: len(way.names) - len(way.keywords)])})",
        keywords=f"{{{', '.join(f'{key!r}: {name}' for key, name in way.keywords.items())}}}",
    )
    scope = way.scope | {
        "frames": [], "new_frame": new_frame, "path": path, "general": general, "context": context,
        "leaves": returned.leaves, "unflatten": functools.partial(optree.tree_unflatten, returned.containers),
    }  # fmt: skip
    exec(compile(source, __file__, "exec"), scope)  # noqa: S102 - the text above
    call: Callable[..., Any] = scope["call"]
    return call


_BATCH = """
def columns({parameters}):
    {lines}
    given = empty({count})
    {stores}
    return Columns(lanes, given, [{rows}])
"""


def short_columns(way: Way) -> Callable[..., Columns]:
    """A function that takes the arguments of a mapped function apart, all that all lanes share and the rows of each."""
    views = [
        f"g{k} = given[{start} : {start + size}].reshape({leaf})" for k, (start, size, leaf) in enumerate(way.views)
    ]
    source = _BATCH.format(
        parameters=", ".join(way.names),
        lines="\n    ".join(way.lines) or "pass",
        count=way.count,
        stores="\n    ".join([*views, *way.stores]) or "pass",
        rows=", ".join(way.rows),
    )
    scope = way.scope | {"empty": np.empty, "Columns": Columns}
    exec(compile(source, __file__, "exec"), scope)  # noqa: S102 - the text above
    columns: Callable[..., Columns] = scope["columns"]
    return columns


def _result(shape: Shape) -> tuple[str, list[tuple[int, int, tuple[int, ...]]]]:
    """Source of the nest of results, and the arrays in it as (start, size, shape)."""
    items: list[_Source] = []
    taken: list[tuple[int, int, tuple[int, ...]]] = []
    starts = itertools.accumulate(shape.sizes, initial=0)
    for k, (leaf, size, start) in enumerate(zip(shape.leaves, shape.sizes, starts, strict=False)):
        if leaf is None:
            items.append(_Source(f"out.item({start})", start))
        elif isinstance(leaf, Fixed):
            items.append(_Source(f"leaves[{k}].copy()"))
        else:
            items.append(_Source(f"r{len(taken)}.copy()"))
            taken.append((start, size, leaf))
    nest: Any = optree.tree_unflatten(shape.containers, items)
    return _display(nest) or f"unflatten([{', '.join(item.text for item in items)}])", taken


class _Source:
    """The text of a result, and the place of a bare number."""

    def __init__(self, text: str, start: int | None = None) -> None:
        self.text, self.start = text, start


def _display(nest: Any) -> str | None:
    """Source of a nest of plain containers; None if there are others in it."""
    kind = type(nest)
    if kind is _Source:
        text: str = nest.text
        return text
    if nest is None:
        return "None"
    if kind is dict:
        shown = {key: _display(part) for key, part in nest.items() if type(key) is str}
        items = ", ".join(f"{key!r}: {text}" for key, text in shown.items())
        return f"{{{items}}}" if len(shown) == len(nest) and all(shown.values()) else None
    if kind is not list and kind is not tuple:
        return None
    starts = [part.start if type(part) is _Source else None for part in nest]
    if len(nest) > 3 and starts[0] is not None and starts == [*range(starts[0], starts[0] + len(nest))]:
        return f"{kind.__name__}(out[{starts[0]} : {starts[0] + len(nest)}].tolist())"
    parts = [_display(part) for part in nest]
    inner = ", ".join(part or "" for part in parts)
    if not all(parts):
        return None
    return f"[{inner}]" if kind is list else f"({inner}{',' * (len(parts) == 1)})"
