"""The node of the graph: a value, the primitive that made it, its arguments, and its local gradients.

Nodes are numbered as they are made. A node is built from nodes that already exist, so creation order is a topological
order; whoever needs one sorts by `number`. A node refers to its arguments and never to its users: no reference cycle,
and a graph that nobody holds is freed at once, however deep.
"""

import math
import operator
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, ClassVar, NoReturn, final

import numpy as np

from autograd_lite import arrays, numpy_functions, observers, operators, primitives
from autograd_lite.errors import AutogradLiteError, OperandError, PrimitiveError, ReadOnlyError
from autograd_lite.primitives import Primitive, as_float
from autograd_lite.refusals import refusal

Operand = Any  # a Variable, a real number, or an array of either

_numbers = count()
Operator = Callable[["Variable", Operand], Any]


#: What people look for who come from elsewhere, and what it is called here.
_ELSEWHERE = {
    "item": "x.value",
    "data": "x.value",
    "numpy": "x.value",
    "detach": "al.stop_gradient(x), or x.value",
    "zero_grad": "al.zero_grad(x), or x.grad = None",
    "requires_grad": "nothing: every Variable has a gradient",
    "grad_fn": "x.primitive",
}


class About:
    """What only few nodes have.

    A name, the user's lines that made the node and that last read its value, the scope that it was made in, when its value
    was set, and whether a copy is stale.
    """

    __slots__ = ("changed", "location", "name", "read", "scope", "stale")

    def __init__(self) -> None:
        self.name: str | None = None
        self.location: str | None = None
        self.read: str | None = None
        self.scope: str | None = None
        self.changed = -1
        self.stale = False


@final
class Variable:
    """A number that remembers how it was computed.

    Parameters
    ----------
    value : real number
        Converted exactly to a float.
    local_gradients : iterable of (Variable, float), optional
        Makes a node by hand: its parents, and the derivative of `value` with respect to each.
    name : str, optional
        Shown in messages and pictures.

    Raises
    ------
    OperandError
        If `value` is not a real number.
    ConversionError
        If no 64-bit float equals it.

    Notes
    -----
    Memory: about 165 bytes a node of two arguments. Time: less than half a microsecond an operation, and as much again
    for its share of a sweep.

    Examples
    --------
    >>> x = Variable(3.0, name="x")
    >>> y = x * x + 2 * x
    >>> y.backward()
    >>> y.value, x.grad
    (15.0, 8.0)
    """

    # Two arguments and their local gradients lie in the node itself: two tuples fewer to make, to hold and to collect.
    # Where there are more, `_first` is the tuple of arguments and `_second` that of local gradients. A local gradient of
    # None sends nothing: the argument is a constant, or was not taken.
    __slots__ = (
        "__weakref__",
        "_about",
        "_by_first",
        "_by_second",
        "_first",
        "_grad",
        "_number",
        "_primitive",
        "_second",
        "_value",
    )

    _value: float
    _grad: float | None
    _primitive: Primitive | None
    _first: Any
    _by_first: float | None
    _second: Any
    _by_second: float | None
    _number: int
    _about: About | None

    # `backward` and `copies` add the reverse sweep and the copy protocol to the class.
    backward: Callable[..., None]

    def __init_subclass__(cls) -> None:
        raise OperandError(
            f"class {cls.__name__}(Variable): a Variable cannot be subclassed, since operations make Variables only. Hold "
            "one as an attribute, or give the operation a Primitive of its own."
        )

    def __init__(
        self, value: Any, local_gradients: Iterable[tuple["Variable", float]] = (), *, name: str | None = None
    ) -> None:
        if isinstance(local_gradients, (str, float, int)):
            raise OperandError(
                f"local_gradients={local_gradients!r}: give (parent, number) pairs, or nothing; a name is given by name, "
                "Variable(2.0, name='x')."
            )
        pairs = tuple(local_gradients)
        for pair in pairs:
            if not (isinstance(pair, tuple) and len(pair) == 2 and type(pair[0]) is Variable):
                raise OperandError(
                    f"local_gradients holds {pair!r:.80}; give (parent, number) pairs, the parent a Variable, as in "
                    "Variable(6.0, ((x, 3.0), (y, 2.0)))."
                )
        self._value = as_float(value)
        self._set_arguments(tuple(parent for parent, _ in pairs), tuple(as_float(local) for _, local in pairs))
        self._primitive = None
        self._grad = None
        self._about = None
        self._number = next(_numbers)
        if name is not None:
            self.name = name
        if observers.active:
            observers.observe(self)

    def _set_arguments(self, arguments: tuple[Any, ...], locals_: tuple[float | None, ...]) -> None:
        self._first = self._second = self._by_first = self._by_second = None
        if len(arguments) > 2:
            self._first, self._second = arguments, locals_
        elif arguments:
            self._first, self._by_first = arguments[0], locals_[0]
            if len(arguments) == 2:
                self._second, self._by_second = arguments[1], locals_[1]

    @property
    def _arguments(self) -> tuple[Any, ...]:
        first, second = self._first, self._second
        if type(first) is tuple:
            return first
        return () if first is None else (first,) if second is None else (first, second)

    @property
    def _locals(self) -> tuple[float | None, ...]:
        first, second = self._first, self._second
        if type(first) is tuple:
            return second  # type: ignore[no-any-return]
        return () if first is None else (self._by_first,) if second is None else (self._by_first, self._by_second)

    # ------------------------------------------------------------------------------------------------------- facts

    @property
    def value(self) -> float:
        """The number itself. A leaf's may be set, which is how one trains. While tracing, what it was is a guard."""
        if observers.tracing and (notes := observers.recording()):
            is_number = not math.isnan(self._value)
            notes.guard("eq", self, self._value if is_number else self, outcome=is_number)
            if self._value == 0.0:  # or -0.0
                bool(primitives.copysign(1.0, self) < 0.0)
        if observers.active:
            observers.observe_read(self)
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        if self._first is not None:
            maker = "by hand" if self._primitive is None else f"by {self._primitive.name}"
            raise ReadOnlyError(
                f"value of {self!r} is computed {maker} and cannot be set. Set the leaves it depends on and compute it again."
            )
        before, converted = self._value, as_float(value)
        if converted == before:
            return
        self._value = converted
        if observers.active:
            try:
                observers.observe(self)
            except BaseException:
                self._value = before
                raise
        self.about.changed = next(_numbers)

    @property
    def grad(self) -> float | None:
        """What the passes of `backward` have added up here; None before the first."""
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        self._grad = None if grad is None else as_float(grad)

    @property
    def name(self) -> str | None:
        """A name for messages and pictures."""
        return None if self._about is None else self._about.name

    @name.setter
    def name(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise OperandError(f"name={name!r} is a {type(name).__name__}; name a Variable with a str.")
        self.about.name = name

    @property
    def location(self) -> str | None:
        """`file:line` of the user's code that made the node, if it was made inside `record_locations`."""
        return None if self._about is None else self._about.location

    @property
    def scope(self) -> str | None:
        """The names of the `scope`s that the node was made in, such as `layer1/neuron0`, or None."""
        return None if self._about is None else self._about.scope

    @property
    def about(self) -> About:
        """The node's rare facts, made on first use."""
        if self._about is None:
            self._about = About()
        return self._about

    @property
    def primitive(self) -> Primitive | None:
        """The operation that made the node; None for a leaf and for a node made by hand."""
        return self._primitive

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the operation was applied to, in order: Variables and plain floats."""
        return self._arguments

    @property
    def parents(self) -> tuple["Variable", ...]:
        """The Variables among the arguments, repeats kept."""
        return tuple(a for a in self._arguments if type(a) is Variable)

    @property
    def local_gradients(self) -> tuple[tuple["Variable", float], ...]:
        """`(parent, ∂self/∂parent)` for each parent, as it was when the node was made."""
        return tuple(
            (argument, 0.0 if local is None else local)
            for argument, local in zip(self._arguments, self._locals, strict=True)
            if type(argument) is Variable
        )

    @property
    def number(self) -> int:
        """Creation number: parents have smaller ones."""
        return self._number

    # -------------------------------------------------------------------------------------- operators, from the table

    @staticmethod
    def __apply_primitive__(primitive: Primitive, arguments: tuple[Any, ...]) -> "Variable":
        first = arguments[0]
        if type(first) is Variable and primitive in operators.OPERATIONS:
            node = operators.OPERATIONS[primitive](*arguments)
            if node is not NotImplemented:
                return node  # type: ignore[no-any-return]
        return record(primitive, tuple([a if type(a) is Variable else as_float(a) for a in arguments]))

    # `operators.install` writes these, after the class.
    __add__: Operator
    __radd__: Operator
    __sub__: Operator
    __rsub__: Operator
    __mul__: Operator
    __rmul__: Operator
    __truediv__: Operator
    __rtruediv__: Operator
    __mod__: Operator
    __rmod__: Operator
    __floordiv__: Operator
    __rfloordiv__: Operator
    __rpow__: Operator
    _pow: ClassVar[Operator]
    __neg__: Callable[["Variable"], "Variable"]
    __pos__: Callable[["Variable"], "Variable"]
    __abs__: Callable[["Variable"], "Variable"]
    __floor__: Callable[["Variable"], "Variable"]
    __ceil__: Callable[["Variable"], "Variable"]
    __trunc__: Callable[["Variable"], "Variable"]

    def __pow__(self, exponent: Operand, modulo: None = None) -> Any:
        return NotImplemented if modulo is not None else self._pow(exponent)

    def __divmod__(self, other: Operand) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Operand) -> tuple[Any, Any]:
        return other // self, other % self

    def __round__(self, digits: int | None = None) -> "Variable":
        rounded: Variable = primitives.round(self, digits or 0)
        return rounded

    __lt__ = operators.comparison(operator.lt)
    __le__ = operators.comparison(operator.le)
    __gt__ = operators.comparison(operator.gt)
    __ge__ = operators.comparison(operator.ge)
    __eq__ = operators.comparison(operator.eq)  # values are compared, as floats are
    __ne__ = operators.comparison(operator.ne)
    __hash__ = object.__hash__  # by identity: nodes are dictionary keys

    def __bool__(self) -> bool:
        return self != 0.0

    # A step function: nothing is lost with the derivative, which is 0. While tracing the outcome is a guard.
    def __int__(self) -> int:
        whole = int(self._value)
        if observers.tracing and (notes := observers.recording()):
            notes.guard("eq", primitives.trunc(self), float(whole), outcome=True)
        return whole

    def __index__(self) -> int:
        if not self._value.is_integer():
            raise OperandError(f"{self!r} is not a whole number and cannot index or count. Use int(x) to cut it off.")
        return int(self)

    # ------------------------------------------------------------------------------- what would drop the derivative

    def __float__(self) -> NoReturn:
        raise refusal(
            f"float() of {self!r} would drop its derivative. Use the functions of autograd_lite (al.sin for math.sin, "
            "np.array without dtype=float), or x.value if the plain number is intended."
        )

    def __complex__(self) -> NoReturn:
        raise refusal(
            f"complex() of {self!r} would drop its derivative: derivatives here are of real functions. Use "
            "complex(x.value) if the plain number is intended."
        )

    def __getattr__(self, name: str) -> NoReturn:
        hint = _ELSEWHERE.get(name)
        raise AttributeError(f"a Variable has no attribute {name!r}.{f' Use {hint}.' if hint else ''}")

    # --------------------------------------------------------------------------------------------- text, NumPy, copies

    def __repr__(self) -> str:
        facts = [repr(self._value)]
        if self._grad is not None:
            facts.append(f"grad={self._grad!r}")
        if self._primitive is not None:
            facts.append(f"op={self._primitive.name!r}")
        if self.name is not None:
            facts.append(f"name={self.name!r}")
        return f"Variable({', '.join(facts)})"

    def __format__(self, specification: str) -> str:
        return format(self._value, specification) if specification else repr(self)

    def round(self, decimals: int = 0, out: None = None) -> "Variable":  # noqa: ARG002 - as NumPy calls it
        """Rounded to some decimals: what `np.round` asks for."""
        return round(self, decimals)

    def conjugate(self) -> "Variable":
        """The number itself: what `np.std` and `np.linalg.norm` ask for."""
        return self

    # What NumPy's functions ask of a number.
    shape: ClassVar[tuple[int, ...]] = ()
    ndim: ClassVar[int] = 0
    size: ClassVar[int] = 1
    dtype: ClassVar[np.dtype[np.object_]] = np.dtype(object)
    imag: ClassVar[float] = 0.0

    @property
    def real(self) -> "Variable":
        """The number itself."""
        return self

    @property
    def T(self) -> "Variable":  # noqa: N802 - as NumPy calls it
        """The number itself."""
        return self

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return arrays.array_ufunc(ufunc, method, *inputs, **options)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        return arrays.array_function(function, types, inputs, options)


def record(primitive: Primitive, arguments: tuple[Any, ...]) -> Variable:
    """Apply a primitive to Variables and floats: the general form of the operators above."""
    values = [a._value if type(a) is Variable else a for a in arguments]
    value = primitive.value(*values)
    locals_ = tuple(
        [
            _local(primitive, position, values, value) if type(a) is Variable else None
            for position, a in enumerate(arguments)
        ]
    )
    if primitive.selects:  # an argument that was not taken gets no adjoint at all: 0·inf would poison it
        locals_ = tuple([local or None for local in locals_])
    return make_node(primitive, value, arguments, locals_)


def make_node(
    primitive: Primitive | None, value: float, arguments: tuple[Any, ...], locals_: tuple[float | None, ...]
) -> Variable:
    """A node with these facts."""
    node = object.__new__(Variable)
    node._value = value
    node._primitive = primitive
    node._set_arguments(arguments, locals_)
    node._grad = node._about = None
    node._number = next(_numbers)
    if observers.active:
        observers.observe(node)
    return node


def _local(primitive: Primitive, position: int, values: list[float], value: float) -> float:
    partial = primitive.partials[position]
    if type(partial) is float:
        return partial
    assert callable(partial)
    try:
        local = partial(*values, value)
    except (ZeroDivisionError, OverflowError):
        local = None
    if local is None or isinstance(local, complex):  # floats do that where IEEE 754 has inf or nan; Variables do not
        with observers.observing(alone=True):
            local = partial(*map(Variable, values), Variable(value))
    if type(local) is float:
        return local
    if type(local) is Variable:
        return local._value
    try:
        return as_float(local)
    except AutogradLiteError as error:
        raise PrimitiveError(
            f"partial {position} of {primitive.name!r} returned {local!r} for {tuple(values)} with result {value}: {error}"
        ) from error


def reachable(roots: Iterable[Variable], oldest: int = -1) -> list[Variable]:
    """`roots` and every node under them, parents first; what is older than `oldest` is met and not entered."""
    return sorted(search(roots, oldest)[0], key=creation_number)


def search(  # noqa: C901 - half the time of a sweep, hence written out for both arguments
    roots: Iterable[Variable], oldest: int = -1
) -> tuple[dict[Variable, None], list[Variable]]:
    """Every node under `roots`; and of these the ones that a sweep has to visit, newest first.

    Those are the nodes with arguments, numbered from `oldest` on: leaves pass nothing on, and what is older cannot depend
    on anything newer, so it is met and not entered.
    """
    met: dict[Variable, None] = dict.fromkeys(roots)
    inner = list(met)
    for node in inner:  # grows while it is read
        if node._number < oldest:
            continue
        first, second = node._first, node._second
        if type(first) is tuple:
            for argument in first:
                if type(argument) is Variable and argument not in met:
                    met[argument] = None
                    inner.append(argument)
            continue
        if type(first) is Variable and first not in met:
            met[first] = None
            if first._first is not None:
                inner.append(first)
        if type(second) is Variable and second not in met:
            met[second] = None
            if second._first is not None:
                inner.append(second)
    if oldest >= 0:
        inner = [node for node in inner if node._number >= oldest]
    inner.sort(key=creation_number, reverse=True)
    return met, inner


creation_number = operator.attrgetter("_number")


def is_stale(node: Variable) -> bool:
    """Whether an argument was set after the node was recorded from it."""
    if node._about is not None and node._about.stale:
        return True
    return any(
        type(a) is Variable and a._about is not None and a._about.changed > node._number for a in node._arguments
    )


operators.install(Variable, _numbers)
