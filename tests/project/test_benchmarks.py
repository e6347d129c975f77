"""The benchmarks run, agree and say what is missing; how fast anything is, is never tested here."""

import importlib
import importlib.util
import math

import numpy as np
import pytest
from tiers import full, mostly_full

import autograd_lite as al
from autograd_lite import core
from benchmarks import (
    contest,
    eager,
    engines,
    formulas,
    functions,
    measure,
    networks,
    plots,
    programs,
    report,
    sections,
    sparse_problems,
    transforms,
)
from benchmarks.contestant import Round


class Counted(float):
    """A float that counts the operations applied to it."""

    count = 0

    def counted(self, result):
        Counted.count += 1
        return Counted(result)


def _counting(name):
    return lambda self, *others: self.counted(getattr(float, name)(self, *others))


for _name in ("add", "radd", "mul", "rmul", "sub", "rsub", "truediv", "pow"):
    setattr(Counted, f"__{_name}__", _counting(f"__{_name}__"))

COUNTING = engines.functions(
    float,
    relu=lambda x: x.counted(max(x, 0.0)),
    exp=lambda x: x.counted(math.exp(x)),
    log=lambda x: x.counted(math.log(x)),
)


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_a_program_holds_as_many_operations_as_it_says(name):
    """Times are divided by this number."""
    program = programs.PROGRAMS[name](15_000)
    Counted.count = 0
    program.run([Counted(value) for value in program.leaves], COUNTING)
    assert Counted.count == program.operations
    assert program.operations == pytest.approx(15_000, rel=0.2)


def test_the_one_sample_and_the_one_document_are_the_sizes_that_bars_are_set_for():
    """The sizes by which results are looked up."""
    assert programs.network(programs.ONE_SAMPLE).operations == programs.ONE_SAMPLE == 5305
    assert programs.microgpt(programs.DOCUMENT).operations == programs.DOCUMENT
    assert len(programs.microgpt(programs.DOCUMENT).leaves) == 4192


def test_the_transformer_is_the_same_on_every_number_class():
    """Variables, the class of forty lines, and plain floats run the same code."""
    program, found = programs.microgpt(1), {}
    for name in (engines.OURS, engines.VALUE, engines.FLOOR):
        engine = engines.ENGINES[name].make()
        leaves = engine.leaves(program.leaves)
        output = engine.record(program, leaves)
        engine.backward(output, leaves)
        found[name] = Round(0.0, 0.0, 0.0, program.operations, engine.value(output), engine.gradient(leaves), 0.0)
    assert found[engines.FLOOR].value == found[engines.OURS].value
    assert any(found[engines.OURS].gradient)
    assert report.disagreements("microgpt", {name: report.Cell([made]) for name, made in found.items()}) == []


@pytest.fixture
def no_peers(monkeypatch):
    """A machine on which no other engine is installed."""
    find = importlib.util.find_spec
    here = {"autograd_lite", "builtins"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find(name) if name in here else None)


@full
def test_runs_without_any_peer_and_says_so(no_peers, capsys, tmp_path):
    """Peers are never needed; those that are not there are named."""
    pytest.importorskip("matplotlib")
    page = tmp_path / "eager.md"
    page.write_text("# Words of people\n\n<!-- measured -->\nold\n<!-- end of measured -->\n\nMore words.\n", "utf-8")
    work = ["--programs", "network", "microgpt", "--sizes", "100", "200"]
    assert eager.main([*work, "--rounds", "1", "--write", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "Not installed, hence not measured: autograd, micrograd, torch, xad." in printed
    assert "All engines agree on every value and gradient." in printed
    written = page.read_text(encoding="utf-8")
    assert written.startswith("# Words of people")
    assert written.endswith("More words.\n")
    assert "| autograd_lite " in written
    assert "| autograd_lite, pure Python " in written or not core.compiled
    assert f"{core.name()}. Beside" in written
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


def test_bars_of_the_eager_benchmark_say_whether_they_are_met():
    """In seconds an operation, or as a share of a peer's time; like with like where the collector is off."""
    fast, slow = (Round(t, t, 0.0, 5305, 0.0, [1.0], 100.0) for t in (2e-8, 1e-6))
    cells = {name: [slow if "micrograd" in name else fast] for name in engines.ENGINES}
    cells[engines.OURS + engines.GC_OFF] = [fast._replace(record=1.8e-7)]
    column = {name: report.Cell(rounds) for name, rounds in cells.items()}
    found = report.Found({"network": {5305: column}}, {}, {}, [], [])
    assert report.headline(found).splitlines() == [
        "* Network, 5,305 operations: 0.04 µs (at most 0.07 µs wanted: met) an operation.",
        "* Network, 5,305 operations: 1 (at most 0.12 wanted: missed) of the time of xad.",
        "* Network, 5,305 operations: 0.02 (at most 0.05 wanted: met) of the time of micrograd.",
        "* Network, 5,305 operations, gc off: 0.1 (at most 0.08 wanted: missed) of the time of micrograd, gc off.",
        "* Network, 5,305 operations: 1 (at most 4 wanted: met) of the time of floats, no gradient.",
    ]


def test_the_pure_core_is_measured_beside_the_compiled_one():
    """In a process of its own; where ours is pure Python, it is not there twice."""
    worker = engines.ENGINES[engines.PURE].worker(Core)
    try:
        assert worker.ask("name", timeout=60) == "core: pure Python"
    finally:
        worker.close()
    assert (engines.PURE in engines.present([*engines.ENGINES])[0]) == bool(core.compiled)


class Core:
    """Says which core its process runs."""

    def name(self):
        return core.name()


@pytest.mark.parametrize("name", transforms.nests())
def test_every_call_of_a_transform_gives_the_gradient_of_backward(name):
    """What is timed beside each other is the same work."""
    calls = transforms.Calls(name)
    calls.backward()
    swept = [x.grad for x in calls.nodes]
    for gradient in (calls.gradients(), calls.value_and_grad()):
        assert calls.nest.leaves(gradient) == swept
    assert calls.seconds("backward", 1) > 0.0


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


# ---- the benchmarks of replay, compile, lanes and scale ----------------------------------------------------------------

SPIRALS, DIGITS = networks.spirals(6, small=True), networks.digits(6, small=True)


def _mean_over_samples(loss, data):
    rows = list(zip(data.inputs, data.targets, strict=True))
    return al.grad(lambda params: sum((loss(params, x, t) for x, t in rows), 0.0) / len(rows))(data.params)


def _squared_error(params, x, t):
    return networks.scalar_sigmoids(params, x, t, networks.SMALL_SIGMOIDS, al.sigmoid)


def _cross_entropy(params, x, t):
    return networks.scalar_classifier(params, x, t, networks.SMALL_CLASSIFIER, al)


# A dozen dependent operations on numbers of size one, each rounded once, on either side; amplified by little.
CLOSE = {"rtol": 1e-12, "atol": 1e-14}


def test_the_networks_by_hand_have_the_gradients_of_their_scalar_code():
    """The references of rows 1, 7 and 9; the array code of the peers is checked against them in each run."""
    assert networks.count(networks.SIGMOIDS) == 2702
    assert networks.count(networks.CLASSIFIER) == 39_760
    first = networks.sample_gradient(SPIRALS.params, SPIRALS.inputs[0], SPIRALS.targets[0], SPIRALS.widths)
    scalar = al.grad(_squared_error)(SPIRALS.params, SPIRALS.inputs[0], SPIRALS.targets[0])
    np.testing.assert_allclose(first, scalar, **CLOSE)
    np.testing.assert_allclose(networks.mean_gradient(SPIRALS), _mean_over_samples(_squared_error, SPIRALS), **CLOSE)
    np.testing.assert_allclose(
        networks.classifier_gradient(DIGITS), _mean_over_samples(_cross_entropy, DIGITS), **CLOSE
    )


def test_training_by_hand_takes_one_sample_a_step():
    """The reference of row 3; after the last sample comes the first."""
    params = SPIRALS.params
    for step in range(8):
        sample = SPIRALS.inputs[step % 6], SPIRALS.targets[step % 6]
        params = params - networks.RATE * networks.sample_gradient(params, *sample, SPIRALS.widths)
    np.testing.assert_allclose(networks.trained(SPIRALS, 8), params, **CLOSE)


def test_the_formulas_by_hand_have_the_gradients_of_their_scalar_code():
    """The references of rows 2, 6 and 8."""
    value, slopes = al.value_and_grad(formulas.tiny, argnums=(0, 1))(2.0, 3.0)
    assert formulas.tiny_by_hand(2.0, 3.0) == (value, *slopes)
    program = formulas.random_program(700)
    counted = formulas.run_random(program, [al.Variable(x) for x in program.point.tolist()], al)
    assert sum(node.primitive is not None for node in al.topological_order(counted)) == 700
    gradient = al.grad(lambda x: formulas.run_random(program, x, al))(program.point)
    np.testing.assert_allclose(formulas.random_gradient(program), gradient, rtol=1e-11, atol=1e-11)
    pytest.importorskip("scipy")
    points = formulas.options(3)
    for option, by_hand in zip(points.T.tolist(), formulas.call_by_hand(points).T, strict=True):
        value, slopes = al.value_and_grad(lambda *x: formulas.call(*x, al), argnums=(0, 1, 2, 3, 4))(*option)
        np.testing.assert_allclose(by_hand, [value, *slopes], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", sparse_problems.PROBLEMS)
def test_sparse_references_are_dense_derivatives(name):
    """Complex steps and their differences, entry by entry; what is left out is 0."""
    pytest.importorskip("scipy")
    problem = sparse_problems.problem(name, 30)[0]
    f, weights = (lambda x: problem.f(x, al)), problem.weights
    if problem.kind == "jacobian":
        dense = al.jacobian(lambda x: np.array(f(x)))(problem.x)
        found = al.sparse_jacobian(f)(problem.x)
    else:
        dense = np.tril(al.hessian(f if weights is None else lambda x: al.dot(weights, f(x)))(problem.x))
        found = al.sparse(f).hessian(problem.x, weights, triangle="lower")
    reference = sparse_problems.reference(problem)
    entries = dense[dense != 0.0]
    assert entries.shape == reference.shape == found.data.shape
    # a difference of six points is good to 2e-14 of a seventh derivative, of some 1e3 here
    np.testing.assert_allclose(reference, entries, rtol=1e-9, atol=1e-11 * np.abs(dense).max())
    np.testing.assert_allclose(found.data, entries, rtol=1e-12, atol=1e-14 * np.abs(dense).max())


@pytest.mark.parametrize("name", functions.FUNCTIONS)
def test_the_twenty_functions_are_smooth_where_they_are_differentiated(name):
    """The slope along a direction is what differences give."""
    function, point = functions.FUNCTIONS[name]
    x = point()
    direction, h = np.random.default_rng(0).normal(size=len(x)), 1e-5
    ahead, behind = (function((x + step * direction).tolist(), math) for step in (h, -h))
    slope = al.grad(lambda point: function(point, al))(x) @ direction
    # h² times a third derivative of up to 1e5, and rounding 1e-16/h of values up to 1e4
    assert (ahead - behind) / (2 * h) == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    "name", mostly_full(["compile", "lanes", "scale", "replay", "sparse", "fits", "optimisation"], [0])
)
def test_each_benchmark_runs_and_writes_its_page(name, tmp_path, capsys):
    """Quick sizes, without peers: the tables are formed, every result agrees, the rest is drawn."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")
    main = importlib.import_module(f"benchmarks.{name}").main
    assert main(["--quick", "--contestants", contest.OURS, contest.NUMPY, "--write", str(tmp_path)]) == 0
    printed, written = capsys.readouterr().out, (tmp_path / f"{name}.md").read_text(encoding="utf-8")
    assert "Every result that was timed agreed with the reference to 1e-9." in printed
    assert "|autograd_lite" in written.replace(" ", "")
    assert core.name() in written
    assert (tmp_path / f"{name}.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_wrong_result_is_not_timed():
    """Sizes, numbers and NaN are compared; a difference of rounding is none."""
    right = np.array([1.0, -2.0, 0.0])
    assert contest.difference(right * (1 + 1e-12) + 1e-13, right) == ""
    assert contest.difference(right + 1e-6, right) == "off by 1.0e-06"
    assert contest.difference(right * math.nan, right) == "off by nan"
    assert contest.difference(right[:2], right) == "2 numbers for 3"


PAGES = ("compile", "eager", "lanes", "replay", "scale", "sparse")


def close(printed, ratio, digits):
    """Whether a printed ratio is that of two printed times, of three digits each."""
    return abs(float(printed.replace(",", "")) / ratio - 1) <= 0.011 + 0.6 * 10.0 ** (1 - digits)


@pytest.mark.parametrize("name", PAGES)
def test_printed_ratios_follow_from_the_printed_times(name):
    """On every page that is kept; a reader with a calculator finds the same."""
    found = 0
    for table in plots.tables((plots.PAGES / f"{name}.md").read_text(encoding="utf-8")):
        rows = {row[0]: row[1:] for row in table.rows}
        ours = rows.get(plots.OURS)
        for who, cells in rows.items():
            if who == plots.OURS:
                continue
            if "time a run" in table.head and plots.seconds(cells[0]):
                assert close(cells[1], plots.seconds(ours[0]) / plots.seconds(cells[0]), 3), who
            elif "record µs" in table.head and plots.number(cells[0]) is not None:
                both, theirs = (sum(map(plots.number, row[:2])) for row in (ours, cells))
                assert close(cells[3], both / theirs, 2), who
            elif table.head[0].startswith(("ns a lane", "record + backward, µs per operation (ratio)")):
                for own, cell in zip(ours, cells, strict=True):
                    if "(" in cell:
                        mine, its = (plots._both(c) or plots.number(c) for c in (own, cell))
                        assert close(cell.partition("(")[2].rstrip(")"), mine / its, 2), (who, cell)
            else:
                continue
            found += 1
    assert found >= 4


@pytest.mark.parametrize("name", [*PAGES, "optimisation"])
def test_pictures_of_pages_show_what_is_printed(name):
    """Each time of a table stands in the kept picture, in the order of the times; no picture is older than its page."""
    page = plots.PAGES / f"{name}.md"
    svg = page.with_suffix(".svg").read_text(encoding="utf-8")
    drawn = [table for table in plots.tables(page.read_text(encoding="utf-8")) if plots.panel(table)]
    assert len(drawn) >= 2
    for table in drawn:
        if "time a run" in table.head:
            timed = [cell for cell in table.column("time a run") if plots.seconds(cell)]
            places = [svg.index(f">{cell}</text>") for cell in sorted(timed, key=plots.seconds)]
            assert len(set(places)) == len(set(timed))


def test_bars_are_sorted_and_begin_at_zero_where_their_length_can_be_seen():
    """Else there are dots on a logarithmic axis; ours are blue."""
    figures = pytest.importorskip("matplotlib.figure")
    head = ["contestant", "time a run", "our time / its time", "in single rounds", "first result after"]

    def painted(*times):
        names = ["slow", "autograd_lite", "no"]
        rows = [[n, t, "1", "–", "1 s"] for n, t in zip(names, [*times, "stopped after 600 s"], strict=True)]
        table = plots.Table("", head, rows)
        axis = figures.Figure().subplots()
        plots.panel(table)[0](axis, table)
        return axis

    bars = painted("40 ms", "2 ms")
    assert bars.get_xscale() == "linear"
    assert bars.get_xlim()[0] == 0.0
    assert [bar.get_width() for bar in bars.patches] == [0.04, 0.002]  # the last is on top
    assert [text.get_text() for text in bars.get_yticklabels()] == ["slow", "autograd_lite"]
    assert [text.get_text() for text in bars.texts] == ["40 ms", "2 ms"]
    dots = painted("1,094 s, from 500 steps", "2 ms")
    assert dots.get_xscale() == "log"
    assert list(dots.patches) == []
    assert [x for x, _ in dots.collections[0].get_offsets()] == [1094.0, 0.002]


def test_the_spread_of_single_rounds_stands_beside_a_ratio():
    """From the smallest to the largest; a single round has none."""
    assert measure.spread([1.0, 2.0, 3.0], [2.0, 2.0, 4.0]) == "0.5–1"
    assert measure.spread([1.0], [2.0]) == "–"
    row = contest.Row(0, "t", "m", tuple, tuple, tuple, (contest.OURS, "jax", "torch"))
    column = {
        contest.OURS: contest.Cell(0.2, [1.0, 2.0]),
        "jax": contest.Cell(0.4, [4.0, 2.0]),
        "torch": contest.Cell(reason="no"),
    }
    lines = sections.of_row(row, column).text.splitlines()
    assert [cell.strip() for cell in lines[3].strip("|").split("|")] == ["jax", "3 s", "0.5", "0.25–1", "400 ms"]
    fast = Round(1e-6, 1e-6, 0.0, 1000, 0.0, [1.0], 100.0)
    cells = {
        report.OURS: report.Cell([fast] * 2),
        "xad": report.Cell([fast._replace(record=3e-6), fast._replace(record=1e-6)]),
    }
    last = report.phases("t", cells).splitlines()[-1]
    assert [cell.strip() for cell in last.strip("|").split("|")] == ["xad", "2,000", "1,000", "0", "0.67", "0.5–1"]


def test_bars_say_whether_they_are_met():
    """A ratio is that of the medians; a bar against nobody is in seconds."""
    ours = contest.Cell(0.2, [1e-6, 2e-6, 1e-6])
    column = {contest.OURS: ours, "jax": contest.Cell(0.4, [5e-6, 10e-6, 7e-6]), "torch": contest.Cell(reason="no")}
    against = contest.Bar(("jax", "torch"), 1 / 3, 1 / 10)
    assert sections.verdict(against, column) == "Run: 0.143 of the time of jax (bar 1/3: met, reach 1/10: missed)."
    assert sections.verdict(contest.Bar(bar=1e-6), column) == "Run: 1 µs (bar 1 µs: met)."
    assert sections.verdict(contest.Bar(("jax",), 1.0, of="ready"), column) == (
        "First result: 0.5 of the time of jax (bar 1: met)."
    )
    assert sections.verdict(contest.Bar(("torch",), 1.0), column) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.3, "12.3 s"), (1.5e-3, "1.5 ms"), (2e-6, "2 µs"), (4.56e-8, "45.6 ns")]
)
def test_durations_have_their_unit(seconds, text):
    """Three digits."""
    assert sections.duration(seconds) == text
