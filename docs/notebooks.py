"""The notebooks of `docs/notebooks`, made from sections of the tutorial, so that every sentence and every line exists once.

`python docs/notebooks.py` writes them; a test says when they are out of date. Their badges lead to services that open a
notebook from a public repository: they appear with the base address in `pyproject.toml`, and there is none yet.
"""

import ast
import doctest
import json
import re
import tomllib
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
FOLDER = DOCS / "notebooks"

#: The notebooks, each with its title and its sections of the tutorial.
NOTEBOOKS = {
    "first_steps": (
        "First steps",
        ("One derivative", "Why each node is visited once", "Inner nodes", "What is recorded, and asking again"),
    ),
    "neuron": (
        "Neurons",
        ("Activations", "Layers, forward and backward", "One neuron that learns", "Objects, or a nest"),
    ),
    "xor": ("XOR", ("Nine parameters and a symmetry", "Compiled", "XOR")),
}

#: Badge and address of the services that open a notebook of GitHub; {0} is OWNER/NAME, {1} the path.
SERVICES = {
    "Open in Colab": (
        "https://colab.research.google.com/assets/colab-badge.svg",
        "https://colab.research.google.com/github/{0}/blob/main/{1}",
    ),
    "Binder": ("https://mybinder.org/badge_logo.svg", "https://mybinder.org/v2/gh/{0}/main?labpath={1}"),
}

Cell = dict[str, Any]


def address() -> str:
    """The base address of the project, empty until it has one."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["tool"]["hatch"]["metadata"]["hooks"]["custom"]["address"]).rstrip("/")


def badges(name: str, address: str) -> str:
    """The badges of a notebook in Markdown; nothing for an address where these services do not look."""
    place = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", address)
    if place is None:
        return ""
    path = f"docs/notebooks/{name}.ipynb"
    return " ".join(
        f"[![{service}]({picture})]({link.format(place[1], path)})" for service, (picture, link) in SERVICES.items()
    )


def with_badges(markdown: str, address: str) -> str:
    """A page with badges behind its links to notebooks."""
    return re.sub(
        r"\[[^\]]*\]\(notebooks/(\w+)\.ipynb\)", lambda link: f"{link[0]} {badges(link[1], address)}".rstrip(), markdown
    )


def sections() -> dict[str, str]:
    """The sections of the tutorial by their titles."""
    title, *rest = re.split(r"^## (.*)\n", (DOCS / "tutorial.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    del title
    return dict(zip(rest[::2], rest[1::2], strict=True))


def notebook(name: str, address: str = "") -> str:
    """The text of a notebook's file."""
    title, chosen = NOTEBOOKS[name]
    tutorial = sections()
    install = f"%pip install --quiet 'autograd-lite[jit] @ git+{address}'"
    if not address:
        install = (
            "# %pip install 'autograd-lite[jit]'    # once it is published; from a checkout: %pip install '../..[jit]'"
        )
    head = (
        f"# {title}\n\n{badges(name, address)}\n\nA part of the [tutorial](tutorial.md), to run and to change. "
        "*Try this* asks a question; the end of the next block of cells answers it."
    ).replace("\n\n\n\n", "\n\n")
    cells = [_prose(head, address), _code(install, tags=["install"])]
    first = re.search(r"^```python\n(.*?)^```", next(iter(tutorial.values())), flags=re.DOTALL | re.MULTILINE)
    imports = [
        line for line in re.findall(r"^>>> (.*)", first[1] if first else "", flags=re.MULTILINE) if "import " in line
    ]
    if chosen[0] != next(iter(tutorial)):
        cells.append(_code("\n".join(imports)))
    for section in chosen:
        pieces = re.split(r"^```python\n(.*?)^```$", tutorial[section], flags=re.DOTALL | re.MULTILINE)
        pieces[0] = f"## {section}\n{pieces[0]}"
        for k, piece in enumerate(pieces):
            if k % 2:
                cells += _session(piece)
            elif piece.strip():
                cells.append(_prose(piece, address))
    for k, cell in enumerate(cells):
        cell["id"] = f"{name}-{k}"
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _prose(text: str, address: str) -> Cell:
    """Links are relative to `docs`; a picture has to be found as a file."""

    def moved(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        if re.match(r"[a-z]+:|#", target):
            return link[0]
        base = f"{address}/{'raw' if picture else 'blob'}/main/docs/" if address else "../"
        return f"{picture}[{words}]({base}{target})"

    return {
        "cell_type": "markdown",
        "metadata": {},
        "source": _lines(re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", moved, text.strip())),
    }


def _session(block: str) -> list[Cell]:
    """The cells of a block: one ends where something is printed or drawn."""
    cells, waiting = [], ""
    for example in doctest.DocTestParser().get_examples(block):
        waiting += example.source
        drawn = re.match(r"(\w+) = al\.draw\(", example.source)
        if drawn:
            waiting += drawn[1]
        if example.want or drawn:
            cells.append(_code(waiting.rstrip("\n"), example.want))
            waiting = ""
    return [*cells, _code(waiting.rstrip("\n"))] if waiting else cells


def _code(source: str, want: str = "", tags: list[str] | None = None) -> Cell:
    outputs: list[Cell] = []
    if want and is_value(source):
        data = {"text/plain": _lines(want.rstrip("\n"))}
        outputs = [{"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data}]
    elif want:
        outputs = [{"output_type": "stream", "name": "stdout", "text": _lines(want)}]
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": tags} if tags else {},
        "outputs": outputs,
        "source": _lines(source),
    }


def is_value(source: str) -> bool:
    """Whether a cell ends with a value, which a notebook shows; else it prints."""
    last = ast.parse(source).body[-1]
    return isinstance(last, ast.Expr) and not (
        isinstance(last.value, ast.Call) and ast.unparse(last.value.func) == "print"
    )


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in NOTEBOOKS:
        (FOLDER / f"{name}.ipynb").write_text(notebook(name, address()), encoding="utf-8")
