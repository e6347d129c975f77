"""Refusals to lose a derivative, and the transforms that hear of them.

A transform warns of a refusal that its function caught: the result may be wrong. Errors of other libraries that wrap a
refusal, or refuse arrays of Variables in their own words, leave as ours.
"""

import re
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from autograd_lite import hints
from autograd_lite.errors import AutogradLiteError, MatrixError, OperandError
from autograd_lite.frames import BY_A_SOLVER, is_library, user_location

#: Refusals inside the function that is being differentiated: message and the user's line.
_noted: ContextVar[list[tuple[str, str]] | None] = ContextVar("autograd_lite_refusals", default=None)

#: Methods that NumPy asks the numbers in an array of objects for.
_UFUNCS = [name for name, thing in vars(np).items() if isinstance(thing, np.ufunc)]

#: What NumPy and SciPy say of an array that holds objects.
_FOREIGN = re.compile(
    r"dtype\('O'\)|[Oo]bject arrays? |dtype object|has no callable \w+ method|'Variable'(?! object has no attribute)|"
    r"'(float|int|bool)' object has no attribute '(shape|dtype|conjugate|" + "|".join(_UFUNCS) + r")'|"
    r"ufunc '\w+' not supported for the input types|not a proper array of floats|dtype of `to_(end|begin)`|"
    r"VariableArray|Could not convert (Variable|object)|"
    r"ObjectDType|with object dtype|'object'|real dtype|non-numeric|as numeric|array of references|"  # of dtypes alone
    r"conversion from Variable|a Rational instance|unsupported data types in input|Unsupported data type for `|"
    r"No matching signature found"  # of Cython
)

#: What Python says of arithmetic with lists and tuples.
_OF_LISTS = re.compile(
    r"^(can't multiply sequence by non-int|can only concatenate (list|tuple)|bad operand type for .*'(list|tuple)'|"
    r"(unsupported operand|'[<>]=?' not supported between instances).*'(list|tuple)')"
)
#: And of a number that is used as an array.
_OF_NUMBERS = re.compile(
    r"^('Variable' object is not (subscriptable|iterable)|cannot unpack non-iterable Variable|"
    r"object of type 'Variable' has no len)|must be an iterable, not Variable"
)


def refusal(message: str) -> OperandError:
    """The error to raise where a derivative would be lost."""
    noted = _noted.get()
    if noted is not None:
        noted.append((message, user_location()))
    return OperandError(message)


@contextmanager
def watched(name: str) -> Iterator[None]:
    """Run the function `name`: warn of refusals that it swallows; an error of NumPy about Variables becomes ours."""
    mine: list[tuple[str, str]] = []
    before = _noted.get()
    token = _noted.set(mine)
    try:
        yield
    except Exception as error:
        if before is not None:  # who catches this error swallows what was refused here
            before.extend(mine)
        ours = _in_our_words(error, mine)
        if ours is None:
            raise
        raise ours from error
    finally:
        _noted.reset(token)
    if mine:
        message, place = mine[0]
        frame, level = sys._getframe(), 1  # noqa: SLF001 - as `inspect` does it, without its cost
        while frame.f_back is not None and (
            is_library(frame.f_code.co_filename) or "contextlib" in frame.f_code.co_filename
        ):
            frame, level = frame.f_back, level + 1
        warnings.warn(
            f"{name} went on after a refusal at {place}: {message} The error was caught on the way, so the value and the "
            "derivative may be wrong. Let it pass, or catch only the errors that are meant.",
            RuntimeWarning,
            stacklevel=level,
        )


def _in_our_words(error: Exception, noted: list[tuple[str, str]]) -> OperandError | None:
    if type(error) is OperandError or _FOREIGN.search(str(error)) or (noted and _raised_elsewhere(error)):
        found = _of_numbers_only(error)
        if found is not None:
            return found
    if isinstance(error, AutogradLiteError):
        asker = _asked_by(error)
        function = asker.rpartition(" ")[2]
        if type(error) is not OperandError or not asker or function in str(error):
            return None
        return OperandError(_given(asker, str(error)))
    # Compiled code that lost our error, or wrapped it; or a library that raises its own after a refusal (SciPy's brentq).
    if isinstance(error, SystemError) or (noted and _raised_elsewhere(error)):
        causes = [c for c in (error.__cause__, error.__context__) if isinstance(c, AutogradLiteError)]
        ours = [*map(str, causes), *(text for text, _ in noted[-1:])]
        asker = _asked_by(error, anywhere=True) or "compiled code"
        return OperandError(_given(asker, ours[0], always=False)) if ours else None
    if (
        isinstance(error, AttributeError)
        and isinstance(error.obj, (list, tuple))
        and hasattr(np.ndarray, error.name or "")
    ):
        kind = type(error.obj).__name__
        return OperandError(
            f"{error}: the argument is a {kind}, as it was given, and has what a {kind} has. Pass an array instead, "
            f"np.array([...]), or use autograd_lite's or NumPy's function of {error.name}."
        )
    if isinstance(error, TypeError) and _OF_LISTS.search(str(error)) and not _raised_elsewhere(error):
        return OperandError(
            f"{error}. That is Python's arithmetic of lists and tuples, which an argument given as one has. Pass an array "
            "instead, np.array([...]), or map over its numbers with autograd_lite.vmap(f)(np.array([...]))."
        )
    if isinstance(error, TypeError) and _OF_NUMBERS.search(str(error)) and not _raised_elsewhere(error):
        return OperandError(
            f"{error}: it is one number, and the function takes it apart. Pass a list or an array for that argument; jvp and "
            "hvp take a tuple of arguments, hvp(f, (x,), (v,))."
        )
    return _said_of_objects(error) if _FOREIGN.search(str(error)) else None


def _said_of_objects(error: Exception) -> OperandError:
    """What NumPy and others say of arrays of objects, with its place and what to write."""
    asker = _asked_by(error) or "NumPy"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_no_users(frame.filename)]
    found = remedy(asker)
    if not found and ("unsupported operand" in str(error) or "VariableArray" in str(error)):
        found = " Write np.asarray(x) of an array of another library."
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    place = (
        f"{own[-1].filename.replace(chr(92), '/').rpartition('/')[2]}:{own[-1].lineno}" if own else "an unknown line"
    )
    said = str(error).partition("\n")[0].rstrip(".")
    refused = f"{asker} at {place} refused Variables: {said}.{found}"
    if _formula(asker):
        return OperandError(refused)
    return OperandError(
        f"{refused} In an array made by al.array, al.zeros or al.full "
        "every function with a rule works. Write others with the functions of autograd_lite, or as scalar code."
    )


#: Code of others that computes with numbers only, by its folder: whose it is, and what to do.
_NUMBERS_ONLY = {
    "numpy/random/": (
        "NumPy's",
        (
            "What it draws has no derivative by its parameters. Draw standard numbers and make yours of these, as in "
            "loc + scale * rng.normal(), or pass numbers, x.value."
        ),
    ),
    "site-packages/pandas/": ("pandas's", "Write series.to_numpy(), whose functions are NumPy's."),
    "scipy/sparse/_": (
        "scipy.sparse's",
        "Write matrix.toarray() @ v for a product, and al.linalg.solve(matrix.toarray(), v) for a system.",
    ),
}


#: What to write for methods of a column of pandas, which divides by n - 1.
_OF_COLUMNS = {
    "mean": "Write al.mean(series).",
    **{
        name: f"Write np.{name}(series.to_numpy()), with ddof=1 for series.{name}(), which divides by n - 1."
        for name in ("std", "var")
    },
    "median": "Write np.median(series.to_numpy()).",
}
#: What such code calls first where an operator stands.
_OF_ARITHMETIC = ("upcast_char", "upcast")


def _of_numbers_only(error: Exception) -> OperandError | None:
    """The error to raise where such code met Variables; it may have called NumPy in turn."""
    frames = [(frame.filename.replace("\\", "/"), frame.name) for frame in traceback.extract_tb(error.__traceback__)]
    frames = [(file, name) for file, name in frames if not is_library(file) and "site-packages/numpy/" not in file]
    for folder, (whose, remedy) in _NUMBERS_ONLY.items():
        names = [name for file, name in frames if folder in file and not name.startswith(("_", "<", "wrapper"))]
        if names and folder in frames[-1][0]:
            name = "arithmetic" if names[0] in _OF_ARITHMETIC else names[0].rpartition(".")[2]
            own = (
                _OF_COLUMNS.get(name, remedy) if any("pandas/core/series.py" in file for file, _ in frames) else remedy
            )
            return OperandError(f"{whose} {name} computes with numbers only and was given Variables. {own}")
    return None


def singular_in_lane(error: Exception, lane: int) -> Exception:
    """The error to raise where a matrix of a lane has no result, by our functions or by NumPy's on plain numbers."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not is_library(frame.filename) and "site-packages" not in frame.filename]
    place = f" at {own[-1].filename.replace(chr(92), '/').rpartition('/')[2]}:{own[-1].lineno}" if own else ""
    if isinstance(error, AutogradLiteError):
        return type(error)(f"lane {lane}{place}: {error}")
    names = [f.name for f in frames if "site-packages" in f.filename and "linalg" in f.filename and f.name[0] != "_"]
    said = str(error).rstrip(".")
    said = said[:1].lower() + said[1:]
    return MatrixError(
        f"lane {lane}{place}: {names[0] if names else 'a function'} has no result: {said}. "
        "Look for rows that are equal or 0, or add a small multiple of the identity."
    )


def _given(asker: str, refused: str, *, always: bool = True) -> str:
    """What to say where another library asked a Variable for its number; a solver has a counterpart here."""
    found = remedy(asker) if always or _formula(asker) else ""
    if _formula(asker):
        refused = refused.partition(" Use the functions of ")[0]
    return f"{asker} was given a Variable: {refused}{found}"


def refuse_solvers(decided: Sequence[tuple[Any, str]]) -> None:
    """Refuse that a solver of SciPy written in Python chose its steps by Variables: its result is cut off, or inexact."""
    for _, place in decided:
        where, by_a_solver, name = place.partition(BY_A_SOLVER)
        if by_a_solver and (found := _solver(f"scipy's {name}")):
            raise OperandError(
                f"scipy's {name} was given a Variable: it compared some at {where} to choose its steps, so that its result "
                f"has no exact derivative.{found}"
            )


def _solver(asker: str) -> str:
    """The counterpart of a solver of SciPy, if it is one."""
    return hints.hint("a solver of SciPy", asker.rpartition(" ")[2]) if asker.startswith("scipy") else ""


def _formula(asker: str) -> str:
    """What to write instead of a solver, or of a function of NumPy or SciPy that has no counterpart of its name."""
    whose, _, name = asker.rpartition(" ")
    scipys = "a function of SciPy", "elsewhere in SciPy", "autograd_lite.maths.stats"
    places = {"numpy's": ["a function of NumPy"], "scipy's": scipys}.get(whose, ())
    return _solver(asker) or next((found for place in places if (found := hints.hint(place, name))), "")


def _raised_elsewhere(error: Exception) -> bool:
    """Whether code of another library raised an error."""
    last = [frame.filename for frame in traceback.extract_tb(error.__traceback__)][-1:]
    return any("site-packages" in name and not is_library(name) for name in last)


def _is_no_users(filename: str) -> bool:
    """Whether a file is of this package, of NumPy, or was compiled by Cython, whose names lead nowhere."""
    return is_library(filename) or filename.endswith((".pyx", ".pxd", "<stringsource>"))


def _asked_by(error: Exception, *, anywhere: bool = False) -> str:
    """The function of another library that the user's code called and that raised, with its library."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame, (inner, _) in zip(frames, traceback.walk_tb(error.__traceback__), strict=True):
        if frame.name in ("__call__", "__init__") and "self" in inner.f_locals:  # an object, such as a spline
            frame.name = type(inner.f_locals["self"]).__name__
    if anywhere:  # it may have called the user's code in turn
        places = [place for place, frame in enumerate(frames) if "site-packages" in frame.filename]
        del frames[places[-1] + 1 if places else 0 :]
    while frames and _is_no_users(frames[-1].filename) and "site-packages" not in frames[-1].filename:
        frames.pop()  # our refusal itself, and compiled code
    outermost = None
    while frames and "site-packages" in (frame := frames.pop()).filename:
        if not frame.name.startswith("_") and frame.name not in ("wrapper", "inner", "<lambda>"):
            outermost = frame
    if outermost is None:
        return ""
    path = outermost.filename.replace("\\", "/").rpartition("site-packages/")[2]
    return f"{path.split('/')[0]}'s {_distribution(error) if '/stats/' in path else ''}{outermost.name}"


def asking() -> str:
    """The function of another library that runs us, outermost, such as `scipy's logsumexp`; nothing if there is none."""
    frame: Any = sys._getframe(1)  # noqa: SLF001 - as `frames` does
    while frame is not None and is_library(frame.f_code.co_filename):
        frame = frame.f_back
    asker = ""
    while frame is not None and "site-packages" in (path := frame.f_code.co_filename.replace("\\", "/")):
        if not frame.f_code.co_name.startswith("_") and frame.f_code.co_name not in ("wrapper", "<lambda>"):
            asker = f"{path.rpartition('site-packages/')[2].split('/')[0]}'s {frame.f_code.co_name}"
        frame = frame.f_back
    return asker


def _distribution(error: Exception) -> str:
    """`stats.norm.` where a method of SciPy's `norm` was called, frozen or not."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "/scipy/stats/" in frame.f_code.co_filename.replace("\\", "/"):
            owner = frame.f_locals.get("self")
            name = getattr(getattr(owner, "dist", owner), "name", "") or type(owner).__name__.partition("_gen")[0]
            return f"stats.{name}." if owner is not None else ""
    return ""


def remedy(asker: str) -> str:
    name = asker.rpartition(" ")[2]
    ours = sys.modules["autograd_lite"]
    if found := _formula(asker):
        return found
    if asker.startswith(("numpy", "scipy")) and name in ours.linalg.__all__:
        return f" Use al.linalg.{name}, which takes any array; np.linalg takes one made by al.array."
    if name.startswith("stats."):
        _, distribution, method = name.split(".")
        if distribution not in ours.stats.__all__:
            there = ", ".join(ours.stats.__all__)
            return f" Write its formula with the functions of autograd_lite. autograd_lite.stats has {there}."
        own = getattr(ours.stats, distribution)
        return f" Use autograd_lite.{name}." if method in own.methods else f" {own.lacks(method)}"
    if hasattr(ours, name):
        return f" Use autograd_lite.{name}."
    if not asker.startswith("numpy") and (found := hints.hint("autograd_lite", name)):
        return found
    if asker.startswith("pandas"):
        return " Write series.to_numpy()."
    return " Put lists of Variables into autograd_lite.array first." if asker.startswith("numpy") else ""
