"""Type checkers on the lines of a user, and the stub of the methods beside the methods."""

import ast
import importlib.util
import inspect
import subprocess
import sys

import pytest
from tiers import full

import autograd_lite as al
from autograd_lite.primitives import PRIMITIVES
from tests.house import PACKAGE, ROOT

REVEALS = ROOT / "tests" / "project" / "reveals.py"
STUB = ast.parse((PACKAGE / "typed.pyi").read_text(encoding="utf-8"))


def run(*command):
    done = subprocess.run([sys.executable, "-m", *command, str(REVEALS)], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@full
def test_mypy_knows_the_types():
    """Every `assert_type` holds, and the wrong lines are found: `--strict` refuses an ignore that is not needed."""
    pytest.importorskip("mypy")
    code, words = run("mypy", "--strict", "--no-incremental")
    assert code == 0, words


@full
def test_pyright_knows_the_types():
    """As mypy; it downloads nothing."""
    if importlib.util.find_spec("basedpyright") is None:
        pytest.skip("the extra `types` is not installed")
    code, words = run("basedpyright", "--level", "error")
    assert code == 0, words


def test_the_file_of_types_runs():
    """`assert_type` does nothing when it runs; the lines are those of a user, but for the wrong ones."""
    lines = [line for line in REVEALS.read_text(encoding="utf-8").splitlines() if "type: ignore" not in line]
    exec(compile("\n".join(lines), str(REVEALS), "exec"), {"__name__": "reveals"})  # noqa: S102


def methods():
    (class_,) = [node for node in STUB.body if isinstance(node, ast.ClassDef) and node.name == "Methods"]
    return {node.name for node in class_.body if isinstance(node, ast.FunctionDef)}


def test_the_stub_has_the_methods_that_operators_writes():
    """No more, and no fewer; helpers of formulas are nobody's methods."""
    source = (PACKAGE / "variable.py").read_text(encoding="utf-8")
    own = {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    written = {name for name, thing in vars(al.Variable).items() if callable(thing)} - own
    public = {name for name in written if not name.startswith("_")}
    helpers = {name for name in public if name in PRIMITIVES and not hasattr(al, name)}
    assert {name for name in methods() if not name.startswith("_")} == public - helpers - {"backward"}
    assert {name for name in methods() if name.startswith("_")} <= set(dir(al.Variable))


@pytest.mark.parametrize("name", sorted(al.primitives.PUBLIC))
def test_operations_have_signatures(name):
    """Of as many parameters as there are arguments, with the defaults that the table has."""
    rule = PRIMITIVES[getattr(al, name).name]
    parameters = inspect.signature(rule).parameters.values()
    assert len(parameters) == rule.arity
    assert tuple(p.default for p in parameters if p.default is not p.empty) == rule.defaults
    arguments = {p.name: 0.25 for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD}
    if len(arguments) == rule.arity:
        assert repr(rule(**arguments)) == repr(rule(*arguments.values()))


def test_completion_offers_what_there_is():
    """Without the names that only say what to write instead."""
    x = al.Variable(1.0)
    assert {"sin", "value", "backward"} <= {*dir(x)}
    assert not {"data", "label", "requires_grad"} & {*dir(x)}
