"""Details of the sweep, the passes, the guards, the loops and the emitter of which mutants showed that nothing tested them."""

import numpy as np
import pytest

from autograd_lite import Variable, gradients

# --- the sweep ----------------------------------------------------------------------------------------------


def test_gradients_by_all_nodes_are_a_mapping():
    """It has a length, a text, and no entry for what the output does not depend on or what is no Variable."""
    x, other = Variable(2.0), Variable(1.0)
    found = gradients(x * 3.0)
    assert len(found) == 2
    assert repr(found) == "{Variable(2.0): 3.0, Variable(6.0, op='mul'): 1.0}" or "Variable(2.0): 3.0" in repr(found)
    assert x in found and other not in found and 2.0 not in found
    for missing in (other, 2.0):
        with pytest.raises(KeyError):
            found[missing]


def test_gradient_of_a_number_in_an_array_without_axes():
    """A number depends on nothing, in whatever holds it."""
    assert gradients(np.array(3.0), Variable(1.0)) == 0.0
