"""The tests notice changes of the machinery; `tests/mutants.py` makes them, 65 a room when it is run as a command."""

import json
import os
import subprocess
import sys

import mutants
import pytest

#: A mutant of each room by a pattern of its name, and a test that kills it.
KNOWN = {
    "backward.py _sweep: operator: output._adjoint += number*": (
        "tests/core/test_backward.py::test_adjoints_accumulate_over_paths"
    ),
    "tape/program.py Code.append: operator: * - 1 -> *": "tests/tape/test_tape.py::test_captured_nodes_keep_their_graph",
    "context.py record_into: dropped: tracing.discard(one)*": "tests/core/test_context.py::test_nothing_is_left_under_way",
    "tape/steps.py Run._along: negated: if self.native*": "tests/tape/test_scan.py::test_loop_by_each_backend[numpy]",
    "tape/llvm/ir.py Value.op: returned: *": (
        "tests/tape/test_conditions.py::test_comparisons_by_name_are_those_of_python[1.0-2.0]"
    ),
}
VERDICTS = """
import json, sys
from tests import mutants
known = json.loads(sys.argv[1])
print(json.dumps([mutants.verdict(mutants.named(pattern)[0], [test], 20.0) for pattern, test in known.items()]))
"""


def run(*arguments):
    """Run Python; this process has imported the library already."""
    environment = {**os.environ, "PYTHONPATH": str(mutants.ROOT), "AUTOGRAD_LITE_PURE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=mutants.ROOT, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.full
def test_a_known_mutant_of_each_room_is_killed():
    """By the test that is known to notice it."""
    for pattern in KNOWN:
        assert len(mutants.named(pattern)) == 1, f"{pattern} does not fit one mutant any more; choose another one"
    assert json.loads(run("-c", VERDICTS, json.dumps(KNOWN))) == list(KNOWN.values())


def test_what_is_called_equivalent_exists_and_is_little():
    """A reason names mutants that there are, and at most a tenth of them are excused."""
    for pattern in mutants.EQUIVALENT:
        assert mutants.named(pattern), f"{pattern} fits no mutant any more"
    for room in mutants.ROOMS:
        piles = mutants.all_mutants(room).values()
        excused = sum(bool(mutants.reason(m)) for pile in piles for m in pile)
        assert excused <= 0.1 * sum(map(len, piles)), room


def test_mutants_are_the_same_in_every_run():
    """The draw has a seed, and reaches every function while there are fewer functions than mutants."""
    for room in mutants.ROOMS:
        chosen = mutants.selected(room, 200)
        assert [m.name for m in chosen] == [m.name for m in mutants.selected(room, 200)]
        assert len({m.name for m in chosen}) == len(chosen) == 200
        assert len({(m.file, m.function) for m in chosen}) >= 0.9 * len(mutants.all_mutants(room))


@pytest.mark.slow
@pytest.mark.parametrize("room", mutants.ROOMS)
def test_mutants_of_a_room_are_killed(room, tmp_path):
    """Eight of each room, by all its tests that reach them."""
    state = tmp_path / "state.json"
    run("-m", "tests.mutants", "--room", room, "--state", str(state), "--count", "8")
    results = json.loads(state.read_text())["results"][room]
    survivors = [name for name, killer in results.items() if killer is None]
    assert len(results) == 8 and not survivors
