"""Long recordings and compilations show their progress, where somebody looks, and leave nothing behind."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from types import SimpleNamespace

import pytest
from house import ROOT

import autograd_lite as al
from autograd_lite.tape import progress
from autograd_lite.tape.backends import registry


class Terminal(io.StringIO):
    """A stream that says of itself that it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A user's terminal, and work that is long after no time."""
    tqdm = pytest.importorskip("tqdm")
    tqdm.tqdm._instances.clear()  # bars that others left open: ours would stand below them
    for name in ("CI", progress.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(progress, "UNSEEN", ("CI",))  # pytest sets its own variable again before the test
    # Its own view of `sys`: pytest puts its own stream into the module again before the test.
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=Terminal(), modules=sys.modules))
    monkeypatch.setattr(progress, "LONG", 0.0)
    monkeypatch.setattr(progress, "EVERY", 0.01)
    return progress.sys.stderr


def wait_until_shown(seconds=10.0):
    """Wait until the work under way has its line; False if there is none in that time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if any(work.bar is not None for work in progress._works):
            return True
        time.sleep(0.01)
    return False


def slow(x):
    """A function whose trace is seen."""
    for _ in range(100):
        x = al.sin(x)
    assert wait_until_shown()
    return x


def left(written):
    """What stands on the line in the end: a return goes to its beginning, and what follows is written over it."""
    line = ""
    for piece in written.split("\r"):
        line = piece + line[len(piece) :]
    return line.strip()


def test_a_long_trace_counts_its_operations(terminal):
    """While it lasts; afterwards the line is empty again."""
    al.trace(slow, 0.5)
    (counts,) = [re.findall(r"recording slow: (\d+) operations", terminal.getvalue())]
    assert 100 <= int(counts[0]) <= 110
    assert "[00:00]" in terminal.getvalue() and "\n" not in terminal.getvalue()
    assert left(terminal.getvalue()) == "" != left(terminal.getvalue().rpartition("\r")[0].rpartition("\r")[0])


def test_the_count_is_not_that_of_the_looks(terminal):
    """Each look takes a number away; a line that stands for long does not grow by itself."""
    with progress.shown("recording", counted=True):
        assert wait_until_shown()
        for _ in range(20):
            str(progress._works[0])
        assert str(progress._works[0]) == "recording: 0 operations"


def test_a_long_compilation_names_its_part(terminal, monkeypatch):
    """As machine code, where that can be had, or for another backend."""
    backend = registry.fastest()
    make = registry.BACKENDS[backend].single

    def slowly(*arguments, **options):
        made = make(*arguments, **options)
        assert wait_until_shown()
        return made

    slow_backend = registry.Backend(slowly, registry.BACKENDS[backend].lanes)
    monkeypatch.setitem(registry.BACKENDS, backend, slow_backend)
    assert al.jit(lambda x: al.sin(x) * 0.8125, backend=backend)(0.5) == al.sin(0.5) * 0.8125
    part = ", LLVM writes machine code" if backend == "llvm" else ""
    assert f"compiling 2 operations{part} [00:0" in terminal.getvalue()
    assert left(terminal.getvalue()) == ""


def test_what_is_short_shows_nothing(terminal, monkeypatch):
    """Two seconds is the limit."""
    monkeypatch.setattr(progress, "LONG", 2.0)
    al.jit(al.grad(lambda x: al.sin(x) * 0.8125))(0.5)
    with progress.shown("short"):
        assert not wait_until_shown(0.1)
    assert terminal.getvalue() == ""


def quiet(terminal):
    """Whether work in which one waits shows nothing."""
    with progress.shown("work"):
        assert not wait_until_shown(0.1) and not progress._works
    return terminal.getvalue() == ""


def test_nothing_is_shown_where_a_program_runs_the_program(terminal, monkeypatch):
    """In continuous integration and in tests."""
    monkeypatch.setattr(progress, "UNSEEN", ("PYTEST_CURRENT_TEST",))
    assert quiet(terminal)
    monkeypatch.setattr(progress, "UNSEEN", ("CI",))
    assert progress.wanted()
    monkeypatch.setenv("CI", "true")
    assert quiet(terminal)


def test_nothing_is_shown_where_there_is_no_terminal(terminal, monkeypatch):
    """A file, a pipe, or no stream at all; but in a notebook."""
    assert progress.wanted()
    for stream in (io.StringIO(), None):
        with monkeypatch.context() as here:
            here.setattr(progress.sys, "stderr", stream)
            assert quiet(terminal)
            here.setattr(progress, "in_notebook", lambda: True)
            assert progress.wanted()


def test_a_notebook_is_known_by_its_kernel(monkeypatch):
    """IPython on a terminal is a terminal."""
    shell = type("Shell", (), {"config": {}})
    monkeypatch.setitem(sys.modules, "IPython", type(sys)("IPython"))
    assert not progress.in_notebook()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell, raising=False)
    assert not progress.in_notebook()
    shell.config["IPKernelApp"] = {}
    assert progress.in_notebook()


def test_other_threads_and_processes_show_nothing(terminal, monkeypatch):
    """Several lines would write over each other."""
    found = []
    thread = threading.Thread(target=lambda: found.append(progress.wanted()))
    thread.start()
    thread.join()
    assert found == [False] and progress.wanted()
    worker = type(sys)("multiprocessing")
    worker.parent_process = lambda: "a process"
    monkeypatch.setitem(sys.modules, "multiprocessing", worker)
    assert quiet(terminal)


def test_the_user_has_the_last_word(terminal, monkeypatch):
    """0 on a terminal shows nothing; 1 shows it in a test, in a thread, and in a file."""
    monkeypatch.setenv(progress.VARIABLE, "0")
    assert quiet(terminal)
    monkeypatch.setenv(progress.VARIABLE, "1")
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(progress.sys, "stderr", io.StringIO())
    thread = threading.Thread(target=al.trace, args=(slow, 0.5))
    thread.start()
    thread.join()
    assert "recording slow: " in progress.sys.stderr.getvalue()


def test_without_tqdm_nothing_is_shown_and_nothing_fails(terminal, monkeypatch):
    """It is optional."""
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises ImportError
    progress._bar.cache_clear()
    try:
        with progress.shown("work"):
            assert not wait_until_shown(0.2) and len(progress._works) == 1
        assert progress._bar() is None
    finally:
        progress._bar.cache_clear()
    assert terminal.getvalue() == ""


def test_a_line_that_cannot_be_written_stops_nothing(terminal, monkeypatch):
    """And is tried again at the next look."""
    tried = []

    def broken(*_, **__):
        tried.append(1)
        raise OSError("closed")

    monkeypatch.setattr(progress, "_bar", lambda: broken)
    with progress.shown("work"):
        end = time.monotonic() + 10.0
        while len(tried) < 2 and time.monotonic() < end:
            time.sleep(0.01)
    assert len(tried) >= 2


def test_a_trace_inside_a_trace_has_no_line_of_its_own(terminal):
    """The outer one stands for both."""

    def outer(x):
        inner = al.trace(slow, 0.5)
        return x * inner(0.5)

    al.trace(outer, 0.5)
    assert "recording outer: " in terminal.getvalue() and "slow" not in terminal.getvalue()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_what_is_stopped_leaves_no_line(terminal, failure):
    """An interrupt, or an error of the function."""

    def stopped(x):
        assert wait_until_shown()
        raise failure

    with contextlib.suppress(failure):
        al.trace(stopped, 0.5)
    assert "recording stopped" in terminal.getvalue() and left(terminal.getvalue()) == ""
    assert not progress._works and progress._under_way.get() is None


def test_the_thread_that_looks_ends(terminal, monkeypatch):
    """When there was no work for a while; later work starts another one."""
    monkeypatch.setattr(progress, "IDLE", 0.05)
    for _ in range(2):
        with progress.shown("work"):
            assert wait_until_shown()
        end = time.monotonic() + 30.0  # it may have begun to wait by the longer time
        while progress._watching and time.monotonic() < end:
            time.sleep(0.01)
        assert not progress._watching


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_ctrl_c_on_a_terminal(tmp_path):
    """The program is another process: the line is cleared before the traceback is written."""
    pytest.importorskip("tqdm")
    import pty
    import struct
    from fcntl import ioctl
    from termios import TIOCSWINSZ

    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
        import os, signal, time
        import autograd_lite as al
        from autograd_lite.tape import progress
        progress.LONG = progress.EVERY = 0.05
        def endless(x):
            while True:
                x = al.sin(x)
                if any(work.bar is not None for work in progress._works):
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(5)
        al.trace(endless, 0.5)
        """)
    )
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    hidden = {"CI", "PYTEST_CURRENT_TEST", progress.VARIABLE}
    environment = {k: v for k, v in os.environ.items() if k not in hidden} | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(program)], stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # the other side is closed
            while piece := os.read(ours, 65536):
                written += piece
    os.close(ours)
    assert process.returncode in {-signal.SIGINT, 1}
    shown, traceback, _ = written.decode().partition("Traceback")
    assert "recording endless: " in shown and traceback
    assert left(shown) == "" and written.decode().rstrip().endswith("KeyboardInterrupt")
