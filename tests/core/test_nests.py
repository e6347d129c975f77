"""Nests: their numbers, Variables for them, and vectors of them."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import scipy.optimize

import autograd_lite as al
from autograd_lite import Variable
from autograd_lite.arrays import VariableArray


@al.register_dataclass
@dataclasses.dataclass
class Line:
    """Two numbers and a fact."""

    slope: Any
    offset: Any
    kind: str = dataclasses.field(default="straight", metadata={"static": True})


NESTS = [
    3.0,
    np.array([1.0, 2.0]),
    np.array([[1.0], [2.0]]),
    np.zeros((0, 2)),
    [1.0, (2.0, [3.0])],
    {"b": np.eye(2), "a": [np.ones(3), 4.0], "none": None},
    Line(np.array([1.0, 2.0]), 0.5, "bent"),
    [Line(1.0, {"deep": (np.ones((2, 1, 2)),)}), ()],
    (),
]


def same(a, b):
    """Whether two nests are equal, in structure, types and numbers."""
    if isinstance(a, np.ndarray):
        return type(b) is np.ndarray and a.dtype == b.dtype == np.float64 and np.array_equal(a, b)
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and same(vars(a), vars(b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


class TestValues:
    """The nest with numbers."""

    @pytest.mark.parametrize("nest", NESTS, ids=str)
    def test_values_of_variables_is_the_nest(self, nest):
        """There and back, with the kinds of its containers and leaves."""
        assert same(nest, al.values(al.variables(nest)))
        assert same(nest, al.values(nest))

    def test_leaves_that_are_no_variables_stay(self):
        """Text, whole numbers, arrays of other kinds, functions, things."""
        thing = object()
        nest = {
            "a": Variable(1.5),
            "text": "x",
            "n": 3,
            "flags": np.array([True]),
            "f": len,
            "thing": thing,
            "none": None,
        }
        found = al.values(nest)
        assert found == {**nest, "a": 1.5}
        assert found["thing"] is thing
        assert found["flags"] is nest["flags"]

    def test_arrays_of_objects_become_floats(self):
        """Ours and plain ones, with whole numbers among the Variables."""
        for array in (al.array([Variable(1.0), 2]), np.array([Variable(1.0), 2], dtype=object)):
            assert same(al.values(array), np.array([1.0, 2.0]))
        assert al.values(np.array(["a", None], dtype=object)).tolist() == ["a", None]

    def test_values_inside_a_function_have_no_derivative(self):
        """As x.value: eager and compiled, with one path."""
        f = lambda v: (v * al.values(v)).sum()
        fast = al.jit(al.grad(f))
        for point in (np.array([1.0, 2.0]), np.array([-3.0, 0.5])):
            assert al.grad(f)(point).tolist() == fast(point).tolist() == point.tolist()
        assert len(fast.paths()) == 1


class TestVariables:
    """The way in."""

    def test_every_number_is_a_named_leaf(self):
        """The name is its place; Variables stay what they are."""
        x = Variable(2.0, name="mine")
        model = al.variables({"w": np.arange(6.0).reshape(2, 3), "layers": [Line(1, True)], "x": x})
        assert model["w"][1, 2].name == "w[1,2]"
        assert (model["layers"][0].slope.name, model["layers"][0].slope.value) == ("layers[0].slope", 1.0)
        assert model["layers"][0].kind == "straight"
        assert model["layers"][0].offset.value == 1.0
        assert model["x"] is x
        assert type(model["w"]) is VariableArray
        assert al.variables(1.0).name is None
        assert al.variables(np.ones(2))[1].name == "[1]"

    def test_training_by_hand(self):
        """Backward fills the leaves; their values are set."""
        model = al.variables(Line(np.array([1.0, 2.0]), 3.0))
        (model.slope @ np.array([1.0, -1.0]) * model.offset).backward()
        assert [v.grad for v in model.slope] == [3.0, -3.0]
        assert model.offset.grad == -1.0
        model.offset.value -= 1.0
        assert same(al.values(model), Line(np.array([1.0, 2.0]), 2.0))

    def test_what_is_no_number_is_refused(self):
        """With its place and the remedy."""
        with pytest.raises(al.OperandError, match=r"the nest at \['a'\] is not a number: str 'x' .* static field"):
            al.variables({"a": "x"})
        with pytest.raises(al.ConversionError):
            al.variables([2**53 + 1])


class TestFlatten:
    """A nest as a vector."""

    @pytest.mark.parametrize("nest", NESTS, ids=str)
    def test_there_and_back(self, nest):
        """The vector is of floats; the nest comes back from it, and from a list."""
        vector, unflatten = al.flatten(nest)
        assert type(vector) is np.ndarray
        assert (vector.ndim, vector.dtype) == (1, np.float64)
        assert same(nest, unflatten(vector))
        assert same(nest, unflatten(vector.tolist()))
        assert same(vector, al.flatten(unflatten(vector))[0])

    def test_result_shares_no_memory(self):
        """With the vector or the nest."""
        nest = [np.ones(2), 1.0]
        vector, unflatten = al.flatten(nest)
        again = unflatten(vector)
        vector[:] = 9.0
        assert same(nest, again)

    def test_variables_in_both_ways(self):
        """The vector is then one of Variables; a vector of them makes a nest of them."""
        x = Variable(2.0)
        vector, unflatten = al.flatten({"a": x, "b": np.ones(2)})
        assert type(vector) is VariableArray
        assert vector[0] is x
        assert unflatten(vector)["a"] is x
        assert unflatten(np.array([1.0, 2.0, x], dtype=object))["b"][1] is x

    @pytest.mark.parametrize("length", [0, 2, 4])
    def test_vector_of_another_length(self, length):
        """Our error, with both numbers and the structure."""
        _, unflatten = al.flatten({"a": 1.0, "b": np.ones(2)})
        with pytest.raises(al.ArgumentError, match=rf"shape \({length},\), and the nest .*array\[2\].* has 3\. Give"):
            unflatten(np.ones(length))
        with pytest.raises(al.ArgumentError, match=r"shape \(3, 1\)"):
            unflatten(np.ones((3, 1)))
        with pytest.raises(al.ArgumentError, match=r"shape \(\)"):
            unflatten(3.0)

    def test_function_of_a_nest_is_one_of_a_vector(self):
        """Value, gradient, Hessian, compiled and over lanes; and SciPy minimises it."""
        rng = np.random.default_rng(1)
        xs = rng.normal(size=(20, 2))
        ys = xs @ [2.0, -1.0] + 0.5

        def loss(line):
            return ((xs @ line.slope + line.offset - ys) ** 2).mean() if line.kind == "straight" else None

        start, unflatten = al.flatten(Line(np.zeros(2), 0.0))
        f = lambda v: loss(unflatten(v))
        by_nest = al.grad(loss)(Line(np.zeros(2), 0.0))
        assert np.allclose(al.grad(f)(start), al.flatten(by_nest)[0], rtol=1e-14)
        assert np.allclose(al.jit(al.grad(f))(start), al.grad(f)(start), rtol=1e-13)
        assert np.allclose(al.jit(al.hessian(f))(start), al.hessian(f)(start), rtol=1e-13)
        points = rng.normal(size=(5, 3))
        assert np.allclose(al.jit(al.vmap(al.grad(f)))(points), [al.grad(f)(p) for p in points], rtol=1e-12)
        found = scipy.optimize.minimize(al.value_and_grad(f), start, jac=True, method="BFGS", options={"gtol": 1e-10})
        line = unflatten(found.x)
        assert isinstance(line, Line)
        assert np.allclose([*line.slope, line.offset], [2.0, -1.0, 0.5], atol=1e-8)

    def test_long_vector_stays_array_code(self):
        """Under `jit` its parts are still expressions of one element."""
        data = np.linspace(0.0, 1.0, 6000)
        start, unflatten = al.flatten({"w": np.ones(6000), "b": 0.5})
        f = al.jit(al.value_and_grad(lambda v: (np.sin(unflatten(v)["w"] * data) * unflatten(v)["b"]).sum()))
        value, slope = f(start)
        assert value == pytest.approx(0.5 * np.sin(data).sum(), rel=1e-12)
        expected = al.flatten({"w": 0.5 * np.cos(data) * data, "b": np.sin(data).sum()})[0]
        assert np.allclose(slope, expected, rtol=1e-11)

    def test_jacobian_of_the_way_back_is_the_identity(self):
        """No number is lost, or in two places."""
        vector, unflatten = al.flatten([np.ones((2, 2)), {"a": 1.0}])
        assert np.array_equal(al.jacobian(lambda v: al.flatten(unflatten(v))[0])(vector), np.eye(5))


def test_a_dataclass_that_is_not_registered():
    """The message was that of a text: not a real number."""

    @dataclasses.dataclass
    class Line:
        slope: float

    for call in (
        lambda: al.grad(lambda p: p["l"].slope)({"l": Line(1.0)}),
        lambda: al.scipy.minimize(lambda p: p.slope, Line(1.0)),
    ):
        with pytest.raises(
            al.OperandError, match=r"Line is a dataclass. Decorate it with @al.register_dataclass, [^.]*\.$"
        ):
            call()
