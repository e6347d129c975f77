"""The layers of the library: who may import whom, and what is public."""

import ast
import inspect
import io
import re
import tokenize

import pytest

import autograd_lite as al
from tests import house
from tests.house import PACKAGE, dotted, floor_of, imported

#: The floors and their rooms. A file may import from the rows above its own, of any floor; never from its own row or below.
#: Whoever adds a file adds it here; `docs/design.md` draws the house.
HOUSE = """
errors  forks  frames  ieee  numpy  tape.backends.outputs  tape.background  tape.cache  tape.llvm.ir  see.palette
context  conversion  core  hints  pickles  special  tape.checkpoints  tape.llvm.vector_math  tape.ptx.driver
see.pieces  see.render  see.sparsity
incomplete  refusals  rule  tape.progress  tape.ptx.functions  see.watch
primitives
arrays  maths.tails  tape.program  tape.llvm.engine  tape.llvm.scalar_code
foreign  functions  operators  tape.alike  tape.masked  tape.llvm.matrices  tape.llvm.tables
numpy_functions  scipy_functions  tape.rolled  tape.llvm.masked_loops  tape.llvm.matrix_loops  tape.llvm.runtime
variable
copies  many  nests  selection  see.labels
backward  tables  tape.backends.registry  tape.blocks  tape.elements  see.formulas  train.nn  train.optim
transforms  maths.matrices  tape.recording  tape.workers  see.graph  nn  optim
testing  maths.linalg  maths.series  tape.colours  tape.lookups  tape.states  tape.trace  see.blame  see.budget
see.dot  see.expressions  see.flow  see.kinks  bridge.spaces
linalg  maths.stats  tape.clusters  tape.lowering  tape.pushing  see.audit  see.fold  see.stepper  see.why
bridge.covariance
stats  tape.backends.python  tape.interim  tape.llvm.emit  see.levels
tape.backends.numpy  tape.tape  tape.llvm.loops  tape.ptx.operations  see.view
tape.backends.lanes  tape.files  tape.healing  tape.text  tape.ptx.kernel
tape.paths  tape.llvm.backend  tape.ptx.backend  see.explain
tape.connected  tape.entries  tape.steps  tape.llvm.later
tape.lane_paths  tape.loop_tangents
tape.lane_operations  tape.loop
tape.lifting  tape.scan  tape.vmap
tape.call  tape.implicit  tape.lane_arrays  tape.turns
tape.array_code  tape.in_blocks  tape.odes  tape.plans
tape.sparse
bridge.evaluations
bridge.ipopt  bridge.models  bridge.signatures
bridge.older
scipy
"""

#: What the core, whose files stand without a folder, may import of the other floors: nothing.
CORE = "core"

#: Lines of code (no blanks, comments, docstrings) that a floor may have: what it has today, so that nothing grows unseen. The
#: aim is core 2,450, tape 2,550, llvm 1,520, see 2,450, train 330 and command line 350, and what came since that was set:
#: conditions, held numbers, NumPy's questions and arrays that keep Variables (`selection`, `refusals`, `numpy_functions`,
#: half of `arrays`), lanes as one instruction, short calls through nests, columns of the table. A feature that raises a
#: budget says here what it buys. Core +260: the compiled core (choosing it, partials as steps, passes in slots of nodes,
#: nests without optree), a thirtieth of the time eagerly. See +15: captured constants among nodes that no collector lists.
#: Hints for names and keywords of other libraries, and constructors that check what they are given: core +110, tape +12,
#: train +32, see +2. Tape +20: graphs are entered by a function that the compiled core has too, a third of the time of a
#: trace. Core +15: gradients by arrays without a float object each; +40: types and signatures of operations and transforms.
#: Core +10, tape +20: a warning where array code is recorded element by element. Tape +720: sparse derivatives (a program cut
#: into elements, all second derivatives of an element in one sweep, patterns that follow branches). Tape +114, llvm +4: long
#: recordings and compilations show their progress. Core +3: a library that goes on after a refusal and fails with words of
#: its own. Tape +164, llvm +63, command line +1: code on disk (files in a private folder 114, what a program is 30, who wants
#: it); a first call in a new process takes 0.4. See +150 (the palette 27, `pieces` 60, names in `flow` 50), tape +20, train
#: +14, core +3: pieces of HTML for notebooks. See +170: the stepper as one element of a page, whose formulas light up.
#: See +460: the page of a large graph, whose boxes open in place down to one multiplication, at several moments (`levels`).
#: Core +135, tape +16: `take` and `table[i]`, indices as data in arrays of any axes, lists of nests, lanes that say in which
#: row an index is broken, and a warning. Tape +95: `while_loop`, a native loop of any number of turns with its gradient, in
#: one path instead of one for each number. Tape +140, llvm +30: a look-up in a table is an instruction, and so is what its
#: gradient adds: a thousand rows and twenty look-ups are ready in 0.06 s instead of 17, and take 7 µs instead of 560.
#: Tape +385, llvm +270: programs that repeat run as loops (`rolled` finds equal parts, `llvm/loops` writes the loops): the
#: gradient of Rosenbrock's function of 10,000 variables takes a call what numba's loop by hand does, instead of seven times.
#: Sparse derivatives faster than another engine's: equal elements found by arrays (`alike`, a cut in a fifth of the time),
#: results in rounds, patterns from outside with colours: tape +386; pictures of patterns: see +110. Core +2: an index that
#: is an int is not searched for Variables, a tenth of a trace.
#: Core +6, tape +114, llvm +230: look-ups in lanes, forward derivatives of look-ups, tables read in place and tables added up
#: over lanes (a thousand rows and twenty look-ups: 0.2 µs a lane with the gradient, where selections took 100); calls over
#: lanes that no path serves, and warnings of `int` and `range`.
#: Tape +360, llvm +190: `while_loop` in lanes (a masked loop in machine code and by NumPy, its reverse sweep over a stack,
#: the paths of a turn as one program): one path instead of one for each number of turns, a fifth of the time.
#: Core +3, tape +400, llvm +130: derivatives of every order of loops, binomial checkpoints, scans in lanes.
#: Tape +57, llvm +156: lanes in half of the time (outputs leaf by leaf in memory that is used again 55; rows that stay in
#: place, Jacobians written where they belong and statuses only of failures 110; exp(-x·x) beside erf and erfc 40).
#: Tape +171, llvm +24, core +1: long programs are interpreted at once and compiled in the background in parts (`interim`
#: 80, `background` 80): a first result in a fifth of the time.
#: Tape +665, core +47: array code of a jitted function is recorded for one element and runs as lanes (expressions 130, arrays
#: of them 330, NumPy's functions on these 190): a mean over 20,000 samples is ready in 0.2 s instead of 11.
#: Core +950: special functions (values of ours 330, entries 190: Bessel, beta and incomplete gamma functions that no program
#: has to spell), and distributions by SciPy's names (330).
#: See +5: a stationary point is no wrong rule.
#: Core +5, tape +890: branches of many items are joined (states of Python 480, the graph of them and its program 390): 70
#: calls with 200 branches each compile 8 programs instead of 64, and take 1/48 of the eager time.
#: Tape +60, llvm +70: sums of functions with branches in Python's order (chains of sums, loops that add up their terms as
#: they go, sides aligned): the bits of values and gradients are the eager ones, whatever branches were met before; and
#: functions whose items share a number heal. Tape +140: a Python `while` of any number of turns is one path (`turns`).
#: Core +1,250, llvm +10: operations with many results at any time (115; loops and tables stood on them in tapes), matrices by
#: LAPACK with implicit rules (630), and the functions of linear algebra with NumPy's names (440): solve, inv, det, slogdet,
#: cholesky, eigh, svdvals, lstsq, expm, norms.
#: Core +348, tape +12: every public function of NumPy right or refused (weights, masks, methods of quantiles, `interp` in one
#: path 150, words of others 25, sorting in lanes 35), arrays of other libraries as arguments, with gradients that come back
#: as they came in (`foreign` 80), and `values`, `variables` and `flatten` (60).
#: Core +270 (`series`), tape +10: Taylor coefficients of any order by the partials of the table, order² instead of 2ᵒʳᵈᵉʳ.
#: See +340: error budgets (variance by input and line, bias, a bound of the rounding by line, their tables).
#: Tape +690, core +20: solutions of equations (`implicit` 400) and of differential equations (`odes` 290) with derivatives of
#: every order, eagerly, compiled and in lanes: what people call `brentq` and `solve_ivp` for inside a function.
#: Maths: matrices, linear algebra, distributions and series stood on the core's floor.
#: Bridge: SciPy's solvers with derivatives filled in for vectors and nests, dense or sparse (`scipy` 360, `evaluations` and
#: `spaces` 260), IPOPT 150, models of many rows 75, standard errors of a fit 140. Core +6, tape +2: `al.scipy`, on first use.
#: Core +40: NaN and infinite matrices in every rule, log Γ near its zeros, SciPy's names of first arguments. Tape +15:
#: singular lanes that run eagerly are NaN, and others go on.
#: Tape +35, see +20: branches over rows of a list are joined, results that hold Variables unseen are refused; compiled
#: and mapped functions return error budgets.
#: Core +45: SciPy's `logsumexp`, `softmax` and `log_softmax`, which no protocol reaches, of Variables (`scipy_functions`).
#: Core +50: lanes without a result named by lane and line, SciPy's solvers in Python refused, betaln of negative numbers.
#: Maths +50: `taylor` through operations with many results (systems, decompositions, solvers), by their forward rule.
#: Maths +80 (`tails`): logarithms of probabilities below the smallest float, with all derivatives. Bridge +10: a solver that
#: meets NaN names `blame`.
#: Llvm +110: elements of sparse derivatives run by NumPy with the bits of machine code until that pays; a plain program
#: loads no code that it does not call. Tape +80, bridge +20: programs as arrays by the compiled core; IPOPT gets
#: numbers in the order of patterns, and compiled functions keep their derivatives for it.
#: Llvm +750: devices. Programs as kernels with their assembly text (210), loops and look-ups in threads (120), functions that
#: devices have instead of libm (210), NVIDIA's driver by ctypes (100), lanes on a device (70).
#: Core +80, tape +230: everything ships to a process that has imported the library only (`pickles` 50, operations and models
#: that come with their definition 30), locks that a forked child finds open, blocks of more rows than memory holds (200).
#: Tape +300 (`clusters` 230, `workers` 70), llvm +6, core +7: mapped functions over arrays of Dask, whose sums have the same
#: bits on any number of workers, and whose errors name their row.
#: Tape +170, llvm +10: Python loops over lanes are one path (several exits, and ranges that count, 100: 3,000 roots in
#: 0.05 s instead of 1.7), forward derivatives of lanes and array code are lanes (70: a product with a Hessian in 0.05 s).
#: Tape +40, core +50: errors in blocks of one machine name their row as on a cluster, sparse functions are copied; a process
#: compiles a function once, however often it reads it (`pickles`), and a pullback is right in any process.
#: Tape +60: turns hand on what is used behind them, for the bits of Python's gradients; lanes of paths that were dropped run
#: again. Core +30: methods made of transforms, and signatures. Llvm +10: interrupts that machine code would lose.
#: Tape +40, core +25: refusals where rows would be read as others (`out` over an argument, one iterator twice, pieces of
#: other shapes), iterators out of traces and arrays of Dask beside Variables; decorators with `functools.wraps` ship.
#: Llvm +2: forks wait for llvmlite's lock.
#: Bridge +225: SciPy's older functions and `basinhopping` with derivatives (110), states of `solve_ivp` that are nests (50),
#: errors of a fit only where it is at a minimum (25), results and arguments in all forms that SciPy takes (40). Tape +25:
#: equations of `root` in any form, and an end of LSODA where time stands.
#: Tape +115: programs with matrices, loops and maps are interpreted first (80: a Hessian through a Cholesky factor of ten
#: rows in 0.4 s instead of 1.3); rows of derivatives by captured Variables sweep what they are made of (20: 0.1 s, not 10).
#: Core +120, see +10: functions of `scipy.linalg` take Variables (90); labels, times and numbers of other types beside a
#: Variable, and `np.clip` of one (30); the deviation of a budget has no scale, and lanes have flags.
#: Core +400 (`incomplete` 290, entries 100): quantiles of t, gamma, chi2, beta and of counts, and distribution functions
#: differentiated by the shapes of beta, t and nbinom, which were refused. Maths +40: densities whose second derivatives
#: by scale and location were nan at 1e-300.
#: Tape +45, llvm +10: programs are made in a list of the compiled core, elements are traced once, and functions of lanes are
#: compiled beside the cut: recording in two thirds of the time, an optimum of IPOPT before another modeller's.
#: Core +118: remedies for functions of SciPy and NumPy, for times, fractions and lists; NaN that a plain list would lose;
#: modes of `np.take`, weights of `np.cov`. Tape +4: `sparse(f)` prints itself. Bridge +10: unknown keywords of SciPy's
#: functions with the nearest name.
#: Core +10: functions of SciPy keep the lines of their warnings, and quantiles of extreme arguments end.
#: Maths +33: products of matrices in rules are one operation, so that second derivatives grow as products do: a Hessian
#: through the inverse of 20 rows is ready in 1 s, not 6.
#: Llvm +365, core +140, maths +20: values that are loops over floats become machine code from their Python text
#: (`scalar_code`, of which CPython's Γ and log Γ are 70 lines), a fifteenth to a fortieth of the time of a call back into
#: Python; densities as products of powers at the ends of supports and parameters.
#: Tape +21, llvm +8: sine and cosine are compiled beside the recording already, not only beside the cut (16, 8); kernels of
#: Hessians are half as long (5).
#: Tape +125: what a function holds and nobody can pickle is named (60), blocks whose branches return another structure and
#: selections of other rows are refused, `out` is compared by the byte, buffers are read again and again.
#: Core +110, tape +50, bridge +65, maths +5, train +3: wrong calls show the right one (missing arguments, functions of other
#: arguments, `jac=True`, an optimiser given a network, time first), SciPy's functions are met as they are imported, and our
#: operations and functions of SciPy take columns of tables (35).
#: Core +40: probabilities of beta distributions with small shapes, as those of gamma distributions (25), and derivatives by
#: large shapes of the gamma distribution in a four-hundredth of the time (15). +40: beta
#: distributions of large shapes, in 0.03 ms instead of never and without √(a + b) ULP (Temme's expansion, exact differences).
#: Core +20: NumPy's linear algebra explains its refusal of plain arrays of Variables, also outside of transforms.
BUDGETS = {
    "core": 7215, "maths": 1965, "tape": 11020, "tape.llvm": 3825,
    "see": 3755, "train": 390, "bridge": 1330, "command line": 365,
}  # fmt: skip

FILES = {
    name: path for name, path in house.files().items() if floor_of(name) != "command line"
}  # that may import anything


def rows():
    """The row of each file."""
    return {name: number for number, row in enumerate(HOUSE.strip().splitlines()) for name in row.split()}


def test_every_file_has_its_place():
    """None is missing in the table, and none is there that does not exist."""
    assert set(rows()) == set(FILES)


@pytest.mark.parametrize("name", sorted(FILES))
def test_imports_go_downwards(name):
    """By file, so that there is no circle."""
    place = rows()
    upwards = {other for other in imported(FILES[name], FILES) if place[other] >= place[name]}
    assert upwards == set()


@pytest.mark.parametrize("name", [name for name in sorted(FILES) if floor_of(name) == CORE])
def test_the_core_knows_nothing_of_the_other_floors(name):
    """Neither of tapes nor of pictures nor of training."""
    assert {floor_of(other) for other in imported(FILES[name], FILES)} <= {CORE}


def test_there_is_no_circle_of_files():
    """Found by search, whatever the table says; the front door counts as a file too."""
    graph = {name: imported(path, FILES) for name, path in FILES.items()}
    state = {}

    def visit(name, above):
        assert name not in above, " -> ".join([*above, name])
        if name not in state:
            for other in graph[name]:
                visit(other, [*above, name])
            state[name] = True

    for name in graph:
        visit(name, [])
    assert not any("autograd_lite" in line.split()[:2] for line in _front_door_imports())


def _front_door_imports():
    """Lines of library files that import the package itself."""
    return [
        line
        for path in FILES.values()
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip() == "import autograd_lite"
    ]


def code_lines(path):
    """How many lines of a file hold code."""
    text = path.read_text(encoding="utf-8")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            docstrings.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in silent:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


@pytest.mark.parametrize("floor", BUDGETS)
def test_floors_stay_within_their_budgets(floor):
    """Lines of code: a bound from above, and near enough to mean something."""
    lines = sum(code_lines(p) for p in PACKAGE.rglob("*.py") if "demos" not in p.parts and floor_of(dotted(p)) == floor)
    assert 0.9 * BUDGETS[floor] <= lines <= BUDGETS[floor]


def test_demos_use_public_names_only():
    """A demo shows what a user can write."""
    for path in (PACKAGE.parent / "demos").glob("*.py"):
        assert imported(path, FILES) <= {"nn", "optim", "scipy", "see.palette"}, (
            path.name
        )  # the one place of all colours


def test_library_does_not_print():
    """Output belongs to the command line and the demos."""
    for name, path in FILES.items():
        calls = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        assert not any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls), name


def test_folders_hold_nothing_themselves():
    """Their `__init__` is a docstring."""
    for folder in house.EMPTY:
        tree = ast.parse((PACKAGE / folder.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
        assert len(tree.body) == 1 and ast.get_docstring(tree), folder


def test_the_drawing_of_the_house_shows_every_room():
    """`python -m tests.house` draws it anew; line counts in it may lag behind."""
    drawn, today = house.PICTURE.read_text(encoding="utf-8"), house.picture()
    labels = [
        re.findall(r'font-size="12">([^<]+)<', text.replace('">', '" font-size="12">')) for text in (drawn, today)
    ]
    rooms = [{label for label in found if not re.match(r"[\d,]+( lines.*)?$", label)} for found in labels]
    assert rooms[0] == rooms[1] and len(rooms[0]) > 70


def test_the_readme_says_what_to_read_first():
    """As `python -m tests.house` writes it, to a twentieth of the lines."""
    text = (house.ROOT / "README.md").read_text(encoding="utf-8")
    rows = [re.findall(r"\| `autograd_lite/(\w+)\.py` \| (\d+) \| (.*) \|", t) for t in (text, house.readme(text))]
    assert [(name, what) for name, _, what in rows[0]] == [(name, what) for name, _, what in rows[1]] != []
    assert all(abs(int(a) - int(b)) <= 0.05 * int(b) for (_, a, _), (_, b, _) in zip(*rows, strict=True))


def test_every_public_name_exists_and_is_documented():
    """`from autograd_lite import *` works, and each callable says what it does."""
    assert {name for name in vars(al) if name.endswith(("Error", "Warning"))} <= {*al.__all__}
    for name in al.__all__:
        thing = getattr(al, name)
        assert not callable(thing) or getattr(thing, "formula", None) or thing.__doc__, name
        methods = {k: v for k, v in vars(thing).items() if not k.startswith("_")} if inspect.isclass(thing) else {}
        silent = [k for k, v in methods.items() if (callable(v) or isinstance(v, property)) and not v.__doc__]
        assert silent == [], name


def test_star_import_leaves_builtins_alone():
    """abs, pow, round and sum keep their meaning after `from autograd_lite import *`."""
    assert not {"abs", "pow", "round", "sum", "min", "max"} & set(al.__all__)
    assert all(hasattr(al, name) for name in ("abs", "pow", "round", "sum"))


def test_every_function_of_the_table_is_in_the_documents():
    """docs/derivatives.md lists the public names of the table, second names among them."""
    text = (PACKAGE.parent / "docs" / "derivatives.md").read_text(encoding="utf-8")
    listed = text[text.index("## Functions\n") : text.index("## Your own operation")]
    assert [name for name in al.primitives.PUBLIC if f"`{name}`" not in listed] == []


def test_every_rule_is_public():
    """What the table has, a user can call; helpers of partials are reached through the table."""
    helpers = {rule.name for rule in al.primitives.COMPARISONS.values()} | {
        "sech_squared", "sigmoid_slope", "sinc_derivative", "hold", "plain", "positive", "share", "log_of_sum",
        "log_of_excess", "moment_ratio", "log1pmx", "stirling_error", "polygamma_gap", "gammainc_by_a", "gamma_density_by_a",
        "lower_beta", "upper_beta", "t_cdf", "bessel_j", "bessel_i", "betainc_by", "beta_density_by", "t_cdf_by_df",
        "gamma_quantile", "upper_gamma_quantile", "beta_quantile", "upper_beta_quantile", "t_quantile", "poisson_quantile",
        "binom_quantile", "nbinom_quantile",
    }  # fmt: skip
    for name, rule in al.primitives.PRIMITIVES.items():
        if rule.built_in and name not in helpers:
            assert getattr(al, name) is rule
