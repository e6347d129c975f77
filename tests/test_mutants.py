"""The tests notice changes of the machinery; `tests/mutants.py` makes them, 65 a room when it is run as a command."""

import itertools
import json
import os
import subprocess
import sys

import mutants
import pytest

#: A mutant of each room by a pattern of its name, and a test that kills it.
KNOWN = {
    "backward.py Reach.adjoints: dropped: (_send_graphs if *": "tests/test_backward.py::test_adjoints_accumulate_over_paths",
    "tape/passes.py Program.append: operator: * + 1": "tests/test_tape.py::test_captured_nodes_keep_their_graph",
    "observers.py record_into: comparison: notes is not None -> *": "tests/test_conditions.py::test_tilde_of_one_condition_is_refused",
    "tape/loops.py Loop.replayed: operator: outputs += *": "tests/test_scan.py::test_tape_with_a_loop_replays_on_variables_and_can_be_differentiated",
    "tape/lane_operations.py _boxed: dropped: *": "tests/test_vmap.py::test_mapping_variables[python]",
}


def run(*arguments, **options):
    """Run the command; this process has the library already."""
    environment = {**os.environ, "PYTHONPATH": str(mutants.ROOT)}
    command = [sys.executable, "-m", "tests.mutants", *arguments]
    return subprocess.run(
        command, cwd=mutants.ROOT, env=environment, capture_output=True, text=True, check=True, **options
    ).stdout


def test_a_known_mutant_of_each_room_is_killed():
    """By the tests that notice such a change."""
    for pattern in KNOWN:
        assert mutants.named(pattern), f"{pattern} fits no mutant any more; choose another one"
    said = run(*itertools.chain.from_iterable(("--mutant", pattern) for pattern in KNOWN), "--tests", *KNOWN.values())
    assert said.count("killed by tests/") >= len(KNOWN) and "SURVIVED" not in said, said


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


@pytest.mark.full
@pytest.mark.parametrize("room", mutants.ROOMS)
def test_mutants_of_a_room_are_killed(room, tmp_path):
    """Eight of each room, by all its tests that reach them."""
    state = tmp_path / "state.json"
    run("--room", room, "--state", str(state), "--count", "8")
    results = json.loads(state.read_text())["results"][room]
    survivors = [name for name, killer in results.items() if killer is None]
    assert len(results) == 8 and not survivors
