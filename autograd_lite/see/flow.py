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
from autograd_lite.nests import NAMESPACE, written
from autograd_lite.see import palette
from autograd_lite.see.graph import Graph
from autograd_lite.see.labels import elide, shortened, visible
from autograd_lite.see.pieces import piece, table
from autograd_lite.variable import Variable

#: A unit is saturated if its slope is below this share of the activation's largest.
SATURATED = 0.05

_INK, _GRID, _DEAD, _DULL, _BAD = (
    role.light for role in (palette.INK, palette.RULE, palette.MUTED, palette.LINE, palette.BAD)
)
_NAME_LENGTH, _NAMED = 24, 20  # letters of a layer's name in a plot, and how many lines there have their names


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

    def _repr_html_(self) -> str:
        first, last = ([f"{size:.3e}" for size in self.sizes[k]] for k in (0, -1))
        steps = [last] if len(self.sizes) == 1 else [first, last]
        head = ["layer", *(["gradient"] if len(steps) == 1 else ["gradient, first step", "last step"])]
        layers = table("Size of the gradient by layer", head, zip(self.names, *steps, strict=True))
        rows = [(k, f"{a:.0%}", f"{b:.0%}") for k, (a, b) in enumerate(zip(self.dead, self.saturated, strict=True), 1)]
        units = [table("Units that let little through", ("layer of units", "dead", "saturated"), rows)] if rows else []
        return piece(layers, *units)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Paint sizes on a logarithmic scale, over the steps or, for one step, by layer; and the shares of units.

        Where no unit is dead or saturated, a line of text says so in place of a second panel.

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
        with_units = bool(np.any(self.dead) or np.any(self.saturated))
        figure = Figure(figsize=(10.4 if with_units else 7.2, 4.2), layout="constrained", facecolor=palette.PAPER.light)
        FigureCanvasAgg(figure)
        axes = figure.subplots(1, 2 if with_units else 1, squeeze=False)[0]
        self._paint_sizes(axes[0])
        if with_units:
            self._paint_units(axes[1])
        elif len(self.dead):
            text = f"No unit of the {len(self.dead)} layers of units is dead or saturated."
            figure.supxlabel(text, fontsize=9, color=palette.MUTED.light)
        for each in axes:
            each.grid(visible=True, axis="y", color=_GRID)
            each.set_axisbelow(True)
            each.spines[["top", "right"]].set_visible(False)
        if path is not None:
            figure.savefig(path, dpi=150, metadata={"Software": None})
        return figure

    def _paint_sizes(self, axes: Any) -> None:
        steps, layers = self.sizes.shape
        names = [elide(visible(name), _NAME_LENGTH).replace("$", r"\$") for name in self.names]
        shown = np.where((self.sizes > 0) & np.isfinite(self.sizes), self.sizes, np.nan)
        measured = np.isfinite(shown).any()
        smallest, largest = (np.nanmin(shown), np.nanmax(shown)) if measured else (1.0, 1.0)
        axes.set_yscale("log")
        axes.set_title("Size of the gradient by layer", loc="left", fontweight="bold", color=_INK)
        axes.set_ylabel("root mean square of dC/dp")
        if steps == 1:
            axes.plot(range(layers), shown[0], "o", color=palette.POSITIVE.light)
            columns = self.sizes[0]
            long = sum(map(len, names)) > 60
            every = -(-layers // 40)  # beyond forty names none could be read
            axes.set_xticks(range(0, layers, every), names[::every], rotation=90 if long else 0)
            axes.set_xlim(-0.5, layers - 0.5)
        else:
            columns = self.sizes.T
            shades = _shades(layers)
            for k, shade in enumerate(shades):
                axes.plot(range(steps), shown[:, k], color=shade, linewidth=1.6, label=names[k])
            axes.set(xlabel="step", xlim=(0, max(steps - 1, 1)))
            axes.xaxis.get_major_locator().set_params(integer=True)
            _name_lines(axes, shown, names, shades)
        marks = []
        for wrong, height, mark, colour, label in (
            (columns == 0, smallest / 3, "x", _INK, "exactly 0"),
            (~np.isfinite(columns), largest * 3, "X", _BAD, "NaN or infinite"),
        ):
            places = np.flatnonzero(wrong if steps == 1 else wrong.any(axis=0))  # a step counts if one layer does
            if len(places):
                marks += axes.plot(places, np.full(len(places), height), mark, color=colour, label=label)
        if marks:
            axes.legend(handles=marks, fontsize=8, frameon=False)

    def _paint_units(self, axes: Any) -> None:
        places = np.arange(1, len(self.dead) + 1)
        axes.bar(places, self.dead, color=_DEAD, label="dead: slope exactly 0")
        axes.bar(places, self.saturated, bottom=self.dead, color=_GRID, label="saturated: below 1/20 of the steepest")
        axes.set(xlabel="layer of units", ylabel="share of units", ylim=(0, 1), xlim=(0.3, len(places) + 0.7))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_title("Units that let little through", loc="left", fontweight="bold", color=_INK)
        axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)


def _shades(count: int) -> Any:
    """From light blue to ink: the order of the layers."""
    ends = [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in (palette.POSITIVE_FILL.light, palette.INK.light)]
    return np.linspace(ends[0], ends[1], count)


def _name_lines(axes: Any, shown: Any, names: Sequence[str], shades: Any) -> None:
    """Write the names at the right ends of the lines, moved apart; of many lines, at most twenty."""
    ends = []
    for k in sorted({round(k) for k in np.linspace(0, len(names) - 1, min(len(names), _NAMED))}):
        known = np.flatnonzero(np.isfinite(shown[:, k]))
        if len(known):
            ends.append((float(np.log10(shown[known[-1], k])), k))
    low, high = np.log10(axes.get_ylim())
    gap, places = 0.042 * (high - low), list[float]()
    for height, _ in sorted(ends):
        places.append(max(height, places[-1] + gap) if places else max(height, low))
    for i in reversed(range(len(places))):
        places[i] = min(places[i], high - gap * (len(places) - 1 - i))
    for (height, k), place in zip(sorted(ends), places, strict=True):
        leader = {"arrowstyle": "-", "color": shades[k], "linewidth": 0.6, "shrinkA": 0, "shrinkB": 1}
        at, to = (1.0, 10**height), (1.035, 10**place)
        across = axes.get_yaxis_transform()
        look = {"va": "center", "fontsize": 8, "color": _INK, "arrowprops": leader, "annotation_clip": False}
        axes.annotate(names[k], at, to, xycoords=across, textcoords=across, **look)


@unnoticed()
def gradient_flow(
    gradients: Any, graphs: Variable | Iterable[Variable] = (), *, names: Sequence[str] | None = None
) -> GradientFlow:
    """Measure gradients layer by layer.

    Parameters
    ----------
    gradients : nest, or list of nests of one structure
        Results of `grad`, of one step or of many. Parameters that lie together in the nest, such as weight and bias of
        `nn.Dense`, are a layer; each number in a flat list is a layer.
    graphs : Variable or iterable of them, optional
        Losses of samples, computed on Variables: their units are counted.
    names : sequence of str, optional
        The names of the layers, in their order. Default: their places in the nest, such as `layers[0]`, or the keys of a
        dict.

    Returns
    -------
    GradientFlow

    Raises
    ------
    ArgumentError
        If there is no gradient, the nests differ, or there are not as many names as layers.
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
    >>> graph = chain([al.Variable(v) for v in w], 1.0)
    >>> flow = gradient_flow(al.grad(chain)(w, 1.0), graph, names=["w1", "w2", "w3"])
    >>> print(flow)
    w1  4.507e-02
    w2  1.676e-01
    w3  7.054e-01
    units of layer 1: 0% dead, 0% saturated
    units of layer 2: 0% dead, 0% saturated
    units of layer 3: 0% dead, 0% saturated
    """
    steps = _steps(gradients)
    groups: dict[str, list[int]] = {}
    for place, path in enumerate(optree.tree_paths(steps[0], namespace=NAMESPACE)):
        name = written(path[:-1] or path) or "all"
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
    called = [*groups] if names is None else [*map(str, names)]
    if len(called) != len(groups):
        raise ArgumentError(
            f"{len(called)} names for {len(groups)} layers ({', '.join(shortened([*groups], 6))}). Give one for each."
        )
    return GradientFlow(called, sizes, dead, saturated)


def plot_gradient_flow(
    gradients: Any,
    graphs: Variable | Iterable[Variable] = (),
    *,
    names: Sequence[str] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Any:
    """Paint the size of the gradient by layer on a logarithmic scale, and the shares of dead and saturated units.

    Parameters
    ----------
    gradients, graphs, names
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
    return gradient_flow(gradients, graphs, names=names).plot(path)


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
