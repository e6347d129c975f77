"""The progress of long recordings and compilations: a line on a terminal or in a notebook, from two seconds on.

Work notes its beginning and its end. A thread looks now and then at the work under way, so no operation pays for it:
`Recording.count_array` sees the operations on arrays only, and the compiled core makes nodes without a word to Python.
"""

import functools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.util import find_spec
from time import perf_counter, sleep, time
from typing import Any

from autograd_lite import core, forks

#: Seconds after which work counts as long; between two looks; without work after which the thread that looks ends.
LONG, EVERY, IDLE = 2.0, 0.2, 10.0

#: "0" shows nothing, "1" shows everything, wherever it runs.
VARIABLE = "AUTOGRAD_LITE_PROGRESS"

#: Environment variables of programs that run this one: nobody looks.
UNSEEN = ("CI", "PYTEST_CURRENT_TEST")


class Work:
    """A recording (its operations are counted) or a compilation, and its line once it has one."""

    def __init__(self, label: str, *, counted: bool) -> None:
        self.label, self.began, self.part = label, perf_counter(), ""
        self.first = next(core.numbers) if counted else None  # numbers of nodes may have gaps
        self.bar: Any = None
        self.ended = False
        self._lock = forks.lock()

    def __str__(self) -> str:
        count = ""
        if self.first is not None:
            self.first += 1  # for the number that this look takes away
            count = f": {next(core.numbers) - self.first:,} operations"
        return f"{self.label}{count}{self.part and f', {self.part}'}"

    def show(self, bar: Any) -> None:
        with self._lock:
            if self.ended:
                return
            if self.bar is None:
                self.bar = bar(file=sys.stderr, bar_format="{desc} [{elapsed}]", leave=False, delay=1e-9)
                self.bar.start_t = time() - (perf_counter() - self.began)
            self.bar.set_description_str(str(self))

    def end(self) -> None:
        self.ended = True
        with self._lock:
            if self.bar is not None:
                self.bar.close()


_under_way: ContextVar[Work | None] = ContextVar("autograd_lite_work", default=None)
_works: list[Work] = []
_watching = False
_watch_lock = forks.lock()


@contextmanager
def shown(label: str, *, counted: bool = False) -> Iterator[None]:
    """Show the work in this block if it is long; work inside other work, or where nobody looks, is not shown."""
    if _under_way.get() is not None or not wanted():
        yield
        return
    work = Work(label, counted=counted)
    try:
        _under_way.set(work)
        _works.append(work)
        _watch()
        yield
    finally:
        _under_way.set(None)
        with suppress(ValueError):  # interrupted before it was entered
            _works.remove(work)
        work.end()


def part(name: str) -> None:
    """Say which part of the work in this context is under way."""
    work = _under_way.get()
    if work is not None:
        work.part = name


def wanted() -> bool:
    """Whether somebody may be looking: at a terminal or a notebook, from the main thread of no worker, and not in a test."""
    said = os.environ.get(VARIABLE, "")
    if said:
        return said != "0"
    return (  # what costs least comes first
        threading.current_thread() is threading.main_thread()
        and ((sys.stderr is not None and sys.stderr.isatty()) or in_notebook())
        and getattr(sys.modules.get("multiprocessing"), "parent_process", lambda: None)() is None
        and not any(name in os.environ for name in UNSEEN)
    )


def in_notebook() -> bool:
    """Whether this is a notebook's kernel, as `tqdm.auto` decides it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", ())


def _watch() -> None:
    """Start the thread that looks, if there is none."""
    global _watching  # noqa: PLW0603 - there is one for the process
    if _watching:
        return
    with _watch_lock:
        if not _watching:
            threading.Thread(target=_look, name="autograd_lite progress", daemon=True).start()
            _watching = True


def _look() -> None:
    """Show long work until there was none for a while."""
    idle = 0.0
    while idle < IDLE or not _ended():
        sleep(EVERY)
        idle = 0.0 if _works else idle + EVERY
        for work in [*_works]:
            if perf_counter() - work.began >= LONG and (bar := _bar()):
                with suppress(Exception):  # a line that cannot be written stops nothing
                    work.show(bar)


def _ended() -> bool:
    """Whether the thread that looks may end: it says so before it makes sure that there is no work."""
    global _watching  # noqa: PLW0603
    with _watch_lock:
        _watching = False
        _watching = bool(_works)
    return not _watching


@functools.cache
def _bar() -> Any:
    """The class of bars that fits here; None without tqdm, which is optional and slow to import."""
    try:
        if in_notebook() and find_spec("ipywidgets") is None:  # `tqdm.auto` would ask for it in a warning
            from tqdm import tqdm  # noqa: PLC0415
        else:
            from tqdm.auto import tqdm  # noqa: PLC0415
    except ImportError:
        return None
    return tqdm
