"""The places where numbers used to get lost between parts of the library, each as it was found."""

import copy
import math
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from corpus import same_bits

import autograd_lite as al

NAN = math.nan


def test_heston_with_a_comparison_was_a_path_for_each_row():
    """`where(v > 0, …)` in every step: one program, as with al.less."""

    def price(compare, s, v, shocks):
        for shock in shocks:
            positive = al.where(compare(v), v, 0.0)
            s = s * (1.0 + 0.1 * al.sqrt(positive + 1e-12) * shock)
            v = v + 0.3 * (0.04 - positive) + 0.2 * al.sqrt(positive + 1e-12) * shock
        return al.maximum(s - 1.0, 0.0)

    shocks = np.random.default_rng(0).normal(size=(200, 10))
    results = []
    for compare in (lambda v: v > 0, lambda v: al.less(0.0, v)):
        f = al.jit(
            al.vmap(
                al.value_and_grad(lambda s, v, z, c=compare: price(c, s, v, z), argnums=(0, 1)),
                (None, None, 0),
                reduce="mean",
            )
        )
        results.append(f(1.0, 0.04, shocks))
        assert len(f.paths()) == 1
    assert results[0] == results[1]


def test_dicts_that_differ_in_order_shared_a_tape():
    """The function sees the order of the keys."""
    f = lambda d: next(iter(d.values())) * 2 + list(d.values())[1]
    fast = al.jit(f)
    assert (fast({"b": 1.0, "a": 2.0}), fast({"a": 2.0, "b": 1.0})) == (4.0, 5.0)


def test_scan_saw_an_object_that_changed_later():
    """A step's dictionary is what it was when the scan was reached."""

    def f(x):
        config, out = {"k": 0.0}, 0.0
        for k in range(3):
            config["k"] = float(k)
            out = out + al.scan(lambda c, _: (c * x + config["k"] * c, None), 1.0, length=2)[0]
        return out

    assert al.jit(al.grad(f))(0.3) == pytest.approx(al.grad(f)(0.3), rel=1e-15)
    assert al.jit(f)(0.3) == f(0.3)


def test_not_sent_became_nan_in_a_loop_and_a_true_zero_not_sent():
    """0·inf is NaN, and what is not sent is nothing."""
    f = lambda x: al.scan(lambda c, r: (r * 2.0, None), al.sqrt(x), np.array([1.0, 2.0]))[0] + x
    assert (al.grad(f)(0.0), al.jit(al.grad(f))(0.0)) == (1.0, 1.0)
    g = lambda x, k: k * al.scan(lambda c, r: (al.sqrt(c), None), x, np.array([1.0, 2.0]))[0]
    assert math.isnan(al.grad(g)(0.0, 0.0)) and math.isnan(al.jit(al.grad(g))(0.0, 0.0))


def test_sum_over_lanes_laundered_a_nan_row():
    """A NaN row is NaN in the sum, if its derivative is a number too."""
    g = al.grad(lambda w, x: w * 2 + x)
    rows = np.array([1.0, NAN, 2.0])
    for f in (al.vmap, lambda *a, **k: al.jit(al.vmap(*a, **k))):
        assert same_bits(f(g, (None, 0))(1.0, rows)[1], NAN)
        assert math.isnan(f(g, (None, 0), reduce="sum")(1.0, rows))
        assert math.isnan(f(g, (None, 0), reduce="mean")(1.0, rows))


def test_ties_of_what_vmap_returned_went_to_one_side():
    """Half and half, as the rule says."""
    f = lambda x: np.maximum(al.vmap(lambda t: t * t)(x), 4.0).sum()
    assert al.grad(f)(np.array([2.0, 3.0])).tolist() == [2.0, 6.0]
    g = lambda x: np.exp(al.vmap(lambda t: t if t > 0 else 1.0)(x)).sum()
    assert al.grad(g)(np.array([2.0, -2.0])).tolist() == [math.exp(2.0), 0.0]


def test_captured_variable_that_the_first_lane_does_not_use():
    """An IndexError in every vmap."""
    w = al.Variable(2.0)
    for wrap in (lambda f: f, al.jit):
        out = wrap(al.vmap(lambda x: w * x if x > 0 else -x))(np.array([-1.0, 1.0]))
        assert [getattr(v, "value", v) for v in out] == [1.0, 2.0]
        assert al.gradients(out[1], w) == 1.0


def test_nan_in_a_compiled_scan_was_a_key_error():
    """If a step has a node that does not lead to its arguments."""
    step = lambda c, _: (al.sqrt(c) * al.Variable(2.0), None)
    assert math.isnan(al.jit(al.grad(lambda x: al.scan(step, x, length=3)[0]))(-1.0))


def test_second_derivative_through_a_jitted_function_that_captured():
    """HandMadeNodeError before."""
    f = lambda w: al.jit(lambda x: w[0] * w[0] * w[1] * x)(2.0)
    plain = lambda w: w[0] * w[0] * w[1] * 2.0
    w = np.array([1.5, 3.0])
    assert al.hessian(f)(w).tolist() == al.hessian(plain)(w).tolist()
    g = lambda x: al.grad(lambda y: al.jit(lambda z: x * x * z * z * y)(3.0))(1.0)
    assert al.grad(g)(2.0) == 36.0


def test_root_of_minus_infinity_in_numpy_lanes():
    """x**0.5 is C's pow in every executor."""
    x = np.array([-np.inf, -0.0])
    assert al.vmap(lambda t: t**0.5)(x).tolist() == [math.inf, 0.0] == al.jit(al.vmap(lambda t: t**0.5))(x).tolist()


def test_jitted_function_that_was_used_could_not_be_pickled():
    """Only before its first call."""
    fast = al.jit(al.sin)
    fast(1.0)
    assert pickle.loads(pickle.dumps(fast))(1.0) == copy.deepcopy(fast)(1.0) == math.sin(1.0)


def test_integers_beyond_2_to_53_in_ordinary_formulas():
    """Rounded once, as Python rounds them."""
    f = lambda x: sum(x**k / math.factorial(k) for k in range(25))
    assert al.grad(f)(0.5) == pytest.approx(math.exp(0.5), rel=1e-15)
    assert al.jit(f)(0.5) == f(al.Variable(0.5)).value
    assert al.grad(lambda x: x * 10**23)(2.0) == 1e23
    with pytest.raises(OverflowError):
        al.grad(lambda x: x * 10**400)(2.0)


def test_checks_could_not_fail_in_small_units():
    """A rule that is off by half in units of Boltzmann's constant."""
    k = 1.380649e-23
    wrong = al.Primitive(name="P_seams", value=lambda t: k * t * t, partials=(lambda t, y: k * t,))
    with pytest.raises(al.GradientCheckError):
        al.check_grads(wrong, (300.0,), order=1)
    assert "P_seams" in str(al.audit(wrong(al.Variable(300.0))))


def test_softsign_far_out():
    """All digits cancelled."""
    assert al.grad(al.softsign)(1e14) == pytest.approx(1.0 / (1.0 + 1e14) ** 2, rel=1e-15)
    assert al.grad(al.softsign)(1e16) == pytest.approx(1e-32, rel=1e-15)
    assert al.grad(al.grad(al.softsign))(1e16) == pytest.approx(-2e-48, rel=1e-15)


def test_log_of_a_negative_zero():
    """Its derivative is that of 0."""
    assert al.grad(lambda x: al.log(-x))(0.0) == -math.inf
    assert al.grad(lambda x: al.log(-al.expm1(x)))(0.0) == -math.inf


def test_max_over_two_axes():
    """NumPy called it not reorderable."""
    assert al.grad(lambda m: np.max(m))(np.arange(6.0).reshape(2, 3)).tolist() == [[0, 0, 0], [0, 0, 1]]


def test_indices_made_of_variables_turned_into_floats():
    """An array of integers stays one."""
    table = np.arange(10.0)
    f = lambda x: table[np.mod(np.floor(x).astype(int), 3)].sum() * x[0]
    assert al.grad(f)(np.array([2.0, 4.0])).tolist() == [3.0, 0.0]


def test_nan_to_num_did_nothing():
    """The only wrong number of 18,000."""
    shift = np.array([0.0, NAN, math.inf])
    f = lambda a: np.sum(np.sin(np.nan_to_num(a + shift)))
    assert al.grad(f)(np.ones(3)).tolist() == [math.cos(1.0), 0.0, 0.0]


def test_arrays_into_which_variables_can_be_written():
    """al.zeros, al.full and al.array keep them."""

    def f(x):
        out = al.zeros(3)
        out[0], out[1] = x * x, 4.0
        return np.sqrt(out).sum() + al.full(2, 1.0).sum() + al.array([x, 1.0])[0]

    assert al.grad(f)(3.0) == 2.0 == al.jit(al.grad(f))(3.0)


def test_scalars_asked_by_numpy():
    """np.isscalar and numbers.Real say yes."""
    f = lambda x: 2 * x if np.isscalar(x) else 3 * x
    assert (f(1.0), al.jit(f)(1.0), al.grad(f)(1.0)) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    "f",
    [
        lambda m: np.linalg.solve(m, np.ones(2))[0],
        lambda m: np.linalg.det(m),
        lambda m: np.linalg.inv(m)[0, 0],
        lambda m: np.linalg.cholesky(m)[0, 0],
        lambda m: np.linalg.eigvalsh(m)[0],
        lambda m: np.quantile(m, 0.6),
        lambda m: np.cov(m[0], m[1])[0, 1],
        lambda m: np.sinc(m[0, 0]),
    ],
)
def test_foreign_words(f):
    """A function of NumPy on arrays of Variables is right, or refused by an error of ours."""
    m = np.array([[3.0, 1.0], [1.5, 4.0]])
    try:
        al.grad(f)(m)
    except al.AutogradLiteError as error:
        assert "autograd_lite" in str(error) or "al." in str(error)  # noqa: PT017
    else:
        al.check_grads(f, (m,), order=1)


def test_norm_at_the_origin():
    """np.linalg.norm as al.norm."""
    assert al.grad(lambda v: np.linalg.norm(v))(np.zeros(2)).tolist() == [0.0, 0.0]


def test_concurrent_cold_calls_have_equal_bits():
    """A known path that another thread had just added was taken for a last digit."""
    f = lambda x: al.exp(x) if x > 0.5 else al.sin(x) if x > 0 else al.tanh(x) * x
    x = np.random.default_rng(1).normal(size=64)
    expected = al.jit(al.vmap(f))(x).tobytes()
    for _ in range(3):
        fresh = al.jit(al.vmap(f))
        with ThreadPoolExecutor(8) as pool:
            assert {r.tobytes() for r in pool.map(fresh, [x] * 8)} == {expected}


def test_plain_numbers_raise_where_programs_have_ieee_values():
    """The differences that docs/tape.md lists."""
    assert al.jit(lambda x: 1 / x)(0.0) == math.inf
    assert al.jit(lambda x: al.exp(x) ** 2)(400.0) == math.inf
    assert math.isnan(al.jit(lambda x: x**0.5)(-1.0))


def test_no_warnings_of_numpy():
    """Infinities and NaN are values."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        al.vmap(lambda x: 1 / x + al.log(x))(np.array([0.0, -1.0, math.inf]))
