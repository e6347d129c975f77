"""Names and keywords of other libraries: what is said, that it is true, and what people of eight libraries type first."""

import copy
import inspect
import pickle
import re

import first_lines
import numpy as np
import pytest

import autograd_lite as al
from autograd_lite import core, hints

#: Lines that nothing of this library hears of: a number or array of another library is asked, which does not ask us.
ELSEWHERE = {
    "x.grad.item()": "a gradient is a float of Python",
    "x.grad.zero_()": "a gradient is a float of Python, or None",
    "(v*v).backward()": "a plain NumPy array; arrays made by al.array answer",
    "v.grad": "a plain NumPy array; arrays made by al.array answer",
    'df["v"].sum()': "pandas adds outside of any transform",
    'df["v"].std()': "pandas adds outside of any transform",
    "np.isnan(v)": "NumPy has no loop for objects in a plain array",
    "np.exp(np.array([al.Variable(1.0), 2.0]))": "a plain NumPy array of a Variable and a float",
    "json.dumps": "json asks for floats of Python",
    "curve_fit(model, t, ydata, p0=[1,1,0], jac=al.jacobian(model, argnums=(1,2,3)))": "SciPy wants the transpose",
    "import torch": "not installed here",
    "torch.tensor": "not installed here",
    "jnp": "not installed here",
    "xarray": "not installed here",
    "from micrograd_draw": "a file of micrograd's",
    "from autograd_lite.extend": "Python looks for the module, and asks nobody",
}


@pytest.mark.parametrize("who", first_lines.people())
@pytest.mark.filterwarnings("ignore")
def test_what_people_type_first(who, tmp_path, monkeypatch):
    """Every line works, or an error of ours says what to write; the others are listed above, with the reason."""
    pytest.importorskip("scipy")
    if who == "pandas":
        pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    good = {first_lines.WORKS, first_lines.REMEDIED}
    wrong = [
        f"{line}: {type(error).__name__}: {error}"
        for line, kind, error in first_lines.outcomes(who)
        if kind not in good and not (kind == first_lines.OTHER and any(part in line for part in ELSEWHERE))
    ]
    assert wrong == []


def test_the_outcomes_of_lines(tmp_path, monkeypatch):
    """What works, our error with and without a remedy, and another one; names are kept from line to line."""
    lines = [
        "import autograd_lite as al",
        "x = al.Variable(2.0)",
        "x.item",
        "1 / 0",
        "raise al.AutogradLiteError('no')",
    ]
    (tmp_path / "somebody.txt").write_text("\n#--\n".join(lines))
    monkeypatch.setattr(first_lines, "FOLDER", tmp_path)
    kinds = [first_lines.WORKS, first_lines.WORKS, first_lines.REMEDIED, first_lines.OTHER, first_lines.OURS]
    assert [(line, kind) for line, kind, _ in first_lines.outcomes("somebody")] == list(zip(lines, kinds, strict=True))
    assert first_lines.table().splitlines()[-2:] == ["| somebody | 5 | 2 | 1 | 1 | 1 |", "| all | 5 | 2 | 1 | 1 | 1 |"]


def remedies():
    return sorted({remedy for names in hints.table().values() for remedy in names.values()})


@pytest.mark.parametrize("remedy", remedies())
def test_what_a_hint_names_exists(remedy):
    """Every `al.name`, `x.name` of a Variable, `np.name` and `scipy.…` in it."""
    for name in re.findall(r"\bal((?:\.[A-Za-z_]\w*)+)", remedy):
        thing = al
        for part in name[1:].split("."):
            thing = getattr(thing, part)
    for name in re.findall(r"(?<![\w.])x\.([a-z_]+)\b(?! is|:)", remedy):
        assert hasattr(al.Variable, name) or hasattr(np.ndarray, name)
    for name in re.findall(r"\bnp((?:\.[a-z_]+)+)", remedy):
        thing = np
        for part in name[1:].split("."):
            thing = getattr(thing, part)


PLACES = {
    "autograd_lite": al,
    "autograd_lite.maths.linalg": al.linalg,
    "autograd_lite.train.nn": al.nn,
    "autograd_lite.train.optim": al.optim,
    "autograd_lite.maths.stats": al.stats,
    "a distribution": al.stats.norm,
    "a Variable": al.Variable(1.0),
    "an array of Variables": al.array([1.0, 2.0]),
    "a layer or network": al.nn.Network.create([2, 3, 1], rng=0),
    "an optimiser": al.optim.SGD(0.1),
    "a tape": al.trace(lambda x: x * x, 2.0),
    "sparse derivatives": al.sparse(lambda x: x * x),
    "a covariance": al.covariance(al.scipy.minimize(lambda x: x[0] ** 2, [1.0])),
    "an error budget": al.error_budget(lambda x: x * x, 2.0, 0.1),
}
FUNCTIONS = {
    "Variable": al.Variable, "backward": al.Variable.backward, "gradients": al.gradients, "grad": al.grad,
    "value_and_grad": al.value_and_grad, "jacobian": al.jacobian, "hessian": al.hessian, "jit": al.jit, "vmap": al.vmap,
    "in_blocks": al.in_blocks,
    "scan": al.scan, "while_loop": al.while_loop, "take": al.take, "array": al.array,
    "zeros": al.zeros, "ones": al.ones, "full": al.full,
    "sparse": al.sparse, "sparse_jacobian": al.sparse_jacobian, "sparse_hessian": al.sparse_hessian,
    "root": al.root, "fixed_point": al.fixed_point, "argmin": al.argmin, "odeint": al.odeint,
    "check_grads": al.check_grads, "draw": al.draw, "html": al.draw(al.Variable(1.0)).html, "save": al.save, "load": al.load,
    "Network": al.nn.Network, "Dense": al.nn.Dense, "create": al.nn.Network.create, "SGD": al.optim.SGD,
    "Adam": al.optim.Adam, "AdamW": al.optim.AdamW, "RMSProp": al.optim.RMSProp,
}  # fmt: skip


def test_every_place_of_the_table_is_asked():
    """So that no hint is written for nobody."""
    assert set(hints.table()) - {
        "a Variable to set",
        "a solver of SciPy",
        "elsewhere in SciPy",
        "a function of SciPy",
        "a function of NumPy",
    } == {*PLACES, *FUNCTIONS}
    assert sum(map(len, hints.table().values())) > 150


@pytest.mark.parametrize("place", PLACES)
def test_names_that_others_have(place):
    """Each is missing here, and says what to use; `hasattr` is False; a slip of the pen finds the name that is meant."""
    thing = PLACES[place]
    for name, remedy in hints.table()[place].items():
        assert not hasattr(thing, name), name
        with pytest.raises(al.UnknownNameError) as caught:
            getattr(thing, name)
        assert remedy.removeprefix("nothing") in str(caught.value)
    if place == "a Variable" and not core.compiled:
        return  # Python's own error, whose traceback has the nearest name; see docs/core.md
    names = getattr(thing, "__all__", dir(thing))
    known = next(n for n in names if len(n) > 5 and n.islower() and n[0] != "_" and n[2] != n[3])
    with pytest.raises(AttributeError, match=f"Did you mean .*{known}"):
        getattr(thing, known[:2] + known[3] + known[2] + known[4:])
    with pytest.raises(al.UnknownNameError) as caught:
        thing.qqqqqqq
    assert str(caught.value).endswith("'qqqqqqq'.")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_keywords_that_others_have(name):
    """Each is refused before anything is done, with what to write; signatures stay."""
    function = FUNCTIONS[name]
    parameters = inspect.signature(function).parameters
    for keyword, remedy in hints.table()[name].items():
        assert keyword not in parameters
        with pytest.raises(al.UnknownKeywordError, match=re.escape(remedy.removeprefix("nothing")[:40])):
            function(**{keyword: 1})
    assert not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    with pytest.raises(TypeError, match=r"got an unexpected keyword argument 'zzz'\.( Write \w+\(.*\*params\)\.)?$"):
        function(zzz=1)


def product(a, b):
    return a * b


@pytest.mark.parametrize(("call", "said"), [
    (lambda: al.taylor(al.sin), r"taylor\(\) misses x, v, order. Write taylor\(f, x, v, order\)\.$"),
    (lambda: al.taylor(al.sin, 1.0, order=2), r"misses v\."),
    (lambda: al.jvp(al.sin), r"Write jvp\(f, primals, tangents\)"),
    (lambda: al.argmin([3.0, 1.0]), r"argmin\(\) misses x0. Write argmin\(f, x0, \*params\)"),
    (lambda: al.odeint(al.sin), r"odeint\(\) misses y0, t. Write odeint\(f, y0, t, \*params\)"),
    (lambda: al.Variable(), r"Write Variable\(value\)"),
    (lambda: al.nn.Network.create(), r"Write create\(sizes\)"),
    (lambda: al.covariance([1.0], [[1.0]]), r"got 1 more by position than it takes. Write covariance\(result\)\.$"),
    (lambda: al.jit(backend="numpy"), r"Write jit\(f\). As a decorator .* @functools.partial\(al.jit, backend='numpy'\)"),
    (lambda: al.grad(argnums=1), r"@functools.partial\(al.grad, argnums=1\)"),
    (lambda: al.trace(product), r"'a' and 'b'. trace\(f, \*example\) calls f\(\*example\)\.$"),
    (lambda: al.vjp(product, 1.0), r"'b'. vjp\(f, \*primals\) calls f\(\*primals\)"),
    (lambda: al.root(product, 1.0), r"'b'. root\(residual, x0, \*params\) calls residual\(x0, \*params\)"),
    (lambda: al.odeint(product, 1.0, [0.0, 1.0], 2.0), r"odeint\(f, y0, t, \*params\) calls f\(y0, t, \*params\)"),
    (lambda: al.taylor(product, (1.0, 2.0), (1.0, 1.0), 2), r"'b'. taylor\(f, x, v, order\) calls f\(x\)"),
    (lambda: al.scan(al.sin, 1.0, length=2), r"scan\(step, init\) calls step\(carry, x\)"),
    (lambda: al.error_budget(product, (1.0, 2.0), (0.1, 0.1)), r"'b'. error_budget\(f, x\) calls f\(x\)"),
])  # fmt: skip
def test_calls_with_too_few_or_too_many_arguments(call, said):
    """Python names what is missing, and not how the call is written."""
    with pytest.raises(TypeError, match=said):
        call()


def test_errors_inside_a_function_stay_its_own():
    """Also those of wrong calls in it, and of functions that do not say what they take."""
    for f in (lambda x: product(x), lambda x: x + None, lambda x: max()):
        for run in (al.trace, al.vjp):
            with pytest.raises(TypeError) as caught:
                run(f, 1.0)
            assert "calls f(" not in str(caught.value)


@pytest.mark.parametrize("name", list(hints.table()["a Variable to set"]))
def test_attributes_that_others_set(name):
    """Nothing is changed."""
    x = al.Variable(2.0)
    if name == "number":
        pytest.skip("a property without setter says so itself")
    with pytest.raises(al.UnknownNameError, match=re.escape(hints.table()["a Variable to set"][name][7:30])):
        setattr(x, name, 3.0)
    assert x.value == 2.0
    assert not hasattr(x, name)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("from autograd_lite import draw_dot", "al.draw"),
        ("from autograd_lite.nn import MLP", "Network.create"),
        ("from autograd_lite.optim import LBFGS", "al.scipy.minimize"),
        ("from autograd_lite import sigmiod", "al.sigmoid"),
    ],
)
def test_imports_of_names_that_others_have(line, remedy):
    """Python itself would say no more than that it cannot import the name."""
    with pytest.raises(ImportError, match=re.escape(remedy)) as caught:
        exec(line, {})  # noqa: S102
    assert isinstance(caught.value, al.AutogradLiteError)


def test_second_names():
    """Those of JAX and micrograd are the same things."""
    assert al.jacfwd is al.jacrev is al.jacobian
    assert (al.Value, al.stop_grad) == (al.Variable, al.stop_gradient)
    from autograd_lite import numpy as anp

    assert anp is np


def test_copies_and_pickles_ask_for_no_hints():
    """Python looks for special methods on things that are half made."""
    network, optimiser = al.nn.Network.create([2, 3, 1], rng=0), al.optim.Adam(0.1)
    for thing in (network, optimiser):
        assert repr(copy.deepcopy(thing)) == repr(thing) == repr(pickle.loads(pickle.dumps(thing)))


def test_a_product_with_the_hessian_is_curried():
    """As SciPy's hessp takes it, with further arguments of the function."""
    f = lambda x, a: a * x[0] ** 2 * x[1] + x[1] ** 3
    x, v = np.array([2.0, 3.0]), np.array([0.5, -1.0])
    expected = al.hessian(f)(x, 3.0) @ v
    assert al.hvp(f)(x, v, 3.0) == pytest.approx(expected, rel=1e-15)
    assert al.jit(al.hvp(f))(x, v, 3.0) == pytest.approx(expected, rel=1e-15)
    assert al.hvp(f).__name__ == "hvp(<lambda>)"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: al.nn.Network([3, 4, 1]), r"Network.create\(\[3, 4, 1\]\)"),
        (lambda: al.nn.Dense(2, 3), r"Dense.create\(inputs, outputs\)"),
        (lambda: al.optim.SGD([1.0]), r"init\(params\)"),
        (lambda: al.save(al.nn.Network.create([2, 1], rng=0), "net.npz"), "swapped"),
        (lambda: al.load("net.npz"), r"like=Network.create"),
        (lambda: al.Variable([1.0, 2.0]), r"\[al.Variable\(v\) for v in numbers\]"),
        (lambda: al.grad(lambda v: v.sum())([1.0, 2.0]), r"np.array\(\[...\]\)"),
    ],
)
def test_constructors_check_what_they_are_given(make, words):
    """At once, and not when it is used."""
    with pytest.raises(al.AutogradLiteError, match=words):
        make()


def test_an_error_inside_a_property_is_its_own():
    """Python asks `__getattr__` again when the body of a property lacks something."""

    class Slow(al.optim.Adam):
        @property
        def halved(self):
            return self.rates / 2

    with pytest.raises(AttributeError, match="'rates'.*rate"):
        _ = Slow(0.1).halved


def test_what_notebooks_ask_costs_no_search():
    """Names that begin with an underscore are nobody's slip of the pen; internals are not offered."""
    for thing in (al.Variable(1.0), al, al.nn):
        with pytest.raises(AttributeError) as caught:
            _ = thing._repr_mimebundle_zz
        assert "Did you mean" not in str(caught.value)
    for module, name in ((al.nn, "hintss"), (al, "contex")):
        with pytest.raises(al.UnknownNameError) as caught:
            getattr(module, name)
        assert "Did you mean al.context" not in str(caught.value)
        assert "hints" not in str(caught.value).replace("hintss", "")


def test_a_module_is_asked_without_a_frame_of_python():
    """As C code, and a new thread, may do."""
    import _thread
    import sys
    import time

    seen = []
    before, sys.unraisablehook = sys.unraisablehook, lambda args: seen.append(args.exc_value)
    try:
        _thread.start_new_thread(getattr, (al, "zzz"))
        for _ in range(500):
            if seen:
                break
            time.sleep(0.01)
    finally:
        sys.unraisablehook = before
    assert isinstance(seen[0], al.UnknownNameError)
