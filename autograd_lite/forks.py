"""Locks that a forked process finds open, though another thread held them in its parent: there is no such thread in it."""

import os
import threading
import weakref
from typing import Any

_locks: "weakref.WeakSet[Any]" = weakref.WeakSet()


def lock() -> Any:
    """A lock that its own thread may take again."""
    made = threading.RLock()
    _locks.add(made)
    return made


def waited_for(made: Any = None) -> Any:
    """A lock for which a fork waits, where the child needs what it guards as a whole: the thread that forks may hold it.

    A new one, or a lock of another library. A fork takes the locks in the order last made, first taken: who holds one of them
    may wait for those that were made before it.
    """
    made = made or threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=made.acquire, after_in_parent=made.release, after_in_child=made.release)
    return made


def _open() -> None:
    for held in list(_locks):
        if not held._is_owned():  # noqa: SLF001 - by the thread that forks, which gives it back in both processes
            held._at_fork_reinit()  # noqa: SLF001 - as the locks of Python's own modules are opened


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open)
