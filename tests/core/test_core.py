"""The compiled core and pure Python: the same bits, nothing leaked, nothing left behind."""

import contextlib
import gc
import importlib.util
import os
import pickle
import subprocess
import sys
import weakref

import pytest
from garbage import alive, collector_off, settle
from house import ROOT
from threads import at_once
from tiers import sizes

import autograd_lite as al
from autograd_lite import core
from autograd_lite.variable import UNSENT, make_node, passing

BUILT = importlib.util.find_spec("autograd_lite._core") is not None
needs_core = pytest.mark.skipif(not core.compiled, reason="the core is not compiled here")


def python(code, *arguments, pure):
    """Run code in a process of its own; its output."""
    environment = os.environ | {"AUTOGRAD_LITE_PURE": "1" if pure else "0"}
    command = [sys.executable, "-W", "ignore", *(["-m"] if code.startswith("tests.") else ["-c"]), code, *arguments]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return run.stdout


@needs_core
@pytest.mark.parametrize("share", sizes(4, 1))
def test_both_cores_agree_to_the_bit(share, tmp_path):
    """Values, local gradients, gradients, and the words of errors: see tests/bits.py."""
    texts = []
    for pure in (False, True):
        path = tmp_path / f"{pure}.txt"
        python("tests.bits", str(path), str(share), pure=pure)
        texts.append(path.read_text(encoding="utf-8").splitlines())
    assert len(texts[0]) == len(texts[1]) > 150_000 / share**2
    assert [(a, b) for a, b in zip(*texts, strict=True) if a != b] == []


@needs_core
@pytest.mark.parametrize("pure", [False, True])
def test_a_pickle_of_one_opens_in_the_other(pure):
    """A graph with gradients, names and constants."""
    write = (
        "import autograd_lite as al, pickle, sys; x = al.Variable(0.5, name='x'); y = al.where(x, x * al.sin(x) + 2, x); "
        "y.backward(); sys.stdout.buffer.write(pickle.dumps(y))"
    )
    y = pickle.loads(python(write, pure=pure))
    (x,) = [node for node in al.topological_order(y) if node.name == "x"]
    before = x.grad
    y.backward()
    assert before is not None and x.grad == 2 * before


#: Random programs with sums of sums, constants at the ends of the range and shared parts, cut apart as arrays.
ARRAYS = """
import random, sys
import numpy as np
import autograd_lite as al
from autograd_lite.tape.alike import Arrays
from autograd_lite.tape.elements import _sums
r, numbers = random.Random(1), [0.0, -0.0, 2.0, -3.0, 1e-300, 1e300, float("inf"), float("nan"), 0.3]
def f(*x):
    x = [*x]
    for _ in range(r.randrange(1, 40)):
        a, b, c = r.choice(x), r.choice(x), r.choice(numbers)
        x.append(r.choice([a + b, a - b, -a, a * c, c * a, a / (c or 2.0), a * b, al.sin(a), a + c]))
    return x[-r.randrange(1, 6):]
for _ in range(int(sys.argv[1])):
    arrays = Arrays(al.trace(f, 0.1, 0.2, 0.3).program)
    parts = [arrays.operations, arrays.starts, arrays.arguments, *_sums(arrays)]
    print([rule.name for rule in arrays.known], *[[*map(str, np.asarray(part).tolist())] for part in parts])
"""


@needs_core
def test_programs_as_arrays_are_those_of_pure_python():
    """Operations, slots, and outputs as sums: constants, terms in their order, factors to the bit."""
    compiled, plain = (python(ARRAYS, "300", pure=pure) for pure in (False, True))
    assert compiled.count(b"sin") > 100
    assert compiled == plain


def test_the_version_says_which_core_runs():
    """So does every page of benchmarks."""
    for pure in (False, True):
        text = python("import autograd_lite.__main__ as m; m.main(['--version'])", pure=pure).decode()
        assert ("core: pure Python" in text) == (pure or not BUILT)


@needs_core
def test_a_stale_library_is_left_out_and_says_so(tmp_path):
    """Its source has changed since: one warning that says what to run, and pure Python."""
    code = (
        "import hashlib, warnings; real = hashlib.sha256; hashlib.sha256 = lambda b: real(b + b'x')\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    warnings.simplefilter('always')\n"
        "    import autograd_lite as al\n"
        "from autograd_lite import core\n"
        "x = al.Variable(3.0); (x * x).backward()\n"
        "print(core.name(), x.grad, [str(w.message) for w in said])"
    )
    out = python(code, pure=False).decode()
    assert out.startswith("core: pure Python 6.0") and out.count("pip install -e .") == 1


def every_kind(x, z):
    """Nodes of all kinds, errors included."""
    y = (
        (x * z + 2 * x - 1 / z) ** 2
        + al.sin(x) * al.maximum(x, z)
        + al.where(x, z, 2.0)
        - abs(-x)
        + x**1.5
        + x % z
        + x // z
    )
    y.backward()
    y.backward(0.5)
    al.gradients(y, [x, z])
    al.gradients(y, x, create_graph=True)
    pickle.loads(pickle.dumps(y))
    for bad in ("a", None, 1j, 10**400, [1.0]):
        for operation in (
            lambda: x + bad,
            lambda: bad * x,
            lambda: x < bad,
            lambda: al.exp(bad),
            lambda: al.Variable(bad),
        ):
            with contextlib.suppress(al.errors.AutogradLiteError, TypeError, OverflowError):
                operation()
    weakref.ref(y, lambda _: al.exp(al.Variable(1.0)))
    return y


@needs_core
def test_nothing_leaks():
    """Neither nodes nor blocks of memory, after errors too."""
    settle()
    for rounds in (300, 300):  # the first fill caches of the interpreter
        nodes, blocks = core.compiled.alive(), sys.getallocatedblocks()
        for _ in range(rounds):
            every_kind(al.Variable(0.3), al.Variable(1.5, name="z"))
        settle()
        assert core.compiled.alive() == nodes
    assert sys.getallocatedblocks() - blocks < 200


def descent(a):
    """Gradient steps inside a traced function: values and gradients of a leaf are computed from it."""
    w = al.Variable(0.5)
    for _ in range(3):
        w.grad = None
        ((w * a - 1.0) ** 2).backward()
        w.value = w.value - 0.1 * w.grad
    return w.value


def test_a_traced_function_that_sets_values_and_gradients_leaves_no_node():
    """They close cycles: number, leaf, number."""
    al.trace(descent, 2.0)
    settle()
    before = alive()
    for k in range(5):
        al.jit(descent)(2.0 + k)
    settle()
    assert alive() <= before  # another test may have left some that are freed now


def test_nested_containers_of_nodes_are_freed():
    """A million deep: the interpreter chains what it frees."""
    y = None
    for _ in range(1_000_000):
        y = (y, al.Variable(1.0))
    last = weakref.ref(y[1])
    del y
    assert last() is None


@needs_core
def test_private_entries_take_no_odd_facts():
    """An error, and no foreign memory."""
    x = al.Variable(2.0)
    for locals_ in ((10**400,), ("abc",), (1.0, 2.0), ()):
        with pytest.raises((TypeError, ValueError, OverflowError, AttributeError)):
            make_node(None, 1.0, (x,) * 1, locals_).backward()
    y, z = x * x, x * 2.0
    z._number = y._number
    assert al.gradients(y + z, x) == 6.0


def test_imports_without_docstrings():
    """`python -OO` strips them."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    code = "import autograd_lite as al; x = al.Variable(3.0); (x * x).backward(); print(x.grad)"
    run = subprocess.run(
        [sys.executable, "-OO", "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert run.stdout.strip() == b"6.0"


@pytest.mark.parametrize(
    "link",
    [lambda y: y * 1.0, lambda y: 1.0 + y, lambda y: y + y, lambda y: al.where(1.0, y, 2.0), al.tanh],
    ids=range(5),
)
def test_long_chains_are_freed_without_recursion(link):
    """Whatever the kind of their links."""
    with collector_off():
        x = al.Variable(0.5)
        y = x
        for _ in range(100_000):
            y = link(y)
        last = weakref.ref(y)
        y.backward()
        del y
        assert last() is None


def test_weak_references_die_while_a_chain_is_freed():
    """And what they call may record nodes and sweep."""
    seen, y = [], al.Variable(1.0)
    references = []

    def died(_):
        z = al.Variable(2.0)
        (z * z).backward()
        seen.append(z.grad)

    for _ in range(1000):
        y = y * 0.5
        references.append(weakref.ref(y, died))
    del y
    assert seen == [4.0] * 1000


def test_a_cycle_through_a_users_primitive_is_collected():
    """The one way in which a node may be part of a cycle."""

    class Model:
        def __init__(self):
            self.square = al.Primitive(name="square_of_test_core", value=self.value, partials=(lambda x, y: 2.0 * x,))
            self.last = al.exp(self.square(al.Variable(2.0)) * 2.0)

        def value(self, x):
            return x * x

    model = Model()
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_threads_sweep_over_a_shared_leaf():
    """Every pass counts."""
    x = al.Variable(1.0)

    def work(k):
        for _ in range(200):
            a = al.Variable(float(k))
            (a * x + a).backward()

    at_once(work)
    assert x.grad == 200.0 * sum(range(8))


@pytest.mark.skipif(core.compiled is not None, reason="nothing of Python runs in the middle of a compiled pass")
def test_a_pass_in_the_middle_of_a_pass():
    """What a finalizer runs may sweep over the same nodes."""
    x = al.Variable(3.0)
    y = x * x
    with passing([y], -1) as (met, _):
        x._adjoint = 1.5
        assert al.gradients(y, x) == 6.0
        assert x._adjoint == 1.5 and y._adjoint is UNSENT and met == [y, x]
    assert x._adjoint is None


@needs_core
def test_a_trace_that_ends_while_a_node_is_made():
    """Making room may run a finalizer: whether the node has a header of the collector is decided once."""
    code = (
        "import gc\nimport autograd_lite as al\nfrom autograd_lite import context\n"
        "class D:\n    def __init__(self): self.me = self\n    def __del__(self): context.tracing.clear()\n"
        "keep = []\ngc.set_threshold(1, 1, 1)\n"
        "for _ in range(2000):\n    gc.disable(); D(); context.tracing.add(1); gc.enable()\n"
        "    keep.append(al.Variable(1.0))\n"
        "gc.disable(); context.tracing.clear()\nprint(all(map(gc.is_tracked, keep)))\nkeep.clear()\n"
    )
    assert python(code, pure=False).split() == [b"True"]
