"""Copies of graphs: `copy`, `deepcopy` and `pickle`, without recursion, however deep the graph is.

Importing this module gives `Variable` its copy protocol.
"""

from typing import Any

from autograd_lite.variable import Variable, is_stale, make_node, reachable


def rebuilt(node: Variable, arguments: tuple[Any, ...]) -> Variable:
    """A new node with the facts of `node`, over other arguments."""
    copied = make_node(node._primitive, node._value, arguments, node._locals)
    copied._grad = node._grad
    if node._about is not None:
        copied.about.name, copied.about.location = node._about.name, node._about.location
    if is_stale(node):
        copied.about.stale = True
    return copied


def _copy(self: Variable) -> Variable:
    return rebuilt(self, self._arguments)


def _deepcopy(self: Variable, memo: dict[int, Any]) -> Variable:
    for node in reachable([self]):
        if id(node) not in memo:
            arguments = tuple(memo[id(a)] if type(a) is Variable else a for a in node._arguments)
            memo[id(node)] = rebuilt(node, arguments)
    copied: Variable = memo[id(self)]
    return copied


def _reduce(self: Variable) -> tuple[Any, ...]:
    """What pickle stores: leaves as objects of their own, so that they stay shared; the rest as flat lists."""
    if not self._arguments:
        return restored_leaf, (self._value, self._grad, self.name)
    nodes = reachable([self])
    position = {node: i for i, node in enumerate(nodes)}
    leaves = [node for node in nodes if not node._arguments]
    inner = [
        (
            node._primitive,
            node._value,
            tuple([(position[a],) if type(a) is Variable else a for a in node._arguments]),
            node._locals,
            node._grad,
            node.name,
            is_stale(node),
        )
        if node._arguments
        else None
        for node in nodes
    ]
    return restored_graph, (leaves, inner)


def restored_leaf(value: float, grad: float | None, name: str | None) -> Variable:
    """Undo `_reduce` for a leaf."""
    leaf = Variable(value, name=name)
    leaf._grad = grad
    return leaf


def restored_graph(leaves: list[Variable], inner: list[Any]) -> Variable:
    """Undo `_reduce` for a graph; returns its root."""
    nodes: list[Variable] = []
    unused = iter(leaves)
    for facts in inner:
        if facts is None:
            nodes.append(next(unused))
            continue
        primitive, value, arguments, locals_, grad, name, stale = facts
        node = make_node(primitive, value, tuple([nodes[a[0]] if type(a) is tuple else a for a in arguments]), locals_)
        node._grad = grad
        if name is not None:
            node.name = name
        if stale:
            node.about.stale = True
        nodes.append(node)
    return nodes[-1]


Variable.__copy__ = _copy  # type: ignore[attr-defined]
Variable.__deepcopy__ = _deepcopy  # type: ignore[attr-defined]
Variable.__reduce__ = _reduce  # type: ignore[assignment]
