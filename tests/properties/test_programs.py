"""Random straight-line programs with shared sub-expressions: against mpmath, and against themselves by other routes."""

import math

import numpy as np
from checkers import check_against_differences, running_bound
from corpus import EPS, same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from reference import central
from strategies import moderate, points, programs

import autograd_lite as al


@given(programs(), points(3))
@settings(max_examples=40)
def test_gradient_against_mpmath(program, point):
    """Every gradient entry is within the running error bound of the gradient program."""
    variables = [al.Variable(x) for x in point]
    gradients = al.gradients(program(variables), variables, create_graph=True)
    for i, g in enumerate(gradients):
        exact = central(program.exactly, point, (i,))
        with mp.workdps(40):
            error = float(abs(mpf(g.value) - exact))
        assert error <= running_bound(g) + 8 * EPS * abs(g.value), f"{g.value!r}, should be {mp.nstr(exact, 20)}"


@given(programs(most=7), points(3))
@settings(max_examples=20)
def test_hessian_against_mpmath(program, point):
    """Every second derivative is within the running error bound of its program."""
    variables = [al.Variable(x) for x in point]
    gradients = al.gradients(program(variables), variables, create_graph=True)
    for i, g in enumerate(gradients):
        for j in range(i + 1):
            d = al.gradients(g, variables[j], create_graph=True)
            exact = central(program.exactly, point, (i, j))
            with mp.workdps(40):
                error = float(abs(mpf(d.value) - exact))
            assert error <= running_bound(d) + 8 * EPS * abs(d.value), f"{d.value!r}, should be {mp.nstr(exact, 20)}"


@given(programs(), points(3))
def test_gradient_against_differences(program, point):
    """Ridders' extrapolation, an oracle that does not know what the operations mean."""
    check_against_differences(program, point)


@given(programs(), points(3))
def test_routes_to_the_gradient_agree(program, point):
    """backward, gradients, create_graph, grad, value_and_grad and vjp give the same bits."""
    variables = [al.Variable(x) for x in point]
    y = program(variables)
    plain = al.gradients(y, variables)
    y.backward()
    everything = al.gradients(y)
    routes = [
        [x.grad if x.grad is not None else 0.0 for x in variables],
        [everything.get(x, 0.0) for x in variables],
        [g.value for g in al.gradients(y, variables, create_graph=True)],
        al.grad(program)(list(point)),
        al.value_and_grad(program)(list(point))[1],
    ]
    for route in routes:
        assert all(same_bits(a, b) for a, b in zip(plain, route, strict=True)), (plain, route)
    assert same_bits(y.value, program(list(point)))


@given(programs(), points(3), st.integers(2, 5))
def test_second_backward_adds_the_same_numbers_again(program, point, times):
    """After k passes every node's grad is the sum of k equal numbers."""
    variables = [al.Variable(x) for x in point]
    y = program(variables)
    y.backward()
    nodes = al.topological_order(y)
    once = [node.grad for node in nodes]
    for _ in range(times - 1):
        y.backward()
    for node, g in zip(nodes, once, strict=True):
        total = g
        for _ in range(times - 1):
            total += g
        assert same_bits(node.grad, total)


@given(programs(), points(3), moderate())
def test_seed_scales_the_gradient(program, point, exponent):
    """A power of two as seed scales every adjoint exactly."""
    seed = 2.0 ** round(exponent)
    variables = [al.Variable(x) for x in point]
    y = program(variables)
    plain, scaled = al.gradients(y, variables), al.gradients(y, variables, seed=seed)
    assert [seed * g for g in plain] == list(scaled)


@given(programs(), points(3))
def test_topological_order(program, point):
    """Every node once, parents before their users, the output last."""
    y = program([al.Variable(x) for x in point])
    order = al.topological_order(y)
    place = {node: k for k, node in enumerate(order)}
    assert len(place) == len(order)
    assert order[-1] is y
    assert all(place[parent] < place[node] for node in order for parent in node.parents)


@given(programs(), points(3))
def test_gradients_of_inner_nodes_obey_the_chain_rule(program, point):
    """The adjoint of a node is the sum over its users of adjoint times local gradient."""
    y = program([al.Variable(x) for x in point])
    adjoints = al.gradients(y)
    order = al.topological_order(y)
    for node in order[:-1]:
        terms = [adjoints[user] * local for user in order for parent, local in user.local_gradients if parent is node]
        # The sweep adds the terms one by one: one rounding each, relative to their absolute sum.
        assert abs(adjoints[node] - math.fsum(terms)) <= len(terms) * EPS * math.fsum(map(abs, terms))


@given(programs(), points(3))
def test_arrays_and_lists_give_the_same_gradient(program, point):
    """A NumPy array in gives an array out, with the same bits."""
    as_list, as_array = al.grad(program)(list(point)), al.grad(program)(np.array(point))
    assert isinstance(as_array, np.ndarray)
    assert as_array.dtype == float
    assert as_array.tolist() == as_list
