"""The state of a traced function as Python holds it, at a comparison that it decides by: all that its further run hangs on.

Two runs whose states are equal go on alike, up to the values of their Variables, and to how later comparisons come out. Of a
Variable the state says only which one it is: an input, one from outside, or one that was computed, with what else is the same
one. Whatever cannot be looked into makes the state `Opaque`.
"""

import ctypes
import dis
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FrameType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import numpy as np

from autograd_lite.frames import is_library
from autograd_lite.nests import REGISTRATION
from autograd_lite.primitives import Primitive
from autograd_lite.transforms import Transformed
from autograd_lite.variable import Variable, is_condition

#: Containers from this length on are looked into again only where they hold other things than before.
LARGE = 32
#: Things in one state, in all states of a run, and how deep they may lie, beyond which no more are looked at; and bytes of a
#: large container that count as one.
THINGS, ALL, DEPTH, BYTES = 2000, 600_000, 30, 4096

_PLAIN = (int, str, bytes, bool, type(None), type(...), type(NotImplemented))
#: Modules whose attributes nobody sets.
_MODULES = frozenset(
    "autograd_lite builtins cmath collections functools itertools math numpy operator typing".split()  # noqa: SIM905
)
#: What can see, or change, more than a state tells: names that no function may use.
_NAMES = frozenset(
    "_grad _number _value arguments backward builtins ctypes default_rng delattr eval exec gc gradients grad globals hessian "  # noqa: SIM905
    "hvp id input inspect jacobian jvp local_gradients locals location name number open parents primitive random scope seed "
    "setattr stop_gradient sys threading time value value_and_grad vars vjp weakref zero_grad".split()
)
_ITERABLE: tuple[Any, ...] = ((), [], "", range(0), range(1 << 70), {}, {}.items(), {}.values(), np.zeros(1))
_ITERATORS = *(type(iter(thing)) for thing in _ITERABLE), enumerate, zip, reversed, type(reversed([])), map


class Opaque(Exception):  # noqa: N818 - reads as the fact it states
    """What a run hangs on cannot be told; the message says what stands in the way."""


@dataclass(frozen=True, eq=False)
class Block:
    """A large container as it was: what is in it, and the computed Variables among that, each once, with their places."""

    told: int
    nodes: tuple[Variable, ...]
    place: dict[int, int]
    rows: dict[int, int]  # the tuples and lists in it, by their addresses
    changes: bool  # whether there are lists
    items: Any  # keeps alive what was compared by address


@dataclass(frozen=True, eq=False)
class State:
    """What a run hangs on at one moment: equal where `told` is, with the computed Variables that it can still use.

    `counters` are the ranges that count the turns of loops, each with how many turns are left: `told` does not show that.
    """

    told: tuple[Any, ...]
    singles: tuple[Variable, ...]
    blocks: tuple[Block, ...]
    counters: tuple[tuple[Any, int], ...] = ()


class Tokens:
    """Numbers for things that are the same in all runs, which are kept alive."""

    def __init__(self) -> None:
        self._numbers: dict[int, tuple[int, Any]] = {}
        self._equal: dict[Any, int] = {}

    def of_equals(self, thing: Any) -> int:
        """The number of all things that equal this one."""
        return self._equal.setdefault(thing, len(self._equal))

    def __call__(self, thing: Any) -> int:
        found = self._numbers.get(id(thing))
        if found is None:
            found = self._numbers[id(thing)] = len(self._numbers), thing
        return found[0]


class States:
    """Looks at the states of one run: inputs have the numbers behind `oldest`, up to `newest`.

    If `counting`, `for _ in range(n)` is a counter: see `State`.
    """

    def __init__(self, tokens: Tokens, oldest: int, newest: int, *, counting: bool = False) -> None:
        self.tokens, self.oldest, self.newest, self.counting = tokens, oldest, newest, counting
        self._large: dict[int, tuple[Any, Any]] = {}
        self._apart: dict[tuple[int, int], bool] = {}
        self._kept_blocks: list[Any] = []
        self._spent = 0

    def at(self, frame: FrameType, sides: tuple[Any, ...] = ()) -> State:
        """The state where a comparison of these sides is decided below this frame."""
        frames = _frames(frame)
        self._begin()
        for position, (code, own) in enumerate(frames):
            instruction, hidden = _at(own, sides, last=position == 0)
            self.out += (self.tokens(code), instruction)
            found = _locals(own)
            if self.counting and (loops := _counting_loops(code)):
                found = {name: thing for name, thing in found.items() if name not in _never_read(code)}
                hidden = self._without_counters(
                    hidden, [place for start, stop, place in loops if start < instruction < stop]
                )
            self.out.append(len(found))
            for name, thing in found.items():
                self.out.append(name)
                self.tell(thing)
            for thing in hidden:
                self.tell(thing)
            self._globals(code, own.f_globals)
        self._spent += self._things
        if self._spent > ALL:
            raise Opaque("its states are too large together")
        return self._end()

    def _without_counters(self, hidden: list[Any], places: list[int]) -> list[Any]:
        """What lies on a stack, without the ranges of loops that only count, which are noted."""
        found = {place: hidden[place] for place in places if type(hidden[place]) is _RANGE_ITERATOR}
        self._counters += [(counter, counter.__length_hint__()) for counter in found.values()]
        self.out.append(("counters", *found))
        return [thing for place, thing in enumerate(hidden) if place not in found]

    def of(self, nest: Any) -> State:
        """The state of a run that has ended with this result."""
        self._begin()
        self.tell(nest)
        return self._end()

    def _begin(self) -> None:
        self.out: list[Any] = []
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []
        self._waiting: list[tuple[int, Variable]] = []
        self._blocks: list[Block] = []
        self._rowed: list[Block] = []
        self._codes: set[tuple[int, int]] = set()
        self._counters: list[tuple[Any, int]] = []
        self._depth = self._things = 0

    def _end(self) -> State:
        """Tell the single computed Variables last: whether one is in a large container is known by then."""
        for k, block in enumerate(self._blocks):
            for other in self._blocks[:k]:
                if block is not other and not self._disjoint(block, other):
                    raise Opaque("two large containers share Variables")
        singles: dict[int, int] = {}
        nodes: list[Variable] = []
        for position, node in self._waiting:
            number = node._number
            within = next(((k, b.place[number]) for k, b in enumerate(self._blocks) if number in b.place), None)
            if within is not None:
                self.out[position] = ("of", *within, is_condition(node))
                continue
            if number not in singles:
                singles[number] = len(singles)
                nodes.append(node)
            self.out[position] = ("V", singles[number], is_condition(node))
        self._end_rows()
        return State(tuple(self.out), tuple(nodes), tuple(self._blocks), tuple(self._counters))

    def _end_rows(self) -> None:
        """Tell which containers are rows of a large one: what changes one of them changes the other."""
        for k, block in enumerate(self._rowed):
            for thing in self._kept:
                if type(thing) in (tuple, list) and id(thing) in block.rows:
                    self.out.append((k, block.rows[id(thing)], self._seen[id(thing)]))
            for other in self._rowed[:k]:
                if block.changes and block is not other and not block.rows.keys().isdisjoint(other.rows):
                    raise Opaque("two large containers share lists")

    def _disjoint(self, one: Block, other: Block) -> bool:
        key = id(one), id(other)
        if key not in self._apart:
            self._apart[key] = one.place.keys().isdisjoint(other.place)
        return self._apart[key]

    # ---------------------------------------------------------------------------------------------- things, by their kind

    def tell(self, thing: Any) -> None:
        """Append what there is to say of a thing."""
        kind = type(thing)
        if kind in _PLAIN:
            self.out += (kind, thing)
            return
        if kind is float:
            self.out += (kind, thing.hex())
            return
        if kind is Variable:
            self.out.append(self._variable(thing))
            if self.out[-1] is None:
                self._waiting.append((len(self.out) - 1, thing))
            return
        self._things += 1
        if self._depth > DEPTH or self._things > THINGS:
            raise Opaque("its state is too large")
        if id(thing) in self._seen:
            self.out += ("again", self._seen[id(thing)])
            return
        self._seen[id(thing)] = len(self._seen)
        self._kept.append(thing)  # an address is taken again only after its owner has gone
        self._depth += 1
        self.out.append(kind if kind.__module__ == "builtins" else self.tokens(kind))
        self._tell_kind(kind)(thing)
        self._depth -= 1

    def _tell_kind(self, kind: Any) -> Callable[[Any], None]:
        own = _TELL.get(kind)
        if own is not None:
            return partial(own, self)
        if issubclass(kind, np.ndarray):
            return self._array
        if issubclass(kind, (np.generic, np.dtype)):
            return self._scalar
        if is_instance_of_users(kind):
            return self._instance
        raise Opaque(f"it uses a {kind.__name__}")

    def _variable(self, node: Variable) -> Any:
        if node._number <= self.oldest:
            return "outside", node._number
        if node._about is not None or node._grad is not None:
            raise Opaque("a Variable has more than its value")
        return ("I", node._number - self.oldest) if node._number <= self.newest else None

    def _sequence(self, things: Any) -> None:
        if len(things) >= LARGE:
            self._large_one(things, tuple(map(id, things)), things)
            return
        self.out.append(len(things))
        for thing in things:
            self.tell(thing)

    def _large_one(self, container: Any, addresses: Any, things: Any) -> None:
        before, block = self._large.get(id(container), (None, None))
        lists = [thing for thing in things if type(thing) is list]  # what is in them may change, they stay
        addresses = addresses, [tuple(map(id, row)) for row in lists]
        self._spent += 8 * (len(things) + sum(map(len, lists))) // BYTES
        if before != addresses:
            block = self._block([*things], [[*row] for row in lists])
            self._large[id(container)] = addresses, block
            self._kept_blocks.append(block)
        assert block is not None
        self.out.append(("large", block.told))
        if block.nodes:
            self._blocks.append(block)
        if block.rows:
            self._rowed.append(block)

    def _block(self, things: list[Any], within: list[list[Any]]) -> Block:
        place: dict[int, int] = {}
        nodes: list[Variable] = []
        rows: dict[int, int] = {}

        def of(thing: Any, depth: int = 0) -> Any:
            kind = type(thing)
            if kind is Variable:
                known = self._variable(thing)
                if known is None:
                    if thing._number not in place:
                        place[thing._number] = len(place)
                        nodes.append(thing)
                    known = ("V", place[thing._number], is_condition(thing))
                return known
            if kind in _PLAIN:
                return kind, thing
            if kind is float:
                return kind, thing.hex()
            if (kind is tuple and depth < DEPTH) or (
                kind is list and not depth
            ):  # a list in a tuple might change unseen
                if id(thing) in rows:
                    return "again", rows[id(thing)]
                rows[id(thing)] = len(rows)
                return kind, *(of(part, depth + 1) for part in thing)
            raise Opaque(f"a large container holds a {kind.__name__}")

        told = tuple(map(of, things))
        return Block(self.tokens.of_equals(told), tuple(nodes), place, rows, bool(within), (things, within))

    def _array(self, array: Any) -> None:
        self.out += (array.dtype.str, array.shape, array.strides, array.flags.writeable)
        if getattr(array, "__dict__", None):
            raise Opaque("an array has attributes")
        base = array.base
        if base is not None:
            if not isinstance(base, np.ndarray):
                raise Opaque("an array lies in foreign memory")
            offset = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
            self.out.append(offset)
            self.tell(base)
            if not offset and base.size == array.size and base.strides == array.strides:
                return  # the same numbers again
        if array.dtype != object:
            self._data(array)
        elif array.size >= LARGE:
            self._large_one(array, array.tobytes(), array.ravel())
        else:
            for thing in array.flat:
                self.tell(thing)

    def _data(self, array: Any) -> None:
        self._spent += array.nbytes // BYTES
        before, told = self._large.get(id(array), (None, None))
        if before != (content := array.tobytes()):
            told = self.tokens.of_equals(content)
            self._large[id(array)] = content, told
        self.out.append(told)

    def _dict(self, things: Any) -> None:
        if len(things) > LARGE:
            raise Opaque("a dictionary is large")
        self.out.append(len(things))
        for key, thing in things.items():
            _check_key(key)
            self.tell(key)
            self.tell(thing)
        self.tell(getattr(things, "default_factory", None))

    def _set(self, things: Any) -> None:
        if len(things) > LARGE:
            raise Opaque("a set is large")
        self.out.append(len(things))
        for thing in things:
            _check_key(thing)
            self.tell(thing)

    def _scalar(self, thing: Any) -> None:
        self.out.append(repr(thing) if isinstance(thing, np.dtype) else (thing.dtype.str, thing.tobytes()))

    def _deque(self, things: Any) -> None:
        self.out.append(things.maxlen)
        self._sequence(things)

    def _range(self, thing: Any) -> None:
        for part in (thing.start, thing.stop, thing.step):
            self.tell(part)

    def _iterator(self, iterator: Any) -> None:
        try:
            parts = iterator.__reduce__()
        except RuntimeError as error:
            raise Opaque("an iterator is of no use any more") from error
        for part in parts:
            self.tell(part)

    def _cell(self, cell: Any) -> None:
        try:
            self.tell(cell.cell_contents)
        except ValueError:
            self.out.append("empty")

    def _same(self, thing: Any) -> None:
        self.out.append(self.tokens(thing))

    def _module(self, module: ModuleType) -> None:
        if module.__name__.partition(".")[0] not in _MODULES:
            raise Opaque(f"it uses the module {module.__name__}")
        self._same(module)

    def _method(self, method: Any) -> None:
        self.tell(method.__func__)
        self.tell(method.__self__)

    def _builtin(self, function: Any) -> None:
        owner = function.__self__
        if owner is None or isinstance(owner, (ModuleType, type)):
            self._same(function)
        else:
            self.out.append(function.__name__)
            self.tell(owner)

    def _partial(self, thing: Any) -> None:
        for part in (thing.func, thing.args, thing.keywords):
            self.tell(part)

    def _function(self, function: Any) -> None:
        code = function.__code__
        if is_library(code.co_filename) or code is _SHOWING:
            self._same(function)
            return
        self.out.append(self.tokens(code))
        self.tell(function.__defaults__)
        self.tell(function.__kwdefaults__)
        if function.__dict__:
            self.tell(function.__dict__)
        for cell in function.__closure__ or ():
            self.tell(cell)
        self._globals(code, function.__globals__)

    def _transformed(self, _: Any) -> None:
        raise Opaque("it takes derivatives")

    def _globals(self, code: CodeType, found: dict[str, Any]) -> None:
        """What the names of a function stand for, those of the functions in it too."""
        key = id(code), id(found)
        if key in self._codes:
            return
        self._codes.add(key)
        for name in _names(code):
            if name in found:
                self.out.append(name)
                self.tell(found[name])

    def _class(self, kind: type) -> None:
        if not kind.__flags__ & 1 << 9 or kind.__module__.partition(".")[0] in _MODULES:  # not made by a `class`
            self._same(kind)
            return
        for own in kind.__mro__[:-1]:
            self.out.append(self.tokens(own))
            for name, thing in vars(own).items():
                if name not in _OF_CLASSES:
                    self.out.append(name)
                    self.tell(thing)

    def _instance(self, thing: Any) -> None:
        self.out.append(len(vars(thing)))
        for name, own in vars(thing).items():
            self.out.append(name)
            self.tell(own)
        self.tell(type(thing))

    def _descriptor(self, thing: Any) -> None:
        self.tell(thing.__func__)

    def _property(self, thing: Any) -> None:
        for part in (thing.fget, thing.fset, thing.fdel):
            self.tell(part)


@dataclass
class _Shows:
    """Has the function that shows a dataclass, which looks at addresses to come to an end."""


_SHOWING = _Shows.__repr__.__code__
_OF_CLASSES = frozenset([
    "__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "__qualname__", "__match_args__",
    "__dataclass_fields__", "__dataclass_params__", "__static_attributes__", "__firstlineno__",
    REGISTRATION,
])  # fmt: skip
_TELL: dict[Any, Callable[..., None]] = {
    list: States._sequence, tuple: States._sequence, dict: States._dict, OrderedDict: States._dict, Counter: States._dict,
    defaultdict: States._dict, set: States._set, frozenset: States._set, deque: States._deque, range: States._range,
    slice: States._range,
    complex: lambda states, z: states.out.append(repr(z)),
    FunctionType: States._function, Transformed: States._transformed,
    MethodType: States._method, BuiltinFunctionType: States._builtin,
    MethodDescriptorType: States._same, WrapperDescriptorType: States._same, np.ufunc: States._same, Primitive: States._same,
    type(np.sum): States._same, CodeType: States._same, partial: States._partial, ModuleType: States._module,
    type: States._class, staticmethod: States._descriptor, classmethod: States._descriptor, property: States._property,
    CellType: States._cell,
    **dict.fromkeys(_ITERATORS, States._iterator),
}  # fmt: skip


def _check_key(key: Any) -> None:
    if type(key) is tuple:
        for part in key:
            _check_key(part)
    elif type(key) not in _PLAIN and type(key) is not float:
        raise Opaque(f"a {type(key).__name__} is a key")


@cache
def is_instance_of_users(kind: type) -> bool:
    """Whether all that an instance holds is in its `__dict__`."""
    own = kind.__mro__[:-1]
    by_class = all(k.__flags__ & 1 << 9 and k.__dictoffset__ and "__slots__" not in vars(k) for k in own)
    small = kind.__basicsize__ <= object.__basicsize__ + 32  # no room for what C would keep
    return by_class and small and type(kind) is type and not is_library_class(kind)


def is_library_class(kind: type) -> bool:
    """Whether a class, or what it is made from, belongs to a module whose classes nobody changes."""
    return any(own.__module__.partition(".")[0] in _MODULES for own in kind.__mro__[:-1])


@cache
def _names(code: CodeType) -> tuple[str, ...]:
    """All names that a code uses, with those of the codes in it; refuses what can see or change too much."""
    names = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= dict.fromkeys(_names(constant))
    if forbidden := _NAMES.intersection(names):
        raise Opaque(f"it uses {min(forbidden)}")
    return tuple(names)


# --- frames ---------------------------------------------------------------------------------------------------


def _frames(frame: FrameType | None) -> list[tuple[CodeType, FrameType]]:
    """The frames of the user's code, the innermost first: each called the next one directly, and the library the last."""
    while frame is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back
    found: list[tuple[CodeType, FrameType]] = []
    while frame is not None and not is_library(frame.f_code.co_filename):
        if found and not _called_directly(found[-1][1], frame):
            raise Opaque("a function is called by what is not Python")
        found.append((frame.f_code, frame))
        frame = frame.f_back
    while frame is not None and is_library(frame.f_code.co_filename):
        if frame.f_code.co_name == "recorded":
            return found
        frame = frame.f_back
    raise Opaque("it runs functions through the library")


def _locals(frame: FrameType) -> dict[str, Any]:
    found = frame.f_locals
    return found if type(found) is dict else dict(found)


# How CPython 3.11 to 3.13 lay out a frame: where a frame object has its frame, and what lies in that.
_IN_OBJECT, _SLOTS, _ENTERED = 24, 72, 68
_OLDER = sys.version_info < (3, 12)
_OBJECT_AT, _CODE_AT, _PREVIOUS_AT = (40, 32, 48) if _OLDER else (48, 0, 8)


@cache
def can_look() -> bool:
    """Whether this Python lays out its frames in the way that is known here, as a look at one shows."""
    known = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info < (3, 14) and sys.maxsize > 1 << 32
    return known and all(_shown(object(), iter([1]), 0))


def _shown(one: Any, other: Any, turn: int) -> list[bool]:
    """Whether the objects on the stack of a function that calls another are found there, and that function's own."""
    for _ in other:
        found: Any = [one, turn + 1, _looked_at(sys._getframe(), one, other)]
        return list(found[2])
    return [False]


def _looked_at(frame: FrameType, one: Any, other: Any) -> list[bool]:
    inner, code = sys._getframe(), frame.f_code
    memory = _word(id(frame) + _IN_OBJECT)
    if not memory or _word(memory + _OBJECT_AT) != id(frame) or _word(memory + _CODE_AT) != id(code):
        return [False]
    first = memory + _SLOTS
    found = [_word(first + 8 * k) for k in range(_count_locals(code) + 3)]
    return [
        _word(_word(id(inner) + _IN_OBJECT) + _PREVIOUS_AT) == memory,
        found[:2] == [id(one), id(other)],
        found[_count_locals(code) :][:2] == [id(other), id(one)],
    ]


def _word(address: int) -> int:
    return ctypes.c_void_p.from_address(address).value or 0


def _memory(frame: FrameType) -> int:
    """The address of what the interpreter keeps of a frame."""
    if not can_look():
        raise Opaque("this Python keeps its frames in another way")
    memory = _word(id(frame) + _IN_OBJECT)
    if _word(memory + _CODE_AT) != id(frame.f_code) or _word(memory + _OBJECT_AT) != id(frame):
        raise Opaque("this Python keeps its frames in another way")
    return memory


def _called_directly(inner: FrameType, outer: FrameType) -> bool:
    """Whether Python's own call made the inner frame, with nothing between that holds a state."""
    memory = _memory(inner)
    entered = _OLDER and ctypes.c_bool.from_address(memory + _ENTERED).value  # through C; later it has a frame between
    return not entered and _word(memory + _PREVIOUS_AT) == _memory(outer)


def _at(frame: FrameType, sides: tuple[Any, ...], *, last: bool) -> tuple[int, list[Any]]:
    """The instruction that a frame is at, and what lies on its stack below what that instruction takes."""
    code = frame.f_code
    table = _table(code)
    offset, name, argument, depth = table[frame.f_lasti // 2]
    if depth is None:
        raise Opaque("it decides while it handles an error")
    start = _memory(frame) + _SLOTS + 8 * _count_locals(code)
    if last and name == "COMPARE_OP":  # which decides too, from Python 3.13 on; lists that it compares hold a state
        depth -= 2
        if not {_word(start + 8 * depth), _word(start + 8 * depth + 8)} & {id(s) for s in sides if type(s) is Variable}:
            raise Opaque("it compares what holds Variables")
    elif last:
        if not (name.startswith(("POP_JUMP", "JUMP_IF")) or name in ("UNARY_NOT", "TO_BOOL")):
            raise Opaque(f"what decides is no `if`, `while`, `and`, `or` or `not`, but a {name}")
        depth -= 1
    else:
        if name != "CALL":
            raise Opaque("a function is called by what is not a call")
        depth += dis.stack_effect(dis.opmap["CALL"], argument) - 1  # all that a call takes goes, and its result comes
    addresses = [start + 8 * k for k in range(depth)]
    return offset, [ctypes.py_object.from_address(at).value if _word(at) else None for at in addresses]


@cache
def _count_locals(code: CodeType) -> int:
    return len({*code.co_varnames, *code.co_cellvars}) + len(code.co_freevars)


@cache
def _table(code: CodeType) -> list[tuple[int, str, int, int | None]]:
    """For each code unit its instruction: where, its name and argument, and how much lies on the stack before it."""
    instructions = list(dis.get_instructions(code))
    depths = _depths(code, instructions)
    table: list[tuple[int, str, int, int | None]] = []
    ends = [i.offset for i in instructions[1:]] + [len(code.co_code)]
    for i, end in zip(instructions, ends, strict=True):
        table += [(i.offset, i.opname, i.arg or 0, depths.get(i.offset))] * ((end - i.offset) // 2)
    return table


_RANGE_ITERATOR = type(iter(range(0)))


@cache
def _never_read(code: CodeType) -> frozenset[str]:
    """The names that a code stores and never looks at."""
    stored, others = set[str](), set(code.co_cellvars)
    for i in dis.get_instructions(code):
        names = i.argval if type(i.argval) is tuple else (i.argval,)
        if "FAST" in i.opname and not {str}.issuperset(map(type, names)):
            return frozenset()  # another Python, in which instructions tell their names in another way
        own = {"STORE_FAST": 1, "STORE_FAST_LOAD_FAST": 1, "STORE_FAST_STORE_FAST": 2}.get(i.opname, 0)
        stored.update(names[:own])
        others.update(name for name in names[own:] if type(name) is str)
    return frozenset(stored - others)


@cache
def _counting_loops(code: CodeType) -> list[tuple[int, int, int]]:
    """The `for` loops whose variable nobody reads: from and to where, and the place of the iterator on the stack."""
    instructions = list(dis.get_instructions(code))
    depths, found = _depths(code, instructions), list[tuple[int, int, int]]()
    for i, following in pairwise(instructions):
        names = following.argval if type(following.argval) is tuple else (following.argval,)
        if i.opname == "FOR_ITER" and following.opname.startswith("STORE_FAST") and names[0] in _never_read(code):
            found.append((i.offset, i.argval, depths[i.offset] - 1))
    return found


_NEVER_ON = {
    "RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "JUMP_BACKWARD",
    "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_ABSOLUTE",
}  # fmt: skip


def _depths(code: CodeType, instructions: list[dis.Instruction]) -> dict[int, int]:
    following = {i.offset: n for i, n in pairwise(instructions)}
    at = {i.offset: i for i in instructions}
    depths: dict[int, int] = {}
    waiting = [(instructions[0].offset, 0)]
    while waiting:
        offset, depth = waiting.pop()
        if offset in depths:
            if depths[offset] != depth:
                raise Opaque(f"the stack of {code.co_name} is not understood")
            continue
        depths[offset] = depth
        for target, jump in _next(at[offset], following):
            effect = dis.stack_effect(at[offset].opcode, at[offset].arg if _takes(at[offset]) else None, jump=jump)
            waiting.append((target, depth + effect))
    return depths


def _takes(instruction: dis.Instruction) -> bool:
    return instruction.opcode >= dis.HAVE_ARGUMENT


def _next(instruction: dis.Instruction, following: dict[int, dis.Instruction]) -> Iterator[tuple[int, bool]]:
    if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
        yield instruction.argval, True
    if instruction.opname not in _NEVER_ON and instruction.offset in following:
        yield following[instruction.offset].offset, False
