"""`raise_on_nonfinite`: which node or adjoint it names, and what it leaves alone."""

import math
import threading

import pytest

import autograd_lite as al
from autograd_lite import Variable


class TestRaiseOnNonfinite:
    """The first infinite or NaN value or adjoint is an error that says where."""

    def test_value(self):
        """Operation, inputs, file and line."""
        x = Variable(0.0, name="residual")
        with pytest.raises(al.NonFiniteError) as caught, al.raise_on_nonfinite():
            al.log(x)
        message = str(caught.value)
        assert "log(residual) is -inf for residual = 0.0" in message
        assert "test_watch.py:" in message

    def test_two_inputs(self):
        """Each with its value; constants as they are."""
        with pytest.raises(al.NonFiniteError, match=r"div\(a, 0.0\) is inf for a = 1.0, 0.0 at test_watch.py:\d+"):
            with al.raise_on_nonfinite():
                Variable(1.0) / 0.0

    def test_leaf(self):
        """Bad data are caught where they come in."""
        with pytest.raises(al.NonFiniteError, match="a leaf was given the value nan"), al.raise_on_nonfinite():
            Variable(math.nan)

    def test_adjoint(self):
        """The product that failed."""
        with al.raise_on_nonfinite():
            x = Variable(0.0, name="x")
            y = al.sqrt(x) * 3.0
            with pytest.raises(al.NonFiniteError) as caught:
                y.backward()
        assert "3.0 × inf  (through Variable(0.0, op='sqrt') made at test_watch.py:" in str(caught.value)
        assert x.grad is None

    def test_adjoint_of_a_gradient_graph(self):
        """Also with create_graph."""
        with al.raise_on_nonfinite():
            x = Variable(0.0)
            y = al.sqrt(x)
            with pytest.raises(al.NonFiniteError):
                al.gradients(y, x, create_graph=True)

    def test_tangent_and_value_setting(self):
        """Forward mode and x.value = … are watched too; a refused value is not kept."""
        x = Variable(1.0)
        with al.raise_on_nonfinite():
            with pytest.raises(al.NonFiniteError, match="the tangent of"):
                al.jvp(al.sqrt, (0.0,), (1.0,))
            with pytest.raises(al.NonFiniteError, match="was given the value nan"):
                x.value = math.nan
        assert x.value == 1.0

    def test_outside_nothing_is_raised(self):
        """Before, after, and in another thread meanwhile."""
        with al.raise_on_nonfinite():
            values = []
            thread = threading.Thread(target=lambda: values.append(al.log(Variable(0.0)).value))
            thread.start()
            thread.join()
        assert values == [-math.inf]
        assert al.log(Variable(0.0)).value == -math.inf

    def test_rules_that_pass_through_infinity_inside_are_no_error(self):
        """hypot at the origin divides 0 by 0 on the way to its derivative 0; only nodes count."""
        with al.raise_on_nonfinite():
            x, y = Variable(0.0), Variable(0.0)
            h = al.hypot(x, y)
            h.backward()
        assert (x.grad, y.grad) == (0.0, 0.0)

    def test_finite_programs_run_as_before(self):
        """Same numbers."""
        with al.raise_on_nonfinite():
            inside = al.value_and_grad(lambda x: al.tanh(x) * x)(0.7)
        assert inside == al.value_and_grad(lambda x: al.tanh(x) * x)(0.7)
