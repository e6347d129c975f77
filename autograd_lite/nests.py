"""Nests: numbers, arrays, and lists, tuples, dicts and registered dataclasses of them, in any depth.

`numbers, shape = unravel(nest)` makes a flat list of numbers, and `shape.pack(numbers)` the nest again.
"""

import dataclasses
import functools
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import optree

from autograd_lite import foreign, hints
from autograd_lite.arrays import Conditions, LazyArray, TracedArray, VariableArray, keeping
from autograd_lite.conversion import as_float, as_operand
from autograd_lite.errors import ArgumentError, OperandError
from autograd_lite.variable import FLOATS, OTHERS, Variable, kinds

C = TypeVar("C", bound=type)

#: Dataclasses registered here are nests to this library only; what is registered globally with optree counts too.
NAMESPACE = "autograd_lite"

#: Types of leaves that are one number.
_SINGLE = frozenset((Variable, float, int, bool))

#: The dataclasses registered here, by module and name: what a saved tape may refer to.
DATACLASSES: dict[str, type] = {}
#: The attribute of a registered class that registers it where a pickle brings it.
REGISTRATION = "__autograd_lite_nest__"


@dataclasses.dataclass(frozen=True, eq=False)
class Fixed:
    """A leaf that is no number: part of the shape. Things of two types differ: members of two IntEnums, True and 1."""

    thing: Any

    def __eq__(self, other: object) -> bool:
        if type(other) is not Fixed:
            return NotImplemented
        return self.thing is other.thing or (_kind(self.thing) == _kind(other.thing) and self.thing == other.thing)

    def __hash__(self) -> int:
        try:
            return hash(self.thing)
        except TypeError:  # a slice, a callable object with `==`
            return hash(type(self.thing))

    def copy(self) -> Any:
        """The thing to hand out: of an array, one that the caller may change."""
        return self.thing.copy() if isinstance(self.thing, np.ndarray) else self.thing


def written(path: Iterable[Any]) -> str:
    """A path into a nest as users write it.

    >>> written(("layers", 0, "weight")), written((2, 1))
    ('layers[0].weight', '[2][1]')
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


@dataclasses.dataclass(frozen=True, eq=False)
class Shape:
    """The containers of a nest, with the order of keys, and the array shapes of its leaves; None marks a single number."""

    containers: optree.PyTreeSpec
    leaves: tuple[tuple[int, ...] | Fixed | None, ...]
    #: The leaves that were arrays of other libraries, by position: no part of what makes shapes equal.
    given: dict[int, Any] = dataclasses.field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Shape):
            return NotImplemented
        return self.resembles(other) and (not _has_keys(self.containers) or self._keys == other._keys)

    def __hash__(self) -> int:
        return hash((self.containers, self.leaves))

    def resembles(self, other: "Shape") -> bool:
        """Whether shapes are equal but for the order of keys."""
        return self.containers == other.containers and self.leaves == other.leaves

    @functools.cached_property
    def _keys(self) -> list[Any]:
        return _keys_of(self.containers)

    @functools.cached_property
    def sizes(self) -> list[int]:
        """How many numbers each leaf holds."""
        return [
            1 if leaf is None else 0 if isinstance(leaf, Fixed) else int(np.prod(leaf, dtype=np.int64))
            for leaf in self.leaves
        ]

    @functools.cached_property
    def has_arrays(self) -> bool:
        """Whether a leaf is an array."""
        return any(type(leaf) is tuple for leaf in self.leaves)

    @functools.cached_property
    def flat(self) -> Any:
        """The type of the outermost container if every leaf is a single number: `list` for a list of nothing but numbers."""
        plain = self.leaves.count(None) == len(self.leaves)
        nested = self.containers.num_nodes != len(self.leaves) + 1
        return plain and (optree.PyTreeSpec if nested else self.containers.type or float)

    def outline(self) -> str:
        """The structure as text: [*, array[3]] for a list of a number and an array of three."""
        leaves = [
            "*" if leaf is None else repr(leaf.thing) if isinstance(leaf, Fixed) else f"array{list(leaf)}"
            for leaf in self.leaves
        ]
        return str(optree.tree_unflatten(self.containers, leaves)).replace("'", "")

    def places(self) -> list[tuple[tuple[Any, ...], str]]:
        """For each number the path of its leaf, and its index in that as text: `(0, 'w'), '[2, 3]'`."""
        places: list[tuple[tuple[Any, ...], str]] = []
        for path, leaf in zip(self.containers.paths(), self.leaves, strict=True):
            if leaf is None:
                places.append((path, ""))
            elif not isinstance(leaf, Fixed):
                places += [(path, f"[{', '.join(map(str, index))}]") for index in np.ndindex(*leaf)]
        return places

    def pack(self, numbers: Any) -> Any:
        """The nest with these numbers in it, a sequence or an array; see `as_array`."""
        if type(numbers) is list and self.flat and kinds(numbers) < OTHERS:
            return numbers.copy() if self.flat is list else optree.tree_unflatten(self.containers, numbers)
        packed, start = [], 0
        for leaf, size in zip(self.leaves, self.sizes, strict=True):
            if isinstance(leaf, Fixed):
                packed.append(leaf.copy())
            elif leaf is None:
                number = numbers[start]
                packed.append(number.item() if isinstance(number, np.generic) else number)
            else:
                packed.append(as_array(numbers[start : start + size], leaf))
            start += size
        return optree.tree_unflatten(self.containers, packed)

    def labelled(self, nest: Any) -> Any:
        """A nest of this shape with arrays of other libraries where such were given."""
        if not self.given:
            return nest
        leaves: list[Any] = self.containers.flatten_up_to(nest)
        for position, given in self.given.items():
            leaves[position] = foreign.made_again(given, leaves[position])
        return optree.tree_unflatten(self.containers, leaves)

    def pack_matrix(self, rows: Sequence[Sequence[Any]], columns: "Shape") -> Any:
        """The nest in which each number is a nest of shape `columns`: arrays of shape `row leaf + column leaf`."""
        packed, top = [], 0
        for row_leaf, height in zip(self.leaves, self.sizes, strict=True):
            blocks, left = [], 0
            for column_leaf, width in zip(columns.leaves, columns.sizes, strict=True):
                if isinstance(row_leaf, Fixed) or isinstance(column_leaf, Fixed):
                    raise OperandError(f"a derivative of or by {row_leaf} or {column_leaf}, which are no numbers.")
                block = [entry for row in rows[top : top + height] for entry in row[left : left + width]]
                scalar = row_leaf is None and column_leaf is None
                blocks.append(block[0] if scalar else as_array(block, (row_leaf or ()) + (column_leaf or ())))
                left += width
            packed.append(optree.tree_unflatten(columns.containers, blocks))
            top += height
        return optree.tree_unflatten(self.containers, packed)


def _keys_of(containers: optree.PyTreeSpec) -> list[Any]:
    """The keys of each dictionary by type and in their order, neither of which `==` of containers tells."""
    found = []

    def look(container: Any) -> None:
        if isinstance(container, dict):
            found.append([(_kind(key), key) for key in container])

    containers.traverse([None] * containers.num_leaves, look)
    return found


@functools.lru_cache(maxsize=256)
def _has_keys(containers: optree.PyTreeSpec) -> bool:
    """Whether a dictionary among the containers has any: answered once for all calls of a kind."""
    return any(_keys_of(containers))


def as_array(numbers: Any, shape: tuple[int, ...]) -> Any:
    """A float64 array, or an object array if not every number is a float."""
    if isinstance(numbers, np.ndarray):
        return numbers.reshape(shape)
    if kinds(numbers) <= FLOATS:
        packed = np.empty(shape)
        struct.pack_into(f"{len(numbers)}d", packed.data, 0, *numbers)  # half the time of `np.fromiter`
        return packed
    return _keeping(numbers, shape)


@hints.keywords
def array(nest: Any) -> Any:
    """An array of numbers that keeps Variables: NumPy's, in which every function with a rule works by its rule.

    Parameters
    ----------
    nest : number, array or nested lists of numbers and Variables
        Variables may be assigned into the result later, whether there are any now or not.

    Returns
    -------
    array of objects
        A copy. Its numbers are Python floats.

    Raises
    ------
    OperandError
        If an entry is no number, or rows differ in length.

    Examples
    --------
    >>> import autograd_lite as al
    >>> al.grad(lambda x: np.sqrt(array([x, 4.0]) * x).sum())(1.0)
    2.0
    """
    try:
        boxed = np.array(nest, dtype=object)
    except ValueError as error:
        raise OperandError(f"al.array of parts that differ in shape: {error}. Give rows of equal length.") from error
    entries = boxed.ravel()
    if any(isinstance(entry, (list, tuple, np.ndarray)) for entry in entries):
        raise OperandError(f"al.array of parts that differ in shape, {nest!r:.80}. Give rows of equal length.")
    return _keeping(_numbers(entries), boxed.shape)


@hints.keywords
def zeros(shape: Any) -> Any:
    """An array of zeros into which Variables can be assigned.

    Parameters
    ----------
    shape : int or tuple of int
        The length of each axis.

    Returns
    -------
    array
        Of objects, floats at first.

    Examples
    --------
    >>> import autograd_lite as al
    >>> def powers(x):
    ...     out = zeros(3)
    ...     for k in range(3):
    ...         out[k] = x**k
    ...     return out.sum()
    >>> al.grad(powers)(2.0)
    5.0
    """
    return full(shape, 0.0)


@hints.keywords
def ones(shape: Any) -> Any:
    """An array of ones into which Variables can be assigned.

    Parameters
    ----------
    shape : int or tuple of int
        The length of each axis.

    Returns
    -------
    array
        Of objects, floats at first.

    Examples
    --------
    >>> ones((1, 2)).tolist()
    [[1.0, 1.0]]
    """
    return full(shape, 1.0)


@hints.keywords
def full(shape: Any, value: Any) -> Any:
    """An array of one number or Variable, broadcast from an array of them, into which Variables can be assigned.

    Parameters
    ----------
    shape : int or tuple of int
        The length of each axis.
    value : float, Variable or array
        What stands in it; an array is broadcast.

    Returns
    -------
    array
        Of objects.

    Examples
    --------
    >>> full(2, 0.5).tolist()
    [0.5, 0.5]
    """
    filled = np.empty(shape, dtype=object)
    filled[...] = array(value)
    return filled.view(keeping())


def _keeping(numbers: Sequence[Any], shape: tuple[int, ...]) -> Any:
    boxed = np.fromiter(numbers, dtype=object, count=len(numbers))  # assigning would ask each Variable for an array
    return boxed.reshape(shape).view(keeping())


def values(nest: Any) -> Any:
    """The nest with numbers for Variables: floats, and arrays of floats.

    Parameters
    ----------
    nest : nest
        Of Variables, numbers, arrays of them and anything else.

    Returns
    -------
    nest
        A float for each Variable, a float64 array for each array that holds Variables, also among floats; the rest as it is.
        While a function is traced, held numbers for both, as `x.value`.

    Examples
    --------
    >>> import autograd_lite as al
    >>> values({"w": al.array([al.Variable(1.0), 2.0]), "b": al.Variable(0.5), "activation": "relu"})
    {'w': array([1., 2.]), 'b': 0.5, 'activation': 'relu'}
    """
    return mapped(lambda variable: variable.value, nest)


def variables(nest: Any) -> Any:
    """The nest with a leaf for each number: what `backward` and `gradients` take.

    Parameters
    ----------
    nest : nest of numbers and arrays
        Numbers of any kind that `grad` takes, flags and whole numbers too. Variables stay what they are.

    Returns
    -------
    nest
        Of Variables and arrays of Variables, each named after its place.

    Raises
    ------
    OperandError
        If a leaf is no number.

    Notes
    -----
    Time and memory: a Variable and a name for each number.

    Examples
    --------
    >>> import autograd_lite as al
    >>> model = variables({"w": np.array([2.0, 3.0]), "b": 1.0})
    >>> loss = (model["w"] ** 2).sum() + model["b"]
    >>> al.gradients(loss, model)
    {'w': array([4., 6.]), 'b': 1.0}
    >>> model["w"][1].name
    'w[1]'
    """
    numbers, shape = unravel(nest)
    names = [written(path) + index.replace(" ", "") for path, index in shape.places()]
    return shape.pack(
        [n if type(n) is Variable else Variable(n, name=name or None) for n, name in zip(numbers, names, strict=True)]
    )


def flatten(nest: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The numbers of a nest as one vector, and the function that makes such a nest of a vector again.

    Parameters
    ----------
    nest : nest of numbers and arrays
        Lists, tuples, dicts and registered dataclasses of them, whose static fields are kept.

    Returns
    -------
    vector : array of float64
        Of objects if the nest holds Variables.
    unflatten : callable
        Takes an array of as many numbers, Variables among them, or a list of them; returns the nest with these.

    Raises
    ------
    OperandError
        If a leaf is no number.
    ArgumentError
        By `unflatten`, if the vector has another length.

    Notes
    -----
    Inside transforms `unflatten` passes derivatives on: a function of a nest becomes one of a vector, as
    `scipy.optimize.minimize` and others want it.

    Examples
    --------
    >>> import autograd_lite as al
    >>> model = {"w": np.array([[1.0, 2.0]]), "b": 3.0}
    >>> vector, unflatten = flatten(model)
    >>> vector, unflatten(2.0 * vector)
    (array([3., 1., 2.]), {'w': array([[2., 4.]]), 'b': 6.0})
    >>> al.grad(lambda v: (unflatten(v)["w"] ** 2).sum())(vector)
    array([0., 2., 4.])
    """
    numbers, shape = unravel(nest)

    def unflatten(vector: Any) -> Any:
        found: Any = vector if isinstance(vector, LazyArray) else unravel(vector, "the vector")[0]
        if np.ndim(vector) != 1 or len(found) != len(numbers):
            raise ArgumentError(
                f"unflatten got numbers of shape {np.shape(vector)}, and the nest {shape.outline()} has {len(numbers)}. Give "
                "a vector with one number for each."
            )
        return shape.labelled(shape.pack(found))

    return as_array(numbers, (len(numbers),)), unflatten


def unravel(nest: Any, what: str = "the nest", fixed: Callable[[Any], bool] | None = None) -> tuple[list[Any], Shape]:
    """The numbers of a nest, floats and Variables, in order; and its shape, which holds the leaves that are `fixed`."""
    if fixed is None or (type(nest) in (list, tuple) and kinds(nest) < OTHERS):  # numbers are never fixed
        found: list[Any] = []
        outline = _outline(nest, found)
        if outline is not None:
            return found, _shape(outline)
    leaves, containers = optree.tree_flatten(nest, namespace=NAMESPACE)
    numbers: list[Any] = []
    shapes: list[tuple[int, ...] | Fixed | None] = []
    given: dict[int, Any] = {}
    for position, leaf in enumerate(leaves):
        if type(leaf) is Conditions:
            leaf = leaf.each  # noqa: PLW2901
        try:
            if fixed and fixed(leaf):
                shapes.append(Fixed(leaf))
                continue
            array = None if type(leaf) in _SINGLE else foreign.array_of(leaf)
            if array is None or not (array.ndim or array is leaf):
                shapes.append(None)
                numbers.append(leaf if type(leaf) is Variable else as_float(leaf if array is None else array))
                continue
            shapes.append(array.shape)
            numbers += _entries(array)
            if array is not leaf:
                given[position] = leaf
        except OperandError as error:
            place = "".join(f"[{entry!r}]" for entry in optree.tree_paths(nest, namespace=NAMESPACE)[position])
            remedy = (
                "Differentiate with respect to numbers only: pass the rest as another argument (argnums), or as a static "
                "field of a registered dataclass."
            )
            text = f"{what}{' at ' + place if place else ''} is not a number: {error}"
            raise OperandError(text if hasattr(leaf, "__dataclass_fields__") else f"{text} {remedy}") from error
    return numbers, Shape(containers, tuple(shapes), given)


def like_given(given: Any, nest: Any) -> Any:
    """The nest with arrays of other libraries where `given`, which has its structure, has them."""
    return nest if type(given) in (float, np.ndarray) else unravel(given)[1].labelled(nest)


def arrays_in(nest: Any) -> Any:
    """The nest with arrays of NumPy for those of other libraries."""

    def taken(leaf: Any) -> Any:
        array = foreign.array_of(leaf)
        return leaf if array is None else array

    return optree.tree_map(taken, nest, namespace=NAMESPACE)


def _outline(nest: Any, found: list[Any]) -> Any:
    """What tells the shape of lists, tuples and arrays of numbers, whose numbers are added to `found`; None for other nests.

    The usual arguments are such nests, and optree takes half a microsecond a leaf.
    """
    kind = type(nest)
    if kind is Variable or kind is float:
        found.append(nest)
        return float
    if kind is list or kind is tuple:
        if kinds(nest) < OTHERS:
            found += nest
            return kind, len(nest)
        parts = [_outline(part, found) for part in nest]
        return None if None in parts else (kind, tuple(parts))
    if kind in (np.ndarray, VariableArray, TracedArray) and nest.dtype in (np.float64, object):
        entries = nest.ravel().tolist()
        if kinds(entries) < OTHERS:
            found += entries
            return nest.shape, np.ndarray
    return None


@functools.lru_cache(maxsize=1024)
def _shape(outline: Any) -> Shape:
    leaves, containers = optree.tree_flatten(_example(outline), namespace=NAMESPACE)
    return Shape(containers, tuple(leaf.shape if isinstance(leaf, np.ndarray) else None for leaf in leaves))


def _example(outline: Any) -> Any:
    if outline is float:
        return 0.0
    kind, parts = outline
    if parts is np.ndarray:
        return np.zeros(kind)
    return kind([0.0] * parts if type(parts) is int else map(_example, parts))


def _entries(array: np.ndarray[Any, Any]) -> list[Any]:
    flat = array.ravel().tolist() if array.dtype in (np.float64, object) else list(array.ravel())
    return flat if kinds(flat) < OTHERS else _numbers(flat)


def _numbers(items: Iterable[Any]) -> list[Any]:
    return [item if type(item) is Variable else as_float(item) for item in items]


def variables_of(nest: Any) -> list[Variable]:
    """The Variables in a nest, in order; sets and iterators are listed, objects that may hold Variables are refused."""
    found = []
    for leaf in optree.tree_leaves(nest, namespace=NAMESPACE):
        if type(leaf) is Variable:
            found.append(leaf)
        elif (array := foreign.array_of(leaf)) is not None:
            found += [item for item in array.ravel() if type(item) is Variable] if array.dtype == object else []
        elif isinstance(leaf, Iterable) and not isinstance(leaf, (str, bytes)):
            found += variables_of(list(leaf))
        elif not isinstance(leaf, (str, bytes, bool, int, float, complex, np.generic)) and not callable(leaf):
            raise OperandError(
                f"a {type(leaf).__name__} may hold Variables that cannot be seen from outside. Pass them in a list or a "
                "dict, or make its class a dataclass under @register_dataclass."
            )
    return found


def mapped(function: Callable[[Any], Any], nest: Any) -> Any:
    """The nest with `function` applied to each Variable; other leaves as they are."""

    def leaf_mapped(leaf: Any) -> Any:
        if type(leaf) is Variable:
            return function(leaf)
        array = foreign.array_of(leaf)
        if array is None or array.dtype != object:
            return leaf
        found = as_array(
            [function(item) if type(item) is Variable else _plain(item) for item in array.ravel()], array.shape
        )
        return found if array is leaf else foreign.made_again(leaf, found)

    return optree.tree_map(leaf_mapped, nest, namespace=NAMESPACE)


def _plain(item: Any) -> Any:
    """A whole number among Variables as a float, as they are; anything else as it is."""
    return as_operand(item) if isinstance(item, (int, np.integer, np.floating)) and not isinstance(item, bool) else item


def _kind(fact: Any) -> Any:
    """The features of a fact that `==` does not tell: type and sign of zero; of a tuple or list, those of its parts too."""
    if isinstance(fact, (tuple, list)):
        return (type(fact), *map(_kind, fact))
    return repr(fact) if isinstance(fact, float) else type(fact)


def register_dataclass(cls: C) -> C:
    """Let instances of a dataclass be nests of their fields; use as a decorator above `@dataclass`.

    A field made with `field(metadata={"static": True})` is a fact, not a number: it is carried along as it is and must
    be comparable with `==`; facts of two types are different, as are 0.0 and -0.0, alone or in tuples and lists. Write
    whatever is no parameter so: a degree, an activation's name. A rebuilt instance has its fields and nothing else:
    `__init__` and `__post_init__` do not run for it.

    Parameters
    ----------
    cls : type
        A dataclass.

    Returns
    -------
    type
        The class itself.

    Raises
    ------
    ArgumentError
        If `cls` is not a dataclass.

    Examples
    --------
    >>> import autograd_lite as al
    >>> @al.register_dataclass
    ... @dataclasses.dataclass
    ... class Line:
    ...     slope: float
    ...     offset: float
    >>> al.grad(lambda line, x: (line.slope * x + line.offset) ** 2)(Line(2.0, 1.0), 3.0)
    Line(slope=42.0, offset=14.0)
    """
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise ArgumentError(
            f"{cls!r} is not a dataclass. Decorate it with @dataclass first (below @register_dataclass)."
        )
    fields = dataclasses.fields(cls)
    static = [field.name for field in fields if field.metadata.get("static")]
    _register(cls, static, [field.name for field in fields if field.name not in static])
    return cls


class _Registration:
    """Stands in a registered class: where a pickle brings the class by value, it is registered there as well."""

    def __init__(self, *made: Any) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return _register, self.made


def _register(cls: Any, static: list[str], dynamic: list[str]) -> _Registration:
    """Enter a class with the names of its fields, once."""
    known = vars(cls).get(REGISTRATION)
    if known is not None:
        return known  # type: ignore[no-any-return]

    def take_apart(instance: Any) -> tuple[list[Any], tuple[Any, ...], list[str]]:
        facts = tuple([getattr(instance, n) for n in static])
        return [getattr(instance, n) for n in dynamic], (_kind(facts) if facts else (), facts), dynamic

    def put_together(known: tuple[Any, tuple[Any, ...]], numbers: Sequence[Any]) -> Any:
        instance = object.__new__(cls)  # not __init__: what it checks or converts holds for numbers, not for gradients
        _, facts = known
        for name, value in zip((*dynamic, *static), (*numbers, *facts), strict=True):
            object.__setattr__(instance, name, value)
        return instance

    optree.register_pytree_node(cls, take_apart, put_together, namespace=NAMESPACE)  # type: ignore[arg-type]
    DATACLASSES[f"{cls.__module__}:{cls.__qualname__}"] = cls
    known = _Registration(cls, static, dynamic)
    setattr(cls, REGISTRATION, known)
    return known
