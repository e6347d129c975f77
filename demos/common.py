"""Shared parts of the demos: a report that prints, checks itself and keeps pictures; a progress bar."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import autograd_lite as al
from autograd_lite.see import palette

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

# Plots have white paper of their own, so they take the colours of light pages. Red is left to NaN and infinity.
INK, MUTED, GREY, GRID, PAPER = (
    role.light for role in (palette.INK, palette.MUTED, palette.LINE, palette.RULE, palette.PAPER)
)
BLUE, ORANGE, VIOLET, GREEN = COLOURS = palette.SERIES
CLASSES = palette.NEGATIVE.light, palette.POSITIVE.light  # 0 and 1; to be seen on the fills of `signed`
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


@dataclass(frozen=True)
class Number:
    """A printed number, the answer known from elsewhere (None: there is none), and whether the two agree."""

    name: str
    value: float | None
    known: float | None
    tolerance: float
    agrees: bool


class Report:
    """The results of a demo: the report prints them as they come, compares them with known answers, and keeps pictures.

    Attributes
    ----------
    numbers : dict
        The printed numbers by name; tests compare them with known answers.
    failures : list of str
        One line for each check that did not hold.
    pictures : list of (Path, str)
        Files with their captions.
    pages : dict of str to Path
        By the name of a graph's file, the page that plays the passes through that graph.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.numbers: dict[str, float | None] = {}
        self.details: list[Number] = []
        self.claims: list[tuple[str, bool]] = []
        self.failures: list[str] = []
        self.pictures: list[tuple[Path, str]] = []
        self.pages: dict[str, Path] = {}
        self.lines: list[str] = []

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return not self.failures

    def say(self, text: str = "") -> None:
        """Print a line and keep it for the page."""
        print(text)
        self.lines.append(text)

    def number(self, name: str, value: float | None, known: float | None = None, tolerance: float = 0.0) -> None:
        """Print and keep a number; if an answer is known, a difference beyond `tolerance` fails the demo."""
        agrees = known is None or (value is not None and abs(value - known) <= tolerance)
        self.numbers[name] = value
        self.details.append(Number(name, value, known, tolerance, agrees))
        if not agrees:
            self.failures.append(f"{name} is {value}, known is {known} within {tolerance:g}")
        remark = "" if known is None else f"   known {known:.10g}" + ("" if agrees else "   <-- differs")
        self.say(f"  {name:<28} {'None' if value is None else format(value, '.10g'):<18}{remark}")

    def check(self, claim: str, holds: bool) -> None:
        """Print whether a claim holds; a false claim fails the demo."""
        self.claims.append((claim, bool(holds)))
        if not holds:
            self.failures.append(f"does not hold: {claim}")
        self.say(f"  [{'ok' if holds else 'FAILED'}] {claim}")

    def graph(
        self,
        filename: str,
        caption: str,
        output: al.Variable,
        *,
        fold: bool = False,
        frames: Any = None,
        play: str = "",
    ) -> None:
        """Draw the graph under `output`, with its gradients, by `al.draw`; `play` names the page that plays its pass."""
        self.out.mkdir(parents=True, exist_ok=True)
        try:
            drawing = al.draw(output, fold=fold, frames=frames)
            drawing.save(self.out / filename)
            if play:
                self.pages[filename] = drawing.save(self.out / play)
        except al.RendererNotFound as error:
            self.say(f"  ({filename} is left out: {str(error).splitlines()[0]})")
        else:
            self.pictures.append((self.out / filename, caption))

    def plot(self, filename: str, caption: str, draw: Callable[..., None], shape: Any, size: Any = (9.6, 4.2)) -> None:
        """Save a row of panels painted by `draw(figure, *axes)`, a panel for each entry of `shape`: None or "3d"."""
        if importlib.util.find_spec("matplotlib") is None:
            self.say(f"  ({filename} is left out: it needs matplotlib, pip install 'autograd-lite[demos]')")
            return
        # Imported here, and without pyplot: no window system, no global state, no cost for a user who draws nothing.
        import matplotlib as mpl  # noqa: PLC0415
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415

        self.out.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=size, layout="constrained")
            FigureCanvasAgg(figure)
            axes = [figure.add_subplot(1, len(shape), i + 1, projection=kind) for i, kind in enumerate(shape)]
            draw(figure, *axes)
            figure.savefig(self.out / filename, dpi=150, metadata={"Software": None})
        self.pictures.append((self.out / filename, caption))

    def flow(self, filename: str, caption: str, gradients: Any, graphs: Any = (), *, names: Sequence[str]) -> None:
        """Save a picture of the gradient's size by layer, and of the shares of units that let little gradient through."""
        self.out.mkdir(parents=True, exist_ok=True)
        try:
            al.plot_gradient_flow(gradients, graphs, names=names, path=self.out / filename)
        except al.DrawingError as error:
            self.say(f"  ({filename} is left out: {error})")
        else:
            self.pictures.append((self.out / filename, caption))


def name_results(output: al.Variable, name: str, operation: Any, names: Iterable[str]) -> None:
    """Name the output, and the results of an operation below it, as the text does; in the order of their computation."""
    output.name = name
    results = [node for node in al.topological_order(output) if node.primitive is operation]
    for node, its_name in zip(results, names, strict=True):
        node.name = its_name


def blend(*colours: str) -> Any:
    """Return a map of matplotlib from the first colour to the last."""
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 - optional

    return LinearSegmentedColormap.from_list("palette", colours)


def signed() -> Any:
    """Return the map of signed numbers: orange below, blue above, white between; light enough for ink on it."""
    return blend(palette.NEGATIVE_FILL.light, PAPER, palette.POSITIVE_FILL.light)


def greys() -> Any:
    """Return the map of sizes, which have no sign: white to grey."""
    return blend(PAPER, GREY)


def progress(turns: Iterable[int], label: str) -> Iterable[int]:
    """Show a progress bar on a terminal; elsewhere, or without tqdm, return `turns` unchanged."""
    if not sys.stderr.isatty() or importlib.util.find_spec("tqdm") is None:
        return turns
    from tqdm import tqdm  # noqa: PLC0415 - optional, as matplotlib is

    bar: Iterable[int] = tqdm(turns, desc=label, unit="epoch", leave=False)
    return bar


def sigmoid(z: float) -> float:
    """Return 1 / (1 + exp(-z)) of a plain number, for the formulas written by hand."""
    return 1.0 / (1.0 + math.exp(-z))


def one_thread() -> contextlib.AbstractContextManager[Any]:
    """One thread for NumPy's matrix products, where that can be said: idle threads that spin would spoil a comparison."""
    try:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - scikit-learn brings it
    except ImportError:
        return contextlib.nullcontext()
    return threadpool_limits(1)
