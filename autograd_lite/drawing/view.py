"""`draw`, and the view it returns."""

import base64
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autograd_lite.drawing.dot import Sketch
from autograd_lite.drawing.render import render
from autograd_lite.drawing.select import select
from autograd_lite.errors import ArgumentError, DrawingError, OperandError
from autograd_lite.variable import Variable

RANKDIRS = ("LR", "RL", "TB", "BT")
SUFFIXES = (".svg", ".png", ".dot", ".gv")


class Drawing:
    """A picture of a graph as it was when `draw` was called. Made by `draw`; shows itself in a notebook.

    Attributes
    ----------
    source : str
        The picture in Graphviz's language.
    nodes, edges : int
        How many of each are drawn.
    """

    def __init__(self, source: str, nodes: int, edges: int, engine: str | os.PathLike[str] | None) -> None:
        self.source = source
        self.nodes = nodes
        self.edges = edges
        self._engine = engine
        self._svg: str | None = None

    def __repr__(self) -> str:
        return f"Drawing({self.nodes} nodes, {self.edges} edges)"

    @property
    def svg(self) -> str:
        """The picture as an `<svg>` element, rendered on first use.

        It starts with the element itself: without the XML declaration and the DOCTYPE it can be pasted into a page,
        and no reader goes looking for a document type on the network.
        """
        if self._svg is None:
            text = render(self.source, "svg", self._engine).decode()
            start = text.find("<svg")
            if start < 0:
                raise DrawingError(
                    f"The renderer printed no <svg> element but {text[:80]!r}. Name another with engine=."
                )
            self._svg = text[start:]
        return self._svg

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file; its suffix (.svg, .png, .dot, .gv) says as what. Return the path.

        Raises
        ------
        ArgumentError
            If the suffix is none of these.
        DrawingError
            If the file cannot be written, or the renderer fails.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix == ".svg":
            content = self.svg.encode()
        elif suffix == ".png":
            content = render(self.source, "png", self._engine)
        elif suffix in SUFFIXES:
            content = self.source.encode()
        else:
            raise ArgumentError(
                f"cannot save as {path.name!r}: its suffix is {suffix!r}. Give the file one of {', '.join(SUFFIXES)}."
            )
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
        """Return what a notebook shows."""
        encoded = base64.b64encode(self.svg.encode()).decode()
        bundle = {
            "image/svg+xml": self.svg,
            # JupyterLab hides raw SVG in a notebook that is not trusted; an image runs no script and is always shown.
            "text/html": f'<img alt="{self!r}" src="data:image/svg+xml;base64,{encoded}">',
            "text/plain": repr(self),
        }
        wanted = set(bundle if include is None else include) - set(exclude or ())
        return {kind: content for kind, content in bundle.items() if kind in wanted}


def draw(
    y: Variable | Iterable[Variable],
    *,
    gradients: Mapping[Variable, Any] | None = None,
    depth: int | None = None,
    max_nodes: int | None = 300,
    rankdir: str = "LR",
    engine: str | os.PathLike[str] | None = None,
) -> Drawing:
    """Draw the graph under `y`: a box for every Variable, an arrow from every argument to the node that used it.

    A box holds `name = operation`, the value and the gradient (blue above 0, red below, stronger where it is larger,
    `–` where none was computed). An arrow carries the local derivative and is wider where more gradient flows back
    through it. A leaf is light blue; a red header means an infinite value or NaN. Pointing at a box shows every digit.

    Parameters
    ----------
    y : Variable, or an iterable of them
        The outputs; their boxes have a thicker frame.
    gradients : mapping from Variable to number, optional
        Shown instead of `.grad`; what `gradients(y)` returns.
    depth : int, optional
        Draw only nodes at most this many edges before an output; one dashed box counts the others.
    max_nodes : int or None, default 300
        Refuse to draw more. None: no limit.
    rankdir : {"LR", "RL", "TB", "BT"}
        Where the graph runs: left to right, ..., bottom to top.
    engine : str or path, optional
        The renderer: a program that reads Graphviz source. Default: the environment variable AUTOGRAD_LITE_DOT, the
        package graphviz-pure, `dot` on the PATH, in this order.

    Returns
    -------
    Drawing
        With `.svg`, `.source` and `.save(path)`. Rendered when first asked for; the numbers are those of this call.

    Raises
    ------
    GraphTooLarge
        If there are more than `max_nodes` nodes to draw.

    Notes
    -----
    Time and memory grow linearly with the number of nodes, for the source; the renderer's layout takes longer.
    Changes no value and no gradient. The same program gives the same bytes in every run with the same renderer.

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
    selection = select(outputs, depth=depth, max_nodes=max_nodes)
    sketch = Sketch(selection, gradients, rankdir)
    return Drawing(sketch.source(), len(selection.nodes), sketch.edges, engine)


def _outputs(y: Any) -> list[Variable]:
    """Return the Variables to start from, or say what else was given."""
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
