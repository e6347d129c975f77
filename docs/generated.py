"""The pages that are made from the code when the site is built: operations from the table, calls and errors from docstrings.

`pages()` returns them by their names. `mkdocs build --strict` asks for them through `hooks.py`; so do the tests.
"""

import builtins
import functools
import importlib
import inspect
import math
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import plots

import autograd_lite as al
from autograd_lite import errors, primitives
from autograd_lite.primitives import Interval, Primitive

ROOT = Path(__file__).resolve().parent.parent

#: Numbers that show what an operation does, where the first that fit its domain would not.
AT = {
    "atan2": (1.0, 2.0), "clip": (0.5, 0.0, 1.0), "copysign": (3.0, -1.0), "floordiv": (7.0, 2.0), "gamma": (2.5,),
    "heaviside": (0.0, 0.5), "hypot": (3.0, 4.0), "less": (1.0, 2.0), "mod": (7.0, 3.0), "polygamma": (1.0, 2.0),
    "relu": (2.0,),
    "leaky_relu": (-2.0, 0.01), "round": (2.567, 1.0), "where": (1.0, 2.0, 3.0), "logical_and": (1.0, 0.0),
    "logical_or": (1.0, 0.0), "logical_not": (0.0,), "floor": (2.5,), "ceil": (2.5,), "trunc": (-2.5,), "abs": (-2.0,),
    "sign": (-2.0,), "step": (2.0,), "square": (3.0,), "add": (2.0, 3.0), "pow": (2.0, 3.0), "degrees": (1.0,),
    "radians": (90.0,), "erfcx": (2.0,), "kl_div": (3.0, 2.0), "betaln": (2.5, 1.5), "gammainc": (2.5, 2.0),
    "gammaincc": (2.5, 2.0), "j0": (1.0,), "j1": (1.0,), "i0": (1.0,), "i1": (1.0,), "xlog1py": (2.0, 0.5),
}  # fmt: skip
#: The arguments of a plot other than the first, and which argument runs, where the numbers above show little.
BESIDE = {
    "polygamma": (1, (1.0, 0.0)),
    "gammainc": (1, (2.5, 0.0)),
    "gammaincc": (1, (2.5, 0.0)),
    "where": (1, (1.0, 0.0, 3.0)),
    "heaviside": (0, (0.0, 0.5)),
    "leaky_relu": (0, (0.0, 0.1)),
}
#: The ends of a plot, where those by the domain show little.
SPAN = {
    "sinc": (-4.0, 4.0),
    "gamma": (0.0, 4.0),
    "degrees": (-0.1, 0.1),
    "logaddexp": (-4.0, 8.0),
    "sin": (-6.0, 6.0),
    "cos": (-6.0, 6.0),
    "j0": (-12.0, 12.0),
    "j1": (-12.0, 12.0),
    "erfcx": (-1.5, 4.0),
}

#: Pages of calls: title, what they are for, and the modules whose public names they show, in the order of the page.
CALLS = {
    "transforms": ("Transforms of functions", "Gradients, Jacobians, Hessians, products.",
                   ("transforms", "maths.series", "testing")),
    "nodes": ("Variables and the sweep", "Nodes and their graph. `x.sin()` is `al.sin(x)`.", ("variable", "backward")),
    "functions": ("Functions of several numbers", "Composed of operations of the table.", ("functions", "selection")),
    "linalg": ("Linear algebra", "`al.linalg`, and NumPy's functions of arrays that keep Variables.", ("maths.linalg",)),
    "stats": ("Distributions", "`al.stats`: SciPy's distributions ([how to](../how_to/statistics.md)).", ("maths.stats",)),
    "nests": ("Nests and arrays", "Models are nests (pytrees); arrays keep Variables.", ("nests",)),
    "tape": ("Tapes and machine code", "Record once, run as machine code over many lanes.",
             ("tape.call", "tape.vmap", "tape.in_blocks", "tape.scan", "tape")),
    "see": ("Pictures and questions", "Draw a graph; ask why a gradient is what it is.",
            ("see.view", "see.explain", "see.why", "see.blame", "see.kinks", "see.flow", "see.watch", "see.budget",
             "see")),
    "nn": ("Layers and losses", "`autograd_lite.nn`, also `al.nn`.", ("train.nn",)),
    "optim": ("Optimisers", "`autograd_lite.optim`, also `al.optim`.", ("train.optim",)),
    "scipy": ("SciPy's solvers and fits",
              "`autograd_lite.scipy`, also `al.scipy`: SciPy's functions of these names with derivatives filled in.",
              ("scipy", "bridge")),
    "more": ("Operations of your own", "`Primitive` makes an operation; the rest of the package stands here too.", ("",)),
}  # fmt: skip


#: Methods that another module gives to a class.
METHODS = {"al.Variable.backward": "autograd_lite.backward.backward"}


def pages() -> dict[str, str]:
    """Every generated page, and the map, by its path below `docs`."""
    return _all_but_map() | {"llms.txt": llms()}


def slug(title: str) -> str:
    """A title as the name of a page."""
    return re.sub(r"\W+", "_", title.lower()).strip("_")


# -------------------------------------------------------------------------------------------------- the map


def navigation() -> list[tuple[int, str, str]]:
    """What the navigation of `mkdocs.yml` lists, in its order: depth, title, page; a heading has no page."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    found = re.findall(r"^( *)- (?:([^:\n]+):)? ?(\S+\.md)?$", text, flags=re.MULTILINE)
    return [(len(indent) // 4, title, page) for indent, title, page in found]


def text_of(page: str) -> str:
    """The Markdown of a page, written or generated."""
    path = ROOT / "docs" / page
    return path.read_text(encoding="utf-8") if path.exists() else _all_but_map()[page]


@functools.cache
def _all_but_map() -> dict[str, str]:
    made = {f"api/{slug(title)}.md": _section(title, found) for title, found in sections().items()}
    made |= {f"api/{name}.md": _calls(name) for name in CALLS}
    made["api/index.md"] = _index()
    made["changelog.md"] = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
    return made


def llms() -> str:
    """A map of the pages for language models: the site has the Markdown of each beside its HTML."""
    lines = ["# autograd_lite", "", f"> {first_sentence(text_of('index.md'))}", ""]
    lines.append("`import autograd_lite as al`. Every Python block of these pages is run by the tests.")
    for depth, title, page in navigation():
        if not page and depth == 0:
            lines += ["", f"## {title}", ""]
        elif page:
            text = text_of(page)
            name = title or (re.search(r"^#+ (.*)", text, flags=re.MULTILINE) or ["", page])[1]
            lines.append(f"- [{name}]({page}): {_about(page, text)}")
    return "\n".join(lines) + "\n"


def _about(page: str, text: str) -> str:
    """What a page holds, in a line."""
    if page.startswith("reference/") and page != "reference/README.md":
        return text.partition("\n")[0].strip("# ")
    operations = {f"api/{slug(title)}.md": found for title, found in sections().items()}
    return ", ".join(f"al.{o.name}" for o in operations.get(page, ())) or first_sentence(text)


def first_sentence(text: str) -> str:
    """The first sentence of a page's prose, without links and marks."""
    prose = re.sub(
        r"^    .*$", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), flags=re.MULTILINE
    )
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", prose))
    chosen = next(
        (p for p in paragraphs if p and not p.startswith(("#", "!", "|", "<", ":::", "`demo ", "[", "The tests run"))),
        "",
    )
    sentence = re.match(r".*?[.](?= |$)", chosen)
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", sentence[0] if sentence else chosen).strip(":*")


# -------------------------------------------------------------------------------------------------- operations


@functools.cache
def sections() -> dict[str, list[Primitive]]:
    """The public operations under the headings of the source text of the table."""
    title, found = "", defaultdict(list)
    for line in inspect.getsource(primitives).splitlines():
        if heading := re.fullmatch(r"# -{20,} (.*)", line):
            title = heading[1].capitalize()
        elif (entry := re.match(r"(\w+): (?:One|Several) = ", line)) and entry[1] in primitives.PUBLIC:
            found[title].append(getattr(primitives, entry[1]))
    return dict(found)


def second_names(operation: Primitive) -> list[str]:
    """Its other public names."""
    return [name for name in primitives.PUBLIC if getattr(primitives, name) is operation and name != operation.name]


def _section(title: str, operations: list[Primitive]) -> str:
    links = " · ".join(f"[`{o.name}`](#{o.name})" for o in operations)
    made = (
        "These entries are made from the library's table of rules. [How to read them](index.md#how-to-read-an-entry)."
    )
    return f"# {title}\n\n{links}\n{{ data-search-exclude }}\n\n{made}\n\n" + "\n".join(map(_entry, operations))


def _entry(operation: Primitive) -> str:
    value, _, partials = operation.formula.partition(",   ")
    facts = {
        "value": _code(value),
        "derivative": _code(partials),
        "domain": _domains(operation),
        "at kinks": operation.kink if operation.kink != "none" else "",
        "largest error, ULP": _bounds(operation),
        "other names": ", ".join(f"`al.{name}`" for name in second_names(operation)),
        "in NumPy": f"`np.{operation.numpy}`" if operation.numpy else "",
        "source": operation.source,
    }
    rows = "\n".join(f"| {fact} | {text} |" for fact, text in facts.items() if text)
    return (
        f"## `{_call(operation)}` {{ #{operation.name} data-toc-label='{operation.name}' }}\n\n"
        f'<div class="operation" markdown>\n\n| | |\n| --- | --- |\n{rows}\n\n{_plot(operation)}\n\n</div>\n\n'
        f"{_example(operation)}\n"
    )


def _call(operation: Primitive) -> str:
    return f"al.{operation.name}{operation.__signature__}"  # type: ignore[attr-defined]


def _code(formula: str) -> str:
    """Formulas as code; a bar within would end the cell of a table."""
    return ", ".join(
        f"<code>{part.strip().replace('|', '&#124;')}</code>" for part in formula.split(", ") if part.strip()
    )


def _domains(operation: Primitive) -> str:
    if all(interval == primitives.REAL for interval in operation.domain):
        return "all real numbers"
    names = _names(operation)
    parts = [_interval(name, i) for name, i in zip(names, operation.domain, strict=True) if i != primitives.REAL]
    return "; ".join(parts)


def _interval(name: str, interval: Interval) -> str:
    less = "&lt;" if interval.open_ends else "≤"
    if interval.whole:
        return f"{name} a whole number" + (f" ≥ {interval.lower:g}" if math.isfinite(interval.lower) else "")
    if math.isinf(interval.upper):
        return f"{name} {'&gt;' if interval.open_ends else '≥'} {interval.lower:g}"
    return f"{interval.lower:g} {less} {name} {less} {interval.upper:g}"


def _names(operation: Primitive) -> list[str]:
    return list(operation.__signature__.parameters)  # type: ignore[attr-defined]


def _bounds(operation: Primitive) -> str:
    if operation.ulp is None:
        return ""
    at = at_numbers(operation)
    bounds = [f"{b(*at):.3g} at {_tuple(at)}, but not everywhere" if callable(b) else f"{b:g}" for b in operation.ulp]
    return f"value {bounds[0]}, derivative {bounds[1]}"


def at_numbers(operation: Primitive) -> tuple[float, ...]:
    """Numbers inside the domain at which an operation is shown."""
    if operation.name in AT:
        return AT[operation.name]
    wanted = (0.5, 2.0) if operation.arity > 1 else (0.5,)
    return tuple(
        next(x for x in (want, 2.0, 0.5, 1.0, 3.0) if interval.contains(x))
        for want, interval in zip(wanted, operation.domain, strict=True)
    )


def _tuple(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" if math.isinf(number) else repr(number) for number in numbers)


def _example(operation: Primitive) -> str:
    at = at_numbers(operation)
    flat = all(p is primitives.zero for p in operation.partials)
    places = tuple(k for k, p in enumerate(operation.partials) if callable(p) or p == p)  # noqa: PLR0124 - not nan
    argnums = f", argnums={places if len(places) > 1 else places[0]}" if operation.arity > 1 else ""
    call, derivative = f"al.{operation.name}({_tuple(at)})", f"al.grad(al.{operation.name}{argnums})({_tuple(at)})"
    lines = [f">>> {call}", repr(eval(call, {"al": al}))]  # noqa: S307 - the two lines above
    if not flat:
        lines += [f">>> {derivative}", repr(eval(derivative, {"al": al}))]  # noqa: S307
    return "```pycon\n" + "\n".join(lines) + "\n```\n"


def _plot(operation: Primitive) -> str:
    place, beside = BESIDE.get(operation.name, (0, at_numbers(operation)))
    lower, upper = SPAN.get(operation.name) or _span(operation.domain[place])

    def arguments(x: float) -> list[float]:
        return [x if k == place else number for k, number in enumerate(beside)]

    def value(x: float) -> float:
        return float(operation.value(*arguments(x)))

    def derivative(x: float) -> float:
        partial = operation.partials[place]
        return float(partial(*arguments(x), value(x))) if callable(partial) else partial

    places = plots.samples(lower, upper)
    curves = [plots.runs(value, places), plots.runs(derivative, places)]
    names = _names(operation)
    held = ", ".join(f"{n} = {v:g}" for k, (n, v) in enumerate(zip(names, beside, strict=True)) if k != place)
    where = f", {held}" if held else ""
    picture = plots.svg(curves, (lower, upper), f"{operation.name} and its derivative by {names[place]}")
    legend = f'<b class="curve0">{operation.name}</b> and <b class="curve1">its derivative</b> by {names[place]}{where}'
    return f'<figure class="plot" data-search-exclude>{picture}<figcaption>{legend}</figcaption></figure>'


def _span(interval: Interval) -> tuple[float, float]:
    if math.isfinite(interval.lower) and math.isfinite(interval.upper):
        return interval.lower, interval.upper
    if math.isfinite(interval.lower):
        return min(interval.lower, 0.0), 5.0
    return -4.0, 4.0


# ------------------------------------------------------------------------------------------------------- calls


@functools.cache
def calls() -> dict[str, dict[str, str]]:
    """The public names that are no operations and no errors, by page: a name as users write it, and where it is defined."""
    found: dict[str, dict[str, str]] = {page: {} for page in CALLS}
    public = [*al.__all__, *(name for name in ("all", "any", "max", "min", "sum") if hasattr(al, name))]
    for name in dict.fromkeys(public):
        thing = getattr(al, name)
        module = getattr(thing, "__module__", "")
        if isinstance(thing, Primitive) or not callable(thing) or module == errors.__name__:
            continue
        if inspect.ismodule(thing) or thing.__name__ != name:  # a second name
            continue
        found[_page_of(module)][f"al.{name}"] = f"{module}.{name}"
    for module in (al.linalg, al.nn, al.optim, al.stats):
        short = module.__name__.rpartition(".")[2]
        names = [
            n
            for n in vars(module)
            if not n.startswith("_") and getattr(vars(module)[n], "__module__", "") == module.__name__
            if inspect.isclass(vars(module)[n]) or inspect.isroutine(vars(module)[n])
        ]
        found[short] |= {f"al.{short}.{n}": f"{module.__name__}.{n}" for n in names}
    for name in {*al.scipy.__all__} & vars(al.scipy).keys():  # the others are SciPy's
        found["scipy"][f"al.scipy.{name}"] = f"{getattr(al.scipy, name).__module__}.{name}"
    found = {page: dict(sorted(names.items(), key=functools.partial(_place, page))) for page, names in found.items()}
    found["nodes"] = {"al.Variable": found["nodes"]["al.Variable"]} | METHODS | found["nodes"]
    return found


def _place(page: str, entry: tuple[str, str]) -> tuple[bool, int, str, int]:
    """Kind, module and line of a definition: classes come first, then what stands first in the page's modules."""
    module, _, name = entry[1].rpartition(".")
    thing = inspect.unwrap(getattr(importlib.import_module(module), name))
    inner, modules = module.removeprefix("autograd_lite."), CALLS[page][2]
    rank = modules.index(inner) if inner in modules else len(modules)
    return not inspect.isclass(thing), rank, module, inspect.getsourcelines(thing)[1]


def thing_of(name: str) -> Any:
    """The object that a user calls `al.…`."""
    return functools.reduce(getattr, name.split(".")[1:], al)


def _page_of(module: str) -> str:
    inner = module.removeprefix("autograd_lite.")
    return next(
        page
        for page, (_, _, modules) in CALLS.items()
        if any(not m or inner == m or inner.startswith(f"{m}.") for m in modules)
    )


def _calls(page: str) -> str:
    title, purpose, _ = CALLS[page]
    blocks = (
        f"::: {where}\n    options:\n      heading: {name}\n      toc_label: {name.rpartition('.')[2]}\n"
        for name, where in calls()[page].items()
    )
    return f"# {title}\n\n{purpose}\n\n" + "\n".join(blocks)


def summary(thing: Any) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _index() -> str:
    lines = [(Path(__file__).parent / "api" / "head.txt").read_text(encoding="utf-8")]
    lines.append("## Calls\n\n| call | what it does |\n| --- | --- |")
    for page in CALLS:
        for name in calls()[page]:
            text = summary(thing_of(name)).replace("|", "&#124;")
            lines.append(f"| [`{name}`]({page}.md#{calls()[page][name]}) | {text} |")
    lines.append("\n## Operations\n\n| operation | formula |\n| --- | --- |")
    for title, operations in sections().items():
        lines.append(f"| **[{title}]({slug(title)}.md)** | |")
        lines += [
            f"| [`{_call(o)}`]({slug(title)}.md#{o.name}) | {_code(o.formula.partition(',   ')[0])} |"
            for o in operations
        ]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------------------------ errors


def exceptions() -> list[type[Exception]]:
    """The classes of `errors.py`, in its order."""
    classes = [c for c in vars(errors).values() if inspect.isclass(c) and c.__module__ == errors.__name__]
    return [c for c in classes if builtins.issubclass(c, Exception)]


def error_entries() -> str:
    """For each class its cause, and the example of its docstring, which shows the failure and its cure."""
    return "\n".join(map(_error, exceptions()))


def _error(kind: type[Exception]) -> str:
    text = inspect.getdoc(kind) or ""
    prose, _, example = text.partition("\n>>> ")
    bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
    code = f"\n```pycon\n>>> {example.strip()}\n```\n" if example else ""
    return f"### {kind.__name__} {{ #{kind.__name__} }}\n\n{prose.strip()}\n\nCaught by `except` of: {bases}.\n{code}"
