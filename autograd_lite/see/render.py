"""From source to picture: finding a Graphviz renderer, running it, and filling the page of a picture."""

import html
import json
import os
import re
import shutil
import subprocess
import warnings
from base64 import b64encode
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from string import Template
from typing import Any

from autograd_lite.errors import DrawingError, RendererNotFound
from autograd_lite.see.palette import custom_properties

ENVIRONMENT = "AUTOGRAD_LITE_DOT"
PURE = "graphviz-pure"
TIMEOUT = 60.0  # seconds; 2,031 nodes take half a second
INSTALL = (
    f"Install one with `pip install {PURE}`, or Graphviz itself (`apt install graphviz`, `brew install graphviz`, "
    f"`winget install graphviz`), or name a program with engine= or the variable {ENVIRONMENT}. "
    '`.source` and `.save("g.dot")` need no renderer.'
)
#: Strings; templates, whose braces may hold templates again.
STRINGS = r"""("(?:[^"\\\n]|\\.)*"|`(?:[^`\\$]|\\.|\$(?!\{)|\$\{(?:[^`{}]|`[^`]*`)*\})*`)"""
#: What says nothing, around a sign that stays: spaces, the ends of lines where no statement can end, brackets around `x =>`.
#: A script that runs may say the `SHORTER` words.
SPACES = {
    "css": r"\s*([{,]|\}(?=\s*[}])|;(?!\s*\}))\s*|(?<=:) |;\s*(?=\})|\s+(?=\})|(?<=\})\n",
    "js": r"\b(?:const|true|false)\b|;\s*(?=\})|(?<=\})\n|\((\w+)\)(?= =>)| *([;{,(:?&|=])\s*| *([^\w$\s\"`]) *",
}
SHORTER = {"const": "let", "true": "!0", "false": "!1"}
# graphviz-pure says this once for every letter outside ASCII; the letter is drawn all the same.
NOISE = "no value for width of non-ASCII character"


def render(source: str, format_: str, engine: str | os.PathLike[str] | None = None) -> bytes:
    program = find_engine(engine, format_)
    command = [program, f"-T{format_}"]
    if format_ == "png":
        command.append("-Gdpi=144")  # sharp on today's screens
    try:
        run = subprocess.run(  # noqa: S603 - a program of the user's own choice, and no shell
            command, input=source.encode(), capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DrawingError(
            f"{program} was not done after {TIMEOUT:g} s. Draw less of the graph with depth=…, or save the source with "
            '.save("g.dot") and render it by hand.'
        ) from error
    except OSError as error:
        raise DrawingError(f"{program} could not be run: {error.strerror}. {INSTALL}") from error
    lines = run.stderr.decode(errors="replace").splitlines()
    said = "\n".join(line for line in lines if line.strip() and NOISE not in line)
    if run.returncode and "not recognized" in said:  # the program lacks this format
        raise RendererNotFound(
            f"{program} cannot make a {format_.upper()}. The program `dot` of Graphviz itself can: `apt install graphviz`, "
            "`brew install graphviz`, `winget install graphviz`; or name one with engine=. Or save an .svg or a .png."
        )
    if run.returncode or not run.stdout:
        raise DrawingError(f"{program} -T{format_} ended with exit code {run.returncode} and said: {said or 'nothing'}")
    if said:
        warnings.warn(f"{program} said: {said}", stacklevel=2)
    return run.stdout


def find_engine(engine: str | os.PathLike[str] | None = None, format_: str = "svg") -> str:
    """Return the path of the renderer: the requested one, which nothing replaces, else graphviz-pure, else `dot`.

    For PNG and PDF `dot` comes first: Graphviz has all the fonts of the machine, and graphviz-pure makes no PDF.
    """
    origin, asked = ("engine", os.fspath(engine)) if engine else (ENVIRONMENT, os.environ.get(ENVIRONMENT, ""))
    if asked:
        found = shutil.which(asked) or (asked == PURE and _packaged()) or None
        if found:
            return found
        raise RendererNotFound(f"{origin}={asked!r} is no program that can be run. {INSTALL}")
    graphviz = shutil.which("dot")
    found = (graphviz if format_ in ("png", "pdf") else None) or _packaged() or shutil.which(PURE) or graphviz
    if found:
        return found
    raise RendererNotFound(
        f"No Graphviz renderer was found. Tried: engine= (not given), {ENVIRONMENT} (not set), the Python package "
        f"{PURE} (not installed here), `{PURE}` and `dot` on the PATH (not there). {INSTALL}"
    )


def _packaged() -> str | None:
    """Return the program inside the installed package; its folder need not be on the PATH."""
    try:
        files = metadata.files(PURE) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        path = Path(str(file.locate()))
        if path.stem == PURE and path.suffix in {"", ".exe"} and path.is_file():
            return str(path.resolve())
    return None


def section(name: str, class_: str, label: str, data: Any, plain: str, **attributes: object) -> str:
    """Return one element with its own style, data and script: any number of them live on any page.

    `name` is that of the style sheet and the script beside this file; `plain` is shown until the script runs. An attribute
    `start=3` becomes `data-start="3"`; None and False leave it out.
    """
    style, script = (
        _squeezed((Path(__file__).parent / f"{name}.{kind}").read_text(encoding="utf-8"), spaces)
        for kind, spaces in SPACES.items()
    )
    told = "".join(
        f" data-{key}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<section class="{class_}" aria-label="{html.escape(label)}"{told}>'
        f"<style>.{class_}{{{custom_properties(style + script)}}}{style}</style>"
        f'<script type="application/json">{written}</script><div>{plain}</div><script>{script}</script></section>'
    )


def _squeezed(code: str, spaces: str) -> str:
    """Return a style sheet or script without comments, indentation and `spaces`, which are kept in strings and templates."""
    lines = (re.sub(r" +// .*", "", line.strip()) for line in code.splitlines())
    told = "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))
    return re.sub(
        f"{STRINGS}|{spaces}", lambda found: SHORTER.get(found[0]) or next(filter(None, found.groups()), ""), told
    )


def page(title: str, fragment: str) -> str:
    """Return a whole page around a fragment, whose policy lets only the fragment's own script run and nothing be loaded."""
    script = fragment.rpartition("<script>")[2].partition("</script>")[0]
    hash_ = b64encode(sha256(script.encode()).digest()).decode()
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    return Template(template).substitute(title=html.escape(title), fragment=fragment, hash=hash_)
