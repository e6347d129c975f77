"""Which nodes of a graph a picture shows, and the number each one goes by."""

from collections.abc import Sequence
from dataclasses import dataclass

from autograd_lite.backward import topological_order
from autograd_lite.errors import GraphTooLarge
from autograd_lite.variable import Variable


@dataclass(frozen=True)
class Selection:
    """The nodes to draw, parents first, and the position of every node among all that lie under the outputs."""

    outputs: frozenset[Variable]
    nodes: tuple[Variable, ...]
    position: dict[Variable, int]

    @property
    def hidden(self) -> int:
        """How many nodes lie beyond the depth asked for."""
        return len(self.position) - len(self.nodes)


def select(outputs: Sequence[Variable], *, depth: int | None, max_nodes: int | None) -> Selection:
    """Choose the nodes within `depth` edges of an output.

    Positions are counted in the whole graph: `n7` is the same node in every run, at every depth, and in `explain`.
    """
    by_number = {node.number: node for output in outputs for node in topological_order(output)}
    nodes = tuple(by_number[number] for number in sorted(by_number))
    position = {node: i for i, node in enumerate(nodes)}
    if depth is not None:
        near = _within(outputs, depth)
        nodes = tuple(node for node in nodes if node in near)
    if max_nodes is not None and len(nodes) > max_nodes:
        smaller = 10 if depth is None else max(depth // 2, 1)
        raise GraphTooLarge(
            f"{len(nodes):,} nodes; max_nodes={max_nodes:,}. Pass max_nodes=None to draw them all, or depth={smaller} "
            "to draw only what lies that many steps before the output."
        )
    return Selection(frozenset(outputs), nodes, position)


def _within(outputs: Sequence[Variable], depth: int) -> set[Variable]:
    """Return the nodes at most `depth` edges before an output, ring by ring."""
    seen = set(outputs)
    ring = set(outputs)
    for _ in range(depth):
        ring = {parent for node in ring for parent in node.parents} - seen
        if not ring:
            break
        seen |= ring
    return seen
