"""Long programs are interpreted until their machine code is there; nobody sees that in a result."""

import itertools
import math
import random
import threading

import numpy as np
import pytest
from corpus import same_bits

import autograd_lite as al
from autograd_lite import core
from autograd_lite.errors import CompilationError, MatrixError
from autograd_lite.primitives import PRIMITIVES
from autograd_lite.tape import background, interim
from autograd_lite.tape.backends.python import PythonSingle
from autograd_lite.tape.backends.registry import BACKENDS, fastest, forget, single
from autograd_lite.tape.interim import LONG, Interim, interpreter, single_at_once
from autograd_lite.tape.llvm import engine
from autograd_lite.tape.program import SIGNS, Builder, Guard, Program

pytestmark = pytest.mark.skipif("llvm" not in BACKENDS, reason="needs llvmlite")
interpreted = pytest.mark.skipif(core.compiled is None, reason="the pure core compiles at once")

SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    0.5,
    -2.5,
    1e-310,
    1e308,
    -1e308,
    math.inf,
    -math.inf,
    math.nan,
    700.0,
    -745.0,
    5e-324,
]


@pytest.fixture(autouse=True)
def without_programs():
    """No program is known from another test, and none is under way after this one."""
    forget()
    yield
    background.wait()


def equal(one, other):
    """Whether statuses are equal, and results to the bit, where every NaN is the same."""
    return one[0] == other[0] and len(one[1]) == len(other[1]) and all(map(same_bits, one[1], other[1]))


def run(program, inputs):
    """Status and results of the interpreter."""
    return Interim(program, interpreter(program), None).run(inputs)


def single_operation(rule):
    """The program of one operation on its inputs."""
    return Program(rule.arity, (), ((rule, tuple(range(rule.arity))),), (rule.arity,))


def long(x, y, turns=200):
    """A function of some 2,000 operations with its gradient, which branches."""
    for _ in range(turns):
        x, y = x * al.exp(-y * y) + 0.1, al.sin(x) / (1.0 + y * y)
        if x > y + 0.37:
            x = x - 0.01
    return x * y


GRADIENT = al.value_and_grad(long, (0, 1))
POINTS = [(0.3, 0.7), (-1.5, 0.2), (0.3, 0.7), (2.0, -3.0), (0.0, 0.0)]


def kinds(f):
    """The classes that serve the paths of a jitted function, most used path first."""
    return [type(path.programs.get(fastest())).__name__ for path in f.paths()]


# ---- the same bits -------------------------------------------------------------------------------------------------------


@interpreted
@pytest.mark.parametrize("name", [name for name, rule in PRIMITIVES.items() if rule.built_in])
def test_a_rule_has_one_value_in_every_executor(name):
    """Interpreted, in machine code and by the table, at special values and at random ones."""
    rule, draw = PRIMITIVES[name], random.Random(name)
    program = single_operation(rule)
    if interpreter(program) is None:
        pytest.skip("its value is a function of Python, so programs with it are compiled at once")
    points = [*itertools.product(SPECIAL if rule.arity < 3 else SPECIAL[::3], repeat=rule.arity)]
    points += [tuple(draw.choice((1, -1)) * 10 ** draw.uniform(-3, 3) for _ in range(rule.arity)) for _ in range(200)]
    points += [(draw.uniform(0, 10), 2.0, 0.0)[: rule.arity] for _ in range(2000)]  # pow(x, 2) is not always x·x in C
    table, machine = PythonSingle(program), single(program, "llvm")
    for point in points:
        expected = table.run(point)
        assert equal(run(program, point), expected), point
        assert equal(machine.run(point), expected), point


def random_program(draw):
    """A program of operations of the table, with guards that hold or not, and doubtful slots."""
    builder = Builder(3)
    slots = [0, 1, 2, *(builder.constant(draw.uniform(-2, 2)) for _ in range(3))]
    rules = [rule for rule in PRIMITIVES.values() if rule.built_in and interpreter(single_operation(rule)) is not None]
    for _ in range(60):
        rule = draw.choice(rules)
        slots.append(builder.instruction(rule, tuple(draw.choice(slots[-20:]) for _ in range(rule.arity))))
    sides = [(draw.choice([*SIGNS]), *draw.sample(slots, 2), draw.random() < 0.5) for _ in range(draw.randrange(4))]
    guards = [Guard(relation, left, right, outcome, 0, "") for relation, left, right, outcome in sides]
    return builder.finished(draw.sample(slots, 8), guards, draw.sample(slots, draw.randrange(40)))


@interpreted
@pytest.mark.parametrize("seed", range(25))
def test_random_programs_have_one_status_and_one_result(seed):
    """Also the number of the first guard that fails, and the doubt after all guards."""
    draw = random.Random(seed)
    program = random_program(draw)
    table, machine = PythonSingle(program), single(program, "llvm")
    for _ in range(8):
        point = [draw.uniform(-3, 3) for _ in range(3)]
        expected = table.run(point)
        assert equal(run(program, point), expected)
        # Machine code may say that a result is in doubt where infinities cancel; a guard that failed comes first.
        found = machine.run(point)
        assert found[0] == expected[0] or (found[0], expected[0]) == (-1, 0)
        assert equal((0, found[1]), (0, expected[1]))


def test_calls_before_while_and_after_the_compilation():
    """On every path, whoever serves it: the numbers of the eager run."""
    f = al.jit(GRADIENT)
    for point in POINTS * 2:
        assert f(*point) == GRADIENT(*point)
    background.wait()
    for point in POINTS * 2:
        assert f(*point) == GRADIENT(*point)
    assert set(kinds(f)) == {"MachineSingle"}


def test_a_careful_program_is_interpreted_too():
    """A NaN among doubtful numbers asks for it, on the first call and on later ones."""

    def f(x):
        for _ in range(100):
            x = al.where(x < 1.0, x, al.sqrt(x - 1.0)) * 0.9
        return x

    jitted = al.jit(al.grad(f))
    for _ in range(3):
        assert jitted(1.0) == al.grad(f)(1.0)
        assert jitted(3.0) == al.grad(f)(3.0)
        background.wait()


def test_variables_from_outside_stay_live():
    """Their values of today enter each run."""
    w = al.Variable(0.5)
    f = al.jit(lambda x: long(x, w))
    for value in (0.5, 0.7, -0.2):
        w.value = value
        assert f(0.3).value == long(0.3, value)
        background.wait()


def test_threads_share_a_program():
    """Calls from several threads at once, while it is interpreted, exchanged and compiled."""
    f, expected, wrong = al.jit(GRADIENT), [GRADIENT(*point) for point in POINTS], []

    def work():
        for _ in range(100):
            wrong.extend(k for k, point in enumerate(POINTS) if f(*point) != expected[k])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    background.wait()
    assert wrong == []
    assert [f(*point) for point in POINTS] == expected
    assert set(kinds(f)) == {"MachineSingle"}


# ---- operations that are Python's --------------------------------------------------------------------------------------

SIZE = 8
MATRIX = np.random.default_rng(1).normal(size=(SIZE, SIZE))
MATRIX = MATRIX @ MATRIX.T + SIZE * np.eye(SIZE)
ROWS = np.linspace(0.0, 1.0, 40)


def pole(p):
    """Two matrices, a branch on a result of the first, and numbers of the first that are used behind the second."""
    inverse = np.linalg.inv(MATRIX + np.outer(p, p))
    scale = 2.0 if inverse[0, 0] > 0.1 else 3.0
    return scale * np.linalg.slogdet(inverse + np.outer(p, p))[1] + inverse[2, 3] * p[0]


def turned(p):
    """A loop and a map, in one program."""
    total = al.scan(lambda c, _: (c + p[0] * al.sin(c) * 0.1, None), p[1], length=20)[0]
    return total + np.sum(al.vmap(lambda x: al.exp(-p[2] * x) * total)(ROWS) * np.sin(p[0] * ROWS))


CALLED_BACK = {
    "cholesky": al.hessian(lambda p: np.sum(np.linalg.cholesky(MATRIX + np.outer(p, p)) ** 2)),
    "eigh": al.hessian(lambda p: np.sum(np.linalg.eigh(MATRIX + np.outer(p, p))[0][:3] ** 3)),
    "lstsq": al.hessian(lambda p: np.sum(np.linalg.lstsq(MATRIX[:, :3] + np.outer(p, p[:3]), p, rcond=None)[0] ** 2)),
    "two and a branch": al.hessian(pole),
    "values": lambda p: np.linalg.inv(MATRIX + np.outer(p, p)) @ np.linalg.inv(MATRIX - np.outer(p, p)),
    "loop and map": al.hessian(turned),
}


@interpreted
@pytest.mark.parametrize("name", CALLED_BACK)
def test_programs_with_operations_of_python_are_interpreted_with_the_bits_of_machine_code(name):
    """Matrices, loops and maps: such a program was compiled before its first result, 43,000 instructions in seconds."""
    f = al.jit(CALLED_BACK[name])
    draw = np.random.default_rng(2)
    points = [draw.normal(size=SIZE) * scale for scale in (0.3, 1.0, 30.0)]
    f(points[0])
    assert kinds(f) == ["Interim"]
    (path,) = f.paths()
    program = path.tape.program
    machine, interpreted_ = single(program, "llvm"), Interim(program, interpreter(program), lambda: machine)
    for point in (*points, np.full(SIZE, math.nan), np.zeros(SIZE)):
        found, expected = interpreted_.run(point), machine.run(point)
        assert found[0] == expected[0]
        assert expected[0] > 0 or equal(found, expected)


@interpreted
def test_an_error_of_an_operation_of_python_is_raised_from_the_interpreter():
    """As by machine code; and not where a guard before it has failed, since another path is taken then."""

    def f(p):
        a = MATRIX * p[0] if p[0] >= 0.5 else MATRIX + p[0]
        return np.linalg.inv(a) @ np.linalg.inv(a + np.outer(p, p)) @ p

    jitted = al.jit(f)
    good, zero = np.linspace(1.0, 2.0, SIZE), np.zeros(SIZE)
    for p in (good, zero):
        assert jitted(p) == pytest.approx(f(p), rel=1e-13)
    singular = al.jit(lambda p: np.linalg.inv(MATRIX * p[0]) @ np.linalg.inv(MATRIX + np.outer(p, p)) @ p)
    assert len(singular(good)) == SIZE and kinds(singular) == ["Interim"]
    with pytest.raises(MatrixError, match="inv of a singular matrix"):
        singular(zero)


# ---- who is interpreted, and until when ------------------------------------------------------------------------------------


@interpreted
def test_a_program_is_compiled_from_its_second_run_on():
    """One run alone compiles nothing; `print(f.paths())` says who serves."""
    f = al.jit(GRADIENT)
    f(0.3, 0.7)
    assert kinds(f) == ["Interim"]
    assert "instructions, interpreted so far" in str(f.paths())
    assert not background._waiting
    f(0.3, 0.7)
    background.wait()
    assert f(0.3, 0.7) == GRADIENT(0.3, 0.7)
    assert kinds(f) == ["MachineSingle"]
    assert "interpreted" not in str(f.paths())


@interpreted
def test_the_short_way_leads_to_the_machine_code():
    """The short call of the interpreter says itself that there is something better, and another takes its place."""
    f = al.jit(GRADIENT)
    f(0.3, 0.7)
    (first,) = f._short.values()
    f(0.3, 0.7)
    background.wait()
    f(0.3, 0.7)
    (second,) = f._short.values()
    assert second is not first
    f(0.3, 0.7)
    assert [*f._short.values()] == [second]
    assert first(0.3, 0.7) == second(0.3, 0.7) == GRADIENT(0.3, 0.7)  # a thread may still hold the first


@interpreted
def test_a_known_program_is_not_interpreted():
    """An equal program was compiled before."""
    f = al.jit(GRADIENT)
    f(0.3, 0.7)
    f(0.3, 0.7)
    background.wait()
    again = al.jit(al.value_and_grad(long, (0, 1)))
    again(0.3, 0.7)
    assert kinds(again) == ["MachineSingle"]


OWN = al.Primitive(name="interim_own", value=lambda x: x + 1.0, partials=(lambda x, y: 1.0,))
WRITTEN = al.Primitive(
    name="interim_written", value=lambda x: x + 1.0, partials=(lambda x, y: 1.0,), expression=lambda x: x + 1.0
)


def chain(operations, rule=al.sin):
    """A program of so many operations, one after the other."""
    return Program(1, (), tuple((PRIMITIVES["sin"] if k else rule, (k,)) for k in range(operations)), (operations,))


@interpreted
@pytest.mark.parametrize(
    ("program", "backend", "contract", "kind"),
    [
        (chain(LONG), "llvm", False, "Interim"),
        (chain(LONG - 1), "llvm", False, "MachineSingle"),
        (chain(LONG), "llvm", True, "MachineSingle"),
        (chain(LONG), "python", False, "PythonSingle"),
        (chain(LONG, OWN), "llvm", False, "MachineSingle"),
        (chain(LONG, WRITTEN), "llvm", False, "Interim"),
        (chain(LONG, PRIMITIVES["mod"]), "llvm", False, "MachineSingle"),
        (chain(LONG, PRIMITIVES["degrees"]), "llvm", False, "Interim"),
    ],
    ids=["long", "short", "contract", "another backend", "opaque", "expression", "value in Python", "written out"],
)
def test_which_programs_are_interpreted(program, backend, contract, kind):
    """That follows from the program: its length, and whether the core has all of its operations."""
    if program.code[0][0].arity == 2:
        program = Program(1, (), ((program.code[0][0], (0, 0)), *program.code[1:]), program.outputs)
    assert type(single_at_once(program, backend, contract=contract)).__name__ == kind


@interpreted
def test_a_variable_of_the_environment_compiles_at_once(monkeypatch):
    """Whoever measures the time of a call wants no first calls that are slower."""
    monkeypatch.setenv(interim.VARIABLE, "0")
    f = al.jit(GRADIENT)
    assert f(0.3, 0.7) == GRADIENT(0.3, 0.7)
    assert kinds(f) == ["MachineSingle"]


@interpreted
def test_a_compilation_that_fails_leaves_the_interpreter(monkeypatch):
    """One warning says so; no call fails, and nothing is tried again."""
    tried = []

    def refuse(*_):
        tried.append(1)
        raise CompilationError("LLVM refused the program.")

    monkeypatch.setattr(engine, "compiled", refuse)
    f = al.jit(GRADIENT)
    f(0.3, 0.7)
    f(0.3, 0.7)
    background.wait()
    with pytest.warns(RuntimeWarning, match="interpreted, some three times slower .* failed: LLVM refused the program"):
        assert f(0.3, 0.7) == GRADIENT(0.3, 0.7)
    before = len(tried)
    assert f(0.3, 0.7) == f(0.3, 0.7) == GRADIENT(0.3, 0.7)
    assert len(tried) == before > 0
    assert kinds(f) == ["Interim"]


@interpreted
def test_code_on_disk_is_used_in_the_background(tmp_path, monkeypatch):
    """With the wish of the function itself; a path says where its code comes from."""
    monkeypatch.setenv("AUTOGRAD_LITE_CACHE", str(tmp_path))
    for cached in (False, True):
        forget()
        f = al.jit(GRADIENT)
        f(0.3, 0.7)
        f(0.3, 0.7)
        background.wait()
        assert f(0.3, 0.7) == GRADIENT(0.3, 0.7)
        assert ("from the cache" in str(f.paths())) is cached
    forget()
    f = al.jit(GRADIENT, cache=False)
    f(0.3, 0.7)
    f(0.3, 0.7)
    background.wait()
    f(0.3, 0.7)
    assert "from the cache" not in str(f.paths())


@interpreted
@pytest.mark.parametrize(
    ("code", "outputs", "guards", "message"),
    [
        (((PRIMITIVES["sin"], (5,)),), (1,), (), "a slot that is none"),
        (((PRIMITIVES["sin"], (1,)),), (1,), (), "a slot that is none"),
        (((PRIMITIVES["sin"], (0,)),), (2,), (), "a slot that is none"),
        (((PRIMITIVES["sin"], (0,)),), (1,), ((0, 9, 0, True),), "a slot that is none"),
        (((PRIMITIVES["sin"], (-1,)),), (1,), (), "negative|a slot"),
        (((PRIMITIVES["sin"], (0, 0)),), (1,), (), "arguments of another number"),
    ],
)
def test_the_core_refuses_what_is_no_program(code, outputs, guards, message):
    """It would read elsewhere in memory."""
    with pytest.raises((ValueError, TypeError, OverflowError), match=message):
        core.compiled.interpreter(1, (), code, outputs, guards, ())


@interpreted
def test_long_programs_are_compiled_in_parts():
    """Functions of several object files call each other; a fork or the end of the process waits for one part only."""
    program = chain(20_000)
    x = np.array([0.7])
    machine = single(program, "llvm")
    assert len(machine.module.facts["sizes"]) > 2
    assert equal(machine.run(x), run(program, x))
