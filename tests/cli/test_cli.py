"""The command line: exit codes, one-line errors, the page of pictures, hostile expressions."""

import base64
import errno
import importlib
import math
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import pytest
from house import ROOT
from tiers import sizes

import autograd_lite as al
from autograd_lite import __main__ as cli
from autograd_lite import _cli_check, _cli_draw, core


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run the command line in a folder of its own; return exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        code = cli.main(list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def assert_wrong_use(result, *words):
    """Exit code 2, nothing like a traceback, one line that holds each of `words`."""
    code, _, err = result
    assert code == 2
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for word in words:
        assert word in err


def test_version_and_help(run):
    """`--version` and `--help` answer and end with 0."""
    assert run("--version") == (0, f"autograd-lite {al.__version__}, {core.name()}\n", "")
    for words in (["--help"], ["demo", "--help"], ["draw", "--help"], ["check", "--help"]):
        code, out, _ = run(*words)
        assert code == 0
        assert "usage:" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "say what to do: demo, draw, check or bench"),
        (["dmeo"], "invalid choice"),
        (["demo", "xro"], "did you mean xor"),
        (["demo", "zzzzzz"], "there are: worked_example"),
        (["demo", "../xor"], "there is no demo"),
        (["demo", "xor", "--seed", "-1"], "is not a seed"),
        (["demo", "xor", "--seed", "1.5"], "is not a seed"),
        (["demo", "xor", "extra"], "'extra' is not expected here"),
        (["demo", "--frobnicate"], "'--frobnicate' is not expected here"),
        (["check", "extra"], "'extra' is not expected here"),
        (["draw"], "EXPR"),
        (["draw", "x*y", "x=2"], "y has no value; add y=1.0 after the expression (given: x)"),
        (["draw", "x*x", "x"], "'x' is not name=value"),
        (["draw", "x*x", "2x=3"], "is not name=value"),
        (["draw", "x*x", "x=two"], "'two' is not a number"),
        (["draw", "x*x", "x=1", "x=2"], "x is given twice"),
        (["draw", "x*", "x=1"], "syntax error in the expression"),
        (["draw", "x**y z", "x=1"], "position 6, near 'z'"),
        (["draw", "", "x=1"], "syntax error in the expression"),
        (["draw", "2 + 3"], "constant 5.0"),
        (["draw", "tahn(x)", "x=1"], "did you mean tan, tanh or atan?"),
        (["draw", "tanh(x, x)", "x=1"], "position 1"),
        (["draw", "tanh()", "x=1"], "position 1"),
        (["draw", "clip(x, lower=0)", "x=1"], "plain arguments"),
        (["draw", "hypot(*x)", "x=1"], "plain arguments"),
        (["draw", "x & x", "x=1"], "operator BitAnd is not allowed"),
        (["draw", "~x", "x=1"], "operator Invert is not allowed"),
        (["draw", "x < 2", "x=1"], "only names, numbers"),
        (["draw", "'x'", "x=1"], "only names, numbers"),
        (["draw", "x + 1j", "x=1"], "only names, numbers"),
        (["draw", "True", "x=1"], "only names, numbers"),
        (["draw", "[x]", "x=1"], "only names, numbers"),
        (["draw", "lambda: x", "x=1"], "only names, numbers"),
        (["draw", "x.value", "x=1"], "only names, numbers"),
        (["draw", "x.backward()", "x=1"], "only functions by name"),
        (["draw", "__import__('os').system('true')", "x=1"], "only functions by name"),
        (["draw", "eval('x')", "x=1"], "there is no function eval"),
        (["draw", "Variable(x)", "x=1"], "there is no function Variable"),
        (["draw", "x*x", "x=1", "--htm", "g.html"], "is not expected here"),
    ],
)
def test_wrong_use_is_one_line(run, words, expected):
    """Whatever is wrong with the words: exit code 2 and one line that says what to do."""
    assert_wrong_use(run(*words), expected)


def test_unwritable_places(run, tmp_path):
    """A file where the folder should be, and a folder where the file should be, are one line."""
    (tmp_path / "file").touch()
    assert_wrong_use(run("demo", "chain_rule", "--out", "file"), "cannot write into", "--out")
    assert_wrong_use(run("demo", "chain_rule", "--out", "file/below"), "cannot write into")
    assert_wrong_use(run("demo", "chain_rule", "--out", "a\0b"), "cannot write into")
    assert_wrong_use(run("draw", "x*x", "x=2", "-o", "no/such/folder/g.svg"), "cannot", "-o")
    assert_wrong_use(run("draw", "x*x", "x=2", "-o", str(tmp_path)), "cannot")
    assert_wrong_use(run("draw", "x*x", "x=2", "-o", "g.xyz"), "cannot")


def test_draw_writes_a_picture(run, tmp_path):
    """The example of the manual: value, gradients, and an SVG file."""
    words = ["tanh(x1*w1 + x2*w2 + b)", "x1=2", "x2=0", "w1=-3", "w2=1", "b=6.88", "-o", "g.svg"]
    code, out, err = run("draw", *words)
    assert (code, err) == (0, "")
    svg = (tmp_path / "g.svg").read_text(encoding="utf-8")
    assert "<svg" in svg
    numbers = dict(line.rsplit(" ", 1) for line in out.splitlines() if line.startswith(("value", "d/d")))
    assert float(numbers["value"]) == pytest.approx(0.7064193203972351, rel=1e-15)
    slope = 1 / math.cosh(0.88) ** 2
    for name, expected in {"x1": -3 * slope, "x2": slope, "w1": 2 * slope, "w2": 0.0, "b": slope}.items():
        assert float(numbers[f"d/d{name}"]) == pytest.approx(expected, rel=1e-14)


def test_draw_without_a_file_prints_the_tree(run):
    """Without -o the graph is text; an expression may begin with a minus; options may stand in the middle."""
    code, out, _ = run("draw", "-x*x", "x=3")
    assert code == 0
    assert "value -9.0" in out
    assert "d/dx -6.0" in out
    assert "grad -6.0000" in out
    code, out, _ = run("draw", "-o", "g.svg", "x - y", "x=1", "y=2", "z=3")
    assert code == 0
    assert "d/dz 0.0   (not used in the expression)" in out
    assert run("draw", "x * y", "-o", "g.svg", "x=1", "y=2")[0] == 0


@pytest.mark.parametrize(
    ("expression", "value", "slope"),
    [
        ("x", 0.5, 1.0),
        ("+x", 0.5, 1.0),
        ("x // 0.2", 2.0, 0.0),
        ("x % 0.2", 0.5 % 0.2, 1.0),
        ("2**x", 2**0.5, 2**0.5 * 0.6931471805599453),
        ("where(step(x), sin(pi * x), 0)", 1.0, 0.0),
        ("leaky_relu(-x)", -0.005, -0.01),
        ("clip(x, 0, 1)", 0.5, 1.0),
        ("maximum(x, x)", 0.5, 1.0),
        ("softsign(x)", 0.5 / 1.5, 1 / 1.5**2),
    ],
)
def test_expressions(expression, value, slope):
    """Operators and functions mean what they mean in Python."""
    y, variables = _cli_draw.evaluate(expression, {"x": 0.5})
    assert y.value == pytest.approx(value, rel=1e-14)
    assert al.gradients(y, variables["x"]) == pytest.approx(slope, rel=1e-14, abs=1e-15)


@pytest.mark.parametrize(
    "expression",
    [
        "x" + "+x" * 10_000,
        "x" + "+x" * 49_000,
        "(" * 100_000 + "x" + ")" * 100_000,
        "(" * 40_000 + "x" + ")" * 40_000,
        "-" * 50_000 + "x",
        "exp(" * 5_000 + "x" + ")" * 5_000,
        "x" + "**x" * 10_000,
        "x[" * 10_000 + "x" + "]" * 10_000,
        "9" * 10_000 + "*x",
        "x\0x",
        "x" * 99_999,
        "x" * 99_000 + "(x)",
        "f'{x}'",
        "x := 3",
        "x\n+x)",
        "1or x",
        "'\\d'",
        "\ud800",
    ],
    ids=lambda text: f"{text[:12]!a}-{len(text)}",
)
def test_hostile_expressions(run, expression):
    """Deep, long or strange text ends with 0 or with one line, never with a crash."""
    code, _, err = run("draw", expression, "x=0.5", "-o", "g.svg")
    assert code in {0, 2}
    assert "Traceback" not in err
    assert err.count("\n") == (code == 2)
    assert len(err) < 500


def test_numbers_beyond_the_floats(run):
    """2**10**10 is infinite, at once; a literal beyond the largest float is refused."""
    code, out, _ = run("draw", "x * 2**10**10", "x=1")
    assert code == 0
    assert "value inf" in out
    assert_wrong_use(run("draw", "x * 1" + "0" * 400, "x=1"), "beyond the largest float")


def test_large_graphs_are_text(run):
    """What is too large to draw says so; without -o it is printed."""
    expression = "+".join(["x"] * 400)
    assert_wrong_use(run("draw", expression, "x=1", "-o", "g.svg"), "too many for a picture")
    code, out, _ = run("draw", expression, "x=1")
    assert code == 0
    assert "d/dx 400.0" in out


@pytest.mark.parametrize("every", sizes(8, 1))
def test_check_passes_and_notices_a_wrong_rule(run, monkeypatch, every):
    """Every rule, or a sample, agrees with finite differences; one that is 0.1 % off is named, with exit code 1."""
    checked = list(_cli_check.cases())
    first = [name for name, *_ in checked].index("tanh") % every
    monkeypatch.setattr(_cli_check, "cases", lambda: iter(checked[first::every]))
    code, out, err = run("check")
    assert (code, err) == (0, "")
    assert "MISS" not in out
    assert re.search(r"^tanh +7 +ok$", out, re.MULTILINE)

    wrong = al.Primitive(name="wrong_square", value=lambda x: x * x, partials=(lambda x, y: 2.002 * x,))
    monkeypatch.setattr(_cli_check, "cases", lambda: iter([("wrong_square", wrong, [(0.72,)])]))
    code, out, _ = run("check")
    assert code == 1
    assert re.search(r"^wrong_square +1 +MISS$", out, re.MULTILINE)
    assert "0 of 1 functions agree; not: wrong_square" in out


def test_demo_list(run, tmp_path):
    """`demo` and `demo list` name every demo with its title, and write nothing."""
    code, out, _ = run("demo")
    assert code == 0
    assert out == run("demo", "list")[1]
    for name in cli.load_demos().LADDER:
        assert re.search(rf"^{name} +\S", out, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


class Page(HTMLParser):
    """Collects links, pictures and identifiers, and holds that what is opened is closed."""

    VOID = frozenset({"meta", "img", "br", "hr", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.links, self.pictures, self.ids, self.text, self.script = [], [], [], set(), "", ""

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            self.pictures.append(attributes)
        if tag == "a":
            self.links.append(attributes["href"])
        if "id" in attributes:
            self.ids.add(attributes["id"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.script += data
        else:
            self.text += data


def read_page(path):
    """Parse a page and hold that it is well-formed, complete, and self-contained."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    assert page.script == Path(cli.load_demos().__path__[0], "page.js").read_text(encoding="utf-8")
    for link in page.links:
        assert link[1:] in page.ids if link.startswith("#") else (path.parent / link).is_file()
    for picture in page.pictures:
        kind, data = picture["src"].split(";base64,")
        assert kind in {"data:image/png", "data:image/svg+xml"}
        assert base64.b64decode(data, validate=True)
        assert picture["alt"]
    return page


@pytest.mark.parametrize("ladder", sizes(4, None))
def test_demo_all_writes_the_page(run, tmp_path, monkeypatch, ladder):
    """`demo all --quick` runs the ladder and writes a page with every picture and number; exit code 0."""
    demos = cli.load_demos()
    monkeypatch.setattr(demos, "LADDER", demos.LADDER[:ladder])
    code, out, err = run("demo", "all", "--quick", "--out", "deep/out")
    assert (code, err) == (0, "")
    folder = tmp_path / "deep" / "out"
    page = read_page(folder / "index.html")
    kinds = {".svg", ".png", ".html"}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in kinds}
    assert files == {link for link in page.links if not link.startswith("#")}
    pictures = [file for file in files if not file.endswith(".html")]
    assert len(page.pictures) == len(pictures) >= len(demos.LADDER)
    assert "worked_example/graph.html" in files
    for name in demos.LADDER:
        assert name in page.ids
    assert "0.25" in page.text
    assert ladder or "-1.848126" in page.text
    assert "index.html" in out


def test_a_demo_whose_package_is_missing_is_left_out(run, monkeypatch, tmp_path):
    """It is no failure, and the page and the last line say which extra brings it."""
    data = importlib.import_module(f"{cli.load_demos().__name__}.data")
    from_common = importlib.import_module(f"{cli.load_demos().__name__}.common")

    def lacking(out, seed, *, quick):
        raise data.MissingPackageError("these images come with a package that is not here")

    plant(monkeypatch, {"lacking": lacking, "good": lambda out, seed, *, quick: from_common.Report(out)})
    code, out, err = run("demo", "all")
    assert (code, err) == (0, "")
    assert "left out: these images come with a package that is not here" in out
    assert "left out, since a package is missing: lacking; pip install 'autograd-lite[demos,mnist]'" in out
    assert "2 demos, ✓ all checks hold, 1 left out" in read_page(tmp_path / "out" / "index.html").text
    code, _, err = run("demo", "lacking")
    assert code == 2
    assert "not here" in err


def plant(monkeypatch, mains):
    """Put demos made by hand in the place of the ladder."""
    demos = cli.load_demos()
    monkeypatch.setattr(demos, "LADDER", tuple(mains))
    monkeypatch.setattr(cli, "_about", lambda name: (f"<b>{name}</b> & co", "a < b"))
    for name, main in mains.items():
        module = type(sys)(f"{cli.DEMOS}.{name}")
        module.main = main
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_a_failed_check_and_a_broken_demo(run, monkeypatch, tmp_path):
    """A failed check gives exit code 1 and its name; a demo that breaks stops none of the others; text is escaped."""
    from_common = importlib.import_module(f"{cli.load_demos().__name__}.common")

    def failing(out, seed, *, quick):
        report = from_common.Report(out)
        report.check("<script>alert(1)</script>", holds=False)
        return report

    def broken(out, seed, *, quick):
        raise ZeroDivisionError("a bug </section>")

    def good(out, seed, *, quick):
        report = from_common.Report(out)
        report.number(f"seed & {quick}", seed, 7)
        return report

    plant(monkeypatch, {"failing": failing, "broken": broken, "good": good})
    code, out, err = run("demo", "all", "--seed", "7")
    assert code == 1
    assert err == "a check failed in: failing, broken\n"
    assert "stopped: ZeroDivisionError" in out
    page = read_page(tmp_path / "out" / "index.html")
    assert "<script>alert(1)</script>" in page.text
    assert "a bug </section>" in page.text
    assert run("demo", "good", "--seed", "7")[0] == 0
    assert run("demo", "failing")[0] == 1


def test_without_the_demos(run, monkeypatch, tmp_path):
    """Where the demos are missing, one line says so; `bench` outside a checkout likewise."""
    monkeypatch.setattr(cli, "PACKAGE", tmp_path)
    monkeypatch.setattr(cli, "DEMOS", "autograd_lite.no_demos")
    assert_wrong_use(run("demo", "list"), "the demos are neither in", "reinstall")
    assert_wrong_use(run("bench"), "an installed wheel has no benchmarks/eager.py")


def test_bench_hands_its_arguments_on(run, monkeypatch, tmp_path):
    """Words after `bench` reach benchmarks/eager.py, whose exit code is returned."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "eager.py").write_text("def main(argv):\n    print(argv)\n    return len(argv)\n")
    monkeypatch.setattr(cli, "PACKAGE", tmp_path / "autograd_lite")
    monkeypatch.setattr(sys, "path", list(sys.path))
    others = {name: module for name, module in sys.modules.items() if name.partition(".")[0] != "benchmarks"}
    with mock.patch.dict(sys.modules, others, clear=True):
        assert run("bench", "--quick", "x")[:2] == (2, "['--quick', 'x']\n")


def test_interrupt(run, monkeypatch):
    """Ctrl-C is one line, not a traceback."""

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(_cli_check, "run", interrupted)
    assert run("check") == (130, "", "autograd-lite: interrupted\n")


def test_a_disk_that_is_full(run, monkeypatch):
    """An error of the operating system in the middle is one line."""
    demos = cli.load_demos()
    monkeypatch.setattr(demos, "LADDER", demos.LADDER[:1])
    monkeypatch.setattr(importlib.import_module(f"{demos.__name__}.page"), "write", full)
    code, _, err = run("demo", "all", "--quick")
    assert code == 2
    assert err.count("\n") == 1
    assert "No space left" in err


def full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a POSIX pipe")
def test_as_a_process():
    """The module runs as a process, returns its exit code, and does not mind a reader that goes away."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-m", "autograd_lite"]
    done = subprocess.run([*command, "draw", "x*"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    words = [*command, "draw", "+".join(["x"] * 900), "x=1"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode in {0, 141}
