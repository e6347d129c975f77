# ruff: noqa: T201 - a command line prints
"""The command line: `python -m autograd_lite demo | draw | check | bench`, also installed as `autograd-lite`.

Exit codes: 0 good, 1 a check failed, 2 wrong use (one line on stderr says what to do).
"""

import argparse
import ast
import importlib
import inspect
import io
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import autograd_lite as al
from autograd_lite import _cli_check, _cli_draw, core
from autograd_lite._cli_draw import UsageError, close_to, shorten

PACKAGE = Path(__file__).resolve().parent
DEMOS = f"{al.__name__}.demos"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:  # in one line
        raise UsageError(f"{' '.join(message.split())}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    about = "Exact derivatives of ordinary scalar Python."
    parser = _Parser(prog="autograd-lite", description=about, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"autograd-lite {al.__version__}, {core.name()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    demo = commands.add_parser("demo", help="run a demo, which checks itself and draws", allow_abbrev=False)
    demo.add_argument("name", nargs="?", default="list", metavar="NAME", help="a demo, `all`, or `list` (the default)")
    demo.add_argument("--out", default="out", metavar="DIR", help="where pictures go (default: out)")
    demo.add_argument("--seed", type=_seed, default=0, metavar="N", help="seed of whatever is random (default: 0)")
    demo.add_argument("--quick", action="store_true", help="the shorter settings")
    demo.add_argument("--data", type=Path, metavar="DIR", help="the four IDX files of MNIST or Fashion-MNIST")
    demo.add_argument("--download", action="store_true", help="fetch MNIST or Fashion-MNIST from OpenML")
    demo.set_defaults(run=_demo)

    draw = commands.add_parser("draw", help="draw the graph of an expression with its gradients", allow_abbrev=False)
    draw.epilog = "Without -o and --html the graph is printed as a tree."
    draw.add_argument("expression", metavar="EXPR", help="such as 'tanh(x*w + b)'")
    draw.add_argument("assignments", nargs="*", metavar="name=value", help="a number for each name")
    draw.add_argument("-o", "--output", metavar="FILE.svg", help="the graph as a picture")
    draw.add_argument("--html", metavar="FILE.html", help="a page that plays the forward and the backward pass")
    draw.set_defaults(run=_draw)

    check = commands.add_parser("check", help="check every derivative against finite differences", allow_abbrev=False)
    check.set_defaults(run=lambda _: _cli_check.run(colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")))

    bench = commands.add_parser("bench", help="time this machine; arguments go to benchmarks/eager.py", add_help=False)
    bench.set_defaults(run=_bench)
    return parser


def _seed(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{shorten(text)} is not a seed; use a whole number from 0")
    return int(text)


def load_demos() -> ModuleType:
    """The demos, inside an installed wheel or beside the package in a checkout."""
    try:
        return importlib.import_module(DEMOS)
    except ModuleNotFoundError as error:
        if error.name != DEMOS:
            raise
        raise UsageError(f"the demos are neither in {PACKAGE} nor beside it; reinstall autograd-lite") from error


def _about(name: str) -> tuple[str, str]:
    """The title and the text of a demo's docstring, without importing the demo."""
    source = Path(load_demos().__path__[0], f"{name}.py").read_text(encoding="utf-8")
    title, _, text = (ast.get_docstring(ast.parse(source)) or name).partition("\n")
    return title.removesuffix("."), text.strip("\n")


def _demo(options: argparse.Namespace) -> int:
    ladder: tuple[str, ...] = load_demos().LADDER
    wanted = options.name.lower()
    if wanted == "list":
        for name in ladder:
            print(f"{name:<16} {_about(name)[0]}")
        print("\nRun one with `demo NAME`, or all with `demo all`.")
        return 0
    if wanted not in (*ladder, "all"):
        remark = close_to(wanted, (*ladder, "all", "list")) or f"; there are: {', '.join(ladder)}, all, list"
        raise UsageError(f"there is no demo {shorten(wanted)}{remark}")
    if options.data is not None and options.download:
        raise UsageError("--data and --download both say where the images are; give one of them")
    out = _writable(Path(options.out))
    names = ladder if wanted == "all" else (wanted,)
    entries = [_run_demo(name, out, options, alone=len(names) == 1) for name in names]
    if wanted == "all":
        page = importlib.import_module(f"{DEMOS}.page").write(out, entries, quick=options.quick)
        print(f"\n{page}: every picture with its numbers")
    failed = [entry.name for entry in entries if not entry.ok]
    left_out = [entry.name for entry in entries if entry.left_out]
    if left_out:
        print(f"left out, since a package is missing: {', '.join(left_out)}; pip install 'autograd-lite[demos,mnist]'")
    if failed:
        print(f"a check failed in: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run_demo(name: str, out: Path, options: argparse.Namespace, *, alone: bool) -> Any:
    """One demo. If it breaks, the error is raised where it is alone; among others it is a failed entry."""
    page = importlib.import_module(f"{DEMOS}.page")
    title, text = _about(name)
    print(f"{'' if alone else chr(10)}== {title}", flush=True)
    began = time.perf_counter()
    report, error, left_out = None, "", False
    try:
        run = importlib.import_module(f"{DEMOS}.{name}").main
        report = run(out / name, seed=options.seed, quick=options.quick, **_images(run, options, alone=alone))
    except Exception as failure:
        if alone and type(failure).__name__ in ("DataError", "MissingPackageError"):
            raise UsageError(str(failure)) from None
        if alone:
            raise
        left_out = type(failure).__name__ == "MissingPackageError"
        error = str(failure) if left_out else f"{type(failure).__name__}: {failure}"
    entry = page.Entry(name, title, text, report, error, time.perf_counter() - began, left_out)
    print(f"   {entry.verdict}, {entry.seconds:.1f} s" + (f", pictures in {out / name}" if entry.pictures else ""))
    return entry


def _images(run: Any, options: argparse.Namespace, *, alone: bool) -> dict[str, Any]:
    if "data" in inspect.signature(run).parameters:
        return {"data": options.data, "download": options.download}
    if alone and (options.data is not None or options.download):
        raise UsageError(f"the demo {options.name.lower()} takes no images: leave --data and --download out")
    return {}


def _writable(folder: Path) -> Path:
    """The folder, made, or a refusal before any time is spent."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot write into {shorten(str(folder))}: {reason}; pass another --out") from None
    return folder


def _draw(options: argparse.Namespace) -> int:
    values: dict[str, float] = {}
    for text in options.assignments:
        name, value = _cli_draw.parse_assignment(text)
        if name in values:
            raise UsageError(f"{name} is given twice; give each name one value")
        values[name] = value
    y, variables = _cli_draw.evaluate(options.expression, values)
    if not isinstance(y, al.Variable):
        raise UsageError(f"the expression is the constant {y!r}; differentiate by a name, such as 'x * x' x=3")
    y.backward()
    print(f"value {y.value!r}")
    for name, variable in variables.items():
        unused = "" if variable.grad is not None else "   (not used in the expression)"
        print(f"d/d{name} {variable.grad or 0.0!r}{unused}")
    if options.html is not None and Path(options.html).suffix.lower() != ".html":
        raise UsageError(f"cannot write a page to {shorten(options.html)}; pass a file such as g.html with --html")
    if options.output is None and options.html is None:
        print(al.explain(y))
    for option, file in (("-o", options.output), ("--html", options.html)):
        if file is not None:
            _save(y, option, file)
            print(f"wrote {file}")
    return 0


def _save(y: al.Variable, option: str, file: str) -> None:
    try:
        al.draw(y).save(file)
    except al.GraphTooLarge:
        many = f"{len(al.topological_order(y)):,} nodes are too many for a picture"
        raise UsageError(f"{many}; leave {option} out for the tree in text") from None
    except (al.AutogradLiteError, OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        problem = reason.rstrip(".") if reason.startswith("cannot") else f"cannot write {shorten(file)}: {reason}"
        raise UsageError(f"{problem}; pass another file with {option}") from None


def _bench(options: argparse.Namespace) -> int:
    file = PACKAGE.parent / "benchmarks" / "eager.py"
    if not file.is_file():
        raise UsageError("an installed wheel has no benchmarks/eager.py; run `bench` from a checkout of the source")
    sys.path.insert(0, str(PACKAGE.parent))
    return int(importlib.import_module("benchmarks.eager").main(options.rest) or 0)


def _options(words: list[str]) -> argparse.Namespace:
    if words[:1] == ["draw"]:  # a blank before it keeps argparse from taking an expression such as -x*x for an option
        known = ("-o", "--output", "--html", "-h", "--help", "--")
        words = [f" {word}" if word.startswith("-") and not word.startswith(known) else word for word in words]
    options, rest = _parser().parse_known_args(words)
    if options.command is None:
        raise UsageError("say what to do: demo, draw, check or bench; see autograd-lite --help")
    if options.command == "bench":
        options.rest = rest
    elif options.command == "draw" and not any(word.startswith("-") for word in rest):
        options.assignments += rest  # argparse leaves over the words behind an option in the middle
    elif rest:
        raise UsageError(f"{shorten(rest[0])} is not expected here; see autograd-lite {options.command} --help")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as on stderr: a terminal without µ stops nothing
    try:
        options = _options(words)
        code = int(options.run(options))
        sys.stdout.flush()
    except UsageError as error:
        print(f"autograd-lite: {error}", file=sys.stderr)
        return 2
    except SystemExit as stop:  # --help and --version
        return int(stop.code or 0)
    except KeyboardInterrupt:
        print("autograd-lite: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # a disk that is full, a folder that was taken away
        print(f"autograd-lite: {error}; name another place with --out or -o", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
