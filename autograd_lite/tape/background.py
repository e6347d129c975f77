"""Work in a thread beside the program's own: machine code for programs that are interpreted until it is there.

The thread lives while there is work. It stops at the next `pause` where the process ends or forks, so that neither waits
long; after a fork both processes begin the interrupted work anew. No lock is held while work is under way: who finds work
that nobody does starts the thread again.
"""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any


class Job:
    """Something to be done: then there is a `result`, or the `failure` that was raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.begun = self.done = False
        self.result: Any = None
        self.failure: BaseException | None = None

    def begin(self) -> None:
        """Have it done, once; its turn comes after those that were begun before."""
        if not self.begun:
            _waiting.append(weakref.ref(self))
            self.begun = True
        _resume()


class _PausedError(BaseException):
    """The thread that works is to end now."""


#: Seconds for which a fork waits for the thread that works: it may itself wait for the thread that forks.
_PATIENCE = 1.0

_waiting: "deque[weakref.ref[Job]]" = deque()  # the first is under way
_thread: threading.Thread | None = None
_forking: set[int] = set()  # threads that do


def is_here() -> bool:
    """Whether this thread is the one that works in the background."""
    return threading.current_thread() is _thread


def pause() -> None:
    """A point at which work can be broken off; anywhere else than in the background it does nothing."""
    if is_here() and _stopping():
        raise _PausedError


def wait() -> bool:
    """Wait until all work that was begun is done; whether there was any."""
    busy = bool(_waiting)
    while _waiting and not _stopping():
        _resume()
        if (thread := _thread) is not None:
            with suppress(RuntimeError):  # another one was about to start it
                thread.join()
    return busy


def _stopping() -> bool:
    return bool(_forking) or not threading.main_thread().is_alive()


def _resume() -> None:
    """Start the thread if there is work for it."""
    global _thread  # noqa: PLW0603 - there is one for the process
    _meet_forks()
    if _waiting and not (_thread is not None and _thread.is_alive()) and not _stopping():
        # No daemon, whichever thread asks: LLVM must not outlive Python.
        _thread = threading.Thread(target=_work, name="autograd_lite compiler", daemon=False)
        with suppress(RuntimeError):  # the system gives no more threads: another call will ask again
            _thread.start()


def _work() -> None:
    while _waiting and is_here() and not _stopping():  # of two that were started at once, one goes on
        place = _waiting[0]
        job = place()
        if job is not None and not job.done:
            try:
                job.result = job.work()
            except _PausedError:
                return
            except BaseException as failure:  # noqa: BLE001 - whoever asked for it says so
                job.failure = failure
            job.done = True
        with suppress(ValueError):
            _waiting.remove(place)


def _before_fork() -> None:
    _forking.add(threading.get_ident())
    if (thread := _thread) is not None and thread.is_alive() and not is_here():
        thread.join(_PATIENCE)


def _in_parent() -> None:
    _forking.discard(threading.get_ident())
    _resume()


def _in_child() -> None:
    global _thread  # noqa: PLW0603
    _thread = None
    _forking.clear()


@cache
def _meet_forks() -> None:
    """Stop for a fork, before this takes the locks of the compiler: what is registered last comes first."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
