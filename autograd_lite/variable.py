"""The node of the graph: a value, the primitive that made it, its arguments, and its local gradients.

Nodes are numbered as they are made. A node is built from nodes that already exist, so creation order is a topological
order; whoever needs one sorts by `number`. A node refers to its arguments and never to its users: no reference cycle,
and a graph that nobody holds is freed at once, however deep.
"""

import math
import numbers
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, final

import numpy as np

from autograd_lite import arrays, context, core, forks, hints, operators, primitives
from autograd_lite import numpy_functions as _numpy_functions  # noqa: F401 - enters what serves NumPy's functions
from autograd_lite.conversion import as_float, as_operand
from autograd_lite.errors import AutogradLiteError, OperandError, PrimitiveError, ReadOnlyError, TraceError
from autograd_lite.frames import is_library, user_location
from autograd_lite.primitives import Primitive
from autograd_lite.refusals import refusal

if TYPE_CHECKING:
    from autograd_lite.typed import Methods
else:
    Methods = object

Operand = Any  # a Variable, a real number, or an array of either

_numbers = core.numbers
Operator = Callable[["Variable", Operand], Any]


class About:
    """The facts that only few nodes have.

    A name, the user's lines that made the node and that last read its value, the scope that it was made in, when its value
    was set, whether a copy is stale, and for a leaf of a trace the traced numbers that it was given.
    """

    __slots__ = ("changed", "given", "grad", "location", "name", "read", "scope", "stale")

    def __init__(self) -> None:
        self.name: str | None = None
        self.location: str | None = None
        self.read: str | None = None
        self.scope: str | None = None
        self.changed = -1
        self.grad: Any = (
            None  # a held number that a traced function set as gradient: the compiled node has room for floats
        )
        self.stale = False
        self.given: list[tuple[int, Any]] = []  # (creation number, number): what later nodes read


@core.node_class
@final
class Variable(Methods):
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
    Memory: 96 bytes a node of up to two arguments. Time: about a tenth of a microsecond an operation, with its share of a
    sweep. Without the compiled core: about 170 bytes, and some ten times the time.

    Examples
    --------
    >>> x = Variable(3.0, name="x")
    >>> y = x * x + 2 * x
    >>> y.backward()
    >>> y.value, x.grad
    (15.0, 8.0)
    """

    # Two arguments and their local gradients lie in the node itself: two tuples fewer to make, to hold and to collect.
    # `_first` and `_second` are Variables or None; of a constant the value lies where the local gradient of a Variable
    # does. A local gradient of None sends nothing: the argument was not taken. Where there are more than two arguments,
    # `_by_first` is their tuple and `_by_second` that of the local gradients.
    __slots__ = (
        "__weakref__", "_about", "_adjoint", "_by_first", "_by_second", "_first", "_grad", "_number", "_primitive",
        "_second", "_value",
    )  # fmt: skip

    _value: float
    _grad: float | None
    _adjoint: Any  # during a pass
    _primitive: Primitive | None
    _first: "Variable | None"
    _by_first: Any
    _second: "Variable | None"
    _by_second: Any
    _number: int
    _about: About | None

    # `backward` and `copies` add the reverse sweep and the copy protocol to the class.
    backward: Callable[..., None]
    _traced_locals: Callable[..., tuple[Any, ...]]

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
        trace = context.recording() if type(value) is Variable else None
        held = value if trace and not pairs and trace.is_number(value) else None
        self._value = as_float(value) if held is None else held._value
        self._set_arguments(tuple(parent for parent, _ in pairs), tuple(as_float(local) for _, local in pairs))
        self._number = next(_numbers)
        if held is not None:
            self.about.given.append((self._number, held))
        if name is not None:
            self.name = name
        if context.active:
            context.observe(self)

    __init__ = hints.keywords(__init__, "Variable")

    def _set_arguments(self, arguments: tuple[Any, ...], locals_: tuple[float | None, ...]) -> None:
        """The arguments of a new node, which has nothing else so far but its value."""
        self._primitive = self._grad = self._adjoint = self._about = None
        self._first = self._second = self._by_first = self._by_second = None
        if len(arguments) > 2:
            self._by_first, self._by_second = arguments, locals_
        elif arguments:
            pairs = [(a, by) if type(a) is Variable else (None, a) for a, by in zip(arguments, locals_, strict=True)]
            (self._first, self._by_first), (self._second, self._by_second) = (*pairs, (None, None))[:2]

    @property
    def _arguments(self) -> tuple[Any, ...]:
        first = self._by_first if self._first is None else self._first
        if type(first) is tuple:
            return first
        second = self._by_second if self._second is None else self._second
        return () if first is None else (first,) if second is None else (first, second)

    @property
    def _locals(self) -> tuple[float | None, ...]:
        if type(self._by_first) is tuple:
            return self._by_second  # type: ignore[no-any-return]
        by_first = None if self._first is None else self._by_first
        by_second = None if self._second is None else self._by_second
        return (by_first, by_second)[: len(self._arguments)]

    # ------------------------------------------------------------------------------------------------------- facts

    @property
    def value(self) -> float:
        """The number itself. A leaf's may be set, which is how one trains.

        While a function is traced it is a held number: a Variable without derivative, whose comparisons are conditions and
        which `float`, `int`, `math` and look-ups take under a guard that it is the same.
        """
        if context.running and context.noticed(self):
            return primitives.plain(self)  # type: ignore[return-value] # a held number stands for a float
        if context.active:
            context.observe_read(self)
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        if self._arguments:
            maker = "by hand" if self.primitive is None else f"by {self.primitive.name}"
            raise ReadOnlyError(
                f"value of {self!r} is computed {maker} and cannot be set. Set the leaves it depends on and compute it again."
            )
        trace = context.recording()
        if trace:
            self._refuse_outside(trace, "sets the value of")
        held = value if trace and type(value) is Variable and trace.is_number(value) else None
        before, converted = self._value, as_float(value) if held is None else held._value
        if converted == before and held is None and math.copysign(1.0, converted) == math.copysign(1.0, before):
            return
        self._value = converted
        if context.active:
            try:
                context.observe(self)
            except BaseException:
                self._value = before
                raise
        self.about.changed = next(_numbers)
        if trace:
            if not self.about.given:
                self.about.given.append((self._number, before))
            self.about.given.append((self.about.changed, converted if held is None else held))

    def _refuse_outside(self, trace: context.Trace, deed: str) -> None:
        """Refuse what a replay would not do again."""
        if self._number < trace.oldest:
            raise TraceError(
                f"a traced function {deed} {self!r}, which comes from outside, at {user_location()}. Replays run "
                "without Python and would not do it again. Pass the number as an argument, and return the new one."
            )

    @property
    def grad(self) -> float | None:
        """The gradient that passes of `backward` have added up; None before the first."""
        if context.tracing and (trace := context.recording()):
            self._refuse_outside(trace, "reads the gradient of")
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        if trace := context.recording():
            self._refuse_outside(trace, "sets the gradient of")
            if type(grad) is Variable and trace.is_number(grad):
                self._grad = grad  # type: ignore[assignment] # a held number
                return
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
        many = getattr(self._primitive, "part_of", None)  # see `many.Item`
        return self._primitive if many is None else many(self)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The arguments of the operation, in order: Variables and plain floats."""
        return self._arguments[0]._arguments if hasattr(self._primitive, "part_of") else self._arguments

    @property
    def parents(self) -> tuple["Variable", ...]:
        """The Variables among the arguments, repeats kept."""
        return tuple(a for a in self.arguments if type(a) is Variable)

    @property
    def local_gradients(self) -> tuple[tuple["Variable", float], ...]:
        """`(parent, ∂self/∂parent)` for each parent, as it was when the node was made; held numbers while traced."""
        locals_ = self._locals
        if context.tracing and context.noticed(self):
            locals_ = self._traced_locals()
        elif row := getattr(self._primitive, "recorded_row", None):
            locals_ = row(self)
        return tuple(
            (argument, 0.0 if local is None else local)
            for argument, local in zip(self.arguments, locals_, strict=True)
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
        return record(primitive, tuple([a if type(a) is Variable else as_operand(a) for a in arguments]))

    # `operators.install` writes the other operators, after the class.
    _pow: ClassVar[Operator]

    if not TYPE_CHECKING:

        def __pow__(self, exponent: Operand, modulo: None = None) -> Any:
            return NotImplemented if modulo is not None else self._pow(exponent)

    def __divmod__(self, other: Operand) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Operand) -> tuple[Any, Any]:
        return other // self, other % self

    def __round__(self, digits: int | None = None) -> "Variable":
        rounded: Variable = primitives.round(self, digits or 0)
        return rounded

    __lt__ = operators.comparison("lt")
    __le__ = operators.comparison("le")
    __gt__ = operators.comparison("gt")
    __ge__ = operators.comparison("ge")
    __eq__ = operators.comparison("eq")  # values are compared, as floats are
    __ne__ = operators.comparison("ne")

    def __hash__(self) -> int:
        """By identity, so that nodes are keys of dictionaries: Python's own look-up by value would miss."""
        if context.running and (found := self._looked_up()) is not None:
            return found
        return object.__hash__(self)

    def _looked_up(self) -> int | None:
        """The hash of a held number; an error for what stands for a number in a run under way; else None."""
        if is_library(sys._getframe(2).f_code.co_filename):  # our own dictionaries of nodes
            return None
        trace = context.recording()
        if trace and trace.is_number(self):
            return hash(self._under_guard(trace))
        if is_input_of(self, context.runs()):
            raise OperandError(
                f"{self!r} is looked up in a set or a dictionary. Numbers are found there by their value and Variables by "
                "their identity, so that it would be missed. Look up x.value, or use a list: x in [0.0, 1.0]."
            )
        return None

    def __bool__(self) -> bool:
        outcome = self._value != 0.0
        if context.running and (trace := context.noticed(self)):
            relation = _RELATIONS.get(self._primitive)
            if relation and self._number > trace.oldest:
                trace.guard(relation, *self._arguments, outcome=outcome)
            else:
                trace.guard("ne", self, 0.0, outcome=outcome)
        elif self._primitive in _RELATIONS and not context.suspended():
            raise TraceError(
                f"a condition that a trace recorded, {self._primitive.formula.split(',')[0]}, is asked for its truth after "  # type: ignore[union-attr]
                "the trace has ended. Return it from the traced function, or decide inside of that."
            )
        return outcome

    # Conditions are data; Python's bools have these operators too.
    def __and__(self, other: Operand) -> Any:
        return self._joined(other, lambda a, b: a + b > 1.0)

    def __or__(self, other: Operand) -> Any:
        return self._joined(other, lambda a, b: a + b > 0.0)

    def __xor__(self, other: Operand) -> Any:
        return self._joined(other, operator.ne)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def _joined(self, other: Operand, combine: Callable[[Any, Any], Any]) -> Any:
        """The condition and another, or a bool; for other numbers Python has no such operator either."""
        if isinstance(other, (bool, np.bool_)):
            other = float(other)
        elif not is_condition(other):
            return NotImplemented
        return combine(self, other) if is_condition(self) else NotImplemented

    def __invert__(self) -> NoReturn:
        raise OperandError(
            f"~ of {self!r}: of one condition ~ is not what it looks like, since ~True is -2, which is true. Use "
            "al.logical_not(condition)."
            if is_condition(self)
            else f"bad operand for ~: {self!r} is a real number, as a traced flag is. Write flag == 0, not ~flag."
        )

    # A step function: nothing is lost with the derivative, which is 0. While tracing the outcome is a guard.
    def __int__(self) -> int:
        whole = int(self._value)
        if context.running and (trace := context.noticed(self)):
            trace.guard("eq", primitives.trunc(self), float(whole), outcome=True)
        return whole

    def __index__(self) -> int:
        if not self._value.is_integer():
            raise OperandError(f"{self!r} is not a whole number and cannot index or count. Use int(x) to cut it off.")
        return int(self)

    # ------------------------------------------------------------------------------- what would drop the derivative

    def as_integer_ratio(self) -> tuple[int, int]:
        """Refused, but of a held number.

        Returns
        -------
        tuple of int
            Numerator and denominator, of a held number.
        """
        if context.tracing and (trace := context.noticed(self)) and trace.is_number(self):
            return self._under_guard(trace).as_integer_ratio()
        raise refusal(
            f"{self!r} as a ratio of integers would drop its derivative. Use the functions of autograd_lite (al.mean for "
            "statistics.mean), or x.value if the plain number is intended."
        )

    def __float__(self) -> float:
        if context.tracing and (trace := context.noticed(self)) and trace.is_number(self):
            return self._under_guard(trace)
        raise refusal(
            f"float() of {self!r} would drop its derivative. Use the functions of autograd_lite (al.sin for math.sin, "
            "np.array without dtype=float, al.zeros for an array to write into, np.linspace for np.arange), or x.value, "
            "or al.values(v) of an array, if the plain number is intended."
        )

    def _under_guard(self, trace: context.Trace) -> float:
        """The number of this trace, which holds for others that are equal, to the sign of a zero."""
        is_number_ = not math.isnan(self._value)
        trace.guard("eq", self, self._value if is_number_ else self, outcome=is_number_)
        if self._value == 0.0:
            bool(primitives.copysign(1.0, self) < 0.0)
        return self._value

    def __complex__(self) -> complex:
        if context.tracing and (trace := context.noticed(self)) and trace.is_number(self):
            return complex(self._under_guard(trace))
        raise refusal(
            f"complex() of {self!r} would drop its derivative: derivatives here are of real functions. Use "
            "complex(x.value) if the plain number is intended."
        )

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not isinstance(getattr_static(Variable, name, None), _Lacking)]

    # --------------------------------------------------------------------------------------------- text, NumPy, copies

    def __repr__(self) -> str:
        facts = [repr(self._value)]
        if self._grad is not None:
            facts.append(f"grad={self._grad!r}")
        if self.primitive is not None:
            facts.append(f"op={self.primitive.name!r}")
        if self.name is not None:
            facts.append(f"name={self.name!r}")
        return f"Variable({', '.join(facts)})"

    def __str__(self) -> str:
        trace = context.recording()
        return repr(self._value) if trace and trace.is_number(self) else repr(self)

    def __format__(self, specification: str) -> str:
        return format(self._value, specification) if specification else str(self)

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


@core.or_compiled
def make_node(
    primitive: Primitive | None, value: float, arguments: tuple[Any, ...], locals_: tuple[float | None, ...]
) -> Variable:
    """A node with these facts."""
    node = object.__new__(Variable)
    node._value = value
    node._set_arguments(arguments, locals_)
    node._primitive = primitive
    node._number = next(_numbers)
    if context.active:
        context.observe(node)
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
        with context.observing(alone=True):
            local = partial(*map(Variable, values), Variable(value))
    if type(local) is float:
        return local
    if type(local) is Variable:
        return local._value
    try:
        return as_operand(local)
    except (AutogradLiteError, OverflowError) as error:
        raise PrimitiveError(
            f"partial {position} of {primitive.name!r} returned {local!r} for {tuple(values)} with result {value}: {error}"
        ) from error


def reachable(roots: Iterable[Variable], oldest: int = -1) -> list[Variable]:
    """`roots` and every node under them, parents first; what is older than `oldest` is met and not entered."""
    met, _ = search(roots, oldest)
    return [met[number] for number in sorted(met)]


#: The adjoint of a node that a pass has met and sent nothing to: a number of its own, to which any can be added unchanged.
UNSENT = float("-0.0")

_passing = forks.lock()
_passes: list[list[Variable]] = []


@contextmanager
def passing(roots: Iterable[Variable], oldest: int) -> Iterator[tuple[list[Variable], list[Variable]]]:
    """A pass: the nodes under `roots`, and of these the ones to visit, newest first.

    Those are the nodes with arguments, numbered from `oldest` on: leaves pass nothing on, and what is older cannot depend
    on anything newer, so it is met and not entered. The nodes have a slot for their adjoints, so that one pass goes on at a
    time; one that a finalizer begins in the middle of another puts the adjoints of that back in the end.
    """
    met: list[Variable] = []
    with _passing:
        outer = [(node, node._adjoint) for node in _passes[-1]] if _passes else []
        _passes.append(met)
        try:
            for node, _ in outer:
                node._adjoint = None
            yield met, _entered(met, roots, oldest)
        finally:
            for node in met:
                node._adjoint = None
            for node, adjoint in outer:
                node._adjoint = adjoint
            _passes.pop()


def _entered(met: list[Variable], roots: Iterable[Variable], oldest: int) -> list[Variable]:
    """Half the time of a sweep. It follows first arguments, as far as they lead: falling numbers are sorted soon."""
    inner: list[Variable] = []
    starts = [*roots]
    for start in starts:  # grows while it is read
        node: Variable | None = start
        while node is not None and node._adjoint is None:
            met.append(node)
            node._adjoint = UNSENT
            first, second = node._first, node._second
            if (first is None and node._by_first is None) or node._number < oldest:
                break
            inner.append(node)
            if second is not None:
                starts.append(second)
            elif type(node._by_first) is tuple:
                starts += [a for a in node._by_first if type(a) is Variable]
            node = first
    inner.sort(key=creation_number, reverse=True)
    return inner


@core.or_compiled
def search(roots: Iterable[Variable], oldest: int = -1) -> tuple[dict[int, Variable], list[Variable]]:
    """Every node under `roots`, by number, nearest first; and of these the ones that a sweep has to visit, newest first."""
    met = {node._number: node for node in roots}
    near = [*met.values()]
    for node in near:  # grows while it is read
        for argument in node._arguments if node._number >= oldest else ():
            if type(argument) is Variable and argument._number not in met:
                met[argument._number] = argument
                near.append(argument)
    inner = [node for node in near if node._number >= oldest and node._arguments]
    return met, sorted(inner, key=creation_number, reverse=True)


@core.or_compiled
def leads_outside(roots: Iterable[Variable], oldest: int) -> bool:
    """Whether a node under `roots` is older than `oldest`."""
    with passing(roots, oldest) as (met, _):
        return any(node._number < oldest for node in met)


def is_input_of(node: Variable, runs: Iterable[context.Run]) -> bool:
    """Whether a node is an input of one of these runs, or was computed from one."""
    ranges = [(run.oldest, run.newest) for run in runs]
    if not ranges or node._number <= ranges[0][0]:
        return False
    met, _ = search([node], ranges[0][0])
    return any(oldest < number <= newest for number in met for oldest, newest in ranges)


#: What `kinds` finds, added up.
FLOATS, VARIABLES, OTHERS = 1, 2, 4


@core.or_compiled
def kinds(items: list[Any] | tuple[Any, ...]) -> int:
    """What a list or tuple holds: FLOATS, VARIABLES and OTHERS, added up."""
    found = set(map(type, items))
    return FLOATS * (float in found) + VARIABLES * (Variable in found) + OTHERS * bool(found - {float, Variable})


def is_condition(thing: Any) -> bool:
    """Whether this is the answer to a question, which Python has a bool for."""
    return type(thing) is Variable and thing._primitive in _RELATIONS


#: Which comparison a condition is.
_RELATIONS: dict[Primitive | None, str] = {rule: relation for relation, rule in primitives.COMPARISONS.items()}


creation_number = operator.attrgetter("_number")


def is_stale(node: Variable) -> bool:
    """Whether an argument was set after the node was recorded from it."""
    if node._about is not None and node._about.stale:
        return True
    return any(
        type(a) is Variable and a._about is not None and a._about.changed > node._number for a in node._arguments
    )


class _Lacking(hints.Elsewhere):
    """An attribute that Variables lack. With `__getattr__` instead, Python 3.11 reads every slot five times slower."""

    def __get__(self, node: Any, owner: Any = None) -> Any:
        trace = context.recording() if context.tracing and node is not None and hasattr(float, self.name) else None
        if trace and trace.is_number(node):
            return getattr(node._under_guard(trace), self.name)  # a float stands here when the function is not traced
        return super().__get__(node, owner)


def _misspelt(_node: Variable, name: str) -> NoReturn:
    """The compiled class asks for this; in pure Python Python's own error says less."""
    if name.startswith("_"):  # what notebooks and others ask of everything
        raise AttributeError(f"a Variable has no attribute {name!r}.")
    raise hints.unknown("a Variable", name, dir(_node), "x.")


for _name in {*dir(float)} | hints.names("a Variable"):
    if not _name.startswith("__") and _name not in dir(Variable):
        setattr(Variable, _name, _Lacking("a Variable", _name))
arrays.OPERANDS.add(Variable)
numbers.Real.register(Variable)  # `np.isscalar` and others ask
operators.install(Variable, _numbers)
core.install(
    missing=_misspelt,
    active=context.active,
    tracing=context.tracing,
    running=context.running,
    observe=context.observe,
    as_operand=operators.operand,
    held_grad=lambda node: node.about.grad,
    hold_grad=lambda node, grad: setattr(node.about, "grad", grad),
)
