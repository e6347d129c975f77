"""Operators of one and two arguments, written out as source from the rules, as `dataclasses` writes `__init__`.

`variable.record` is the general form: a product takes 1.9 µs there and 0.3 here, without a loop, and without a call for a
partial that is constant or passes an argument on. Built-in partials do not raise: nothing is caught.
"""

import functools
import math
import operator
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from autograd_lite import context, core, primitives
from autograd_lite.arrays import RULES
from autograd_lite.conversion import as_operand, is_lazy_array
from autograd_lite.errors import OperandError
from autograd_lite.primitives import PRIMITIVES, Partial, Primitive

#: What the source below means by these names; `install` adds the node class and what belongs to it.
_NODE_NAMES: dict[str, Any] = {"active": context.active, "observe": context.observe}

#: The fast form of each rule of one or two arguments, for calls such as `exp(x)`.
OPERATIONS: dict[Primitive, Callable[..., Any]] = {}

_UNARY = """
def operation(self):
    node = new()
    a = self._value
    node._value = {value}
    node._first = self
    node._by_first = {by_first}
    node._second = node._by_second = None
"""
_BINARY = """
def operation(self, other):
    node = new()
    a = self._value
    if type(other) is Variable:
        b = other._value
        node._value = {value}
        node._second = other
        node._by_second = {by_second}
    elif type(other) is float:
        b = other
        node._value = {value}
        node._second = None
        node._by_second = b
    else:
        number = as_operand(other)
        return number if number is NotImplemented else operation(self, number)
    node._first = self
    node._by_first = {by_first}
"""
_REFLECTED = """
def operation(self, other):
    if type(other) is not float:
        number = as_operand(other)
        return number if number is NotImplemented else operation(self, number)
    node = new()
    a = other
    b = self._value
    node._value = {value}
    node._first = None
    node._by_first = a
    node._second = self
    node._by_second = {by_second}
"""
_FINISH = """
    node._primitive = primitive
    node._grad = node._adjoint = node._about = None
    node._number = next(numbers)
    if active:
        observe(node)
    return node
"""


def _operator(primitive: Primitive, template: str) -> Any:
    arguments = "ab"[: primitive.arity]
    by_first, by_second = (*(_expression(p, i, arguments) for i, p in enumerate(primitive.partials)), "")[:2]
    if primitive.selects:  # see `record`
        by_first += " or None"
    value = primitive.operator.format(*arguments) or f"value({', '.join(arguments)})"
    source = (template + _FINISH).format(value=value, by_first=by_first, by_second=by_second)
    names = {
        **_NODE_NAMES,
        "primitive": primitive,
        "value": primitive.value,
        **{f"partial_{i}": partial for i, partial in enumerate(primitive.partials)},
    }
    exec(compile(source, f"<operator {primitive.name}>", "exec"), names)  # noqa: S102 - the text above, with names in it
    return _named(names["operation"], primitive)


def _expression(partial: Partial, position: int, arguments: str) -> str:
    """Source of a partial: a constant, one of its arguments, or a call."""
    if not callable(partial):
        return f"partial_{position}"
    probes = {name: object() for name in (*arguments, "node._value")}
    try:
        passed_on = partial(*probes.values())
    except Exception:  # noqa: BLE001 - it computes something, which is not to be done with objects
        passed_on = None
    names = [name for name, probe in probes.items() if probe is passed_on]
    return names[0] if names else f"partial_{position}({', '.join(probes)})"


class Register:
    """Stands for a float in a partial, and notes the operations that are applied to it: each fills the next register."""

    def __init__(self, registers: list[Any], place: int) -> None:
        self.registers, self.place = registers, place

    @staticmethod
    def __apply_primitive__(primitive: Primitive, arguments: tuple[Any, ...]) -> "Register":
        registers = next(a.registers for a in arguments if type(a) is Register)
        places = [_place(registers, argument) for argument in arguments]
        return Register(registers, _filled(registers, (primitive, *places)))


def _filled(registers: list[Any], content: Any) -> int:
    registers.append(content)
    return len(registers) - 1


def _place(registers: list[Any], thing: Any) -> int:
    return thing.place if type(thing) is Register else _filled(registers, as_operand(thing))


for _name, _rule in (
    ("add", primitives.add),
    ("sub", primitives.sub),
    ("mul", primitives.mul),
    ("neg", primitives.neg),
):
    setattr(Register, f"__{_name}__", lambda self, *others, rule=_rule: rule(self, *others))
    setattr(Register, f"__r{_name}__", lambda self, other, rule=_rule: rule(other, self))


#: Arguments of an operation that the compiled core knows.
_MOST = 3


def steps(partial: Partial, arity: int) -> tuple[tuple[Any, ...], int] | None:
    """A partial of a built-in rule as straight-line code for the compiled core, and the register of its result.

    Registers are the arguments, the result of the operation, and then one for each step: a float, or a primitive with the
    registers of its arguments. None for what does more than to apply operations.
    """
    registers: list[Any] = [None] * (arity + 1)
    try:
        result = partial(*(Register(registers, place) for place in range(arity + 1))) if callable(partial) else partial
        place = _place(registers, result)
    except Exception:  # noqa: BLE001 - it asks for a number
        return None
    code = tuple(registers[arity + 1 :])
    short = all(type(step) is float or len(step) <= _MOST + 1 for step in code)
    return (code, place) if short and len(registers) <= core.compiled.registers else None


def operand(other: Any) -> Any:
    """A float; NotImplemented leaves the operation to the other operand."""
    if type(other) is int:
        return float(other)  # rounded once, and OverflowError beyond the largest float, as in `float op int`
    if isinstance(other, np.ndarray):
        if other.ndim > 0:
            return NotImplemented
        other = other[()]
        if hasattr(type(other), "__apply_primitive__"):
            return other
    if isinstance(other, (str, bytes, list, tuple, complex)):  # Python would repeat them, since a Variable can count
        return as_operand(other)  # which refuses them
    try:
        return as_operand(other)
    except OperandError:
        if is_lazy_array(other) or isinstance(other, (Fraction, Decimal)):  # which ask for float(), or say nothing
            raise
        return NotImplemented


def _named(function: Any, primitive: Primitive) -> Any:
    function.__name__ = primitive.name
    function.__doc__ = primitive.formula
    return function


#: Numbers that a float is compared with: exactly, whatever their type.
_COMPARED = (int, float, np.number, np.bool_, Fraction, Decimal)


def comparison(relation: str) -> Callable[[Any, Any], Any]:
    """Compare values, as floats are compared: a bool, and while tracing a condition."""
    compare = getattr(operator, relation)

    def compared(self: Any, other: Any) -> Any:
        if isinstance(other, complex) and relation in ("eq", "ne"):  # without an imaginary part it may be equal
            other = math.nan if other.imag else other.real
        if type(other) is type(self):
            outcome = compare(self._value, other._value)
        elif isinstance(other, _COMPARED) and not isinstance(other, np.complexfloating):
            outcome = bool(compare(self._value, other))
        else:
            if is_lazy_array(other):
                as_operand(other)  # which refuses it
            return NotImplemented  # the other operand may know
        if context.running and context.noticed(self, *[other] if type(other) is type(self) else ()):
            return condition(relation, self, other)
        return outcome

    compared.__name__ = f"__{relation}__"
    return compared


def condition(relation: str, left: Any, right: Any) -> Any:
    """`left relation right` as a number, 1 or 0. A number that no float holds is compared exactly, as Python does."""
    if type(right) is not type(left) and type(right) is not float:
        relation, right = _exactly(relation, right)
    return primitives.COMPARISONS[relation](left, right)


def _exactly(relation: str, number: Any) -> tuple[str, float]:
    """A comparison with a float that comes out as that with `number` does, for every float on the left."""
    try:
        nearest = float(number)
    except OverflowError:  # an integer beyond all floats
        nearest = math.inf if number > 0 else -math.inf
    if nearest == number or nearest != nearest:  # noqa: PLR0124 - a NaN
        return relation, nearest
    below = nearest if nearest < number else math.nextafter(nearest, -math.inf)
    between = {"lt": "le", "le": "le", "gt": "gt", "ge": "gt"}.get(relation)
    return (between, below) if between else (relation, math.nan)  # equal to nothing


def install(node_class: Any, numbers: Iterator[int]) -> None:
    """Give the node class its operators, and the methods that NumPy asks for in object arrays."""
    if core.compiled:  # whose class has the operators
        for rule in PRIMITIVES.values():
            if rule.arity > _MOST:
                continue  # as those of users
            partials = tuple(steps(partial, rule.arity) or partial for partial in rule.partials)
            core.compiled.bind(rule, partials, rule.selects, rule in primitives.COMPARISONS.values())
    else:
        new = functools.partial(object.__new__, node_class)  # a call without arguments is the cheapest
        _NODE_NAMES.update(Variable=node_class, new=new, numbers=numbers, as_operand=operand)
        _write_operators(node_class)
    for name in ("floor", "ceil", "trunc"):
        setattr(node_class, f"__{name}__", _method(PRIMITIVES[name]))
    named = {rule.name: rule for rule in PRIMITIVES.values() if rule.arity == 1}
    of_objects = {ufunc.__name__: rule for ufunc, rule in RULES.items() if "O" in "".join(ufunc.types)}
    for name, rule in (named | of_objects).items():
        if not hasattr(node_class, name):
            setattr(node_class, name, _method(rule))


def _method(rule: Primitive) -> Callable[..., Any]:
    def method(self: Any, *others: Any) -> Any:
        return rule(self, *others)

    return _named(method, rule) if rule.defaults or rule not in OPERATIONS else OPERATIONS[rule]


def _write_operators(node_class: Any) -> None:
    for rule in PRIMITIVES.values():
        if rule.arity == 1:
            OPERATIONS[rule] = _operator(rule, _UNARY)
        elif rule.arity == 2 and not rule.selects:
            OPERATIONS[rule] = _operator(rule, _BINARY)
    for name in ("add", "sub", "mul", "div", "mod", "floordiv", "pow"):
        rule, own = PRIMITIVES[name], "truediv" if name == "div" else name
        setattr(node_class, "_pow" if name == "pow" else f"__{own}__", OPERATIONS[rule])
        setattr(node_class, f"__r{own}__", _operator(rule, _REFLECTED))
    for name, rule in (("neg", primitives.neg), ("abs", primitives.abs), ("pos", primitives.positive)):
        setattr(node_class, f"__{name}__", OPERATIONS[rule])
