"""The benchmarks run, agree and say what is missing; how fast anything is, is never tested here."""

import importlib.util
import math

import pytest

from benchmarks import eager, engines, measure, programs, report
from benchmarks.contestant import Round


class Counted(float):
    """A float that counts the operations applied to it."""

    count = 0

    def _counted(self, result):
        Counted.count += 1
        return Counted(result)

    def __add__(self, other):
        return self._counted(float(self) + other)

    def __mul__(self, other):
        return self._counted(float(self) * other)

    def __sub__(self, other):
        return self._counted(float(self) - other)


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_a_program_holds_as_many_operations_as_it_says(name):
    """Times are divided by this number."""
    program = programs.PROGRAMS[name](12_000)
    Counted.count = 0
    program.run([Counted(value) for value in program.leaves], lambda x: x._counted(max(x, 0.0)))
    assert Counted.count == program.operations
    assert program.operations == pytest.approx(12_000, rel=0.2)


@pytest.fixture
def no_peers(monkeypatch):
    """A machine on which no other engine is installed."""
    find = importlib.util.find_spec
    here = {"autograd_lite", "builtins"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find(name) if name in here else None)


def test_runs_without_any_peer_and_says_so(no_peers, capsys, tmp_path):
    """Peers are never needed; those that are not there are named."""
    pytest.importorskip("matplotlib")
    page = tmp_path / "eager.md"
    page.write_text("# Words of people\n\n<!-- measured -->\nold\n<!-- end of measured -->\n\nMore words.\n", "utf-8")
    assert eager.main(["--sizes", "100", "200", "--rounds", "1", "--write", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "Not installed, hence not measured: autograd, micrograd, torch, xad." in printed
    assert "All engines agree on every value and gradient." in printed
    written = page.read_text(encoding="utf-8")
    assert written.startswith("# Words of people")
    assert written.endswith("More words.\n")
    assert "| autograd_lite " in written
    assert "old" not in written
    assert (tmp_path / "eager.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_what_is_left_out_is_said():
    """No cell of the table is silently empty."""
    options = eager._options(["--budget", "1", "--memory", "1"])
    fast = report.Cell([Round(1e-6, 1e-6, 0.0, 1000, 0.0, [1.0], 100.0)])
    assert eager._foretold(fast, 10_000, options) == ""
    assert eager._foretold(fast, 1_000_000, options) == "over budget: 2 s"
    large = report.Cell([fast.rounds[0]._replace(record=0.0, backward=0.0, memory=2000.0)])
    assert eager._foretold(large, 1_000_000, options) == "over budget: 2 GB"
    assert eager._foretold(report.Cell(reason="over budget: 2 s"), 10**8, options) == "over budget"
    assert eager._foretold(report.Cell(reason="RecursionError: too deep"), 10**8, options) == "RecursionError: too deep"


@pytest.mark.parametrize("wrong", [1.0005, -1.0, math.nan])
def test_a_wrong_gradient_is_reported(wrong):
    """Engines that compute different things are not compared."""
    right = Round(1e-6, 1e-6, 0.0, 1000, 3.0, [1.0, 2.0], 100.0)
    floats = report.Cell([right._replace(gradient=None)])
    column = {"one": report.Cell([right]), "two": report.Cell([right]), "floats": floats}
    assert report.disagreements("chain", column) == []
    column["two"] = report.Cell([right._replace(gradient=[1.0, 2.0 * wrong])])
    assert len(report.disagreements("chain", column)) == 1


class Fragile:
    """Something to be asked in another process."""

    def half(self, x):
        return x / 2

    def die(self):
        raise SystemExit(3)


def test_a_worker_survives_an_error_and_tells_of_its_end():
    """An engine that fails costs a cell of the table, not the table."""
    worker = measure.Worker(Fragile)
    try:
        assert worker.ask("half", 3.0, timeout=60) == 1.5
        with pytest.raises(measure.NotRunError, match="TypeError"):
            worker.ask("half", "three", timeout=60)
        assert worker.ask("half", 1.0, timeout=60) == 0.5
        with pytest.raises(measure.NotRunError, match="process ended with code 3"):
            worker.ask("die", timeout=60)
    finally:
        worker.close()


def test_rounds_go_in_turns():
    """The first of a round rotates; what fails is not asked again."""
    asked = []

    def task(name, fails=False):
        def run():
            asked.append(name)
            if fails:
                raise measure.NotRunError("no")
            return name

        return run

    results = measure.in_turns({"a": (task("a"), 3), "b": (task("b"), 2), "c": (task("c", fails=True), 3)})
    assert asked == ["a", "b", "c", "b", "a", "a"]
    assert results == {"a": ["a"] * 3, "b": ["b"] * 2, "c": []}


def test_tables_read_as_plain_text():
    """First column left, numbers right."""
    assert measure.table(["engine", "ns"], [["a", "1"], ["long name", "1,000"]]) == (
        "| engine    |    ns |\n| --------- | ----: |\n| a         |     1 |\n| long name | 1,000 |"
    )


def test_every_engine_has_a_maker():
    """The names in the tables lead to engines; ours comes first, since ratios are to it."""
    assert next(iter(engines.ENGINES)) == engines.OURS
    assert isinstance(engines.ENGINES[engines.FLOOR][1](), engines.Floats)
