"""Shared parts of the benchmarks: a process per contestant, interleaved rounds, medians, Markdown tables.

Contestants run in processes of their own, in turns, one request at a time. So a disturbance of the machine slows all of
them alike, the garbage of one contestant never reaches the collector of another, and a crash or an endless run costs one
cell of the table, not the table.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


class NotRunError(Exception):
    """A measurement that failed; the table shows the text."""


class Worker:
    """An object that lives in a process of its own; `ask` calls one of its methods there.

    Parameters
    ----------
    factory : callable
        Makes the object inside the new process; importable by name.
    *arguments
        Passed to `factory`.
    environment : dict of str, optional
        Environment variables that the new process has beside those of this one.
    """

    def __init__(self, factory: Callable[..., Any], *arguments: Any, environment: dict[str, str] | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(other_end, factory, arguments), daemon=True)
        before = dict(os.environ)
        os.environ.update(environment or {})
        try:
            self._process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        other_end.close()

    def ask(self, method: str, *arguments: Any, timeout: float) -> Any:
        """Call the object's `method`; raise `NotRunError` if it fails, dies, or takes more than `timeout` seconds."""
        try:
            self._pipe.send((method, arguments))
            if not self._pipe.poll(timeout):
                self._process.kill()
                raise NotRunError(f"stopped after {timeout:.0f} s")
            done, reply = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(5)
            raise NotRunError(f"process ended with code {self._process.exitcode}") from None
        if not done:
            raise NotRunError(reply)
        return reply

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Any, factory: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Answer requests until the other end of the pipe is closed."""
    try:
        target, failure = factory(*arguments), None
        # Objects of the imports are no garbage of a contestant: the cyclic collector need not walk through them again.
        gc.collect()
        gc.freeze()
    except Exception as error:  # noqa: BLE001 - the table shows any exception of a peer
        target, failure = None, _in_one_line(error)
    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        if failure is not None:
            pipe.send((False, failure))
            continue
        try:
            reply = (True, getattr(target, method)(*arguments))
        except Exception as error:  # noqa: BLE001
            reply = (False, _in_one_line(error))
        pipe.send(reply)


def _in_one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:80]


def in_turns(tasks: dict[str, tuple[Callable[[], Any], int]]) -> dict[str, list[Any]]:
    """Call each task as many times as its number says, round by round; the task that begins a round rotates.

    A task that raises `NotRunError` keeps its results so far and is not called again.
    """
    results: dict[str, list[Any]] = {name: [] for name in tasks}
    failed: set[str] = set()
    for turn in range(max((times for _, times in tasks.values()), default=0)):
        names = [name for name, (_, times) in tasks.items() if turn < times and name not in failed]
        shift = turn % max(len(names), 1)
        for name in names[shift:] + names[:shift]:
            try:
                results[name].append(tasks[name][0]())
            except NotRunError:
                failed.add(name)
    return results


def spread(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Return the smallest and the largest ratio of our time over theirs in a single round; a dash for a single round.

    A disturbance slows both in its round: the spread says how far the ratio of the medians can be trusted.
    """
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=False))
    return f"{ratios[0]:.2g}–{ratios[-1]:.2g}" if len(ratios) > 1 else "–"


def duration(seconds: float) -> str:
    """Return a time in its natural unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 * size else f"{seconds / size:,.0f} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def peak_memory() -> float:
    """Return the most bytes this process has held in memory so far (nan if the system does not tell)."""
    if resource is None:
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, first column left, the others right, padded so that it reads as plain text too."""
    lines = [list(header), *map(list, rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(header))]
    padded = [
        [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        for line in lines
    ]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [padded[0], rule, *padded[1:]])


def machine() -> str:
    """Return in one line: processor, cores, Python, system, and which of our cores runs, compiled or pure Python."""
    from autograd_lite import core  # not at the top: other engines' processes do without

    names = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{processor}, {os.cpu_count()} cores, {python}, {platform.system()}, {core.name()}"


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def version(distribution: str) -> str:
    """Return the installed version of a distribution, or an empty string."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def write_between_marks(page: Path, name: str, text: str) -> None:
    """Put `text` between the marks `<!-- name -->` and `<!-- end of name -->` of a page; make a missing page.

    The text around the marks is written by people and stays unchanged.
    """
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    old = page.read_text(encoding="utf-8") if page.exists() else f"{start}\n{end}\n"
    if start not in old or end not in old:
        old += f"\n{start}\n{end}\n"
    before, _, rest = old.partition(start)
    page.write_text(f"{before}{start}\n{text.strip()}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
