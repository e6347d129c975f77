"""Compiled functions as values: copies and pickles, and the primitives that a function makes for itself."""

import copy
import functools
import multiprocessing
import pickle

import numpy as np
import pytest
from executors import BACKENDS

import autograd_lite as al
from autograd_lite import errors

# --- copies and pickles -------------------------------------------------------------------------------------------------


def bent(x):
    """Found by its name."""
    return x * x * x if x > 0 else -x


def waved(x):
    """One path."""
    return x * al.sin(x)


@al.jit
def decorated(x):
    """The name stands for the compiled function."""
    return x * x


@al.jit
@al.grad
def twice_decorated(x):
    """A transform between."""
    return x**3


@al.vmap
def mapped(x):
    """Over lanes."""
    return al.sin(x)


class Holder:
    """Has jitted functions in every place."""

    def __init__(self, factor):
        self.factor = factor
        self.fast = al.jit(self.loss)
        self.slope = al.jit(al.grad(self.loss))
        self.several = {"rows": [al.jit(al.vmap(self.loss))]}

    def loss(self, x):
        """Depends on the object."""
        return self.factor * x * x

    @al.jit
    def method(self, x):
        """Bound by name."""
        return 3.0 * x

    def __call__(self, x):
        """The object itself is the function."""
        return self.factor * x


ROWS = np.array([1.0, -2.0, 3.0])
PICKLED = {
    "function": (lambda: al.jit(bent), 2.0),
    "options": (lambda: al.jit(bent, backend="numpy", max_paths=7), 2.0),
    "contracted": (lambda: al.jit(bent, contract=True), 2.0),
    "grad": (lambda: al.jit(al.grad(bent)), 2.0),
    "grad of grad": (lambda: al.jit(al.grad(al.grad(bent))), 2.0),
    "value_and_grad": (lambda: al.jit(al.value_and_grad(bent, 0)), 2.0),
    "has_aux": (lambda: al.jit(al.grad(with_aux, 0, True)), 2.0),
    "jacobian": (lambda: al.jit(al.jacobian(bent)), 2.0),
    "hessian": (lambda: al.jit(al.hessian(bent)), 2.0),
    "vmap": (lambda: al.jit(al.vmap(al.grad(bent), reduce="sum")), ROWS),
    "vmap alone": (lambda: al.vmap(al.grad(bent), in_axes=0), ROWS),
    "tape": (lambda: al.jit(al.trace(waved, 2.0)), 3.0),
    "gradient of a tape": (lambda: al.jit(al.grad(al.trace(waved, 2.0))), 3.0),
    "jit of jit": (lambda: al.jit(al.jit(bent)), 2.0),
    "decorated": (lambda: decorated, 2.0),
    "twice decorated": (lambda: twice_decorated, 2.0),
    "mapped": (lambda: mapped, ROWS),
    "jit of decorated": (lambda: al.jit(al.vmap(decorated)), ROWS),
    "object": (lambda: al.jit(Holder(4.0)), 2.0),
    "method": (lambda: Holder(4.0).method, 2.0),
    "method of an object": (lambda: al.jit(Holder(4.0).loss), 2.0),
    "primitive": (lambda: al.jit(al.sin), 2.0),
    "NumPy's function": (lambda: al.jit(np.tanh), 2.0),
}


def with_aux(x):
    """A pair."""
    return x * x, 2.0 * x


@pytest.mark.parametrize("how", [lambda f: pickle.loads(pickle.dumps(f)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("name", PICKLED)
def test_jitted_functions_are_copied_and_pickled(name, used, how):
    """After its first call: "the tape of f is not pickled"."""
    make, x = PICKLED[name]
    f = make()
    if used:
        f(x)
        f(-x)
    again = how(f)
    for at in (x, -x):
        assert np.array_equal(again(at), f(at))
    for option in ("__name__", "backend", "max_paths", "contract", "in_axes", "reduce", "asked"):
        assert getattr(again, option, None) == getattr(f, option, None)


def test_objects_that_hold_jitted_functions_are_copied_and_pickled():
    """The copy's functions are those of the copy."""
    holder = Holder(2.0)
    assert (holder.fast(1.0), holder.slope(1.0)) == (2.0, 4.0)
    for how in (copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))):
        again = how(holder)
        again.factor = 5.0
        assert (again.fast(1.0), again.slope(1.0)) == (5.0, 10.0)
        assert again.several["rows"][0](ROWS).tolist() == [5.0, 20.0, 45.0]
    assert (holder.fast(1.0), holder.slope(1.0)) == (2.0, 4.0)


def test_copies_compile_for_themselves():
    """Shared caches would count the calls of both."""
    fast = al.jit(bent)
    fast(2.0)
    again = copy.copy(fast)
    again(2.0)
    again(-2.0)
    assert (len(fast.paths()), len(again.paths())) == (1, 2)


def test_a_wrapper_of_the_users_is_no_transform():
    """`functools.wraps` copies attributes; the pickle must not lose the wrapper."""

    @functools.wraps(al.grad(bent))
    def doubled(x):
        return 2.0 * bent(x)

    again = copy.deepcopy(al.jit(doubled))
    assert again(2.0) == 16.0
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(al.jit(doubled))


def test_pickles_in_another_process():
    """With `spawn`, which imports the module anew."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(al.jit(al.grad(bent)), [2.0, -1.0]) == [12.0, -1.0]


def test_tapes_are_copied():
    """A tape does not change: a copy is the tape itself."""
    tape = al.trace(bent, 2.0)
    assert copy.copy(tape) is copy.deepcopy(tape) is tape


# --- functions that make their own primitives ----------------------------------------------------------------------------


def cubed_here(x):
    """Makes one in each call."""
    cube = al.Primitive(name="cubed_here", value=lambda t: t**3, partials=(lambda t, y: 3.0 * t * t,))
    return cube(x) * x


def powered_here(x, text):
    """Another one for each text."""
    n = len(text)
    power = al.Primitive(name="powered_here", value=lambda t: t**n, partials=(lambda t, y: n * t ** (n - 1),))
    return power(x) * x


def twice_here(x):
    """Two that know each other, made in a helper that is called several times; another branch has others."""

    def both(u):
        outer = al.Primitive(name="outer_here", value=lambda t: t**3, partials=(lambda t, y: inner(t),))
        inner = al.Primitive(name="inner_here", value=lambda t: 3.0 * t * t, partials=(lambda t, y: 6.0 * t,))
        return outer(u)

    if x > 0:
        return both(x) + both(2.0 * x)
    return al.Primitive(name="other_here", value=lambda t: -t, partials=(-1.0,), expression=lambda t: -t)(x)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("f", [cubed_here, twice_here])
def test_a_function_that_makes_its_own_primitive_can_be_jitted(f, backend):
    """Traced twice, the name of the second was taken; and the two were taken for different programs."""
    for transform in (lambda f: f, al.grad, al.value_and_grad, al.hessian):
        fast = al.jit(transform(f), backend=backend)
        for x in (2.0, -1.0, 0.5):
            assert fast(x) == transform(f)(x)
    rows = np.array([1.0, -2.0, 3.0])
    for lanes in (al.vmap(f), al.jit(al.vmap(f), backend=backend)):
        assert lanes(rows) == pytest.approx([f(x) for x in rows], rel=1e-15)
    assert al.trace(f, 1.0).gradient()(2.0) == al.grad(f)(2.0)
    loop = lambda x: al.scan(lambda c, _: (f(c) * 0.1, None), x, length=3)[0]
    assert al.jit(al.grad(loop), backend=backend)(1.1) == pytest.approx(al.grad(loop)(1.1), rel=1e-14)


def test_another_primitive_of_that_name_for_another_fact():
    """As eagerly, where the first is gone by then."""
    fast = al.jit(al.grad(powered_here))
    for text in ("aa", "aaa", "aa", "a"):
        assert fast(2.0, text) == al.grad(powered_here)(2.0, text)


def test_the_same_definition_again_while_the_first_is_in_use():
    """A graph, or a tape, holds the first; names still tell different definitions apart."""
    graphs = [cubed_here(al.Variable(2.0)) for _ in range(3)]
    assert {y.value for y in graphs} == {16.0}
    assert pickle.loads(pickle.dumps(graphs[2])).value == 16.0
    kept = powered_here(al.Variable(2.0), "aa")
    with pytest.raises(errors.PrimitiveError, match="'powered_here' exists already"):
        powered_here(al.Variable(2.0), "aaa")
    assert kept.value == 8.0


def test_a_pickle_never_finds_another_primitive_by_the_name():
    """What a later one replaced is refused."""
    old = al.Primitive(name="replaced_here", value=lambda t: t * 2.0, partials=(2.0,), replace=True)
    y = old(al.Variable(1.0))
    new = al.Primitive(name="replaced_here", value=lambda t: t * 3.0, partials=(3.0,), replace=True)
    with pytest.raises(errors.PrimitiveError, match="another one has its name"):
        pickle.dumps(y)
    assert pickle.loads(pickle.dumps(new)) is new


def test_primitives_that_differ_from_trace_to_trace_are_different_programs():
    """A random number in it is one."""
    rng = np.random.default_rng(0)

    def f(x):
        k = rng.random()
        return al.Primitive(name="random_here", value=lambda t: k * t, partials=(lambda t, y: k,))(x)

    with pytest.raises(errors.TraceError, match="of another definition"):
        al.jit(f)(1.0)


def test_a_tape_with_a_primitive_of_the_function_is_saved(tmp_path):
    """Found by its name while it exists."""
    tape = al.trace(cubed_here, 1.0)
    al.jit(cubed_here)(1.0)
    tape.save(tmp_path / "f.tape")
    assert al.Tape.load(tmp_path / "f.tape")(2.0) == 16.0
