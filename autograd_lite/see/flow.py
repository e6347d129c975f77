"""Gradient flow: the size of the gradient in each layer, and the shares of units that let little or none through."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from autograd_lite.context import unnoticed
from autograd_lite.errors import ArgumentError, DrawingError, OperandError
from autograd_lite.nests import NAMESPACE
from autograd_lite.see.graph import Graph
from autograd_lite.variable import Variable

#: A unit is saturated if its slope is below this share of the activation's largest.
SATURATED = 0.05

_INK, _GRID, _DEAD, _DULL = "#1f2933", "#d9dee4", "#c0392b", "#e08214"


@dataclass(frozen=True)
class GradientFlow:
    """Gradients by layer.

    Attributes
    ----------
    names : list of str
        The names of the layers, from the first to the last.
    sizes : array (steps, layers)
        Root mean square of the gradient by the parameters of a layer.
    dead, saturated : array (layers of units,)
        Share of units whose slope is exactly 0, and of units whose slope is not 0 but below a twentieth of the activation's
        largest. Layers of units are numbered by the activations before them; the arrays are empty without graphs.
    """

    names: list[str]
    sizes: Any
    dead: Any
    saturated: Any

    def __str__(self) -> str:
        last = self.sizes[-1]
        width = max(map(len, self.names))
        lines = [f"{name:<{width}}  {size:.3e}" for name, size in zip(self.names, last, strict=True)]
        for k, (dead, dull) in enumerate(zip(self.dead, self.saturated, strict=True), start=1):
            lines.append(f"units of layer {k}: {dead:.0%} dead, {dull:.0%} saturated")
        return "\n".join(lines)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Paint sizes on a logarithmic scale, over the steps or, for one step, by layer; and the shares of units.

        Parameters
        ----------
        path : str or path, optional
            Where to save the picture.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        DrawingError
            If matplotlib is not installed.
        """
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - optional, and no window system
            from matplotlib.figure import Figure  # noqa: PLC0415
        except ImportError as error:
            raise DrawingError(
                "plot_gradient_flow needs matplotlib. Install it with pip install 'autograd-lite[demos]', or print the flow."
            ) from error
        with_units = len(self.dead) > 0
        figure = Figure(figsize=(9.6 if with_units else 6.4, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, 2 if with_units else 1, squeeze=False)[0]
        self._paint_sizes(axes[0])
        if with_units:
            self._paint_units(axes[1])
        for each in axes:
            each.grid(visible=True, axis="y", color=_GRID)
            each.set_axisbelow(True)
            each.xaxis.get_major_locator().set_params(integer=True)
            each.spines[["top", "right"]].set_visible(False)
        if path is not None:
            figure.savefig(path, dpi=150, metadata={"Software": None})
        return figure

    def _paint_sizes(self, axes: Any) -> None:
        steps, layers = self.sizes.shape
        shown = np.where(self.sizes > 0, self.sizes, np.nan)
        smallest = np.nanmin(shown) if np.isfinite(shown).any() else 1.0
        shades = [(0.55 - 0.35 * t, 0.78 - 0.68 * t, 0.92 - 0.42 * t) for t in np.linspace(0, 1, layers)]
        if steps == 1:
            axes.plot(range(1, layers + 1), shown[0], "o-", color=shades[-1])
            zero = np.flatnonzero(self.sizes[0] == 0) + 1
            axes.set(xlabel="layer")
        else:
            for k, (name, shade) in enumerate(zip(self.names, shades, strict=True)):
                axes.plot(range(steps), shown[:, k], color=shade, linewidth=1.6)
                if layers <= 12 and np.isfinite(shown[-1, k]):
                    axes.annotate(
                        name, (steps - 1, shown[-1, k]), (4, 0), textcoords="offset points", va="center", fontsize=8
                    )
            zero = np.flatnonzero((self.sizes == 0).any(axis=1))
            axes.set(xlabel="step", xlim=(0, 1.12 * (steps - 1)))
        axes.set_yscale("log")
        if len(zero):
            floor = np.full(len(zero), smallest / 3)
            axes.plot(zero, floor, "x", color=_DEAD, label="exactly 0")
            axes.legend(fontsize=8, frameon=False)
        axes.set_title("Size of the gradient by layer", loc="left", fontweight="bold", color=_INK)
        axes.set_ylabel("root mean square of dC/dp")

    def _paint_units(self, axes: Any) -> None:
        places = np.arange(1, len(self.dead) + 1)
        axes.bar(places, self.dead, color=_DEAD, label="dead: slope exactly 0")
        axes.bar(places, self.saturated, bottom=self.dead, color=_DULL, label="saturated: below 1/20 of the steepest")
        if not (self.dead.any() or self.saturated.any()):
            axes.text(0.5, 0.5, "none of them", ha="center", color=_INK, transform=axes.transAxes)
        axes.set(xlabel="layer of units", ylabel="share of units", ylim=(0, 1))
        axes.set_title("Units that let little through", loc="left", fontweight="bold", color=_INK)
        axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)


@unnoticed()
def gradient_flow(gradients: Any, graphs: Variable | Iterable[Variable] = ()) -> GradientFlow:
    """Measure gradients layer by layer.

    Parameters
    ----------
    gradients : nest, or list of nests of one structure
        Results of `grad`, of one step or of many. Parameters that lie together in the nest, such as weight and bias of
        `nn.Dense`, are a layer; each number in a flat list is a layer.
    graphs : Variable or iterable of them, optional
        Losses of samples, computed on Variables: their units are counted.

    Returns
    -------
    GradientFlow

    Raises
    ------
    ArgumentError
        If there is no gradient, or the nests differ.
    OperandError
        If a graph is not a Variable.

    Notes
    -----
    Time is linear in the numbers and in the nodes.

    Examples
    --------
    >>> import autograd_lite as al
    >>> def chain(w, x):
    ...     for weight in w:
    ...         x = al.sigmoid(weight * x)
    ...     return (3.0 - x) ** 2
    >>> w = [1.0, 1.0, 1.0]
    >>> flow = gradient_flow(al.grad(chain)(w, 1.0), chain([al.Variable(v) for v in w], 1.0))
    >>> print(flow)
    0  4.507e-02
    1  1.676e-01
    2  7.054e-01
    units of layer 1: 0% dead, 0% saturated
    units of layer 2: 0% dead, 0% saturated
    units of layer 3: 0% dead, 0% saturated
    """
    steps = _steps(gradients)
    groups: dict[str, list[int]] = {}
    for place, path in enumerate(optree.tree_paths(steps[0], namespace=NAMESPACE)):
        name = ".".join(str(entry) for entry in (path[:-1] or path)) or "all"
        groups.setdefault(name, []).append(place)
    sizes = np.zeros((len(steps), len(groups)))
    for row, nest in zip(sizes, steps, strict=True):
        leaves = [np.asarray(leaf, dtype=float) for leaf in optree.tree_leaves(nest, namespace=NAMESPACE)]
        for k, places in enumerate(groups.values()):
            numbers = np.concatenate([leaves[p].ravel() for p in places])
            most = float(np.max(np.abs(numbers), initial=0.0))  # scaled, since squares of gradients below 1e-162 are 0
            row[k] = most * float(np.sqrt(np.mean((numbers / most) ** 2))) if 0.0 < most < np.inf else most
    outputs = [graphs] if isinstance(graphs, Variable) else list(graphs)
    dead, saturated = _units(outputs)
    return GradientFlow(list(groups), sizes, dead, saturated)


def plot_gradient_flow(
    gradients: Any, graphs: Variable | Iterable[Variable] = (), *, path: str | os.PathLike[str] | None = None
) -> Any:
    """Paint the size of the gradient by layer on a logarithmic scale, and the shares of dead and saturated units.

    Parameters
    ----------
    gradients, graphs
        See `gradient_flow`, which returns the numbers.
    path : str or path, optional
        Where to save the picture.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DrawingError
        If matplotlib is not installed.

    Examples
    --------
    >>> figure = plot_gradient_flow([[1e-3, 0.1], [2e-3, 0.2]])
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['step']
    """
    return gradient_flow(gradients, graphs).plot(path)


def _steps(gradients: Any) -> Sequence[Any]:
    """A list of nests, made from such a list or from one nest: entries with one structure mean many steps."""
    many = isinstance(gradients, list) and len(gradients) > 0 and not any(np.isscalar(entry) for entry in gradients)
    many = many and not isinstance(gradients[0], np.ndarray)  # a list of arrays is one nest of layers
    steps = gradients if many else [gradients]
    structures = {optree.tree_structure(step, namespace=NAMESPACE) for step in steps}
    if len(structures) > 1:
        raise ArgumentError(
            f"gradients are nests of {len(structures)} structures. Pass those of one network, step by step."
        )
    if structures.pop().num_leaves == 0:
        raise ArgumentError("there is no number in gradients. Pass what grad(loss)(network, …) returned.")
    return steps


def _units(outputs: Sequence[Any]) -> tuple[Any, Any]:
    """Shares of dead and of saturated units, by the number of activations on the longest path to them."""
    for output in outputs:
        if not isinstance(output, Variable):
            raise OperandError(f"graphs holds {output!r:.80}; give the loss as computed on Variables.")
    counts: dict[int, Any] = defaultdict(lambda: np.zeros(3))
    graph, depth = Graph(outputs), list[int]()
    for node, parents in zip(graph.nodes, graph.parents, strict=True):
        deep = max((depth[p] for p in parents), default=0)
        steepest = node.primitive.steepest if node.primitive is not None else None
        if steepest is not None and node.local_gradients:
            deep += 1
            slope = abs(node.local_gradients[0][1])
            counts[deep] += [1, slope == 0.0, 0.0 < slope < SATURATED * steepest]
        depth.append(deep)
    rows = np.array([counts[layer] for layer in sorted(counts)]).reshape(-1, 3)
    return rows[:, 1] / rows[:, 0], rows[:, 2] / rows[:, 0]
