"""Run every demo at its full size and keep its printed output, with small copies of its pictures.

python -m benchmarks.reference [NAME ...]          about two minutes for all; needs the extra `demos`
"""

import contextlib
import importlib
import io
import platform
import sys
import tempfile
import time
from operator import sub
from pathlib import Path
from typing import Any

from PIL import Image  # matplotlib brings it

import autograd_lite as al
from autograd_lite.__main__ import DEMOS, load_demos
from autograd_lite.see import palette

HERE = Path(__file__).parent.parent / "docs" / "reference"
WIDTH = 1100
#: Pictures that the tutorial shows too, and their names there.
TUTORIAL = {
    "himmelblau-landscape.png": "tutorial-himmelblau.png",
    "two_moons-two_moons.png": "tutorial-moons.png",
    "vanishing_gradient-vanishing.png": "tutorial-vanishing.png",
    "xor-xor.png": "tutorial-xor.png",
}


def few(image: Image.Image) -> Image.Image:
    """Return an image of 256 colours, among them those of the palette: the shades of a large area crowd out no dot."""
    ours = [role.light for role in vars(palette).values() if isinstance(role, palette.Role)] + [*palette.SERIES]
    always = [tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in dict.fromkeys(ours)]
    found = image.quantize(256 - len(always), dither=Image.Dither.NONE).getpalette() or []
    others = [c for c in zip(*[iter(found)] * 3, strict=True) if all(max(map(abs, map(sub, c, a))) > 8 for a in always)]
    colours = Image.new("P", (1, 1))
    colours.putpalette([part for colour in [*always, *others] for part in colour])
    return image.quantize(palette=colours, dither=Image.Dither.NONE)


def kept(picture: Path, name: str) -> str:
    """Copy a picture or a page into the folder of the pages, a picture of dots smaller; return the name of the copy."""
    target = HERE / f"{name}-{picture.name}"
    if picture.suffix == ".png":
        image = Image.open(picture).convert("RGB")
        if image.width > WIDTH:
            image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
        few(image).save(target, optimize=True)
    else:
        target.write_bytes(picture.read_bytes())
    if target.name in TUTORIAL:
        (HERE.parent / "pictures" / TUTORIAL[target.name]).write_bytes(target.read_bytes())
    return target.name


def played(report: Any, picture: str, name: str) -> str:
    """Copy the page that plays a graph; return the link to it, or nothing where there is none."""
    page = report.pages.get(picture)
    return f" · [Play this graph]({kept(page, name)})" if page else ""


def section(name: str, out: Path) -> str:
    """Run a demo; return its page."""
    module, printed = importlib.import_module(f"{DEMOS}.{name}"), io.StringIO()
    began = time.perf_counter()
    with contextlib.redirect_stdout(printed):
        report = module.main(out / name)
    seconds = time.perf_counter() - began
    print(f"{name}: {'all checks hold' if report.ok else report.failures}, {seconds:.1f} s", flush=True)
    title = (module.__doc__ or name).partition("\n")[0].removesuffix(".")
    pictures = [
        f"![{caption}]({kept(path, name)})\n\n*{caption}*" + played(report, path.name, name)
        for path, caption in report.pictures
    ]
    verdict = "all checks hold" if report.ok else "; ".join(report.failures)
    log = printed.getvalue().rstrip()
    return "\n\n".join([f"## {title}", f"`demo {name}`: {verdict}, {seconds:.1f} s", *pictures, f"```text\n{log}\n```"])


def main(names: list[str]) -> None:
    """Write a page for each demo, and the page with the links to them."""
    ladder = load_demos().LADDER
    with tempfile.TemporaryDirectory() as folder:
        for name in names or ladder:
            for old in HERE.glob(f"{name}-*"):
                old.unlink()
            (HERE / f"{name}.md").write_text(section(name, Path(folder)) + "\n", encoding="utf-8")
    machine = f"autograd_lite {al.__version__}, Python {platform.python_version()}, {platform.machine()}"
    written = f"`python -m benchmarks.reference` wrote the pages: {machine}."
    lines = [
        "# Every demo at its full size",
        f"Each page holds the printed output of a demo with seed 0, and its pictures.\n\n{written}",
        "\n".join(f"* [{name}]({name}.md)" for name in ladder),
    ]
    (HERE / "README.md").write_text("\n\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
