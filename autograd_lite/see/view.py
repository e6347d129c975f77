"""`draw`, and the view it returns."""

import base64
import operator
import os
import tempfile
import webbrowser
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from autograd_lite import hints
from autograd_lite.context import unnoticed
from autograd_lite.copies import uncollected
from autograd_lite.errors import ArgumentError, DrawingError, OperandError
from autograd_lite.see.dot import Sketch
from autograd_lite.see.fold import Positions
from autograd_lite.see.fold import fold as fold_graph
from autograd_lite.see.graph import Graph, select
from autograd_lite.see.levels import Levels, Moments
from autograd_lite.see.render import render
from autograd_lite.see.stepper import Stepper
from autograd_lite.variable import Variable

SUFFIXES = (".svg", ".png", ".pdf", ".html", ".dot", ".gv")
RANKDIRS = ("LR", "RL", "TB", "BT")


class Player(str):
    """The stepper as HTML: one `<section>` that shows itself in a notebook. Made by `Drawing.play`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Player(…)"

    def _repr_html_(self) -> str:
        return str(self)


@dataclass(eq=False, repr=False)
class Drawing:
    """A picture of a graph as it was when `draw` was called. Made by `draw`; shows itself in a notebook.

    Attributes
    ----------
    source : str
        The picture in Graphviz's language.
    nodes, edges : int
        How many of each are drawn; a folded box counts as one.
    folded : dict of str to int
        The ids of the folded boxes, each with the number of nodes that it holds.
    """

    source: str
    nodes: int
    edges: int
    folded: dict[str, int]
    _engine: str | os.PathLike[str] | None
    _page: Callable[[Callable[[str], str]], str]
    _fragment: Callable[..., str]

    def __repr__(self) -> str:
        return f"Drawing({self.nodes} nodes, {self.edges} edges)"

    @cached_property
    def svg(self) -> str:
        """The picture as an `<svg>` element, rendered on first use.

        The text starts with the element: without the XML declaration and the DOCTYPE it can be pasted into a page,
        and no reader looks for a document type on the network.
        """
        return self._rendered(self.source)

    def _rendered(self, source: str) -> str:
        text = render(source, "svg", self._engine).decode()
        start = text.find("<svg")
        if start < 0:
            raise DrawingError(f"The renderer printed no <svg> element but {text[:80]!r}. Name another with engine=.")
        return text[start:]

    @hints.keywords
    def html(self) -> str:
        """Return one page that plays the forward pass and then the backward pass, step by step, in a browser.

        The page needs no other file and no network. A forward step computes a node from its arguments. A backward step
        adds one share, local derivative times upstream gradient, to the gradient of an argument. The pass starts
        from the seed 1 (with `gradients=`, from the gradient given for the output); the page says where `.grad`
        holds another number, such as a sum over several passes.

        The page of a folded picture plays no pass: its boxes open in place, down to single nodes with all their digits and
        the shares of their gradients, and with `frames=` a slider moves between moments. It needs no renderer. A page of up
        to a megabyte is written: parts for which it has no room are named there, and `open=` puts its boxes first.

        Raises
        ------
        RendererNotFound
            If there is nothing to lay the graph out with.

        Examples
        --------
        >>> import autograd_lite as al
        >>> x = al.Variable(3.0, name="x")
        >>> page = al.draw(x * x).html()
        >>> page.splitlines()[0], x.grad
        ('<!doctype html>', None)
        """
        return self._page(self._rendered)

    @hints.keywords
    def play(self, *, step: int = 0, predict: bool = False) -> "Player":
        """Return the page as one element: it shows itself in a notebook, and a page of your own takes it as text.

        The element has its own style, data and script, so that any number of them may stand on one page. A folded picture
        gives its boxes, which open, and has no steps.

        Parameters
        ----------
        step : int, default 0
            Where it begins; negative numbers count from the end.
        predict : bool, default False
            Ask for each gradient before it is shown.

        Examples
        --------
        >>> import autograd_lite as al
        >>> x = al.Variable(3.0, name="x")
        >>> al.draw(x * x).play(step=2)
        Player(…)
        """
        if type(step) is not int:
            raise ArgumentError(f"step={step!r:.80}; give a whole number: 0 is the first step, -1 the last.")
        if self.folded and (step or predict):
            raise ArgumentError("a folded picture has no steps: leave step and predict out, or draw without fold=True.")
        return Player(self._fragment(self._rendered, start=step or None, predict=predict))

    def show(self) -> Path:
        """Open the page of `.html()` in a browser and return the path of the file, which lies among the temporary ones."""
        handle, path = tempfile.mkstemp(".html", "autograd_lite-")
        os.close(handle)
        file = self.save(path)
        webbrowser.open(file.as_uri())
        return file

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file and return the path; the suffix selects the format: .svg, .png, .pdf, .html, .dot, .gv.

        Graphviz's own `dot` makes .png and .pdf if it is on the PATH; graphviz-pure makes no .pdf.

        Raises
        ------
        ArgumentError
            If the suffix is none of these.
        RendererNotFound
            If no renderer is there that can make the format.
        DrawingError
            If the file cannot be written, or the renderer fails.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ArgumentError(
                f"cannot save as {path.name!r}: its suffix is {suffix!r}. Give the file one of {', '.join(SUFFIXES)}."
            )
        if suffix in (".png", ".pdf"):
            content = render(self.source, suffix[1:], self._engine)
        else:
            content = (self.svg if suffix == ".svg" else self.html() if suffix == ".html" else self.source).encode()
        try:
            path.write_bytes(content)
        except OSError as error:
            raise DrawingError(
                f"cannot write {str(path)!r}: {error.strerror}. Choose a folder that exists and may be written to."
            ) from error
        return path

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, str]:
        encoded = base64.b64encode(self.svg.encode()).decode()
        bundle = {
            "image/svg+xml": self.svg,
            # JupyterLab hides raw SVG in a notebook that is not trusted; an image runs no script and is always shown.
            "text/html": f'<img alt="{self!r}" src="data:image/svg+xml;base64,{encoded}">',
            "text/plain": repr(self),
        }
        wanted = set(bundle if include is None else include) - set(exclude or ())
        return {kind: content for kind, content in bundle.items() if kind in wanted}


@unnoticed()
@uncollected()
@hints.keywords
def draw(
    y: Variable | Iterable[Variable],
    *,
    gradients: Mapping[Variable, Any] | None = None,
    depth: int | None = None,
    max_nodes: int | None = 300,
    fold: bool = False,
    open: Iterable[str] = (),  # noqa: A002 - what one does with a folded box
    frames: Mapping[Any, Variable] | None = None,
    rankdir: str = "LR",
    engine: str | os.PathLike[str] | None = None,
) -> Drawing:
    """Draw the graph under `y`: a box for every Variable, an arrow from every argument to the node that used it.

    A box holds `name = operation`, the value and the gradient (blue above 0, orange below, stronger where it is larger,
    `–` where none was computed). An arrow carries the local derivative and is wider where more gradient flows back
    through it. A computed node has a grey head; a dark red one means an infinite value or NaN. A tooltip shows every digit.

    Parameters
    ----------
    y : Variable, or an iterable of them
        The outputs; their boxes have a thicker frame.
    gradients : mapping from Variable to number, optional
        The gradients to show instead of `.grad`, such as the result of `gradients(y)`.
    depth : int, optional
        Draw only nodes at most this many edges before an output; one dashed box counts the others.
    max_nodes : int or None, default 300
        Refuse to draw more. None: no limit.
    fold : bool, default False
        Draw repeated blocks, scopes and turns of loops as one box each: at most about 60 boxes, whatever the graph. A box
        shows its formula, the number of its nodes, and the range of its results and gradients. Up to 60 nodes outside
        of scopes are drawn one by one. `max_nodes` has no effect then.
    open : iterable of str
        Folded boxes to open: ids (`"g3"`; boxes inside have ids such as `"g3-5"`) or scopes (`"layer1/neuron0"`).
        The page of `.html()` has them open, and stores them first.
    frames : mapping from a label to a Variable, optional
        With `fold=True`: the outputs of several moments, such as `{0: loss0, 20: loss20}` by step of a training. The page of
        `.html()` gets a slider over them. Their graphs must have the structure of the graph of `y`.
    rankdir : {"LR", "RL", "TB", "BT"}
        The direction of the graph: left to right, ..., bottom to top.
    engine : str or path, optional
        The renderer: a program that reads Graphviz source. Default: the environment variable AUTOGRAD_LITE_DOT, the
        package graphviz-pure, `dot` on the PATH, in this order; for PNG and PDF `dot` before graphviz-pure.

    Returns
    -------
    Drawing
        With `.svg`, `.source`, `.html()` and `.save(path)`. It is rendered on first use; the numbers are those at the
        time of this call.

    Raises
    ------
    GraphTooLarge
        If there are more than `max_nodes` nodes to draw.

    Notes
    -----
    Time and memory grow linearly with the number of nodes, for the source; the renderer's layout takes longer.
    `draw` changes no value and no gradient. A program gives equal bytes in every run with one renderer.

    Examples
    --------
    >>> import autograd_lite as al
    >>> o = al.tanh(al.Variable(0.5, name="n") * 2)
    >>> o.backward()
    >>> picture = al.draw(o)
    >>> picture
    Drawing(3 nodes, 2 edges)
    >>> picture.svg[:4]
    '<svg'
    """
    outputs = _outputs(y)
    _check(gradients, depth, max_nodes, rankdir, engine)
    opened = (open,) if isinstance(open, str) else tuple(map(str, open))
    if frames is not None and not fold:
        raise ArgumentError(
            "frames= without fold=True: only a folded page shows several moments. Pass fold=True as well."
        )
    if opened and not fold:
        raise ArgumentError(
            f"open={open!r:.80} without fold=True: there is no folded box to open. Pass fold=True as well."
        )
    selection = select(outputs, depth=depth, max_nodes=None if fold else max_nodes)
    shown: dict[int, float | None] = {}
    for i, node in zip(selection.drawn, selection.nodes, strict=True):
        gradient = node.grad if gradients is None else gradients.get(node)
        shown[i] = gradient.value if isinstance(gradient, Variable) else None if gradient is None else float(gradient)
    sketch = Sketch(selection, shown, rankdir, given=gradients is not None)
    if fold:
        positions = Positions(selection)
        boxes, around = fold_graph(positions, opened)
        source = sketch.folded(boxes, around)
        folded = {box.id: len(box.nodes) for box in boxes if not box.id.startswith("n")}
        seed = shown.get(selection.outputs[0]) if gradients is not None and len(selection.outputs) == 1 else None
        moments = Moments(selection.graph, _frames(frames, outputs, selection.graph), seed)
        levels = Levels(positions, moments, {*opened, *(box.id for box in around)})
        return Drawing(source, len(boxes), sketch.edges, folded, engine, lambda _: levels.page(), levels.element)
    stepper = Stepper(selection, shown, ".grad" if gradients is None else "gradients=")
    return Drawing(sketch.source(), len(selection.drawn), sketch.edges, {}, engine, stepper.page, stepper.fragment)


def _check(gradients: Any, depth: Any, max_nodes: Any, rankdir: Any, engine: Any) -> None:
    for name, value, least in (("depth", depth, 0), ("max_nodes", max_nodes, 1)):
        if value is not None and (not isinstance(value, int) or value < least):
            raise ArgumentError(f"{name}={value!r}; give a whole number from {least}, or None for no limit.")
    if rankdir not in RANKDIRS:
        raise ArgumentError(f"rankdir={rankdir!r}; give one of {', '.join(RANKDIRS)}.")
    if gradients is not None and not isinstance(gradients, Mapping):
        raise OperandError(
            f"gradients={gradients!r:.80} is a {type(gradients).__name__}; give a mapping such as al.gradients(y)."
        )
    if engine is not None and not isinstance(engine, (str, os.PathLike)):
        raise OperandError(f"engine={engine!r:.80} is a {type(engine).__name__}; give the name or path of a program.")


def _frames(frames: Any, outputs: list[Variable], graph: Graph) -> dict[Any, Graph]:
    """Return the graph of each moment; that of `outputs` is not searched again."""
    if frames is None:
        return {"": graph}
    if not isinstance(frames, Mapping) or not frames:
        raise OperandError(
            f"frames={frames!r:.80} is no mapping with a moment in it; give outputs by label, as in {{0: loss0, 20: loss20}}."
        )
    given = {label: _outputs(y) for label, y in frames.items()}
    same = [len(ys) == len(outputs) and all(map(operator.is_, ys, outputs)) for ys in given.values()]
    return {label: graph if here else Graph(ys) for here, (label, ys) in zip(same, given.items(), strict=True)}


def _outputs(y: Any) -> list[Variable]:
    if isinstance(y, Variable):
        return [y]
    if not isinstance(y, Iterable) or isinstance(y, (str, bytes)):
        raise OperandError(f"draw got {y!r:.80}, a {type(y).__name__}; give it a Variable or a list of Variables.")
    outputs = list(y)
    for output in outputs:
        if not isinstance(output, Variable):
            kind = type(output).__name__
            raise OperandError(f"draw got {output!r:.80}, a {kind}, in its list; give it Variables only.")
    if not outputs:
        raise ArgumentError("draw got an empty list; give it at least one Variable.")
    return outputs
