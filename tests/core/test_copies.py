"""Copies and pickles of graphs."""

import copy
import pickle

import pytest

import autograd_lite as al
from autograd_lite import Variable


class TestCopies:
    """copy, deepcopy, pickle."""

    def graph(self):
        """A small graph with a shared leaf, a constant, names and gradients."""
        x = Variable(2.0, name="x")
        h = al.exp(x) * x + 3.0
        h.name = "h"
        y = h * h
        y.backward()
        return x, h, y

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
    def test_a_graph_is_a_value(self, duplicate):
        """The copy has the facts of the original, and none of its nodes."""
        x, _, y = self.graph()
        z = duplicate(y)
        originals, copies = al.topological_order(y), al.topological_order(z)
        assert [repr(v) for v in originals] == [repr(v) for v in copies]
        assert not set(originals) & set(copies)
        z.backward()
        assert copies[0].grad == 2 * x.grad
        assert al.gradients(al.gradients(z, copies[0], create_graph=True), copies[0]) == al.gradients(
            al.gradients(y, x, create_graph=True), x
        )

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
    def test_leaves_stay_shared(self, duplicate):
        """A model and its loss, copied together, still belong together."""
        x, _, y = self.graph()
        model = duplicate({"x": x, "loss": [y, y * 2.0]})
        assert al.gradients(model["loss"][0], model["x"]) == x.grad
        assert al.gradients(model["loss"][1], model["x"]) == 2 * x.grad

    def test_deepcopy_keeps_inner_nodes_shared(self):
        """Also inner ones."""
        _, h, y = self.graph()
        h2, y2 = copy.deepcopy([h, y])
        assert al.gradients(y2, h2) == al.gradients(y, h)

    def test_shallow_copy_shares_the_arguments(self):
        """A new node over the same parents."""
        x, _, y = self.graph()
        z = copy.copy(y)
        assert z is not y
        assert z.arguments == y.arguments
        assert al.gradients(z, x) == al.gradients(y, x)

    def test_leaf_alone(self):
        """Value, gradient, name."""
        x, _, _ = self.graph()
        for duplicate in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
            assert repr(duplicate) == repr(x)

    def test_changed_leaf_is_noticed_in_a_copy_too(self):
        """A copy of a stale graph is stale; a copy of a good one is good."""
        x, _, y = self.graph()
        x.value = 3.0
        z = copy.deepcopy(y)
        with pytest.raises(al.StaleGraphError):
            al.gradients(y, x, create_graph=True)
        with pytest.raises(al.StaleGraphError):
            al.gradients(z, al.topological_order(z)[0], create_graph=True)
        with pytest.raises(al.StaleGraphError):
            w = pickle.loads(pickle.dumps(y))
            al.gradients(w, al.topological_order(w)[0], create_graph=True)
