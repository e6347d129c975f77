"""Ctrl-C and a lack of memory at every place: nothing is lost, nothing is left behind, the next call is right.

Two ways to raise: a rule or an observer that raises at its k-th call, and a trace function that raises at the k-th line
that runs inside the library. Quick tests take a sample of the places, full ones all of them.
"""

import ast
import linecache
import os
import re
import sys
import threading
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from tiers import sizes

import autograd_lite as al
from autograd_lite import context, core
from autograd_lite.tape import cache
from autograd_lite.tape.backends import registry

LIBRARY = f"{Path(al.__file__).parent}/"
FAILURES = [KeyboardInterrupt, MemoryError]

#: The first line of a clean-up cannot be protected by another one; these are the managers whose clean-up restores state.
#: Leaving `with lock:` is a line too, before the lock is opened; there the interpreter itself looks for no interrupt.
LOCKED = re.compile(r"^\s*with .*(_lock|_loading|_keeping|_writing|tracing)\b.*:")
MANAGERS = {"observing", "record_into", "differentiated", "running_on", "selecting", "watched", "lent", "asking"}


def failing_square(countdown):
    """Return x² as a primitive of its own; `countdown` is asked before each value and each partial."""

    def value(x):
        countdown()
        return x * x

    def partial(x, y):
        countdown()
        return 2.0 * x

    return al.Primitive(name="failing_square", value=value, partials=(partial,), replace=True)


class Countdown:
    """Raises at its k-th call; counts on in any case."""

    def __init__(self, at=0, failure=KeyboardInterrupt):
        self.calls, self.at, self.failure = 0, at, failure

    def __call__(self, *_args, **_options):
        self.calls += 1
        if self.calls == self.at:
            raise self.failure


class Lines:
    """While entered, raises at the k-th line of the library that this thread runs."""

    def __init__(self, at=0, failure=KeyboardInterrupt):
        self.count = Countdown(at, failure)

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self.enter)
        return self

    def __exit__(self, *_failure):
        sys.settrace(self.before)

    def enter(self, frame, _event, _argument):
        code = frame.f_code
        return self.line if code.co_filename.startswith(LIBRARY) and code.co_name not in MANAGERS else None

    def line(self, frame, event, _argument):
        if event == "line" and not LOCKED.search(linecache.getline(frame.f_code.co_filename, frame.f_lineno)):
            self.count()
        return self.line


def clean():
    """Nobody watches and nothing is traced, in this context or another."""
    assert not context.active
    assert not context.tracing
    assert context.recording() is None
    assert context._observers.get() == ()


def in_time(action):
    """Run in a thread of its own, which must end: a lock that was left closed would keep it for ever."""
    results = []
    thread = threading.Thread(target=lambda: results.append(action()), daemon=True)
    thread.start()
    thread.join(60)
    assert results, "the next call does not end or fails"
    return results[0]


def program(x, y):
    """A branch, a loop, sums and transcendental functions."""
    total = x * y
    for k in range(3):
        total = al.sin(total) * x + (y if total > 0 else k * x)
    return al.exp(-total * total) + al.sqrt(y)


def bits(result):
    """Numbers of a nest as text that tells -0.0 and NaN."""
    return [np.float64(v).hex() if isinstance(v, float) else repr(v) for v in np.ravel(np.array(result, dtype=object))]


# ---- what is interrupted: makes a fresh action, and what must hold whether or not it came to its end ---------------------


class Backward:
    """`.grad` of all nodes is what it was, or what the whole pass makes it."""

    def __init__(self, _folder):
        self.leaves = [al.Variable(0.7), al.Variable(1.3)]
        self.output = program(*self.leaves)
        self.output.backward()
        self.before = self.grads()

    def grads(self):
        return [node.grad for node in al.topological_order(self.output)]

    def act(self):
        self.output.backward()

    def verify(self):
        # A pass adds the same numbers again, and adding a number to itself is exact.
        after = self.grads()
        assert after in (self.before, [2 * g for g in self.before])
        self.output.backward()
        step = 1 if after == self.before else 2
        assert self.grads() == [a + b for a, b in zip(after, self.before, strict=True)], step


class Forward:
    """Values of leaves stay, and the next run gives the same graph."""

    def __init__(self, _folder):
        self.leaves = [al.Variable(0.7), al.Variable(1.3)]

    def act(self):
        return program(*self.leaves)

    def verify(self):
        assert [x.value for x in self.leaves] == [0.7, 1.3]
        assert [x.grad for x in self.leaves] == [None, None]
        assert in_time(self.act).value == program(0.7, 1.3)


class Transform:
    """A function is called again as if nothing had happened."""

    make = staticmethod(lambda: al.value_and_grad(program, argnums=(0, 1)))
    arguments = (0.7, 1.3)

    def __init__(self, _folder):
        self.f = self.make()

    def act(self):
        return self.f(*self.arguments)

    def verify(self):
        expected = bits(self.make()(*self.arguments))
        assert bits(in_time(self.act)) == expected
        assert bits(self.act()) == expected


class Hessian(Transform):
    """Order two, eagerly."""

    make = staticmethod(lambda: al.hessian(lambda v: program(v[0], v[1])))
    arguments = (np.array([0.7, 1.3]),)


class Jit(Transform):
    """Tracing and writing NumPy's program."""

    make = staticmethod(lambda: al.jit(al.grad(program), backend="numpy"))


class Compile(Transform):
    """Tracing and compiling, and healing: the second call takes another branch."""

    make = staticmethod(lambda: al.jit(al.grad(program)))

    def act(self):
        return [self.f(*self.arguments), self.f(-0.7, 1.3)]

    def verify(self):
        fresh = self.make()
        expected = bits([fresh(*self.arguments), fresh(-0.7, 1.3)])
        assert bits(in_time(self.act)) == expected


class Cache(Compile):
    """Compiled code goes to the disk: a file is whole or not there."""

    def __init__(self, folder):
        self.folder = folder / "cache"
        super().__init__(folder)

    def act(self):
        registry.forget()
        with patch.dict(os.environ, {"AUTOGRAD_LITE_CACHE": str(self.folder)}):
            return super().act()

    def verify(self):
        for _ in range(2):  # the second time from the disk
            super().verify()
            assert {path.suffix for path in self.folder.iterdir()} == {".code"}
            with patch.dict(os.environ, {"AUTOGRAD_LITE_CACHE": str(self.folder)}):
                assert all(cache.read(path.stem) for path in self.folder.iterdir())


class Vmap(Transform):
    """Lanes that go different ways."""

    make = staticmethod(lambda: al.jit(al.vmap(al.grad(program)), backend="numpy"))
    arguments = (np.array([0.7, -0.4, 2.0]), np.array([1.3, 0.2, 0.9]))


class Scan(Transform):
    """A loop and its gradient."""

    make = staticmethod(lambda: al.jit(al.grad(lambda a: al.scan(lambda c, x: (al.sin(c * a) + x, c), 0.1, ROWS)[0])))
    arguments = (0.8,)


ROWS = np.linspace(0.1, 0.9, 5)


class Trace:
    """A tape is made again."""

    def __init__(self, _folder):
        pass

    def act(self):
        return al.trace(program, 0.7, 1.3).gradient()

    def verify(self):
        assert in_time(self.act)(0.7, 1.3) == al.trace(program, 0.7, 1.3).gradient()(0.7, 1.3)


class Save:
    """The file holds the old model or the new one, whole; no part of a file is left."""

    old, new = {"w": np.arange(3.0)}, {"w": np.arange(3.0) + 10.0}

    def __init__(self, folder):
        self.path = folder / "model.npz"
        al.save(self.path, self.old)

    def act(self):
        al.save(self.path, self.new)

    def verify(self):
        assert [path.name for path in self.path.parent.iterdir()] == ["model.npz"]
        assert al.load(self.path, like=self.old)["w"].tolist() in (self.old["w"].tolist(), self.new["w"].tolist())
        self.act()
        assert al.load(self.path, like=self.old)["w"].tolist() == self.new["w"].tolist()


class Load:
    """What was to be filled is untouched, and the file is free."""

    def __init__(self, folder):
        self.path, self.like = folder / "model.npz", {"w": np.zeros(3)}
        al.save(self.path, Save.new)

    def act(self):
        return al.load(self.path, like=self.like)

    def verify(self):
        assert self.like["w"].tolist() == [0.0, 0.0, 0.0]
        assert in_time(self.act)["w"].tolist() == Save.new["w"].tolist()
        self.path.unlink()


class SaveTape(Save):
    """A tape's file is whole."""

    def __init__(self, folder):
        self.path = folder / "tape"
        al.trace(lambda x: x * 2.0, 1.0).save(self.path)
        self.tape = al.trace(program, 0.7, 1.3)

    def act(self):
        self.tape.save(self.path)

    def verify(self):
        assert [path.name for path in self.path.parent.iterdir()] == ["tape"]
        found = al.Tape.load(self.path)
        assert found(2.0) == 4.0 if len(found.code) == 1 else found(0.7, 1.3) == program(0.7, 1.3)
        self.act()
        assert al.Tape.load(self.path)(0.7, 1.3) == program(0.7, 1.3)


ACTIONS = [Forward, Backward, Transform, Hessian, Jit, Compile, Cache, Vmap, Scan, Trace, Save, Load, SaveTape]


def places(total, most):
    """All places from 1 to `total`, or `most` of them: the ends, and between them at even distances."""
    return (
        sorted({round(1 + (total - 1) * k / (most - 1)) for k in range(most)}) if most < total else range(1, total + 1)
    )


def interrupted(action, failure):
    """Run it until it is interrupted, or to its end."""
    try:
        action()
    except failure:
        pass


@pytest.mark.parametrize("most", sizes(10, 150))
@pytest.mark.parametrize("action", ACTIONS)
def test_a_line_that_fails(action, most, tmp_path):
    """Whatever line of the library an interrupt falls on."""

    def case(name):
        folder = tmp_path / str(name)
        folder.mkdir()
        return action(folder)

    with Lines() as lines:
        case("all").act()
    total = lines.count.calls
    assert total > (10 if core.compiled else 50)  # the compiled core has no lines
    for k in places(total, most):
        fresh, failure = case(k), FAILURES[k % 2]
        with Lines(k, failure):
            interrupted(fresh.act, failure)
        try:
            clean()
            fresh.verify()
        except Exception as wrong:
            wrong.add_note(f"after {failure.__name__} at line {k} of {total} that the library ran in {action.__name__}")
            raise


def test_what_a_with_holds_does_not_begin_with_try():
    """Between entering and such a `try` stands a line that no clean-up protects: an interrupt there keeps a lock closed."""
    found = [
        f"{path.name}:{node.body[0].lineno}"
        for path in sorted(Path(LIBRARY).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.With | ast.AsyncWith) and isinstance(node.body[0], ast.Try)
    ]
    assert not found


# ---- rules and observers -------------------------------------------------------------------------------------------------


def routes(square):
    """Each way to run a program that uses the rule, as a function without arguments that makes everything afresh."""
    f = lambda x: square(al.sin(x)) * x + square(x)
    loop = lambda x: al.scan(lambda c, _: (square(c) * 0.5 + x, c), x, length=4)[0]

    def swept():
        x = al.Variable(0.7)
        y = f(x)
        try:
            y.backward()
        except BaseException:
            assert x.grad is None
            assert y.grad is None
            raise
        return x.grad

    return {
        "value": lambda: f(0.7),
        "backward": swept,
        "grad": lambda: al.grad(f)(0.7),
        "second": lambda: al.grad(al.grad(f))(0.7),
        "hessian": lambda: al.hessian(lambda v: f(v[0]) * f(v[1]))(np.array([0.7, -0.3])),
        "jvp": lambda: al.jvp(f, (0.7,), (1.0,)),
        "scan": lambda: al.grad(loop)(0.7),
        "vmap": lambda: al.vmap(al.grad(f))(np.array([0.7, -0.3, 0.1])),
        "trace": lambda: al.trace(f, 0.7)(0.3),
        "jit": lambda: al.jit(al.grad(f), backend="python")(0.7),
    }


ROUTES = sorted(routes(None))


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("route", ROUTES)
def test_a_rule_that_fails(route, failure):
    """At each call of its value and its partials: the failure comes out as it is, and the next run is right."""
    count = Countdown(0, failure)
    run = routes(failing_square(count))[route]
    expected, total = bits(run()), count.calls
    assert total > 1
    for k in range(1, total + 1):
        count.calls, count.at = 0, k
        with pytest.raises(failure):
            run()
        clean()
        count.at = 0
        assert bits(run()) == expected, f"after a failure at call {k} of {total}"


class Watcher(context.Observer):
    """Counts everything that it is shown."""

    def __init__(self, count):
        self.node = self.read = self.sweep = count


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("route", [route for route in ROUTES if route != "value"])
def test_an_observer_that_fails(route, failure):
    """At each node, reading and sweep that it is shown."""
    run = routes(failing_square(lambda: None))[route]
    count = Countdown(0, failure)
    with context.observing(Watcher(count)):
        expected = bits(run())
    total = count.calls
    assert total > 5
    for k in range(1, total + 1):
        count.calls, count.at = 0, k
        with pytest.raises(failure), context.observing(Watcher(count)):
            run()
        clean()
        assert bits(run()) == expected, f"after a failure at call {k} of {total}"


@pytest.mark.parametrize("failure", FAILURES)
def test_an_interrupt_inside_a_traced_function(failure):
    """The user's own line fails while a jitted function is traced, at every operation: the next call compiles."""
    count = Countdown(0, failure)

    def f(x):
        y = x
        for k in range(6):
            count()
            y = al.sin(y) * (k + 1.0) if y > -9.0 else y
        return y

    fresh = al.jit(al.grad(f))(0.7)
    for k in range(1, 7):
        jitted = al.jit(al.grad(f))
        count.calls, count.at = 0, k
        with pytest.raises(failure):
            jitted(0.7)
        clean()
        count.at = 0
        assert jitted(0.7) == fresh
        assert len(jitted.paths()) == 1
