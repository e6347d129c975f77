"""Expressions of the command line: text to graph, through `ast` and a list of what is allowed, never `eval`."""

import ast
import difflib
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import autograd_lite as al
from autograd_lite.primitives import PRIMITIVES

# What the parser may be handed; beyond it no picture is readable, and its memory grows with the text.
MAX_LENGTH = 100_000

OPERATORS: Mapping[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
    ast.Mod: "mod",
    ast.FloorDiv: "floordiv",
    ast.UAdd: "positive",
    ast.USub: "neg",
}
# Composed functions of one number.
ELEMENTWISE = ("elu", "gelu", "selu", "silu", "softsign")
CONSTANTS = {"pi": math.pi, "e": math.e}


class UsageError(Exception):
    """The command line asks for something that cannot be done; the message is one line that says what to do."""


def functions() -> dict[str, Callable[..., Any]]:
    """Return the functions of numbers that an expression may call, by name."""
    return {name: getattr(al, name) for name in (*sorted(PRIMITIVES), *ELEMENTWISE) if hasattr(al, name)}


def close_to(word: str, words: Iterable[str]) -> str:
    """Return a remark such as "; did you mean tanh?", empty if nothing is close."""
    close = difflib.get_close_matches(word, list(words), n=3)
    return f"; did you mean {', '.join(close[:-1]) + ' or ' * (len(close) > 1) + close[-1]}?" if close else ""


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


def shorten(text: str) -> str:
    """Return a quoted text of at most some 60 characters on one line."""
    return repr(text) if len(text) <= 60 else f"{text[:50]!r}... ({len(text):,} characters)"


def parse(text: str) -> ast.expr:
    """Return the syntax tree of an expression; any white space counts as a blank."""
    text = re.sub(r"\s", " ", text).strip()
    if len(text) > MAX_LENGTH:
        raise UsageError(f"the expression has {len(text):,} characters; the command line takes {MAX_LENGTH:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "1or x" is refused or run; what the parser thinks of its style is no help
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


def evaluate(text: str, values: Mapping[str, float]) -> tuple[Any, dict[str, al.Variable]]:
    """Run an expression on Variables made of `values`; return its result and the Variables.

    An explicit stack takes the place of recursion: whatever the parser accepts is evaluated, however deep it is.

    >>> y, variables = evaluate("x * exp(-x)", {"x": 0.0})
    >>> y.value, al.gradients(y, variables["x"])
    (0.0, 1.0)
    """
    variables = {name: al.Variable(value, name=name) for name, value in values.items()}
    known = functions()
    results: list[Any] = []
    # A node is put back with the function that its operands, then on `results`, are waiting for.
    pending: list[tuple[ast.expr, Callable[..., Any] | None]] = [(parse(text), None)]
    while pending:
        node, function = pending.pop()
        operands = _operands(node)
        if function is not None:
            arguments = results[len(results) - len(operands) :]
            del results[len(results) - len(operands) :]
            results.append(_call(node, function, arguments))
        elif operands or isinstance(node, ast.Call):
            pending.append((node, _function_of(node, known)))
            pending.extend((operand, None) for operand in reversed(operands))
        else:
            results.append(_leaf(node, variables))
    return results.pop(), variables


def _operands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp):
        return [node.operand]
    return node.args if isinstance(node, ast.Call) else []


def _function_of(node: ast.expr, known: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    if isinstance(node, (ast.BinOp, ast.UnaryOp)):
        name = OPERATORS.get(type(node.op))
        if name is None:
            raise UsageError(f"{_where(node)}: operator {type(node.op).__name__} is not allowed; use + - * / // % **")
        return PRIMITIVES[name]
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise UsageError(f"{_where(node)}: only functions by name can be called, such as tanh(x)")
    if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
        raise UsageError(f"{_where(node)}: {node.func.id} takes plain arguments only, as in clip(x, 0, 1)")
    if node.func.id not in known:
        remark = close_to(node.func.id, known) or "; the functions are those of autograd_lite on single numbers"
        raise UsageError(f"{_where(node)}: there is no function {node.func.id:.60}{remark}")
    return known[node.func.id]


def _leaf(node: ast.expr, variables: Mapping[str, al.Variable]) -> Any:
    if isinstance(node, ast.Name):
        if node.id in variables:
            return variables[node.id]
        if node.id in CONSTANTS:
            return CONSTANTS[node.id]
        given = f" (given: {', '.join(variables):.200})" if variables else ""
        name = node.id if len(node.id) <= 60 else f"{node.id[:50]}..."
        raise UsageError(f"{_where(node)}: {name} has no value; add {name}=1.0 after the expression{given}")
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        try:
            return float(node.value)
        except OverflowError:
            raise UsageError(f"{_where(node)}: the number is beyond the largest float, 1.8e308") from None
    raise UsageError(f"{_where(node)}: only names, numbers, + - * / // % ** and function calls are allowed")


def _call(node: ast.expr, function: Callable[..., Any], arguments: list[Any]) -> Any:
    try:
        return function(*arguments)
    except (al.AutogradLiteError, TypeError) as error:
        raise UsageError(f"{_where(node)}: {' '.join(str(error).split())}") from None


def _where(node: ast.expr) -> str:
    return f"position {node.col_offset + 1} of the expression"
