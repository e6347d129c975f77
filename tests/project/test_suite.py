"""The suite itself: stable names of tests, a quick test for every module, nothing asked of foreign objects."""

import ast
import gc
import os
import re
import subprocess
import sys
import warnings

import pytest
from garbage import alive, collector_off, settle
from house import PACKAGE, ROOT, TESTS, floor_of
from tiers import full, mostly_full, sizes

import autograd_lite as al

#: Rooms, or folders of rooms, whose tests are not `tests/<floor>/test_<room>.py`, and where they are.
RUN_BY = {
    "__main__": "cli/test_cli.py",
    "_cli_check": "cli/test_cli.py",
    "_cli_draw": "cli/test_cli.py",
    "conversion": "core/test_numerics_policy.py",
    "demos": "project/test_demos.py",
    "errors": "core/test_numerics_policy.py",
    "frames": "see/test_blame.py",
    "ieee": "core/test_numerics_policy.py",
    "many": "maths/test_linalg.py",
    "maths/matrices": "maths/test_linalg.py",
    "maths/tails": "maths/test_stats.py",
    "numpy": "core/test_hints.py",
    "pickles": "tape/test_pickles.py",
    "forks": "tape/test_ships.py",
    "rule": "core/test_primitives.py",
    "selection": "tape/test_conditions.py",
    "tape/lane_arrays": "tape/test_array_code.py",
    "tape/lifting": "tape/test_array_code.py",
    "tape/llvm/masked_loops": "tape/test_while_lanes.py",
    "tape/masked": "tape/test_while_lanes.py",
    "bridge/evaluations": "bridge/test_scipy.py",
    "bridge/models": "bridge/test_scipy.py",
    "bridge/signatures": "bridge/test_older.py",
    "incomplete": "maths/test_quantiles.py",
    "bridge/spaces": "bridge/test_scipy.py",
    "see/formulas": "see/test_explain.py",
    "see/graph": "see/test_explain.py",
    "tape/backends/": "tape/test_backends.py",
    "tape/cache": "tape/llvm/test_cache.py",
    "tape/alike": "tape/test_sparse.py",
    "tape/colours": "tape/test_sparse.py",
    "tape/elements": "tape/test_sparse.py",
    "tape/files": "tape/test_tape_files.py",
    "tape/lane_paths": "tape/test_vmap.py",
    "tape/llvm/backend": "tape/llvm/test_matrices.py",
    "tape/llvm/emit": "tape/llvm/test_targets.py",
    "tape/llvm/engine": "tape/llvm/test_targets.py",
    "tape/llvm/ir": "tape/llvm/test_vector_math.py",
    "tape/llvm/loops": "tape/test_rolled.py",
    "tape/llvm/matrix_loops": "tape/llvm/test_matrices.py",
    "tape/llvm/runtime": "tape/llvm/test_matrices.py",
    "tape/llvm/tables": "tape/llvm/test_tables_in_lanes.py",
    "tape/ptx/backend": "tape/ptx/test_devices.py",
    "tape/ptx/driver": "tape/ptx/test_devices.py",
    "tape/ptx/functions": "tape/ptx/test_device_functions.py",
    "tape/ptx/kernel": "tape/ptx/test_kernels.py",
    "tape/ptx/operations": "tape/ptx/test_devices.py",
    "tape/loop": "tape/test_scan.py",
    "tape/plans": "tape/test_sparse.py",
    "tape/program": "tape/test_tape.py",
    "tape/pushing": "tape/test_sparse.py",
    "tape/states": "tape/test_healing.py",
    "tape/steps": "tape/test_scan.py",
    "tape/trace": "tape/test_tape.py",
    "tape/workers": "tape/test_clusters.py",
}


def modules():
    """Every module of the library, as its path below the package without `.py`."""
    paths = (p.relative_to(PACKAGE).with_suffix("").as_posix() for p in PACKAGE.rglob("*.py") if "demos" not in p.parts)
    return sorted(path.removesuffix("/__init__") for path in paths if path != "__init__")


def is_quick(function):
    """Whether a test carries neither `full` nor `slow` itself."""
    marks = {ast.unparse(mark) for mark in function.decorator_list}
    return not marks & {"full", "slow", "pytest.mark.full", "pytest.mark.slow"}


@pytest.fixture(scope="module")
def quick():
    """The test files with at least one quick test, below `tests`."""
    files = set()
    for path in TESTS.rglob("test_*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if any(isinstance(n, ast.FunctionDef) and n.name.startswith("test_") and is_quick(n) for n in nodes):
            files.add(path.relative_to(TESTS).as_posix())
    return files


@pytest.mark.parametrize("module", modules())
def test_every_module_has_a_quick_test(module, quick):
    """In the file of its name on its floor, or in the one that RUN_BY names; a folder of rooms has one of tests."""
    floor = floor_of(module.replace("/", "."))
    folder = "cli" if floor == "command line" else floor.replace(".", "/")
    own = f"{folder}/test_{module.rpartition('/')[2]}.py"
    other = RUN_BY.get(module) or RUN_BY.get(f"{module.rpartition('/')[0]}/")
    assert own not in quick or other is None, f"{module} has its own tests; take it out of RUN_BY"
    assert (other or own) in quick or any(file.startswith(f"{module}/") for file in quick), (
        f"tests/{own} has no quick test; write one, or name the file that runs {module} in RUN_BY"
    )


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
