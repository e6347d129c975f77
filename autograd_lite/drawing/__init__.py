"""Static pictures of computation graphs: Graphviz source, SVG and PNG.

`labels` turns a node into words and colours, `dot` a graph into Graphviz source, `render` finds and runs an engine,
`view` is the object that `draw` returns.
"""

from autograd_lite.drawing.view import Drawing, draw

__all__ = ["Drawing", "draw"]
