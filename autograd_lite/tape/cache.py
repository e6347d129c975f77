"""Compiled code on disk: files in a private folder, each under a digest of what its code was compiled from.

The code will be run, so a file is read only if nobody but its owner, this user, can write it. Whatever fails means that
there is no cache: the code is compiled, and no call fails.
"""

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

#: The environment variable that turns the cache on: a folder, or 1 for the user's own; and the one for its size in MB.
FOLDER, SIZE = "AUTOGRAD_LITE_CACHE", "AUTOGRAD_LITE_CACHE_MB"

_DEFAULT_MB = 256
_MAGIC = b"autograd_lite code 1\n"
_OURS = re.compile(r"[0-9a-f]{64}\.code|\.[0-9a-f]{32}\.code\.part")
_HOUR = 3600.0

_asked: ContextVar[bool | None] = ContextVar("autograd_lite_cache", default=None)

#: By folder, the bytes written since its entries were last counted.
_unseen: dict[Path, int] = {}


def asked() -> bool | None:
    """What this context wants: True, False, or what the environment says (None)."""
    return _asked.get()


@contextmanager
def asking(cache: bool | None) -> Iterator[None]:
    """For a while, programs are compiled with or without the cache."""
    token = _asked.set(cache)
    try:
        yield
    finally:
        _asked.reset(token)


def folder() -> Path | None:
    """The folder of this context, made if it is missing; None without a cache, or if others can write to it."""
    named = os.environ.get(FOLDER, "")
    wanted = named not in ("", "0") if _asked.get() is None else _asked.get()
    if not wanted:
        return None
    try:
        path = _of_user() if named in ("", "0", "1") else Path(named).expanduser()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path if _is_private(path.stat()) else None
    except (OSError, ValueError, RuntimeError):  # RuntimeError: there is no home
        return None


def _of_user() -> Path:
    """Where this system keeps what a user can do without."""
    if sys.platform == "darwin":
        base = "~/Library/Caches"
    elif sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if base.startswith("/") else "~/.cache"  # as its specification wants
    return Path(base).expanduser() / "autograd_lite"


def _is_private(status: os.stat_result) -> bool:
    """Whether only this user can write. Windows has other rights, which protect the user's own folders."""
    return sys.platform == "win32" or (
        status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    )


def _limit() -> int:
    """The size of a folder, in bytes."""
    try:
        return int(float(os.environ.get(SIZE, _DEFAULT_MB)) * 1e6)
    except (ValueError, OverflowError):
        return int(_DEFAULT_MB * 1e6)


def read(key: str) -> bytes | None:
    """The content kept under a key; None if there is none, or it is damaged, or others can write it."""
    place = folder()
    if place is None:
        return None
    path = place / f"{key}.code"
    try:
        with open(path, "rb", opener=_opened) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not _is_private(status) or status.st_size > _limit():
                return None
            data = file.read()
    except (OSError, ValueError):
        return None
    with suppress(OSError):
        os.utime(path)  # the time of its last use, which file systems note seldom or never
    content = data[len(_head(key, b"")) :]
    return content if data.startswith(_head(key, content)) else None


def write(key: str, content: bytes) -> None:
    """Keep a content under a key."""
    place = folder()
    data = _head(key, content) + content
    if place is None or len(data) > _limit():
        return
    with suppress(OSError, ValueError):
        replace(place / f"{key}.code", data, mode=0o600)
        _make_room(place, len(data))


def replace(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file beside `path`, then move it there in one step: a reader finds the old content or the new one, whole."""
    beside = path.with_name(f".{uuid4().hex}{path.suffix}.part")
    try:
        beside.touch(mode, exist_ok=False)
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _opened(name: str, flags: int) -> int:
    """Open a file that is no link, without waiting for anything."""
    return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _head(key: str, content: bytes) -> bytes:
    """What a file begins with. The key is in the digest: a file under another name is none of ours."""
    return _MAGIC + sha256(key.encode() + content).digest()


def _make_room(place: Path, size: int) -> None:
    """Delete the entries used longest ago if there are too many bytes; they are counted at a sixteenth of these."""
    limit = _limit()
    unseen = _unseen.get(place, limit) + size
    _unseen[place] = unseen if 16 * unseen < limit else 0
    if _unseen[place]:
        return
    entries = []
    with os.scandir(place) as found:
        for entry in found:
            if _OURS.fullmatch(entry.name):
                with suppress(OSError):  # another process has deleted it
                    status = entry.stat(follow_symlinks=False)
                    entries.append((status.st_mtime, status.st_size, entry.name))
    if not entries:
        return
    entries.sort()
    total, newest = sum(entry[1] for entry in entries), entries[-1][0]
    aim = limit if total <= limit else 3 * limit // 4
    for time, bytes_, name in entries:
        left = name.startswith(".") and time < newest - _HOUR  # by a process that was killed
        if total > aim or left:
            total -= bytes_
            with suppress(OSError):
                (place / name).unlink()
