"""The entries of the rule table: an operation, its value, and its partial derivatives, written once.

A partial receives `(*arguments, result)` and is written only with operators and other primitives. The same lambda then
serves floats (a local gradient), Variables (a graph of the gradient, hence every higher order) and any later replay.

Dispatch asks the arguments: a type with a static method `__apply_primitive__(primitive, arguments)` takes the operation
over, so the table knows nothing of the node class.
"""

import inspect
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, fields
from importlib import import_module
from math import inf
from types import FunctionType
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import numpy as np

from autograd_lite import core, pickles
from autograd_lite.conversion import as_operand, is_array_of_others
from autograd_lite.errors import ConversionError, OperandError, PrimitiveError

#: A partial derivative as a function of `(*arguments, result)`, or a constant.
Partial = Callable[..., Any] | float
#: Units in the last place, or a function of the arguments that gives them.
Bound = float | Callable[..., float]
#: Pairs (argument, place).
Places = tuple[tuple[int, float], ...]
#: A cause and a clause that says it.
Flat = tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Interval:
    """The real numbers from `lower` to `upper`; the ends belong to it unless `open_ends`, broken numbers unless `whole`.

    Parameters
    ----------
    lower, upper : float, default -inf and inf
        The ends.
    open_ends : bool, default False
        Whether the ends do not belong to it.
    whole : bool, default False
        Whether it holds whole numbers only.
    """

    lower: float = -inf
    upper: float = inf
    open_ends: bool = False
    whole: bool = False

    def contains(self, x: float) -> bool:
        """Whether x lies in the interval.

        Parameters
        ----------
        x : float
            Any number; NaN lies nowhere.

        Returns
        -------
        bool
            True for a number inside.
        """
        inside = self.lower < x < self.upper if self.open_ends else self.lower <= x <= self.upper
        return inside and (not self.whole or float(x).is_integer())


REAL = Interval()

#: Every primitive by name: the rule table. A user's own entry leaves it when nothing refers to it any more.
PRIMITIVES: "WeakValueDictionary[str, Primitive]" = WeakValueDictionary()


@core.rule_class
@dataclass(frozen=True, eq=False)
class Primitive(core.Rule):
    """An operation with hand-written partial derivatives; calling it applies it.

    Parameters
    ----------
    name : str
        Unique in the table. The same definition may be made again, as by a function that makes it in its body.
    value : callable
        `value(*floats) -> float`. Takes one positional float for each partial.
    partials : tuple of (callable or float)
        One for each argument: `partial(*arguments, result)`, written with operators and functions of this library
        only, so that it can be differentiated again; or a number where it is constant.
    domain : tuple of Interval, optional
        Where each argument may lie; the whole line by default. A fact for tests and messages, never enforced.
    formula, kink, source : str, optional
        Value and partials in words; the convention where the derivative jumps; where the formula stands.
    ulp : (bound, bound), optional
        Largest errors of value and partials in units in the last place; each a number or a function of the arguments.
    expression : callable, optional
        `expression(*arguments)`: the same function written with operators and functions of this library. With it the
        operation compiles; without it compiled code calls `value` back, 0.2 µs each time if it is short.
    numpy : str, optional
        Of a built-in entry: the NumPy ufunc that is the same function.
    c : str, optional
        What it is in C: a function of math.h, an expression such as `"{0} != 0.0 ? {1} : {2}"`, or a definition
        `"(double x) { return x * x; }"`. Machine code takes the first of built-in entries only.
    latex : str, optional
        The operation in LaTeX, `{0}` and `{1}` standing for its arguments.
    defaults : tuple of float, optional
        Values of trailing arguments that a call leaves out.
    selects : bool, default False
        The result is one of the arguments; an argument with partial 0 was not taken, and no adjoint is sent into it.
    built_in : bool, default False
        An entry of this library: `value` is trusted to return a float and the name cannot be taken over.
    replace : bool, default False
        Allow the name of another user-defined entry to be taken over (for a notebook cell that runs twice).
    arrays : str, optional
        An expression of NumPy, `"np.where({0} > 0.0, {0}, 0.0)"`, where no ufunc is the same to the bit.
    operator : str, optional
        Of a built-in entry: the operation by operators that Python, NumPy and C write alike, `"{0} + {1}"`.
    reference : str or callable, optional
        The function in mpmath for `audit`: a name (by default that of the entry), or `reference(mp, *arguments)`.
    symbol : str, optional
        The sign between two arguments in pictures and messages.
    symmetric : bool, default False
        The order of the arguments does not matter.
    kinks : tuple of float, or callable, optional
        Where the first argument has kinks or jumps; or `kinks(*values)`: the nearest ones, pairs (argument, place).
    flat : (str, str), or callable, optional
        Why a partial is 0, for `why`: a cause and a clause with {node}, {y} (its value), {0} and {1} (the numbers), {x} (that
        of the argument), {other} (the other argument of two); or `flat(place, *values)`, which returns them or None.
    saturates : bool, default False
        The derivative dies away with the argument: a partial 0 far out is the end of a curve.
    steepest : float, optional
        Of an activation: its largest slope, for `gradient_flow`.

    Raises
    ------
    PrimitiveError
        If the name is taken, `value` and `partials` do not agree on the number of arguments, or a column is malformed.

    Notes
    -----
    Domain errors: `value` should return `inf` or `nan` outside its domain. What it raises reaches the caller.

    Examples
    --------
    >>> import autograd_lite as al
    >>> cube = al.Primitive(name="cube", value=lambda x: x * x * x, partials=(lambda x, y: 3.0 * x * x,))
    >>> cube(2.0)
    8.0
    >>> al.grad(al.grad(cube))(2.0)
    12.0

    With more columns it is drawn, explained and written out as a built-in entry is:

    >>> huber = al.Primitive(
    ...     name="huber", value=lambda r: abs(r) - 0.5 if abs(r) > 1.0 else 0.5 * r * r,
    ...     partials=(lambda r, y: al.clip(r, -1.0, 1.0),), kinks=(-1.0, 1.0), flat=("at rest", "the residual {0} is 0"),
    ...     arrays="np.where(abs({0}) > 1.0, abs({0}) - 0.5, 0.5 * {0} * {0})",
    ...     c="(double r) { return fabs(r) > 1.0 ? fabs(r) - 0.5 : 0.5 * r * r; }",
    ... )
    >>> r = al.Variable(1.0, name="r")
    >>> al.kinks(huber(r)).cause
    'kink'
    >>> r = al.Variable(0.0, name="r")
    >>> al.why(huber(r), r).cause
    'at rest'
    >>> "tape_huber(x[0])" in al.trace(huber, 1.0).source("c")
    True
    """

    name: str
    value: Callable[..., float]
    partials: tuple[Partial, ...]
    domain: tuple[Interval, ...] = ()
    formula: str = ""
    kink: str = "none"
    source: str = ""
    ulp: tuple[Bound, Bound] | None = None
    expression: Callable[..., Any] | None = None
    numpy: str = ""
    c: str = ""
    latex: str = ""
    defaults: tuple[float, ...] = ()
    selects: bool = False
    built_in: bool = False
    replace: bool = False
    _: KW_ONLY
    arrays: str = ""
    operator: str = ""
    reference: str | Callable[..., Any] = ""
    symbol: str = ""
    symmetric: bool = False
    kinks: tuple[float, ...] | Callable[..., Places] = ()
    flat: Flat | Callable[..., Flat] = None
    saturates: bool = False
    steepest: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is malformed, then enter the table."""
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise PrimitiveError(f"name={self.name!r}: a primitive is named by a Python identifier, such as 'cube'.")
        if not callable(self.value):
            raise PrimitiveError(f"value of primitive {self.name!r} is {self.value!r}: pass a function of floats.")
        self._set(partials=self._checked_partials(), defaults=self._checked_defaults())
        domain = (self.domain,) if isinstance(self.domain, Interval) else tuple(self.domain)
        self._set(domain=domain or (REAL,) * self.arity)
        if len(self.domain) != self.arity:
            raise PrimitiveError(
                f"{self.name!r} has {self.arity} arguments and {len(self.domain)} domains; give one each."
            )
        self._check_columns()
        self._set(_made_of=(self.value, self.partials, self.expression, self.selects))
        other = PRIMITIVES.get(self.name)
        again = other is not None and self.same_as(other)
        if other is not None and (other.built_in or not (self.replace or again or hasattr(other, "_of_trace"))):
            remedy = "." if other.built_in else ", or pass replace=True to redefine it."
            raise PrimitiveError(f"a primitive named {self.name!r} exists already. Choose another name{remedy}")
        kink = f"At kinks: {self.kink}." if self.kink != "none" else ""
        source = self.source and f"Source: {self.source}."
        self._set(__signature__=_signature(self.value, self.arity, self.defaults))
        self._set(_names=_parameter_names(self.value), __doc__="\n".join(filter(None, (self.formula, kink, source))))
        if not self.built_in:
            self._set(value=_returning_float(self.value, f"value of primitive {self.name!r}"))
        if not again:
            PRIMITIVES[self.name] = self

    def _set(self, **attributes: Any) -> None:
        for name, attribute in attributes.items():
            object.__setattr__(self, name, attribute)

    def _checked_partials(self) -> tuple[Partial, ...]:
        partials = tuple(self.partials) if isinstance(self.partials, Iterable) else (self.partials,)
        count = len(partials)
        if not partials:
            raise PrimitiveError(f"{self.name!r} has no partials; give one for each argument.")
        if takes := _unfit(self.value, count):
            raise PrimitiveError(
                f"value of {self.name!r} takes {takes}, but there are {count} partials; give one partial for each argument."
            )
        for position, partial in enumerate(partials):
            if callable(partial) and (takes := _unfit(partial, count + 1)):
                raise PrimitiveError(
                    f"partial {position} of {self.name!r} takes {takes}; it is called with {count + 1}: the {count} of the "
                    "operation, then its result."
                )
        try:
            return tuple(p if callable(p) else as_operand(p) for p in partials)
        except (OperandError, ConversionError, OverflowError) as error:
            raise PrimitiveError(f"a partial of {self.name!r} is neither a function nor a number: {error}") from error

    def _checked_defaults(self) -> tuple[float, ...]:
        try:
            defaults = tuple(as_operand(default) for default in self.defaults)
        except (OperandError, ConversionError, OverflowError, TypeError) as error:
            raise PrimitiveError(f"defaults={self.defaults!r} of {self.name!r}: give a tuple of numbers.") from error
        return defaults

    def _check_columns(self) -> None:
        if len(self.defaults) > self.arity:
            raise PrimitiveError(
                f"{self.name!r} has {self.arity} arguments and {len(self.defaults)} defaults; give at most one each."
            )
        if self.expression is not None and (takes := _unfit(self.expression, self.arity)):
            raise PrimitiveError(
                f"expression of {self.name!r} takes {takes}, but there are {self.arity} partials; give it the arguments of "
                "the operation."
            )
        if not (callable(self.kinks) or _all_are((int, float), self.kinks)):
            raise PrimitiveError(
                f"kinks={self.kinks!r} of {self.name!r}: give a tuple of numbers, or a function of the arguments "
                "that returns pairs (argument, place)."
            )
        if not (self.flat is None or callable(self.flat) or (_all_are(str, self.flat) and len(self.flat) == 2)):
            raise PrimitiveError(
                f"flat={self.flat!r} of {self.name!r}: give a cause and a clause, or a function (place, *values) that does."
            )

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def arity(self) -> int:
        """Number of arguments."""
        return len(self.partials)

    def kinks_near(self, *values: float) -> Places:
        """The nearest kinks and jumps, as pairs (argument, place).

        Parameters
        ----------
        *values : float
            The numbers of the arguments.

        Returns
        -------
        tuple of (int, float)
            Empty where there is none.
        """
        return self.kinks(*values) if callable(self.kinks) else tuple((0, float(at)) for at in self.kinks)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Apply to floats, Variables, or arrays of either; returns the same kind."""
        if len(arguments) != len(self.partials) or keywords:
            arguments = self._completed(arguments, keywords)
        apply: Any = None
        for argument in arguments:
            kind = type(argument)
            if kind is not float:
                if isinstance(argument, np.ndarray):
                    if argument.ndim > 0:
                        return self._elementwise(arguments)
                    return self(*(a[()] if isinstance(a, np.ndarray) and a.ndim == 0 else a for a in arguments))
                found = getattr(kind, "__apply_primitive__", as_operand)
                if found is as_operand and is_array_of_others(argument):
                    return self._on_others(self, arguments)
                if apply is None or apply is as_operand:
                    apply = found
        if apply is None:
            return self.value(*arguments)
        if apply is as_operand:
            return self.value(*map(as_operand, arguments))
        return apply(self, arguments)

    def _completed(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments by position: keywords are named as in `value`, what is left out takes its default."""
        given = dict(enumerate(arguments))
        names: tuple[str, ...] = self._names  # type: ignore[attr-defined] # read before `value` was wrapped
        for keyword, argument in keywords.items():
            if keyword not in names or names.index(keyword) in given:
                raise OperandError(f"{self.name} got an unexpected argument {keyword!r}. {self.formula}".rstrip())
            given[names.index(keyword)] = argument
        without_default = self.arity - len(self.defaults)
        if not given.keys() >= set(range(without_default)) or len(arguments) > self.arity:
            raise OperandError(
                f"{self.name} takes {_arguments(self.arity)} and got {len(given)}. {self.formula}".rstrip()
            )
        return tuple(
            given.get(i, self.defaults[i - without_default]) if i >= without_default else given[i]
            for i in range(self.arity)
        )

    #: The operation on long arrays of a traced function, or NotImplemented; given by `tape.array_code`.
    _lifted: ClassVar[Callable[..., Any]] = staticmethod(lambda *_: NotImplemented)

    #: The operation on arrays of other libraries; given by `foreign`.
    _on_others: ClassVar[Callable[..., Any]]

    def _elementwise(self, arguments: tuple[Any, ...]) -> Any:
        lifted = self._lifted(self, *arguments)
        if lifted is not NotImplemented:
            return lifted
        numeric = all(
            a.dtype != object if isinstance(a, np.ndarray) else not hasattr(type(a), "__apply_primitive__")
            for a in arguments
        )
        boxed = [a.astype(object) if isinstance(a, np.ndarray) else _boxed(a) for a in arguments]
        with np.errstate(all="ignore"):  # infinities and NaNs are values here, not warnings
            result = np.frompyfunc(self, self.arity, 1)(*boxed)
        return result.astype(np.float64) if numeric else result

    def __repr__(self) -> str:
        return f"<primitive {self.name}: {self.formula}>" if self.formula else f"<primitive {self.name}>"

    def same_as(self, other: "Primitive") -> bool:
        """Whether both come from the same lines with the same numbers: a function that makes one does so in each call.

        Parameters
        ----------
        other : Primitive
            Another entry, perhaps of the same name.

        Returns
        -------
        bool
            True for the same definition, made again.
        """
        return self is other or (self.name == other.name and same(_made_of(self), _made_of(other)))

    def belongs_to_trace(self) -> None:
        """Note that a function made it while it was traced: its tapes keep it, and the next trace may use the name."""
        object.__setattr__(self, "_of_trace", True)

    def __reduce__(self) -> tuple[Any, ...]:
        found = PRIMITIVES.setdefault(self.name, self)
        if not self.same_as(found):
            raise PrimitiveError(
                f"primitive {self.name!r} cannot be pickled: another one has its name now, by which it would be looked up. "
                "Give each a name of its own."
            )
        home = "" if self.built_in else _home(self)
        if self.built_in or not pickles.is_by_cloudpickle() or (home and not pickles.by_value(home)):
            return primitive_named, (self.name, home)
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return primitive_of, (given | {"value": _made_of(self)[0]},)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Primitive":
        return self


def primitive_named(name: str, home: str = "") -> Primitive:
    """Look an entry of the table up, as unpickling does; `home` is the module that defines it."""
    if name not in PRIMITIVES and home not in ("", "__main__"):
        with suppress(ImportError):
            import_module(home)
    try:
        return PRIMITIVES[name]
    except KeyError:
        raise PrimitiveError(
            f"no primitive is named {name!r} in this process. If it is your own, import the module that defines it first, or "
            "write the pickle with cloudpickle, which holds the definition."
        ) from None


def primitive_of(columns: dict[str, Any]) -> Primitive:
    """An entry that came with its definition; the one that is here already, if it is of the same definition."""
    primitive = Primitive(**columns)
    found = PRIMITIVES[primitive.name]
    found.belongs_to_trace()  # a later pickle may bring another definition, as a notebook does
    return found


def _home(primitive: Primitive) -> str:
    """The module in which the entry has a name; "" if it was made in a function."""
    made = _made_of(primitive)
    for f in (made[0], *made[1], made[2]):
        module = getattr(f, "__module__", None) or ""
        if any(thing is primitive for thing in vars(sys.modules.get(module, object)).values()):
            return module
    return ""


def _made_of(primitive: Primitive) -> Any:
    return primitive._made_of  # type: ignore[attr-defined] # noqa: SLF001 - the functions as they were given


def same(one: Any, other: Any, assumed: frozenset[tuple[int, int]] = frozenset()) -> bool:
    """Whether two things are equal, functions by their code and by what they hold, and numbers by their bits."""
    if one is other or one is _UNASSIGNED or other is _UNASSIGNED or (id(one), id(other)) in assumed:
        return True
    if type(one) is not type(other) or hasattr(type(one), "__apply_primitive__"):
        return False  # a Variable is compared by who it is: `==` would be a guard of a trace
    assumed |= {(id(one), id(other))}  # things that hold themselves
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(same(a, b, assumed) for a, b in zip(one, other, strict=True))
    if isinstance(one, FunctionType):
        return one.__code__ == other.__code__ and same(_held(one), _held(other), assumed)
    if (recipe := getattr(one, "recipe", None)) is not None:  # a transform of a function
        return same(recipe, other.recipe, assumed)
    if isinstance(one, Primitive):
        return one.name == other.name and same(_made_of(one), _made_of(other), assumed)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and same(one.tolist(), other.tolist(), assumed)
    if isinstance(one, float):
        return repr(one) == repr(other)
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - whatever a stranger's `==` raises
        return False


#: Stands for a name from around a function that is assigned further down, which the same lines will do.
_UNASSIGNED = object()


def _held(function: FunctionType) -> Any:
    """The default arguments of a function, and the names that it takes from around it."""
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:
            cells.append(_UNASSIGNED)
    keywords = function.__kwdefaults__ or {}
    return function.__defaults__, [*keywords], [*keywords.values()], cells


def _boxed(argument: object) -> Any:
    if hasattr(type(argument), "__array__"):
        return np.asarray(argument, dtype=object)
    box = np.empty((), dtype=object)
    box[()] = argument
    return box


def _returning_float(value: Callable[..., float], what: str) -> Callable[..., float]:
    def checked(*arguments: float) -> float:
        result = value(*arguments)
        if type(result) is float:
            return result
        try:
            return as_operand(result)
        except (OperandError, ConversionError, OverflowError) as error:
            raise PrimitiveError(f"{what} returned {result!r} for {arguments}: {error}") from error

    return checked


def _unfit(function: Callable[..., Any], given: int) -> str:
    """How many positional arguments a function takes, in words; empty if it can be called with `given`."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # Python cannot tell
        return ""
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    least = sum(p.default is p.empty for p in positional)
    most = inf if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(positional)
    if least <= given <= most:
        return ""
    return _arguments(f"{least}" if least == most else f"at least {least}" if most == inf else f"{least} to {most}")


def _arguments(number: object) -> str:
    return f"{number} argument{'s' * (str(number) != '1')}"


def _all_are(kind: Any, column: object) -> bool:
    return isinstance(column, tuple) and all(isinstance(part, kind) for part in column)


def _signature(value: Callable[..., Any], arity: int, defaults: tuple[float, ...]) -> inspect.Signature:
    """What help() and completion show: the parameters of the value function, where they can be told."""
    names = _parameter_names(value)
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    if len(names) != arity or "args" in names:
        names, kind = tuple("xyzuvw"[:arity]), inspect.Parameter.POSITIONAL_ONLY
    own = (*[inspect.Parameter.empty] * (arity - len(defaults)), *defaults)
    return inspect.Signature([inspect.Parameter(n, kind, default=d) for n, d in zip(names, own, strict=False)])


def _parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a builtin whose parameters have no names
        return ()
