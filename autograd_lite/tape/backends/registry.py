"""Backends, which run programs on one lane or on many, each compiled once; and the one that a name stands for."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from autograd_lite.copies import uncollected
from autograd_lite.errors import ArgumentError, CompilationError
from autograd_lite.tape import background, progress
from autograd_lite.tape.program import Program

T = TypeVar("T")

NAMES = ("auto", "python", "numpy", "llvm", "cuda")


class Single(Protocol):
    """A program ready for one lane; `computed` is `run` on arrays.

    The status comes first: 0, the number (from 1) of the first guard that failed, or -1 for doubt.
    """

    def run(self, inputs: Sequence[float]) -> tuple[int, Sequence[float]]: ...
    def computed(self, inputs: Any) -> tuple[int, Any]: ...


class Lanes(Protocol):
    """A program ready for many lanes, some of whose inputs differ from lane to lane."""

    def each(self, columns: Any, shared: Any, sizes: Sequence[int]) -> tuple[Any, Any]:
        """Outputs in leaves of these sizes, and the status of each lane; None if all are 0."""

    def sums(self, columns: Any, shared: Any, use: Callable[[Any, int], Any]) -> Any:
        """The result of `use(sums, block)`: sums over blocks of so many lanes, (blocks, outputs), good for that call only."""


@dataclass(frozen=True)
class Backend:
    """Makes programs ready to run, with fused products and sums if `contract` allows them."""

    single: Callable[..., Single]  # (program, contract=flag, rolled=flag): rolled where that pays
    lanes: Callable[..., Lanes]  # (program, varying, summed=flag, contract=flag): the first `varying` inputs differ
    compiles: bool = False  # whether making a program ready takes much longer than running it
    rolls: Callable[[Program], bool] | None = None  # whether it runs a program as loops, if it may
    check: Callable[[], Any] | None = None  # raises a `CompilationError` where what it runs on is missing
    target: Callable[[], dict[str, str]] | None = None  # what its code is made by and for, on which bits depend


#: Whether this thread is one of many that somebody else has started to share out work.
alone: ContextVar[bool] = ContextVar("autograd_lite_alone", default=False)


@contextmanager
def in_one_thread() -> Iterator[None]:
    """Let lanes run in this thread only; their bits do not depend on that."""
    token = alone.set(True)
    try:
        yield
    finally:
        alone.reset(token)


#: The backends of this process by name; a module that brings one enters it.
BACKENDS: dict[str, Backend] = {}

_cache: dict[Any, Any] = {}  # used last comes last
_CACHED = 256
_said: set[str] = set()


def fastest() -> str:
    """The fastest backend of this machine."""
    return "llvm" if "llvm" in BACKENDS else "numpy"


def chosen(backend: str) -> str:
    """The backend that a name stands for on this machine."""
    if backend not in NAMES:
        raise ArgumentError(f"backend={backend!r}: choose one of {', '.join(NAMES)}.")
    if backend == "auto":
        if fastest() == "numpy" and "numpy" not in _said:
            _said.add("numpy")
            warnings.warn(
                "llvmlite is not installed: jit and vmap replay tapes with NumPy, some ten times slower than machine code. "
                'pip install "autograd-lite[jit]" brings it; backend="numpy" says that this is intended.',
                RuntimeWarning,
                stacklevel=3,
            )
        return fastest()
    if backend not in BACKENDS:
        raise CompilationError(
            f'backend="{backend}" needs llvmlite, which is not installed. Install it with pip install "autograd-lite[jit]", '
            'or pass backend="numpy".'
        )
    if (check := BACKENDS[backend].check) is not None:
        check()
    return backend


def single(program: Program, backend: str, *, contract: bool = False, rolled: bool = False) -> Single:
    """A program ready for one lane; if `rolled`, machine code may run equal parts of it as loops."""
    return _ready(BACKENDS[backend].single, program, contract=contract, rolled=rolled)


def lanes(program: Program, varying: int, backend: str, *, summed: bool, contract: bool) -> Lanes:
    """A program ready for many lanes."""
    return _ready(BACKENDS[backend].lanes, program, varying, summed=summed, contract=contract)


def _ready(make: Callable[..., T], program: Program, *varying: int, **options: bool) -> T:
    """What a backend makes of a program, from the cache if this program was made ready before."""
    key = _key(make, program, *varying, **options)
    ready = _cache.pop(key, None)  # each step is one operation of a dictionary: an interrupt leaves no lock closed
    if ready is None:
        paused = nullcontext() if background.is_here() else uncollected()  # the collector is that of all threads
        with paused, progress.shown(f"compiling {len(program.code):,} operations"):
            ready = make(program, *varying, **options)
    ready = _cache.setdefault(key, ready)
    while len(_cache) > _CACHED:
        _cache.pop(next(iter(_cache), None), None)
    return ready  # type: ignore[no-any-return]


def is_known(program: Program, backend: str) -> bool:
    """Whether a program was made ready for one lane before, without options."""
    return _key(BACKENDS[backend].single, program, contract=False, rolled=False) in _cache


def _key(make: Callable[..., Any], program: Program, *varying: int, **options: bool) -> Any:
    """The key of a program in the cache."""
    constants = np.array(program.constants).tobytes()  # by bits: 0.0 and -0.0 are different
    guards = tuple((g.relation, g.left, g.right, g.outcome) for g in program.guards)
    how = make, varying, *options.values()
    return how, program.inputs, constants, program.code, program.outputs, guards, program.doubtful


def forget() -> None:
    """Drop all programs from the cache: who holds them keeps them, others are compiled anew."""
    _cache.clear()
