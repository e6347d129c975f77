"""Mutants of the library's own machinery, each run on the tests that reach the line it changes.

`python -m tests.mutants --room sweep --state FILE` goes on where the file stopped and prints the survivors. A room is a set
of functions (`ROOMS`). A mutant is one small change of one function's syntax tree: a comparison widened, `+` for `-`, a
constant off by one, a condition negated, a statement dropped, arguments swapped, None returned, `or` for `and`. Which of
them are run is drawn with a fixed seed, evenly over the functions.

First the room's tests are run once as they are, to learn which lines each of them reaches. Then each mutant is compiled
into a forked child of this process, through an import hook (no file changes), and the tests that reach its line are run
there with `-x`, the cheapest case of each test first, as many as take `BUDGET` seconds. A child that needs far more time
than they do counts as killed. `EQUIVALENT` lists what cannot be noticed, with the reason.
"""

import argparse
import ast
import copy
import fnmatch
import functools
import gc
import hashlib
import importlib.abc
import importlib.util
import itertools
import json
import operator
import os
import pathlib
import resource
import signal
import sys
import threading
import time
import types
from dataclasses import dataclass, field

if __name__ == "__main__":
    os.environ["AUTOGRAD_LITE_PURE"] = "1"  # the compiled core has no lines to change
os.environ.setdefault("CI", "1")  # the same examples of hypothesis in every run
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What children share; autograd_lite itself must not be here.
import hypothesis  # noqa: F401
import numpy as np  # noqa: F401
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "autograd_lite"
SEED = 9
COUNT = 65
BUDGET = 8.0  # seconds of tests for one mutant
SLOWEST = 2.0  # seconds of one test, while its lines are noted, which is several times slower
CALLS = 100  # of one function, in one test, whose lines are noted
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-n", "0", "--no-header", "--tb=no", "--hypothesis-seed=0"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is imported before pytest could rewrite it


@dataclass(frozen=True)
class Room:
    """Functions of the library, by file, all of a file if none are named; and the files of tests that are theirs."""

    parts: dict
    tests: tuple


ROOMS = {
    "sweep": Room(
        {
            "backward.py": (),
            "many.py": (),
            "tape/recording.py": (),
            "variable.py": ("reachable", "search", "is_input_of", "is_stale"),
        },
        (
            "tests/core/test_backward.py",
            "tests/core/test_transforms.py",
            "tests/core/test_context.py",
            "tests/core/test_variable.py",
            "tests/core/test_operators.py",
            "tests/core/test_copies.py",
            "tests/maths/test_linalg.py",
            "tests/core/test_numerics_policy.py",
            "tests/see/test_watch.py",
            "tests/tape/test_recording.py",
            "tests/tape/test_conditions.py",
            "tests/tape/test_tape.py",
            "tests/tape/test_scan.py",
        ),
    ),
    "passes": Room(
        {"tape/program.py": (), "tape/trace.py": (), "tape/lowering.py": ()},
        (
            "tests/core/test_context.py",
            "tests/tape/test_lowering.py",
            "tests/tape/test_recording.py",
            "tests/tape/test_tape.py",
            "tests/tape/test_call.py",
            "tests/tape/test_paths.py",
            "tests/tape/test_backends.py",
            "tests/tape/test_connected.py",
            "tests/tape/test_pickles.py",
            "tests/tape/test_vmap.py",
            "tests/tape/test_conditions.py",
            "tests/tape/test_tape_files.py",
            "tests/tape/llvm/test_matrices.py",
            "tests/tape/llvm/test_vector_math.py",
            "tests/properties/test_replay.py",
        ),
    ),
    "guards": Room(
        {
            "tape/paths.py": (),
            "context.py": (
                "_decide",
                "differentiated",
                "noticed",
                "record_into",
                "recording",
                "running_on",
                "runs",
                "suspended",
                "unnoticed",
            ),
            "operators.py": ("comparison", "condition", "_exactly"),
            "selection.py": (),
        },
        (
            "tests/core/test_context.py",
            "tests/core/test_functions.py",
            "tests/core/test_transforms.py",
            "tests/tape/test_recording.py",
            "tests/tape/test_conditions.py",
            "tests/tape/test_call.py",
            "tests/tape/test_paths.py",
            "tests/tape/test_backends.py",
            "tests/tape/test_connected.py",
            "tests/tape/test_pickles.py",
            "tests/tape/test_vmap.py",
            "tests/tape/test_scan.py",
        ),
    ),
    "loops": Room(
        {"tape/loop.py": (), "tape/steps.py": (), "tape/lane_operations.py": ()},
        (
            "tests/tape/test_scan.py",
            "tests/tape/test_vmap.py",
            "tests/tape/test_lane_operations.py",
            "tests/tape/test_conditions.py",
            "tests/see/test_audit.py",
            "tests/whole/test_routes_agree.py",
            "tests/properties/test_replay.py",
        ),
    ),
    "emitter": Room(
        {"tape/llvm/ir.py": (), "tape/llvm/emit.py": (), "tape/llvm/matrix_loops.py": ()},
        (
            "tests/tape/llvm/test_vector_math.py",
            "tests/tape/llvm/test_matrices.py",
            "tests/tape/llvm/test_targets.py",
            "tests/tape/test_backends.py",
            "tests/tape/test_call.py",
            "tests/tape/test_paths.py",
            "tests/tape/test_connected.py",
            "tests/tape/test_vmap.py",
            "tests/tape/test_tape.py",
            "tests/tape/test_scan.py",
            "tests/tape/test_conditions.py",
            "tests/properties/test_replay.py",
        ),
    ),
}

#: Mutants that no test can notice: a pattern of names, and why. `project/test_mutants.py` refuses a pattern that fits none.
EQUIVALENT = {
    "many.py Cotangents.__add__: operator: *": "each result of an operation is one node, which a sweep visits once",
    "variable.py is_input_of: comparison: node._number <= *": "a node with that very number is found to be none later",
    "backward.py *: arguments: times(*": "a product is the same in either order of its factors",
    "tape/llvm/ir.py Builder.emit: constant: 1 -> 2": "names of values need only differ",
    "tape/llvm/ir.py Value.intrinsic: comparison: self.b.width == 1 -> *": "LLVM names an intrinsic by its types itself",
    "tape/llvm/emit.py FunctionWriter._address: returned: *": "only speed: numbers are then passed one by one",
    "tape/llvm/emit.py ProgramModule.level: constant: *": "how much LLVM optimises",
    "tape/llvm/matrix_loops.py matrix: constant: 0 -> 1*": "only speed: the general kernel gives the same bits",
    "tape/loop.py Loop.kept: operator: notes.scans + 1 -> *": "numbers of scans need only differ",
    "context.py noticed: comparison: node._number > other.oldest -> *": "no node that a function meets has that number",
    "tape/program.py _moved: arguments: max(*": "the largest is the same in any order",
    "backward.py refuse_stale: comparison: a._about.changed > node._number -> *": "no change has the number of a node",
}


# --- mutants ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, and how to make it."""

    name: str  # file function: kind: source -> source, with a number if it occurs several times
    file: str
    function: str
    line: int
    first: int  # where the function begins
    tree: ast.Module = field(compare=False, repr=False)


COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


def with_other(node, **changes):
    """Return a copy of a node with other fields, at the same place in the source."""
    other = copy.copy(node)
    for name, value in changes.items():
        setattr(other, name, value)
    return ast.fix_missing_locations(other)


def replacements(node):
    """Yield (kind, node instead) for one node."""
    if isinstance(node, ast.Compare):
        for k, op in enumerate(node.ops):
            ops = [*node.ops[:k], COMPARISONS[type(op)](), *node.ops[k + 1 :]]
            yield "comparison", with_other(node, ops=ops)
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATORS:
        yield "operator", with_other(node, op=OPERATORS[type(node.op)]())
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "constant", with_other(node, value=node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "constant", with_other(node, value=not node.value)
    elif isinstance(node, ast.BoolOp):
        yield "or/and", with_other(node, op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not", node.operand
    elif (
        isinstance(node, ast.Call) and len(node.args) > 1 and not any(isinstance(a, ast.Starred) for a in node.args[:2])
    ):
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called not in ("isinstance", "hasattr", "getattr", "zip") and ast.dump(node.args[0]) != ast.dump(
            node.args[1]
        ):
            yield "arguments", with_other(node, args=[node.args[1], node.args[0], *node.args[2:]])
    elif isinstance(node, ast.Return) and node.value is not None and not is_none(node.value):
        yield "returned", with_other(node, value=ast.copy_location(ast.Constant(None), node.value))
    if isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
        yield "negated", with_other(node, test=ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test))
    if isinstance(node, (ast.AugAssign, ast.Raise, ast.Continue)) or (
        (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
        or (isinstance(node, ast.Assign) and not any(isinstance(t, (ast.Name, ast.Tuple)) for t in node.targets))
    ):
        yield "dropped", ast.copy_location(ast.Pass(), node)


def is_none(node):
    """Whether a node is None."""
    return isinstance(node, ast.Constant) and node.value is None


#: What is not mutated: annotations, assertions, texts of messages.
SKIPPED = {"annotation", "returns", "decorator_list", "type_params", "bases", "keywords_of_class", "exc", "defaults"}


def inside(node, path=()):
    """Yield (path, node) for everything in a function that runs when it is called; a path is a list of (field, index)."""
    for name, value in ast.iter_fields(node):
        if name in SKIPPED or isinstance(node, ast.Assert):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            checked = isinstance(child, ast.keyword) and child.arg == "strict"  # an assertion, too
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr) and not checked:
                step = (*path, (name, index))
                yield step, child
                yield from inside(child, step)


def put(tree, path, node):
    """Return the tree with another node at a path; what is not on the path is shared."""
    if not path:
        return node
    (name, index), *rest = path
    other, value = copy.copy(tree), getattr(tree, name)
    if index is None:
        setattr(other, name, put(value, rest, node))
    else:
        setattr(other, name, [*value[:index], put(value[index], rest, node), *value[index + 1 :]])
    return other


def functions(tree, path=(), prefix=""):
    """Yield (name, path, node) for the outermost functions of a module and its classes."""
    for index, node in enumerate(tree.body):
        step = (*path, ("body", index))
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, step, node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, step, f"{prefix}{node.name}.")


@functools.cache
def mutants_of(file):
    """Return all mutants of a file of the library, by function."""
    tree = ast.parse((LIBRARY / file).read_text())
    found, seen = {}, {}
    for function, path, definition in functions(tree):
        for step, node in inside(definition):
            for kind, other in replacements(node):
                before, after = (" ".join(ast.unparse(n).split())[:90] for n in (node, other))
                name = f"{file} {function}: {kind}: {before} -> {after}"
                seen[name] = seen.get(name, 0) + 1
                if seen[name] > 1:
                    name += f" #{seen[name]}"
                changed = put(tree, (*path, *step), other)
                found.setdefault(function, []).append(
                    Mutant(name, file, function, node.lineno, definition.lineno, changed)
                )
    return found


def all_mutants(room):
    """Return every mutant of a room, by function."""
    found = {}
    for file, names in ROOMS[room].parts.items():
        for function, mutants in mutants_of(file).items():
            if not names or function in names or function.partition(".")[0] in names:
                found[file, function] = mutants
    return found


def plain(text):
    """Return a name or a pattern without the brackets, which `fnmatch` would read as a set of letters."""
    return text.replace("[", "(").replace("]", ")")


def reason(mutant):
    """Return why a mutant cannot be noticed, or None."""
    name = plain(mutant.name)
    return next((why for pattern, why in EQUIVALENT.items() if fnmatch.fnmatchcase(name, plain(pattern))), None)


def named(pattern):
    """Return the mutants that fit a pattern."""
    piles = (pile for room in ROOMS for pile in all_mutants(room).values())
    return [m for pile in piles for m in pile if fnmatch.fnmatchcase(plain(m.name), plain(pattern))]


def selected(room, count=COUNT):
    """Return mutants of a room, drawn in rounds over its functions; those that are known to be equivalent are left out."""

    def draw(name):  # by name, so that a change elsewhere in the library changes nothing here
        return hashlib.sha256(f"{SEED} {name}".encode()).hexdigest()

    found = sorted(all_mutants(room).items(), key=lambda item: draw(" ".join(item[0])))
    piles = [sorted((m for m in pile if not reason(m)), key=lambda m: draw(m.name)) for _, pile in found]
    rounds = (m for row in itertools.zip_longest(*piles) for m in row if m is not None)
    return list(itertools.islice(rounds, count))


# --- children -----------------------------------------------------------------------------------------------


class Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module of the library from a changed tree."""

    def __init__(self, mutant):
        self.mutant, self.path = mutant, LIBRARY / mutant.file
        self.module = ".".join(["autograd_lite", *pathlib.PurePath(mutant.file).with_suffix("").parts])

    def find_spec(self, name, path=None, target=None):
        """Find the module."""
        if name != self.module:
            return None
        spec = importlib.util.spec_from_file_location(name, self.path, loader=self)
        spec.has_location = True
        return spec

    def exec_module(self, module):
        """Run the changed code, at the lines of the file."""
        exec(compile(self.mutant.tree, str(self.path), "exec"), module.__dict__)  # noqa: S102 - our own source

    def get_source(self, name):
        """The source as it stands."""
        return self.path.read_text()


class Chosen:
    """Runs certain tests, or all of certain files, in a certain order, and says which one failed."""

    def __init__(self, ids):
        self.order = {name: place for place, name in enumerate(ids)}
        self.failed = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        """Leave out other tests."""
        place = {item: self.order.get(item.nodeid, self.order.get(item.nodeid.partition("::")[0])) for item in items}
        items[:] = sorted((item for item in items if place[item] is not None), key=place.__getitem__)

    def pytest_runtest_logreport(self, report):
        """Note the first failure."""
        if report.failed and self.failed is None:
            self.failed = report.nodeid


class Warm:
    """Runs mutants one after the other in children of a session that has collected all tests of a room.

    Nothing is imported again: the child gives the functions of the library the changed code. What that cannot show, such as
    a function that runs during the import, counts as survived here and is run again by `verdict`.
    """

    def __init__(self, jobs, tell):
        self.jobs, self.tell = jobs, tell
        self.failed = None

    def pytest_runtest_logreport(self, report):
        """Note the first failure."""
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    def pytest_runtestloop(self, session):
        """Run the mutants instead of the tests."""
        items = {item.nodeid: item for item in session.items}
        for mutant, tests, seconds in self.jobs:
            work = functools.partial(self.run, mutant, [items[t] for t in tests if t in items])
            answer = in_child(work, 3 + 2 * seconds, 120 + 20 * seconds)
            self.tell([mutant.name, "time" if answer is None else answer[0]])
        return True

    def run(self, mutant, items):
        """Return, in a child, which test failed."""
        if change(mutant):
            for item, following in zip(items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self.failed:
                    break
        return [self.failed]


def code_of(code):
    """Yield the code objects of functions in a code object."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from code_of(constant)


def change(mutant):
    """Give the functions that exist the changed code; return whether that was possible."""
    path = str(LIBRARY / mutant.file)
    place = operator.attrgetter("co_qualname", "co_firstlineno", "co_freevars")
    new = {place(code): code for code in code_of(compile(mutant.tree, path, "exec"))}
    changed = False
    for f in gc.get_objects():
        if type(f) is types.FunctionType and f.__code__.co_filename == path:
            within = f.__code__.co_qualname.startswith(mutant.function) and "<lambda>" not in f.__code__.co_qualname
            code = new.get(place(f.__code__)) if within else None
            if code is not None:
                f.__code__ = code
                changed = True
    return changed


class Reached:
    """Notes which lines of the library each test reaches, and its processor time."""

    def __init__(self, files):
        self.short = {str(LIBRARY / file): file for file in files}
        self.lines, self.calls, self.found = set(), {}, {}
        signal.signal(signal.SIGPROF, self._stop)

    def _call(self, frame, event, argument):
        code = frame.f_code
        if code.co_filename not in self.short:
            return None
        self.calls[code] = calls = self.calls.get(code, 0) + 1
        return self._line if calls < CALLS else None

    def _stop(self, number, frame):
        raise TimeoutError("too slow to be of use here")

    def _line(self, frame, event, argument):
        self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item):
        """Watch one test."""
        self.lines, self.calls, self.failed = set(), {}, False
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SLOWEST)
        threading.settrace(self._call)
        sys.settrace(self._call)
        yield
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.settrace(None)
        threading.settrace(None)
        if not self.failed:
            lines = sorted(f"{self.short[file]}:{line}" for file, line in self.lines)
            self.found[item.nodeid] = [round(time.process_time() - start, 3), lines]

    def pytest_runtest_logreport(self, report):
        """Leave out what fails, or is skipped, as it is."""
        self.failed = self.failed or report.outcome != "passed"


def forked(work, limit):
    """Return the process and the pipe of a child that writes what `work(write)` gives, as its last line."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, os.fdopen(read, "r")
    os.close(read)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    if limit:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe = os.fdopen(write, "w", buffering=1)

    def tell(fact):
        pipe.write(json.dumps(fact) + "\n")

    try:
        answer = {"given": work(tell)}
    except BaseException as error:  # noqa: BLE001 - for the parent to raise
        answer = {"error": repr(error)}
    tell(answer)
    os._exit(0)


def in_child(work, limit, wall):
    """Return what `work()` gives in a forked child, or None where it needs more than `limit` seconds or crashes."""
    child, pipe = forked(lambda tell: work(), limit)
    timer = threading.Timer(wall, os.kill, (child, signal.SIGKILL))  # one that waits uses no processor time
    timer.start()
    try:
        with pipe:
            text = pipe.read()
        os.waitpid(child, 0)
    finally:
        timer.cancel()
    answer = json.loads(text) if text else {"given": None}
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["given"]


def verdicts(jobs):
    """Yield (name, killer) for each (mutant, tests, seconds), from one warm session."""
    files = dict.fromkeys(t.partition("::")[0] for _, tests, _ in jobs for t in tests)
    child, pipe = forked(lambda tell: int(pytest.main([*OPTIONS[1:], *files], plugins=[Warm(jobs, tell)])), None)
    with pipe:
        for line in pipe:
            answer = json.loads(line)
            if isinstance(answer, list):
                yield answer
            elif answer.get("given"):
                raise RuntimeError(answer)
            elif "error" in answer:
                raise RuntimeError(answer["error"])
    os.waitpid(child, 0)


def digest():
    """Name the state of the library."""
    files = sorted(LIBRARY.rglob("*.py"))
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


def reached(file, files):
    """Return the time and the lines of each test in a file of tests."""
    watch = Reached(files)

    def work():
        pytest.main([*OPTIONS[1:], file], plugins=[watch])
        return watch.found

    return in_child(work, 600, 1800)


def reaching(mutant, coverage, budget=BUDGET):
    """Return the tests that reach a mutant's line, the cheapest case of each first, and the time they take."""
    near = []
    for line in range(mutant.line, mutant.first, -1):  # a part of a statement may have no line of its own
        place = f"{mutant.file}:{line}"
        near = sorted((cost, name) for name, (cost, lines) in coverage.items() if place in lines)
        if near:
            break
    if not near:  # it runs while the library is imported, or nowhere
        near = sorted((seconds, name) for name, (seconds, _) in coverage.items() if seconds < 0.1)
    cases = {}
    for seconds, name in near:
        cases.setdefault(name.partition("[")[0], []).append((seconds, name))
    chosen, total = [], 0.0
    for row in itertools.zip_longest(*cases.values()):
        for seconds, name in filter(None, row):
            if total + seconds <= budget:
                chosen.append(name)
                total += seconds
    return chosen, total


def verdict(mutant, tests, seconds):
    """Return what killed a mutant, or None: the test that failed, "import" or "time"."""

    def work():
        sys.meta_path.insert(0, Hook(mutant))
        chosen = Chosen(tests)
        code = pytest.main([*OPTIONS, *dict.fromkeys(t.partition("::")[0] for t in tests)], plugins=[chosen])
        if code == pytest.ExitCode.USAGE_ERROR or code == pytest.ExitCode.NO_TESTS_COLLECTED:
            raise RuntimeError(tests)
        return [int(code), chosen.failed]

    answer = in_child(work, 10 + 3 * seconds, 120 + 20 * seconds)
    if answer is None:
        return "time"
    code, failed = answer
    return None if code == 0 else failed or "import"


# --- the command --------------------------------------------------------------------------------------------


class State:
    """What is known so far, in a file."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.facts = json.loads(self.path.read_text()) if self.path.exists() else {}

    def part(self, name):
        """Return a part of the facts."""
        return self.facts.setdefault(name, {})

    def save(self):
        """Write the file anew."""
        other = self.path.with_suffix(".new")
        other.write_text(json.dumps(self.facts, indent=0))
        other.replace(self.path)


def coverage_of(room, state):
    """Return what the tests of a room reach; run those whose file has changed since, all if the library has."""
    known = state.part("coverage")
    library, files = digest(), sorted({file for r in ROOMS.values() for file in r.parts})
    found = {}
    for test in ROOMS[room].tests:
        key = f"{library} {hashlib.sha256((ROOT / test).read_bytes()).hexdigest()[:16]}"
        if known.get(test, {}).get("key") != key:
            known[test] = {"key": key, "tests": reached(test, files)}
            print(f"{test}: {len(known[test]['tests'])} tests", flush=True)
            state.save()
        found |= known[test]["tests"]
    return found


def run(room, state, count, again, budget=BUDGET):
    """Run the mutants of a room that have no verdict yet; with `again`, those that survived, too."""
    coverage = coverage_of(room, state)
    results = state.part("results").setdefault(room, {})
    waiting = {
        m.name: m for m in selected(room, count) if not (results.get(m.name) or (m.name in results and not again))
    }
    jobs = {name: (mutant, *reaching(mutant, coverage, budget)) for name, mutant in waiting.items()}

    def learnt(name, killer):
        results[name] = killer
        state.save()
        print(f"{time.strftime('%X')}  {name}  (line {waiting[name].line})  {told(killer)}", flush=True)

    survived = []
    for name, killer in verdicts(list(jobs.values())) if jobs else ():
        if killer:
            learnt(name, killer)
        else:
            survived.append(name)
    for name in survived:
        learnt(name, verdict(*jobs[name]))


def told(killer):
    """Return a verdict in words."""
    return f"killed by {killer}" if killer else "SURVIVED"


def report(room, state):
    """Print the counts of a room and its survivors; return both."""
    results = state.part("results").get(room, {})
    run_ = [m for pile in all_mutants(room).values() for m in pile if m.name in results and not reason(m)]
    survivors = [m for m in run_ if results[m.name] is None]
    excluded = sum(bool(reason(m)) for pile in all_mutants(room).values() for m in pile)
    total = sum(map(len, all_mutants(room).values()))
    share = 100 * (1 - len(survivors) / max(len(run_), 1))
    print(
        f"{room}: {total} mutants, {excluded} equivalent; {len(run_)} run, {len(run_) - len(survivors)} killed, {share:.1f} %"
    )
    for mutant in survivors:
        print(f"  survived: {mutant.name}  (line {mutant.line})")
    return len(run_), survivors


def main():
    """Run rooms."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--room", choices=ROOMS, action="append", help="all of them by default")
    parser.add_argument("--state", default="mutants.json", help="a file to go on from")
    parser.add_argument("--count", type=int, default=COUNT, help="how many mutants of each room")
    parser.add_argument("--again", action="store_true", help="run survivors again, after tests were added")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds of tests for one mutant")
    parser.add_argument("--report", action="store_true", help="only print what is known")
    parser.add_argument("--mutant", metavar="PATTERN", action="append", help="run only the mutants of such names")
    parser.add_argument("--tests", nargs="*", help="on these files or tests")
    options = parser.parse_args()
    os.chdir(ROOT)
    if options.mutant:
        for mutant in itertools.chain.from_iterable(map(named, options.mutant)):
            print(mutant.name, told(verdict(mutant, options.tests, 20.0)), sep="\n  ", flush=True)
        return
    state = State(options.state)
    rooms = options.room or list(ROOMS)
    if not options.report:
        for room in rooms:
            run(room, state, options.count, options.again, options.budget)
    for room in rooms:
        report(room, state)


if __name__ == "__main__":
    main()
