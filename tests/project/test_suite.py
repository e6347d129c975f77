"""The suite itself: stable names of tests, a quick test for every module, nothing asked of foreign objects."""

import ast
import gc
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from garbage import alive, collector_off, settle
from house import PACKAGE, ROOT, TESTS
from tiers import full, mostly_full, sizes

import autograd_lite as al

#: Modules, or folders of modules, that no test file imports: each with the file whose tests run it from outside.
RUN_BY = {
    "_cli_check": "test_cli.py",
    "arrays": "test_variable.py",
    "conversion": "test_numerics_policy.py",
    "copies": "test_model_files.py",
    "frames": "test_blame.py",
    "ieee": "test_numerics_policy.py",
    "numpy_functions": "test_arrays.py",
    "operators": "test_variable.py",
    "nn": "test_nn.py",
    "optim": "test_optim.py",
    "refusals": "test_arrays.py",
    "see": "test_drawing.py",
    "train/nn": "test_nn.py",
    "train/optim": "test_optim.py",
    "train": "test_nn.py",
    "tape/connected": "test_pickles.py",
    "tape/files": "test_tape_files.py",
    "tape/backends": "test_call.py",
    "tape/lane_operations": "test_lane_operations.py",
    "tape/lane_paths": "test_vmap.py",
    "tape/loop": "test_scan.py",
    "tape/lowering": "test_machinery.py",
    "tape/llvm": "test_call.py",
    "tape/paths": "test_call.py",
    "tape/pickles": "test_pickles.py",
    "tape/recording": "test_call.py",
    "tape/text": "test_text.py",
    "tape/trace": "test_tape.py",
    "tape/steps": "test_scan.py",
}


def modules():
    """Every module of the library, as its path below the package without `.py`."""
    paths = (p.relative_to(PACKAGE).with_suffix("").as_posix() for p in PACKAGE.rglob("*.py") if "demos" not in p.parts)
    return sorted(path.removesuffix("/__init__") for path in paths if path != "__init__")


def imported(tree):
    """Dotted names below the package that a file imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {
        name.removeprefix("autograd_lite.").replace(".", "/") for name in names if name.startswith("autograd_lite.")
    }


def is_quick(function):
    """Whether a test carries neither `full` nor `slow` itself."""
    marks = {ast.unparse(mark) for mark in function.decorator_list}
    return not marks & {"full", "slow", "pytest.mark.full", "pytest.mark.slow"}


def quick_files():
    """Test files with at least one quick test: their text, and what they import."""
    for path in sorted(TESTS.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        tests = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
        if path.name != Path(__file__).name and any(map(is_quick, tests)):
            yield path, text, imported(tree)


@pytest.fixture(scope="module")
def known():
    """What the quick test files import, and all their text."""
    files = list(quick_files())
    return {path.name for path, _, _ in files}, set().union(*(names for _, _, names in files)), files


@pytest.mark.parametrize("module", modules())
def test_every_module_has_a_quick_test(module, known):
    """A quick test file imports the module, or uses its public names as `al.…`, or is named in RUN_BY."""
    names, imports, files = known
    public = {name for name in al.__all__ if getattr(getattr(al, name), "__module__", None) == dotted(module)}
    used = any(re.search(rf"\bal\.{re.escape(name)}\b", text) for name in public for _, text, _ in files)
    outside = {file for room, file in RUN_BY.items() if f"{module}/".startswith(f"{room}/")}
    assert module in imports or used or outside & names, (
        f"no quick test imports {module} or uses {public}; write one, or name the file that runs it in RUN_BY"
    )


def dotted(module):
    return "autograd_lite." + module.replace("/", ".")


def test_names_of_tests_hold_no_address(request):
    """An address differs from process to process: pytest-xdist would stop at collection."""
    assert [item.nodeid for item in request.session.items if re.search(r"0x[0-9a-f]{6}", item.nodeid)] == []


@full
def test_two_collections_name_the_same_tests():
    """Whatever the hash seed and the time."""

    def collected(seed):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--collect-only",
            "-q",
            "-n",
            "0",
            "-m",
            "",
        ]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return [line for line in done.stdout.splitlines() if "::" in line]

    first, second = collected("1"), collected("2")
    assert len(first) > 7000
    assert first == second


class Deprecated:
    """Warns whoever reads an attribute, as objects of other packages do: `isinstance` reads `__class__`."""

    def __getattribute__(self, name):
        warnings.warn(f"{name} is deprecated", FutureWarning, stacklevel=2)
        return object.__getattribute__(self, name)


def test_counting_variables_reads_nothing_of_foreign_objects():
    """Six tests failed with torch beside them: the collector knows its objects too."""
    foreign = Deprecated()
    with pytest.warns(FutureWarning, match="__class__"):
        isinstance(foreign, al.Variable)
    before = alive()
    x = al.Variable(1.0)
    assert any(o is foreign for o in gc.get_objects())
    assert alive() == before + 1
    del x
    assert alive() == before


class Heir:
    """Garbage in a cycle that leaves as much behind, `generations` times."""

    def __init__(self, generations):
        self.generations, self.me = generations, self

    def __del__(self):
        if self.generations:
            Heir(self.generations - 1)


def test_what_finalizers_leave_is_collected_before_a_measurement():
    """A run of the suite failed: the first collection's finalizers had left 27,739 objects for the second."""
    with collector_off():
        Heir(2)
        assert gc.collect() > 0
        settle()
        assert gc.collect() == 0


def test_tiers():
    """Cases in the sample are plain, the others carry the mark."""
    marked = [getattr(case, "marks", ()) for case in mostly_full("abcde", [0, -1])]
    assert [bool(m) for m in marked] == [False, True, True, True, False]
    assert [getattr(case, "values", case) for case in mostly_full(range(4), slice(None, None, 2))] == [0, (1,), 2, (3,)]
    assert sizes(1, 2)[0] == 1
    assert sizes(1, 2)[1].values == (2,)
