"""Draw the house from the code, and write the reading order with its line counts into the README.

Run `python -m tests.house`; `tests/project/test_architecture.py` says when it is time.
"""

import ast
import re
from collections.abc import Iterable
from html import escape
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PACKAGE = ROOT / "autograd_lite"
PICTURE = ROOT / "docs" / "pictures" / "house.svg"

#: The floors, the lowest first, and what each knows.
FLOORS = {
    "core": "numbers, nodes, sweeps",
    "maths": "matrices, distributions, series",
    "tape": "programs, and their executors",
    "tape.llvm": "machine code",
    "see": "pictures and words",
    "train": "parameters",
    "bridge": "SciPy's solvers and fits",
    "command line": "everything by its public names",
}
#: Floors that lie beside each other.
STOREYS = (("core",), ("maths",), ("tape",), ("tape.llvm", "see", "train", "bridge"), ("command line",))
#: The files to read first, and their content.
READING = {
    "rule": "an entry of the table",
    "primitives": "the table",
    "variable": "the node",
    "backward": "the reverse sweep, and the forward one",
    "transforms": "`grad` and its relatives",
}
EMPTY = {
    "bridge",
    "maths",
    "see",
    "tape",
    "tape.backends",
    "tape.llvm",
    "tape.ptx",
    "train",
}  # folders whose `__init__` holds a docstring only
COLOURS = {
    "core": "#e3eefb", "maths": "#eaf0da", "tape": "#e6f4e6", "tape.llvm": "#f1ecdd",
    "see": "#f6e6f0", "train": "#efe8fa", "bridge": "#e2f2f2", "command line": "#eeeeee",
}  # fmt: skip
BOX, HEIGHT, GAP, TITLE, WIDTH = 116, 34, 8, 34, 1016


#: Files that are other names of the rooms in `train` and of NumPy, and their floors.
OTHER_NAMES = {"nn": "train", "optim": "train", "numpy": "core", "linalg": "maths", "stats": "maths"}


def dotted(path: Path) -> str:
    """The name of a file below the package, such as `tape.call`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def floor_of(name: str) -> str:
    """The floor on which a file stands."""
    first = name.split(".", maxsplit=1)[0]
    if first in ("__init__", "demos"):
        return "above"
    if first == "__main__" or first.startswith("_cli"):
        return "command line"
    if first == "scipy":
        return "bridge"
    if first in OTHER_NAMES:
        return OTHER_NAMES[first]
    return (
        "tape.llvm"
        if name.startswith(("tape.llvm", "tape.ptx"))
        else first
        if first in ("maths", "tape", "see", "train", "bridge")
        else "core"
    )


def files() -> dict[str, Path]:
    """Every file that holds code, but the front door and the demos."""
    found = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
    return {name: path for name, path in found.items() if floor_of(name) != "above" and name not in EMPTY}


def imported(path: Path, names: Iterable[str]) -> set[str]:
    """The files among `names` that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "autograd_lite":
            module = (node.module or "").removeprefix("autograd_lite").removeprefix(".")
            whole = [f"{module}.{alias.name}".removeprefix(".") for alias in node.names]
            found |= {name if name in names else module for name in whole}
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("autograd_lite.") for a in node.names if a.name.startswith("autograd_lite.")}
    return found & set(names)


def in_order(graph: dict[str, set[str]]) -> list[str]:
    """The files, each behind all that it imports; the shortest way up first."""
    level: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in level:
            level[name] = 1 + max((height(other) for other in graph[name]), default=0)
        return level[name]

    return sorted(graph, key=lambda name: (height(name), name))


def lines(path: Path) -> int:
    """All lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def picture() -> str:
    """The house as SVG: floors from the bottom, rooms in the order of their imports from the bottom left."""
    paths = {name: path for name, path in files().items() if name not in OTHER_NAMES}
    graph = {name: imported(path, paths) for name, path in paths.items()}
    order = in_order(graph)
    parts: list[str] = []
    y = GAP
    for storey in reversed(STOREYS):
        rooms = {floor: [name for name in order if floor_of(name) == floor] for floor in storey}
        across = (WIDTH - GAP * (2 + len(storey))) // (BOX + GAP)
        share = across / sum(map(len, rooms.values()))
        columns = (
            {floor: max(1, round(share * len(rooms[floor]))) for floor in storey}
            if len(storey) > 1
            else {storey[0]: across}
        )
        rows = max(-(-len(rooms[floor]) // columns[floor]) for floor in storey)
        x = GAP
        for floor in storey:
            wide = columns[floor] * (BOX + GAP) + GAP
            parts += _floor(floor, rooms[floor], graph, paths, (x, y, wide, columns[floor], rows))
            x += wide + GAP
        y += rows * (HEIGHT + GAP) + TITLE + 2 * GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _floor(
    floor: str,
    rooms: list[str],
    graph: dict[str, set[str]],
    paths: dict[str, Path],
    place: tuple[int, int, int, int, int],
) -> list[str]:
    x, y, wide, columns, rows = place
    below = {floor_of(other) for name in rooms for other in graph[name]} - {floor}
    total = sum(lines(paths[name]) for name in rooms)
    uses = f"imports {', '.join(f for f in FLOORS if f in below)}" if below else "imports no other floor"
    tall = rows * (HEIGHT + GAP) + TITLE + GAP
    parts = [f'<rect x="{x}" y="{y}" width="{wide}" height="{tall}" rx="6" fill="{COLOURS[floor]}"/>']
    parts.append(f'<text x="{x + GAP}" y="{y + 15}" font-weight="bold">{floor}: {FLOORS[floor]}</text>')
    parts.append(f'<text x="{x + GAP}" y="{y + 29}" font-size="10" fill="#555555">{total:,} lines, {uses}</text>')
    for number, name in enumerate(rooms):
        left = x + GAP + number % columns * (BOX + GAP)
        top = y + tall - GAP - HEIGHT - number // columns * (HEIGHT + GAP)
        says = (ast.get_docstring(ast.parse(paths[name].read_text(encoding="utf-8"))) or "").split("\n")[0]
        label = name.removeprefix(f"{floor}.")
        parts.append(
            f'<g><title>{escape(says)}</title><rect x="{left}" y="{top}" width="{BOX}" height="{HEIGHT}" rx="3" '
            f'fill="#ffffff" stroke="#8899aa"/><text x="{left + 6}" y="{top + 15}">{escape(label)}</text>'
            f'<text x="{left + 6}" y="{top + 28}" font-size="10" fill="#666666">{lines(paths[name])}</text></g>'
        )
    return parts


def reading_order() -> str:
    """The rows of the README's table: what to read first."""
    return "".join(
        f"| `autograd_lite/{name}.py` | {lines(PACKAGE / f'{name}.py')} | {content} |\n"
        for name, content in READING.items()
    )


def readme(text: str) -> str:
    """The README with today's reading order."""
    head = re.escape("| file | lines | content |\n| --- | --- | --- |\n")
    return re.sub(f"({head})(?:\\|.*\n)*", lambda found: found[1] + reading_order(), text)


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    path = ROOT / "README.md"
    path.write_text(readme(path.read_text(encoding="utf-8")), encoding="utf-8")
