"""Work beside the program's own: in turns, broken off where the process forks or ends, begun anew."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from autograd_lite.tape import background
from autograd_lite.tape.background import Job


@pytest.fixture(autouse=True)
def nothing_under_way():
    """Before and after."""
    background.wait()
    yield
    background.wait()
    assert not background._waiting


def test_jobs_are_done_in_turns_and_once():
    """In a thread of their own, which ends when there are no more."""
    done = []

    def work(k):
        done.append((k, threading.current_thread().name))
        return k

    jobs = [Job(lambda k=k: work(k)) for k in range(5)]
    for job in [*jobs, *jobs]:
        job.begin()
    background.wait()
    assert done == [(k, "autograd_lite compiler") for k in range(5)]
    assert [job.result for job in jobs] == [0, 1, 2, 3, 4]
    assert all(job.done and job.failure is None for job in jobs)
    assert not any(thread.name == "autograd_lite compiler" for thread in threading.enumerate())


def test_the_thread_is_no_daemon_even_if_a_daemon_asks():
    """Python kills daemons where they stand, in the middle of LLVM."""
    job = Job(lambda: threading.current_thread().daemon)
    thread = threading.Thread(target=job.begin, daemon=True)
    thread.start()
    thread.join()
    background.wait()
    assert job.result is False


def test_a_failure_is_kept():
    """And the next job has its turn."""
    bad, good = Job(lambda: 1 // 0), Job(lambda: 7)
    bad.begin()
    good.begin()
    background.wait()
    assert type(bad.failure) is ZeroDivisionError
    assert bad.done
    assert good.result == 7


def test_a_job_that_nobody_waits_for_is_left_out():
    """The program that it was for is gone."""
    opened, done = threading.Event(), []
    first, second = Job(opened.wait), Job(lambda: done.append(1))
    first.begin()
    second.begin()
    del second
    gc.collect()
    opened.set()
    background.wait()
    assert done == []


def test_a_pause_elsewhere_does_nothing():
    """Work is broken off in the background only."""
    background._forking.add(0)
    try:
        background.pause()
    finally:
        background._forking.clear()


def test_work_that_found_no_thread_is_found_by_another_call(monkeypatch):
    """The system may refuse a thread."""

    def refuse(_):
        raise RuntimeError("can't start new thread")

    job = Job(lambda: 5)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        job.begin()
    assert not job.done
    job.begin()
    background.wait()
    assert job.result == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_fork_breaks_work_off_and_both_processes_begin_it_anew():
    """No thread is there while the process forks (Python warns of others), and no work is lost."""
    began, opened = [], threading.Event()

    def work():
        began.append(os.getpid())
        while not opened.is_set():
            background.pause()
            time.sleep(0.001)
        return 7

    job = Job(work)
    job.begin()
    while not began:
        time.sleep(0.001)
    child = os.fork()
    if child == 0:
        opened.set()
        job.begin()
        background.wait()
        os._exit(0 if job.result == 7 and began[-1] == os.getpid() and len(began) == 2 else 1)
    opened.set()
    background.wait()
    assert job.result == 7
    assert began == [os.getpid()] * 2
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def process(script):
    """What a process of its own prints, and how it ended."""
    path = os.pathsep.join([str(Path(background.__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def test_a_process_ends_at_the_next_pause():
    """It would not end at all if it waited for the work, or for another job."""
    script = """
        import time
        from autograd_lite.tape import background
        def work():
            print("began", flush=True)
            while True:
                background.pause()
                time.sleep(0.001)
        jobs = [background.Job(work), background.Job(work)]
        for job in jobs:
            job.begin()
        time.sleep(0.1)
        print("end", flush=True)
    """
    assert process(script) == (0, "began\nend\n", "")


@pytest.mark.parametrize("ending", ["pass", "raise SystemExit(3)", "raise KeyboardInterrupt", "os._exit(5)"])
def test_a_process_may_end_while_it_compiles(ending):
    """In whatever way, without a word of the thread that compiles."""
    script = f"""
        import os, time
        import autograd_lite as al
        def f(x):
            for _ in range(3000):
                x = al.sin(x) * 1.5 + x * 0.1
            return x
        g = al.jit(al.grad(f))
        values = [g(0.3) for _ in range(3)]
        time.sleep(0.05)
        assert values == [al.grad(f)(0.3)] * 3
        {ending}
    """
    code, printed, errors = process(script)
    assert printed == ""
    assert (code, errors.strip().splitlines()[-1:]) in [(0, []), (3, []), (5, []), (-2, ["KeyboardInterrupt"])]
    assert "Thread" not in errors
