"""Expressions of the command line: a syntax tree, folded by a table of allowed operators and functions, never `eval`."""

import ast
import difflib
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import autograd_lite as al
from autograd_lite.primitives import PRIMITIVES

# No picture of a longer expression is readable, and the parser's memory grows with the text.
MAX_LENGTH = 100_000

OPERATORS: Mapping[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.Mod: "mod",
    ast.FloorDiv: "floordiv", ast.UAdd: "positive", ast.USub: "neg",
}  # fmt: skip
ELEMENTWISE = ("elu", "gelu", "selu", "silu", "softsign")  # composed functions of one number
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    name: getattr(al, name) for name in (*sorted(PRIMITIVES), *ELEMENTWISE) if hasattr(al, name)
}
CONSTANTS = {"pi": math.pi, "e": math.e}


class UsageError(Exception):
    """The command line asks for something impossible; the message is one line with the remedy."""


def close_to(word: str, words: Iterable[str]) -> str:
    """A remark such as "; did you mean tanh?", empty if nothing is close."""
    close = difflib.get_close_matches(word, list(words), n=3)
    return f"; did you mean {', '.join(close[:-1]) + ' or ' * (len(close) > 1) + close[-1]}?" if close else ""


def shorten(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:50]!r}... ({len(text):,} characters)"


def parse_assignment(text: str) -> tuple[str, float]:
    """Split `name=value`.

    >>> parse_assignment("w1=-3")
    ('w1', -3.0)
    """
    name, equals, number = text.partition("=")
    name = name.strip()
    if not equals or not name.isidentifier():
        raise UsageError(f"{shorten(text)} is not name=value; write for example x=2 or w1=-0.5")
    try:
        return name, float(number)
    except ValueError:
        raise UsageError(f"{shorten(text)}: {shorten(number)} is not a number; write for example {name}=0.5") from None


def evaluate(text: str, values: Mapping[str, float]) -> tuple[Any, dict[str, al.Variable]]:
    """Evaluate an expression on Variables made of `values`; return its result and the Variables.

    A list of waiting nodes takes the place of recursion, so that depth has no limit but the parser's.

    >>> y, variables = evaluate("x * exp(-x)", {"x": 0.0})
    >>> y.value, al.gradients(y, variables["x"])
    (0.0, 1.0)
    """
    variables = {name: al.Variable(value, name=name) for name, value in values.items()}
    root = _parsed(text)
    waiting, steps, results = [root], [], dict[ast.expr, Any]()
    while waiting:  # each node before its operands, the last operand first: backwards each operand before its user
        node = waiting.pop()
        function, operands = _operation(node, variables)
        steps.append((node, function, operands))
        waiting += operands
    for node, function, operands in reversed(steps):
        try:
            results[node] = function(*[results[operand] for operand in operands])
        except (al.AutogradLiteError, TypeError) as error:
            raise _at(node, " ".join(str(error).split())) from None
    return results[root], variables


def _parsed(text: str) -> ast.expr:
    text = re.sub(r"\s", " ", text).strip()
    if len(text) > MAX_LENGTH:
        raise UsageError(f"the expression has {len(text):,} characters; the command line takes {MAX_LENGTH:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "1or x" is refused or evaluated; the parser's warning is no help
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        column = error.offset or 1
        near = text[max(0, column - 1) : column + 19]
        where = f" at position {column}, near {near!r}" if near else " at its end"
        raise UsageError(f"syntax error in the expression{where}: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise UsageError("the expression is nested too deeply for Python's parser; write shorter parts") from None
    except ValueError as error:
        raise UsageError(f"the expression cannot be read: {error}") from None


def _operation(node: ast.expr, variables: Mapping[str, al.Variable]) -> tuple[Callable[..., Any], list[ast.expr]]:
    match node:
        case ast.BinOp(left, operator, right):
            operands = [left, right]
        case ast.UnaryOp(operator, operand):
            operands = [operand]
        case ast.Call(ast.Name(name), operands, keywords):
            if keywords or any(isinstance(operand, ast.Starred) for operand in operands):
                raise _at(node, f"{name} takes plain arguments only, as in clip(x, 0, 1)")
            if name not in FUNCTIONS:
                remark = close_to(name, FUNCTIONS) or "; the functions are those of autograd_lite on single numbers"
                raise _at(node, f"there is no function {name:.60}{remark}")
            return FUNCTIONS[name], operands
        case ast.Call():
            raise _at(node, "only functions by name can be called, such as tanh(x)")
        case _:
            value = _leaf(node, variables)
            return lambda: value, []
    if type(operator) not in OPERATORS:
        raise _at(node, f"operator {type(operator).__name__} is not allowed; use + - * / // % **")
    return PRIMITIVES[OPERATORS[type(operator)]], operands


def _leaf(node: ast.expr, variables: Mapping[str, al.Variable]) -> Any:
    match node:
        case ast.Name(name):
            if name in variables or name in CONSTANTS:
                return variables.get(name, CONSTANTS.get(name))
            given = f" (given: {', '.join(variables):.200})" if variables else ""
            name = name if len(name) <= 60 else f"{name[:50]}..."
            raise _at(node, f"{name} has no value; add {name}=1.0 after the expression{given}")
        case ast.Constant(int() | float() as number) if not isinstance(number, bool):
            try:
                return float(number)
            except OverflowError:
                raise _at(node, "the number is beyond the largest float, 1.8e308") from None
    raise _at(node, "only names, numbers, + - * / // % ** and function calls are allowed")


def _at(node: ast.expr, problem: str) -> UsageError:
    return UsageError(f"position {node.col_offset + 1} of the expression: {problem}")
