"""Copies of graphs: `copy`, `deepcopy` and `pickle`, without recursion, however deep the graph is.

Importing this module gives `Variable` its copy protocol.
"""

import gc
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import nan
from typing import Any

from autograd_lite import context
from autograd_lite.errors import OperandError
from autograd_lite.primitives import Primitive, positive
from autograd_lite.variable import Variable, is_input_of, is_stale, make_node, reachable


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the collector of cycles: nodes make none, and it would walk through millions of new ones again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def rebuilt(node: Variable, arguments: tuple[Any, ...]) -> Variable:
    copied = make_node(node._primitive, node._value, arguments, node._locals)
    copied._grad = node._grad
    if node._about is not None:
        for fact in ("name", "location", "read", "scope"):
            setattr(copied.about, fact, getattr(node._about, fact))
    if is_stale(node):
        copied.about.stale = True
    return copied


def _is_under_way(node: Variable) -> bool:
    """Whether a node stands for a number in a run under way: a copy would lose its derivative."""
    return context.recording() is not None or is_input_of(node, context.runs())


def _copy(self: Variable) -> Variable:
    if not _is_under_way(self):
        return rebuilt(self, self._arguments)
    copied: Variable = positive(
        self
    )  # depends on the node: copies of nests, such as `dataclasses.asdict`, mean its number
    if self.name is not None:
        copied.name = self.name
    return copied


def _deepcopy(self: Variable, memo: dict[int, Any]) -> Variable:
    if _is_under_way(self):
        memo[id(self)] = _copy(self)
    else:
        with uncollected():
            for node in reachable([self]):
                if id(node) not in memo:
                    arguments = tuple([memo[id(a)] if type(a) is Variable else a for a in node._arguments])
                    memo[id(node)] = rebuilt(node, arguments)
    copied: Variable = memo[id(self)]
    return copied


@uncollected()
def _reduce(self: Variable) -> tuple[Any, ...]:
    """The state that pickle stores: leaves as objects of their own, so that they stay shared; the rest as flat arrays.

    A rule is an index, 0 for none; the place of a constant is -1; `graded` and `sent` say whether there is a gradient.
    """
    if _is_under_way(self):
        raise OperandError(
            f"{self!r} belongs to a function that is being differentiated or traced: a pickle would cut its derivative off. "
            "Pickle x.value, or pickle after the run."
        )
    if not self._arguments:
        return restored_leaf, (self._value, self._grad, self.name)
    nodes = reachable([self])
    place = {node._number: i for i, node in enumerate(nodes)}
    rules: dict[Primitive | None, int] = {None: 0}
    leaves, facts = [], {}
    kinds, counts, values, grads, graded = array("q"), array("q"), array("d"), array("d"), bytearray()
    places, constants, locals_, sent = array("q"), array("d"), array("d"), bytearray()
    for node in nodes:
        if not node._arguments:
            leaves.append(node)
        kinds.append(rules.setdefault(node._primitive, len(rules)))
        counts.append(len(node._arguments))
        values.append(node._value)
        grads.append(node._grad or 0.0)
        graded.append(node._grad is not None)
        for argument, local in zip(node._arguments, node._locals, strict=True):
            is_node = type(argument) is Variable
            places.append(place[argument._number] if is_node else -1)
            constants.append(nan if is_node else argument)
            locals_.append(0.0 if local is None else local)
            sent.append(local is not None)
        if node.name is not None or is_stale(node):
            facts[place[node._number]] = node.name, is_stale(node)
    columns = kinds, counts, values, grads, bytes(graded), places, constants, locals_, bytes(sent)
    return restored_graph, (leaves, list(rules), columns, facts)


def restored_leaf(value: float, grad: float | None, name: str | None) -> Variable:
    leaf = Variable(value, name=name)
    leaf._grad = grad
    return leaf


@uncollected()
def restored_graph(
    leaves: list[Variable], rules: list[Primitive | None], columns: Sequence[Any], facts: dict[int, Any]
) -> Variable:
    kinds, counts, values, grads, graded, places, constants, locals_, sent = columns
    nodes: list[Variable] = []
    unused, start = iter(leaves), 0
    for kind, count, value, grad, has_grad in zip(kinds, counts, values, grads, graded, strict=True):
        if not count:
            nodes.append(next(unused))
            continue
        edges = range(start, start + count)
        start += count
        arguments = tuple([nodes[places[e]] if places[e] >= 0 else constants[e] for e in edges])
        node = make_node(rules[kind], value, arguments, tuple([locals_[e] if sent[e] else None for e in edges]))
        node._grad = grad if has_grad else None
        nodes.append(node)
    for i, (name, stale) in facts.items():
        if nodes[i]._arguments:  # a leaf has brought its own
            if name is not None:
                nodes[i].name = name
            if stale:
                nodes[i].about.stale = True
    return nodes[-1]


Variable.__copy__ = _copy  # type: ignore[attr-defined]
Variable.__deepcopy__ = _deepcopy  # type: ignore[attr-defined]
Variable.__reduce__ = _reduce  # type: ignore[assignment]
