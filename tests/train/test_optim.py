"""Optimisers and schedules: the papers' formulas, PyTorch's numbers, over nests, compiled and in loops; and wrong use."""

import copy
import dataclasses
import math
import re
from collections import OrderedDict

import numpy as np
import pytest
from tiers import mostly_full

import autograd_lite as al
from autograd_lite import nn, optim
from autograd_lite.optim import SGD, Adam, AdamW, RMSProp, State

#: Errors of a step are a few ULP of the parameters, which are of size 1; the steps contract, so that they do not add up.
CLOSE = {"rtol": 1e-12, "atol": 1e-12}

#: Every method and setting, with PyTorch's name and settings for it.
METHODS = {
    "sgd": (SGD(0.05), "SGD", {"lr": 0.05}),
    "decayed": (SGD(0.05, weight_decay=0.1), "SGD", {"lr": 0.05, "weight_decay": 0.1}),
    "momentum": (SGD(0.05, momentum=0.9), "SGD", {"lr": 0.05, "momentum": 0.9}),
    "nesterov": (SGD(0.05, momentum=0.8, nesterov=True), "SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    "nesterov decayed": (
        SGD(0.05, momentum=0.8, nesterov=True, weight_decay=0.2),
        "SGD",
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.2},
    ),
    "rmsprop": (RMSProp(0.01), "RMSprop", {"lr": 0.01}),
    "rmsprop with momentum": (
        RMSProp(0.01, decay=0.9, epsilon=1e-3, momentum=0.5),
        "RMSprop",
        {"lr": 0.01, "alpha": 0.9, "eps": 1e-3, "momentum": 0.5},
    ),
    "adam": (Adam(), "Adam", {}),
    "adam decayed": (
        Adam(0.02, beta1=0.8, beta2=0.95, epsilon=1e-4, weight_decay=0.1),
        "Adam",
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1},
    ),
    "adamw": (AdamW(0.02), "AdamW", {"lr": 0.02}),
    "adamw decayed more": (AdamW(0.02, weight_decay=0.3), "AdamW", {"lr": 0.02, "weight_decay": 0.3}),
}
each_method = pytest.mark.parametrize("name", METHODS)

START = np.array([0.5, -1.0, 2.0, 0.1, -0.2, 1.5, -0.7])
STIFFNESS = np.array([0.5, 1.0, 3.0, 2.0, 0.1, 1.0, 0.7])


def valley(w):
    """Σ a·w²/2 + sin w, with its gradient a·w + cos w."""
    return al.sum(STIFFNESS * w * w / 2 + np.sin(w))


def slope(w):
    """The gradient of the valley."""
    return STIFFNESS * w + np.cos(w)


@al.register_dataclass
@dataclasses.dataclass
class Line:
    """A nest with a fact in it."""

    slope: float
    offset: np.ndarray
    name: str = dataclasses.field(default="line", metadata={"static": True})


def nested(numbers):
    """Seven numbers as dataclass, dict, tuple, floats and arrays, one of them without axes."""
    a, b, c, d, e, f, g = numbers
    return {"line": Line(a, np.array([b])), "pair": (c, [d]), "matrix": np.array([[e, f]]), "number": np.array(g)}


def flat(nest):
    """The numbers of a nest, in the order of `nested`."""
    line, (c, (d,)) = nest["line"], nest["pair"]
    return np.array([line.slope, line.offset[0], c, d, *nest["matrix"][0], nest["number"].item()])


def loss(nest):
    """The valley, by a nest."""
    return valley(flat(nest))


def trained(optimiser, params, steps, gradient):
    """So many steps, and what is remembered after them."""
    state = optimiser.init(params)
    for _ in range(steps):
        params, state = optimiser.update(gradient(params), state, params)
    return params, state


def by_formula(o, w, steps, rate=None):
    """The same as in the papers, on a plain array."""
    first, second = np.zeros_like(w), np.zeros_like(w)
    for t in range(steps):
        g = slope(w)
        lr = o.rate if rate is None else rate(t)
        if isinstance(o, AdamW):
            w = w - lr * o.weight_decay * w
        elif not isinstance(o, RMSProp):
            g = g + o.weight_decay * w
        if isinstance(o, SGD):
            first = o.momentum * first + g
            w = w - lr * (g + o.momentum * first if o.nesterov else first)
        elif isinstance(o, RMSProp):
            second = o.decay * second + (1 - o.decay) * g**2
            first = o.momentum * first + g / (np.sqrt(second) + o.epsilon)
            w = w - lr * first
        else:
            first = o.beta1 * first + (1 - o.beta1) * g
            second = o.beta2 * second + (1 - o.beta2) * g**2
            unbiased = first / (1 - o.beta1 ** (t + 1)), second / (1 - o.beta2 ** (t + 1))
            w = w - lr * unbiased[0] / (np.sqrt(unbiased[1]) + o.epsilon)
    return w


# --- the same numbers ---------------------------------------------------------------------------------------


@each_method
def test_a_hundred_steps_are_the_formulas(name):
    """Gradients by `al.grad`, over a nest."""
    optimiser = METHODS[name][0]
    params, state = trained(optimiser, nested(START), 100, al.grad(loss))
    np.testing.assert_allclose(flat(params), by_formula(optimiser, START, 100), **CLOSE)
    assert state.step == 100.0
    assert not np.allclose(flat(params), START)


@each_method
def test_a_hundred_steps_are_those_of_pytorch(name):
    """Where it is installed."""
    torch = pytest.importorskip("torch")
    optimiser, kind, settings = METHODS[name]
    w = torch.tensor(START, dtype=torch.float64)
    theirs = getattr(torch.optim, kind)([w], **settings)
    for _ in range(100):
        w.grad = torch.tensor(slope(w.numpy()))
        theirs.step()
    params, _ = trained(optimiser, START, 100, slope)
    np.testing.assert_allclose(params, w.numpy(), **CLOSE)


@each_method
def test_compiled_steps(name):
    """A step under `jit` is the eager one, compiled once for all steps."""
    optimiser = METHODS[name][0]
    step = al.jit(lambda params, state: optimiser.update(al.grad(loss)(params), state, params))
    params = nested(START)
    state = optimiser.init(params)
    for _ in range(20):
        params, state = step(params, state)
    expected, remembered = trained(optimiser, nested(START), 20, al.grad(loss))
    np.testing.assert_allclose(flat(params), flat(expected), **CLOSE)
    assert type(state) is State
    for found, kept in ((state.first, remembered.first), (state.second, remembered.second)):
        assert (found is None) == (kept is None)
        if kept is not None:
            np.testing.assert_allclose(flat(found), flat(kept), **CLOSE)
    assert type(params["line"]) is Line
    assert params["number"].shape == ()


@each_method
def test_training_in_a_loop(name):
    """`scan` carries parameters and state, eagerly and compiled, under a schedule."""
    optimiser = dataclasses.replace(METHODS[name][0], rate=optim.warmup(optim.cosine_decay(0.05, 30), 5))

    def training(params):
        def step(carry, _):
            params, state = carry
            value, gradient = al.value_and_grad(loss)(params)
            return optimiser.update(gradient, state, params), value

        return al.scan(step, (params, optimiser.init(params)), length=40)

    rate = lambda t: 0.05 * (1 + math.cos(math.pi * min(t / 30, 1))) / 2 * min((t + 1) / 5, 1)
    expected = by_formula(optimiser, START, 40, rate)
    for route in (training, al.jit(training)):
        (params, state), values = route(nested(START))
        np.testing.assert_allclose(flat(params), expected, **CLOSE)
        assert state.step == 40.0
        assert values[0] == pytest.approx(valley(START), rel=1e-14)


@pytest.mark.parametrize("name", mostly_full(METHODS, slice(0, None, 2)))
def test_derivative_through_the_steps(name):
    """By the starting point, and by the rate: updates are ordinary functions."""
    optimiser = METHODS[name][0]

    def after(rate, w):
        return valley(trained(dataclasses.replace(optimiser, rate=rate), w, 3, slope_of_any)[0])

    def slope_of_any(w):
        return STIFFNESS[:2] * w + np.cos(w)

    def valley(w):
        return al.sum(w * w)

    al.check_grads(after, (0.05, START[:2]), order=1)


# --- nests --------------------------------------------------------------------------------------------------


def frozen(nest):
    """Arrays that cannot be written to."""
    for leaf in al.nests.optree.tree_leaves(nest, namespace=al.nests.NAMESPACE):
        if isinstance(leaf, np.ndarray):
            leaf.flags.writeable = False
    return nest


@each_method
def test_updates_are_pure(name):
    """Parameters, gradients and state are as they were; the new ones share no memory with them."""
    optimiser, params = METHODS[name][0], frozen(nested(START))
    gradients, state = frozen(al.grad(loss)(params)), frozen(optimiser.init(params))
    _, state = optimiser.update(gradients, state, params)
    frozen(state)
    before = copy.deepcopy((flat(params), flat(gradients), repr(state)))
    new, following = optimiser.update(gradients, state, params)
    assert np.array_equal(flat(params), before[0])
    assert np.array_equal(flat(gradients), before[1])
    assert repr(state) == before[2]
    arrays = [n["matrix"] for n in (new, following.first, following.second) if n is not None]
    for array in arrays:
        assert array.flags.writeable
        assert not any(np.shares_memory(array, n["matrix"]) for n in (params, gradients))
    assert repr(optimiser.update(gradients, state, params)) == repr((new, following))


@each_method
@pytest.mark.parametrize(
    "params",
    [
        1.5,
        2,
        [1.0, (2.0,)],
        {"b": 1.0, "a": [2.0]},
        OrderedDict(z=1.0, a=2.0),
        np.array(2.0),
        [None, 1.0, []],
        {},
        np.zeros((0, 3)),
    ],
    ids=repr,
)
def test_result_has_the_structure_of_the_parameters(name, params):
    """Numbers stay numbers and arrays arrays, those without axes too; types and order of containers."""
    optimiser = METHODS[name][0]
    new, state = trained(optimiser, params, 3, lambda p: p)
    assert al.nests.unravel(new)[1] == al.nests.unravel(params)[1]
    assert type(new) is (float if type(params) is int else type(params))
    assert list(new) == list(params) if isinstance(params, dict) else True
    for kept in (state.first, state.second):
        assert kept is None or al.nests.unravel(kept)[1] == al.nests.unravel(params)[1]


@each_method
@pytest.mark.parametrize(
    "convert", [np.float32, np.int64, lambda a: a.astype(np.float32), lambda a: a.astype(int), int]
)
def test_everything_is_in_64_bits(name, convert):
    """A float32 among the parameters or gradients does not make the rest one."""
    optimiser, array = METHODS[name][0], convert.__name__ == "<lambda>"
    params = convert(np.array([3.0, 4.0])) if array else convert(3)
    new, _ = trained(optimiser, [params], 5, lambda p: [params])
    expected, _ = trained(
        optimiser, [np.array([3.0, 4.0]) if array else 3.0], 5, lambda p: [np.array([3.0, 4.0]) if array else 3.0]
    )
    assert np.array_equal(new[0], expected[0])
    assert new[0].dtype == np.float64 if array else type(new[0]) is float


@each_method
def test_object_arrays_of_variables(name):
    """As parameters, as gradients, and with plain numbers among them."""
    optimiser, numbers = METHODS[name][0], np.array([0.5, -1.0])
    expected, _ = trained(optimiser, numbers, 4, lambda p: numbers)
    for entries in ([al.Variable(0.5), al.Variable(-1.0)], [al.Variable(0.5), -1.0]):
        variables = np.array(entries, dtype=object)
        for params, gradients in ((variables, numbers), (numbers, variables), (variables, variables)):
            new, _ = trained(optimiser, params, 4, lambda p, g=gradients: g)
            found = [getattr(x, "value", x) for x in new]
            np.testing.assert_allclose(found, expected, rtol=1e-15)
    x = al.Variable(0.5)
    new, _ = trained(optimiser, {"x": x}, 4, lambda p: {"x": 0.5})
    assert new["x"].value == pytest.approx(expected[0], rel=1e-15)
    assert x.value == 0.5


def test_a_network_learns():
    """XOR by Adam: every output on its side."""
    xs, ts = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([[0.0], [1.0], [1.0], [0.0]])
    network, optimiser = nn.Network.create([2, 4, 1], rng=0), Adam(0.05)
    gradient = al.jit(al.grad(lambda n: nn.binary_cross_entropy(n(xs), ts)))
    network, _ = trained(optimiser, network, 200, gradient)
    assert nn.accuracy(network(xs), ts) == 1.0


def test_infinite_and_nan_gradients_make_no_warning():
    """They show in the numbers, and only in the leaf where they were."""
    for optimiser, *_ in METHODS.values():
        for gradient in (1e200, math.inf, math.nan):
            params, _ = trained(
                optimiser, [np.array([1.0, 1.0]), 1.0], 3, lambda p, g=gradient: [np.array([g, 0.5]), 0.5]
            )
            assert np.isfinite(params[0][1])
            assert math.isfinite(params[1])
            if math.isnan(gradient):
                assert np.isnan(params[0][0])


# --- schedules ----------------------------------------------------------------------------------------------

SCHEDULES = {
    "exponential": (optim.exponential_decay(0.1, 0.9), lambda t: 0.1 * 0.9**t),
    "exponential, slower": (optim.exponential_decay(0.1, 0.5, every=10), lambda t: 0.1 * 0.5 ** (t / 10)),
    "steps": (optim.step_decay(0.1, 0.5, every=7), lambda t: 0.1 * 0.5 ** (t // 7)),
    "cosine": (optim.cosine_decay(0.1, 20), lambda t: 0.1 * (1 + math.cos(math.pi * min(t, 20) / 20)) / 2),
    "cosine to a floor": (
        optim.cosine_decay(0.1, 20, floor=0.02),
        lambda t: 0.02 + 0.08 * (1 + math.cos(math.pi * min(t, 20) / 20)) / 2,
    ),
    "warm-up": (optim.warmup(0.1, 4), lambda t: 0.1 * min((t + 1) / 4, 1)),
    "warm-up of a schedule": (
        optim.warmup(optim.step_decay(0.1, 0.5, 3), 4),
        lambda t: 0.1 * 0.5 ** (t // 3) * min((t + 1) / 4, 1),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    """The formula at each step: for floats, ints and Variables, compiled, mapped, and in a loop."""
    schedule, formula = SCHEDULES[name]
    expected = [formula(t) for t in range(30)]
    numbers = np.arange(30.0)
    compiled = al.jit(schedule)
    _, looped = al.jit(lambda: al.scan(lambda t, _: (t + 1.0, schedule(t)), 0.0, length=30))()
    for rates in (
        [schedule(float(t)) for t in range(30)],
        [schedule(t) for t in range(30)],
        [schedule(al.Variable(t)).value for t in range(30)],
        [compiled(t) for t in numbers],
        al.vmap(schedule)(numbers),
        looped,
        al.scan(lambda t, _: (t + 1.0, schedule(t)), 0.0, length=30)[1],
    ):
        np.testing.assert_allclose(rates, expected, rtol=1e-13, atol=1e-17)  # atol: 1 + cos π is 0 but for rounding
    assert type(schedule(3.0)) is float


@pytest.mark.parametrize(
    ("schedule", "kind", "settings", "steps"),
    [
        (optim.exponential_decay(0.1, 0.9), "ExponentialLR", {"gamma": 0.9}, 50),
        (optim.step_decay(0.1, 0.3, 8), "StepLR", {"step_size": 8, "gamma": 0.3}, 50),
        (optim.cosine_decay(0.1, 50), "CosineAnnealingLR", {"T_max": 50}, 50),  # beyond T_max theirs rises again
        (optim.cosine_decay(0.1, 50, 0.01), "CosineAnnealingLR", {"T_max": 50, "eta_min": 0.01}, 50),
    ],
)
def test_schedules_are_those_of_pytorch(schedule, kind, settings, steps):
    """The rates, and where they lead."""
    torch = pytest.importorskip("torch")
    w = torch.tensor(START, dtype=torch.float64)
    theirs = torch.optim.SGD([w], lr=0.1, momentum=0.5)
    scheduler = getattr(torch.optim.lr_scheduler, kind)(theirs, **settings)
    for t in range(steps):
        # Theirs goes from rate to rate by recursion: an ULP a step; near 0, as much of the first rate.
        assert schedule(float(t)) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-13, abs=1e-15)
        w.grad = torch.tensor(slope(w.numpy()))
        theirs.step()
        scheduler.step()
    params, _ = trained(SGD(schedule, momentum=0.5), START, steps, slope)
    np.testing.assert_allclose(params, w.numpy(), **CLOSE)


# --- clipping -----------------------------------------------------------------------------------------------


def test_clip_by_norm():
    """The norm is over all leaves; what is within the limit stays to the bit."""
    gradients = nested(START)
    norm = math.sqrt((START**2).sum())
    np.testing.assert_allclose(flat(optim.clip_by_norm(gradients, 1.0)), START / norm, rtol=1e-15)
    assert np.array_equal(flat(optim.clip_by_norm(gradients, 10.0)), START)
    assert np.array_equal(flat(optim.clip_by_norm(gradients, math.inf)), START)
    np.testing.assert_allclose(flat(al.jit(optim.clip_by_norm)(gradients, 1.0)), START / norm, rtol=1e-15)
    variables = np.array([al.Variable(x) for x in START[:3]] + list(START[3:]), dtype=object)
    found = [getattr(x, "value", x) for x in optim.clip_by_norm(variables, 1.0)]
    np.testing.assert_allclose(found, START / norm, rtol=1e-15)
    assert optim.clip_by_norm([], 1.0) == []
    assert optim.clip_by_norm([0.0, np.zeros((2, 0))], 1.0)[0] == 0.0


def test_clip_by_norm_of_huge_and_tiny_gradients():
    """No square over- or underflows: an exploded gradient keeps its direction."""
    for scale in (1e200, 1e-200, 5e-324 * 2**40):  # the last has 40 bits, 9e-13 of it apart
        for gradients in (np.array([3.0, 4.0]) * scale, [3.0 * scale, 4.0 * scale]):
            np.testing.assert_allclose(optim.clip_by_norm(gradients, scale), np.array([0.6, 0.8]) * scale, rtol=1e-11)
            np.testing.assert_allclose(optim.clip_by_norm(gradients, 1e300), gradients, rtol=0)
    assert np.isnan(optim.clip_by_norm(np.array([math.nan, 1.0]), 1.0)).all()
    assert math.isnan(optim.clip_by_norm([math.inf, 1.0], 1.0)[0])


def test_derivative_of_clipping():
    """On either side of the limit, and at 0."""
    clipped = lambda g: al.sum(optim.clip_by_norm(g, 1.0) * np.array([1.0, 2.0]))
    for point in ([3.0, 4.0], [0.3, 0.4], [2.0, 2.0], [0.0, 3.0]):
        al.check_grads(clipped, (np.array(point),))
    assert al.grad(clipped)(np.zeros(2)).tolist() == [1.0, 2.0]


def test_clipping_is_that_of_pytorch():
    """But for the 1e-6 that theirs adds to the norm."""
    torch = pytest.importorskip("torch")
    for limit in (1.0, 2.0, 10.0):
        parts = [torch.tensor(p, requires_grad=True) for p in (START[:3], START[3:])]
        for part in parts:
            part.grad = part.detach().clone()
        norm = torch.nn.utils.clip_grad_norm_(parts, limit).item()
        theirs = np.concatenate([part.grad.numpy() for part in parts])
        ours = flat(optim.clip_by_norm(nested(START), limit))
        np.testing.assert_allclose(ours, theirs * (1 + 1e-6 / norm if norm > limit else 1.0), rtol=1e-12)


# --- wrong use ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: SGD(0.1, momentum=1.0), "momentum=1.0 is outside of 0 ≤ momentum < 1."),
        (lambda: SGD(0.1, momentum=-0.1), "momentum=-0.1 is outside of 0 ≤ momentum < 1."),
        (lambda: SGD(0.1, momentum=math.nan), "momentum=nan is outside of 0 ≤ momentum < 1."),
        (lambda: SGD(0.1, nesterov=True), "nesterov=True needs momentum: SGD(rate, momentum=0.9, nesterov=True)."),
        (lambda: SGD(0.1, weight_decay=-1.0), "weight_decay=-1.0 is outside of 0 ≤ weight_decay < inf."),
        (lambda: RMSProp(0.1, decay=1.0), "decay=1.0 is outside of 0 ≤ decay < 1."),
        (lambda: RMSProp(0.1, momentum=1.5), "momentum=1.5 is outside of 0 ≤ momentum < 1."),
        (lambda: RMSProp(0.1, epsilon=0.0), "epsilon=0.0 is not above 0."),
        (lambda: Adam(beta1=1.0), "beta1=1.0 is outside of 0 ≤ beta1 < 1."),
        (lambda: Adam(beta2=1.0), "beta2=1.0 is outside of 0 ≤ beta2 < 1."),
        (lambda: Adam(epsilon=-1e-8), "epsilon=-1e-08 is not above 0."),
        (lambda: AdamW(weight_decay=-1.0), "weight_decay=-1.0 is outside of 0 ≤ weight_decay < inf."),
        (lambda: optim.exponential_decay(0.1, 0.5, every=0), "every=0 is not above 0."),
        (lambda: optim.step_decay(0.1, 0.5, -1), "every=-1 is not above 0."),
        (lambda: optim.cosine_decay(0.1, 0), "steps=0 is not above 0."),
        (lambda: optim.warmup(0.1, 0), "steps=0 is not above 0."),
        (lambda: optim.clip_by_norm([1.0], 0.0), "limit=0.0 is not above 0."),
        (lambda: optim.clip_by_norm([1.0], math.nan), "limit=nan is not above 0."),
    ],
)
def test_settings_out_of_range(make, text):
    """Refused when they are made."""
    with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
        make()


ADVICE = " Pass the gradients by those parameters, and the state that init made for them."


@each_method
@pytest.mark.parametrize(
    ("params", "gradients"),
    [
        ({"a": 1.0}, {"b": 1.0}),
        ({"a": 1.0}, {"a": 1.0, "b": 1.0}),
        ([1.0, 2.0], [1.0]),
        ([1.0], (1.0,)),
        ({"a": 1.0}, [1.0]),
        (1.0, [1.0]),
        ([1.0], 1.0),
        ([1.0], [None]),
        ([np.ones(2)], [[1.0, 1.0]]),
        (Line(1.0, np.ones(1)), {"slope": 1.0, "offset": np.ones(1)}),
    ],
    ids=repr,
)
def test_gradients_of_another_structure(name, params, gradients):
    """Refused, also where a leaf meets a container; nothing is half-updated."""
    optimiser = METHODS[name][0]
    with pytest.raises(al.ArgumentError) as caught:
        optimiser.update(gradients, optimiser.init(params), params)
    assert f"{caught.value}".startswith("gradients, state and parameters are not nests of one structure: ")
    assert f"{caught.value}".endswith(f".{ADVICE}")
    assert ".." not in f"{caught.value}"


@each_method
@pytest.mark.parametrize(
    ("gradient", "shape"),
    [(np.ones((2, 1)), "(2, 1)"), (np.ones(3), "(3,)"), (1.0, "()")],
    ids=["column", "longer", "number"],
)
def test_gradients_of_another_shape(name, gradient, shape):
    """(n,) and (n, 1) would spread to n² parameters; both shapes are named."""
    optimiser, params = METHODS[name][0], {"w": np.ones(2)}
    text = "gradients, state and parameters are not nests of one structure: leaves of shapes "
    with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}") as caught:
        optimiser.update({"w": gradient}, optimiser.init(params), params)
    assert {"(2,)", shape} == set(f"{caught.value}".removeprefix(text).removesuffix(f".{ADVICE}").split(" and "))


@pytest.mark.parametrize(
    ("optimiser", "other"),
    [
        (a, b)
        for a in (SGD(0.1), SGD(0.1, momentum=0.9), RMSProp(0.1), Adam())
        for b in (SGD(0.1), SGD(0.1, momentum=0.9), RMSProp(0.1), Adam())
        if a != b
    ],
    ids=lambda o: f"{type(o).__name__}{'+' if getattr(o, 'momentum', 0) else ''}",
)
def test_state_of_another_optimiser(optimiser, other):
    """Momentum that was not asked for would be dropped in silence; a running mean would be taken for another."""
    text = (
        f"{type(optimiser).__name__}.update got the state of another optimiser for its state. Begin with state = "
        "optimiser.init(params), and call update(gradients, state, params)."
    )
    for route in (optimiser.update, al.jit(optimiser.update)):
        with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
            route([1.0], other.init([1.0]), [1.0])


@each_method
def test_arguments_in_another_order(name):
    """What came where the state belongs."""
    optimiser, params = METHODS[name][0], {"w": np.ones(2)}
    state = optimiser.init(params)
    for wrong, kind in (
        ((state, params, params), "dict"),
        ((params, None, params), "NoneType"),
        ((1.0, 2.0, 3.0), "float"),
    ):
        text = (
            f"{type(optimiser).__name__}.update got a {kind} for its state. Begin with state = optimiser.init(params), and "
            "call update(gradients, state, params)."
        )
        with pytest.raises(al.ArgumentError, match=f"^{re.escape(text)}$"):
            optimiser.update(*wrong)


@pytest.mark.parametrize("name", ["momentum", "rmsprop", "adam"])
def test_state_of_other_parameters(name):
    """A network of other sizes begins anew."""
    optimiser = METHODS[name][0]
    state = optimiser.init(np.ones(3))
    with pytest.raises(al.ArgumentError, match=re.escape("leaves of shapes (3,) and (2,).") + ADVICE):
        optimiser.update(np.ones(2), state, np.ones(2))


def test_calls_of_other_libraries():
    """An optimiser that is given the network, as rate; a step without parameters."""
    network = al.nn.Network.create([2, 1], rng=0)
    for given in (network, network.layers, [1.0, 2.0], {"w": 1.0}, np.ones(2)):
        with pytest.raises(al.ArgumentError, match="an optimiser takes no parameters, but a rate"):
            optim.Adam(given)
    with pytest.raises(TypeError, match=r"misses params. Write optimiser.update\(gradients, state, params\)"):
        optim.Adam(0.1).update(network, optim.Adam(0.1).init(network))
    with pytest.raises(TypeError, match=r"misses params. Write optimiser.init\(params\)"):
        optim.Adam(0.1).init()


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf, "0.1"])
@pytest.mark.parametrize("method", [optim.SGD, optim.RMSProp, optim.Adam, optim.AdamW])
def test_a_rate_that_is_none(method, rate):
    """Below 0, NaN, infinite or a text: said when the optimiser is made."""
    with pytest.raises(al.ArgumentError, match="rate="):
        method(rate)


@pytest.mark.parametrize("make", [Adam, AdamW, RMSProp, lambda rate: RMSProp(rate, momentum=0.9)])
def test_optimisers_can_be_differentiated_at_gradient_zero(make):
    """The root of the mean square has an infinite slope at 0, times 0: derivatives of a step were NaN.

    A parameter whose gradient is 0, a dead unit, stands still: p - rate·0; with respect to the gradient itself the slope is
    that of rate·g/(√… + ε), the root held at 0.
    """
    optimiser = make(0.1)

    def after(count):
        def parameter(start, gradient):
            params, state = np.array([start, 1.0]), optimiser.init(np.zeros(2))
            for _ in range(count):
                params, state = optimiser.update(np.array([gradient, 2.0]), state, params)
            return params[0]

        return parameter

    for count in (1, 2, 3):
        for run in (lambda f: f, al.jit):
            by_start, by_gradient = run(al.grad(after(count), (0, 1)))(1.0, 0.0)
            assert math.isfinite(by_start), (count, by_start)
            assert by_start == pytest.approx(1.0, abs=0.01)
            assert by_gradient < -1e5, (count, by_gradient)  # rate/ε: ε is all that divides
            assert np.isfinite(al.hessian(lambda v, count=count: after(count)(v[0], v[1]))(np.array([1.0, 0.0]))).all()
    meta = lambda rate: after_rate(make, rate)
    assert al.grad(meta)(0.1) == pytest.approx(0.0, abs=0.02)


def after_rate(make, rate):
    """A parameter with gradient 0 after two steps of some rate."""
    optimiser = make(rate)
    params, state = np.array([1.0]), optimiser.init(np.zeros(1))
    for _ in range(2):
        params, state = optimiser.update(0.0 * params, state, params)
    return params[0]
