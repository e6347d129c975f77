"""The layers of the library: who may import whom, and what is public."""

import ast
from pathlib import Path

import pytest

import autograd_lite as al

PACKAGE = Path(al.__file__).parent

#: Each module and what it may import of the package. Whoever adds a module adds its row here and in docs/design.md.
MAY_IMPORT = {
    "errors": set(),
    "ieee": set(),
    "rule": {"errors"},
    "primitives": {"ieee", "rule"},
    "frames": set(),
    "context": {"frames"},
    "refusals": {"errors", "frames"},
    "arrays": {"errors", "context", "primitives", "refusals"},
    "numpy_functions": {"arrays", "errors", "functions", "primitives", "refusals"},
    "operators": {"arrays", "errors", "context", "primitives"},
    "variable": {"arrays", "errors", "frames", "numpy_functions", "context", "operators", "primitives", "refusals"},
    "functions": {"errors", "context", "primitives"},
    "selection": {"functions", "context", "primitives", "variable"},
    "copies": {"errors", "context", "primitives", "variable"},
    "nests": {"arrays", "errors", "primitives", "variable"},
    "backward": {"errors", "nests", "context", "primitives", "variable"},
    "transforms": {"backward", "errors", "nests", "context", "primitives", "refusals", "variable"},
    "train": {"errors", "functions", "nests", "primitives", "train"},
    "nn": {"train"},
    "optim": {"train"},
    "tape": {
        "arrays",
        "backward",
        "copies",
        "errors",
        "frames",
        "functions",
        "ieee",
        "nests",
        "context",
        "primitives",
        "refusals",
        "rule",
        "selection",
        "tape",
        "transforms",
        "variable",
    },
    "testing": {"backward", "errors", "nests", "transforms", "variable"},
    "see": {"backward", "errors", "frames", "nests", "context", "primitives", "see", "testing", "variable"},
}


def imported(path):
    """Names of the package's modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "autograd_lite":
            parts = node.module.split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("autograd_lite.")}
    return names


def library_files():
    """Every file of the library but the front door and the command line, which may import anything."""
    return [p for p in sorted(PACKAGE.rglob("*.py")) if p.relative_to(PACKAGE).parts[0] not in ("__init__.py", "demos")]


@pytest.mark.parametrize("path", library_files(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_imports_only_what_lies_below(path):
    """The table above holds, in every file."""
    module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if module == "__main__" or module.startswith("_cli"):
        return
    assert module in MAY_IMPORT, f"{module} has no row in the table"
    assert imported(path) <= MAY_IMPORT[module]


def test_demos_use_public_names_only():
    """A demo shows what a user can write."""
    for path in (PACKAGE.parent / "demos").glob("*.py"):
        assert imported(path) <= {"nn", "optim"}, path.name


def test_library_does_not_print():
    """Output belongs to the command line and the demos."""
    for path in library_files():
        if path.name != "__main__.py" and not path.name.startswith("_cli"):
            calls = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
            assert not any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls), path.name


def test_every_public_name_exists_and_is_documented():
    """`from autograd_lite import *` works, and each callable says what it does."""
    for name in al.__all__:
        thing = getattr(al, name)
        assert not callable(thing) or getattr(thing, "formula", None) or thing.__doc__, name


def test_star_import_leaves_builtins_alone():
    """abs, pow, round and sum keep their meaning after `from autograd_lite import *`."""
    assert not {"abs", "pow", "round", "sum", "min", "max"} & set(al.__all__)
    assert all(hasattr(al, name) for name in ("abs", "pow", "round", "sum"))


def test_every_rule_is_public():
    """What the table has, a user can call; helpers of partials are reached through the table."""
    helpers = {rule.name for rule in al.primitives.COMPARISONS.values()} | {
        "sech_squared", "sigmoid_slope", "sinc_derivative", "hold", "plain", "positive", "share", "log_of_sum",
        "log_of_excess",
    }  # fmt: skip
    for name, rule in al.primitives.PRIMITIVES.items():
        if rule.built_in and name not in helpers:
            assert getattr(al, name) is rule
