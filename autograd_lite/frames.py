"""Lines of the user's code: the innermost frame outside this package, NumPy and optree."""

import ast
import dis
import functools
import itertools
import linecache
import re
import sys
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType

_PACKAGE = f"{Path(__file__).parent.as_posix()}/"


def user_location(within: CodeType | None = None) -> str:
    """`file:line` of the innermost frame outside this package and NumPy; nothing if `within` runs further in."""
    frame = _user_frame(within)
    if frame.f_code is within:
        return ""
    return f"{_file_name(frame.f_code.co_filename)}:{frame.f_lineno}"


def user_line() -> tuple[str, int]:
    """File and line of the innermost frame outside this package and NumPy."""
    frame = _user_frame()
    return frame.f_code.co_filename, frame.f_lineno


def deciding_location() -> str:
    """`file:line` of the user's code; behind it ` in sorted()` where that compares there, ` in int()`, ` in an index`."""
    frame = _user_frame()
    return f"{_file_name(frame.f_code.co_filename)}:{frame.f_lineno}{_orders_at(frame.f_code, frame.f_lasti)}"


#: Between a place and the solver of SciPy that compared there.
BY_A_SOLVER = " in scipy's "


def reading_location() -> str:
    """`file:line` of the user's code; behind it the solver of SciPy that reads there, outermost, if one does."""
    frame: FrameType | None = _user_frame()
    assert frame is not None
    place, solver = f"{_file_name(frame.f_code.co_filename)}:{frame.f_lineno}", ""
    while frame is not None and "scipy/optimize/" in frame.f_code.co_filename.replace("\\", "/"):
        if not frame.f_code.co_name.startswith(("_", "<")):
            solver = BY_A_SOLVER + frame.f_code.co_name
        frame = frame.f_back
    return place + solver


def _user_frame(within: CodeType | None = None) -> FrameType:
    frame = sys._getframe(2)
    while frame.f_back is not None and is_library(frame.f_code.co_filename) and frame.f_code is not within:
        frame = frame.f_back
    return frame


def library_frames() -> int:
    """How many frames of this package and NumPy lie between the caller, which counts, and the user's code."""
    frame, count = sys._getframe(1), 0
    while frame.f_back is not None and is_library(frame.f_code.co_filename):
        frame, count = frame.f_back, count + 1
    return count


@functools.cache
def _file_name(filename: str) -> str:
    return Path(filename).name


@functools.cache
def is_library(filename: str) -> bool:
    """Whether a file of code is part of this package, of NumPy or of optree."""
    plain = filename.replace("\\", "/")
    return (
        plain.startswith((_PACKAGE, "<operator "))
        or "site-packages/numpy/" in plain
        or "site-packages/optree/" in plain
    )


#: What puts numbers in order by comparing them.
ORDERING = ("max", "min", "sorted", "sort")
INDEX = " in an index"
#: What needs a whole number of Python at once.
COUNTING = ("int", "range")


@functools.lru_cache(maxsize=4096)
def _orders_at(code: CodeType, at: int) -> str:
    """What the instruction at byte `at` does: ` in an index` in `w[x]` or `w[int(x)]`; else ` in sorted()`, ` in int()`."""
    positions = next(itertools.islice(code.co_positions(), at // 2, None), (None,) * 4)
    first, last, start, end = positions
    if first is None or last is None or start is None or end is None:
        return ""
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(first, last + 1)]
    if not all(lines):
        return ""
    before = lines[0][:start]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    with suppress(SyntaxError, ValueError):
        call = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
        called = getattr(call, "func", None)
        name = getattr(called, "id", getattr(called, "attr", ""))
        if name in ORDERING:
            return f" in {name}()"
        subscript = isinstance(call, ast.Subscript) and dis.opname[code.co_code[at]] in ("BINARY_SUBSCR", "BINARY_OP")
        if subscript or re.search(rb"[\w)\]]\[$", before):
            return INDEX
        if name in COUNTING:
            return f" in {name}()"
    return ""
