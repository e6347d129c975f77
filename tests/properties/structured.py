"""Random structured programs through every order and executor, compared with the eager run.

`python -m tests.properties.structured --from 0 --count 20000 --state FILE` runs any number and goes on where the file
stopped. A failure is shrunk and kept as a file in `kept/`, which `test_structured.py` runs first.

One lane is compared bit by bit with the eager run, every NaN being the same NaN; in derivatives the sign of a zero may
differ (docs/tape.md). Lanes of transcendental functions, gradients of loops and sums over lanes are compared within the
running error bound of the result's own graph (`checkers.running_bound`): each node may be off by its own ULP bound.
"""

import argparse
import ast
import copy
import dataclasses
import json
import math
import pathlib
import random
import re
import signal
import sys
import time
import traceback
import warnings

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent.parent)]  # as a script, as pytest

import numpy as np  # noqa: E402 - after the path
from checkers import running_bound  # noqa: E402
from corpus import EPS, same_bits  # noqa: E402
from generator import Case, generate  # noqa: E402
from naive import NAIVE, Undefined, Unrolled  # noqa: E402
from nests import Pair  # noqa: E402

import autograd_lite as al  # noqa: E402

KEPT = pathlib.Path(__file__).parent / "kept"
ORDERS = ("value", "gradient", "jacobian", "hessian", "gradient of gradient", "tangent")
ONE_LANE = ("variables", "jit llvm", "jit python", "jit numpy", "tape")
LANES = ("vmap", "jit vmap", "vmap sum", "jit vmap mean")
#: Derivatives inside a program.
INNER = re.compile(r"al\.(gradients|grad|hessian|jvp|vjp|hvp|taylor|value_and)")
#: What a program may raise by itself; everything else in an eager run is a failure.
NATURAL = (ZeroDivisionError, OverflowError)


# --- programs and arguments ---------------------------------------------------------------------------------


def val(t):
    """Return `x.value` of a Variable, and a number as it is."""
    return t.value if isinstance(t, al.Variable) else t


#: The library with lanes run one by one.
UNROLLED = Unrolled(al)


def compiled(case, library=al, numpy=np, captured=None):
    """Return the function of a case and its captured Variables."""
    w = [al.Variable(0.0), al.Variable(0.0)] if captured is None else captured
    names = {"al": library, "np": numpy, "math": math, "copy": copy, "dataclasses": dataclasses}
    names |= {"Pair": Pair, "W": w, "val": val, "BACKEND": "python"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what shrinking leaves may look wrong to the compiler
        exec(compile(case.source, f"<program {case.seed}>", "exec"), names)  # noqa: S102 - the generator wrote it
    return names["program"], w


def decoded(argument, number=float):
    """Return an argument from its JSON form."""
    if not isinstance(argument, dict):
        return number(argument)
    kind, items = argument["kind"], argument["items"]
    if kind == "dict":
        return {key: number(x) for key, x in items}
    items = [number(x) for x in items]
    if kind == "array":
        a = np.array(items)
        return a if a.dtype == float else a.astype(object)
    return {"list": list, "tuple": tuple, "pair": lambda pair: Pair(*pair)}[kind](items)


def stacked(arguments):
    """Return the arguments of many lanes as one, in the form of the first."""
    first = arguments[0]
    if not isinstance(first, dict):
        return np.array([float(a) for a in arguments])
    kind = first["kind"]
    if kind == "dict":
        rows = [dict(map(tuple, a["items"])) for a in arguments]
        return {key: np.array([float(row[key]) for row in rows]) for key, _ in first["items"]}
    if kind == "array":
        return np.array([[float(x) for x in a["items"]] for a in arguments])
    columns = [np.array([float(x) for x in column]) for column in zip(*(a["items"] for a in arguments), strict=True)]
    return {"list": list, "tuple": tuple, "pair": lambda pair: Pair(*pair)}[kind](columns)


def flat(result):
    """Return the structure of a result as text, and its numbers (Variables among them) in order."""
    if isinstance(result, (al.Variable, float, int, np.number, np.bool_)):
        return "·", [result]
    if isinstance(result, np.ndarray):
        return f"array{result.shape}", list(result.ravel())
    if isinstance(result, dict):
        parts = [(repr(key), flat(value)) for key, value in result.items()]
    elif dataclasses.is_dataclass(result):
        parts = [(field.name, flat(getattr(result, field.name))) for field in dataclasses.fields(result)]
    elif isinstance(result, (list, tuple)):
        parts = [("", flat(value)) for value in result]
    else:
        raise TypeError(f"a result holds {result!r}")
    text = ", ".join(key + ":" + structure for key, (structure, _) in parts)
    return f"{type(result).__name__}({text})", [x for _, (_, numbers) in parts for x in numbers]


def plain(numbers):
    """Return floats."""
    return [float(x.value) if isinstance(x, al.Variable) else float(x) for x in numbers]


# --- orders -------------------------------------------------------------------------------------------------


def leaves_sum(nest):
    """Return a weighted sum of all numbers of a nest."""
    return sum(x * (k + 1.0) for k, x in enumerate(flat(nest)[1]))


def of_order(program, order, arity, *, needs_variables=False):
    """Return the derivative of a program as a function of the same arguments."""
    number, everything = (lambda *args: program(*args)[0]), tuple(range(arity))
    if order == "value":
        # Some vmaps run f on the plain numbers of each lane; what asks for the gradient of an argument needs Variables.
        return (lambda *args: al.vjp(program, *args)[0]) if needs_variables else program
    if order == "gradient":
        return al.value_and_grad(program, argnums=everything, has_aux=True)
    if order == "jacobian":
        return al.jacobian(lambda *args: program(*args)[1], argnums=everything)
    if order == "hessian":
        return al.hessian(number, argnums=everything)
    if order == "gradient of gradient":
        return al.grad(lambda *args: leaves_sum(al.grad(number, argnums=everything)(*args)), argnums=everything)
    return lambda *args: al.jvp(number, args, tuple(ones(a) for a in args))[1]


def ones(nest):
    """Return a direction of ones in the structure of an argument."""
    if isinstance(nest, np.ndarray):
        return np.ones(nest.shape)
    if isinstance(nest, dict):
        return dict.fromkeys(nest, 1.0)
    if isinstance(nest, (list, tuple)):
        return type(nest)(1.0 for _ in nest)
    return Pair(1.0, 1.0) if isinstance(nest, Pair) else 1.0


# --- running ------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Outcome:
    """What one call gave: numbers and their structure, or what it raised."""

    structure: str = ""
    numbers: list = dataclasses.field(default_factory=list)
    raised: Exception | None = None

    def __str__(self):
        if self.raised is not None:
            where = traceback.extract_tb(self.raised.__traceback__)[-1]
            text = f"{type(self.raised).__name__}: {self.raised}"
            return f"raises {text[:200]} ({pathlib.Path(where.filename).name}:{where.lineno})"
        return f"{self.structure} {self.numbers}"


def refuse_numpys_warnings():
    """Make NumPy's warnings in the library's own code errors: the policy has none. Its own warnings are words for users."""
    warnings.filterwarnings("error", category=RuntimeWarning, module="autograd_lite")
    if hasattr(al.errors, "DerivativeWarning"):
        warnings.simplefilter("ignore", al.errors.DerivativeWarning)


def called(f, args):
    """Call a function; return the outcome."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refuse_numpys_warnings()
            structure, numbers = flat(f(*args))
            return Outcome(structure, plain(numbers))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return Outcome(raised=error)


class Runner:
    """A case in all executors; eager results are computed once for each order."""

    def __init__(self, case):
        self.case = case
        self.arity = len(case.calls[0])
        self.references = {}
        self.bounds = {}

    def function(self, order, library=al):
        """Return a fresh function and a function that sets what it captured for call i."""
        program, w = compiled(self.case, library)

        def use(i):
            for variable, value in zip(w, self.case.captured[i], strict=True):
                variable.value = float(value)

        needs_variables = "al.gradients(" in self.case.source
        return of_order(program, order, self.arity, needs_variables=needs_variables), use

    def arguments(self, i, number=float):
        return [decoded(a, number) for a in self.case.calls[i]]

    def reference(self, order):
        """Return the eager outcome of each call."""
        if order not in self.references:
            f, use = self.function(order)
            if order == "value":  # inside a transform, as the other orders, so that f sees Variables
                f = lambda *args, f=f: al.vjp(f, *args)[0]
            outcomes = []
            for i in range(len(self.case.calls)):
                use(i)
                outcomes.append(called(f, self.arguments(i)))
            self.references[order] = outcomes
        return self.references[order]

    def bound(self, order, i):
        """Return how far each number of the eager result of call i may be off."""
        if (order, i) not in self.bounds:
            f, use = self.function(order, UNROLLED)  # a `vmap` is one node, which hides what cancels inside
            use(i)
            variables = self.arguments(i, lambda x: al.Variable(float(x)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = al.vjp(f, *variables)[0] if order == "value" else f(*variables)
            self.bounds[order, i] = [running_bound(x) if isinstance(x, al.Variable) else 0.0 for x in flat(result)[1]]
        return self.bounds[order, i]

    # --- the checks ---------------------------------------------------------------------------------------

    def check(self, order, executor):
        """Return None, or what differs."""
        for i, outcome in enumerate(self.reference(order)):
            if outcome.raised is not None and not isinstance(outcome.raised, NATURAL):
                return f"call {i}, eager: {outcome}"
        if executor == "naive":
            return self.naive()
        if executor == "variables":
            return self.on_variables(order)
        if executor == "tape":
            return self.tape(order)
        if executor.startswith("jit ") and executor.split()[1] in ("llvm", "python", "numpy"):
            f, use = self.function(order)
            return self.one_lane(al.jit(f, backend=executor.split()[1]), use, order)
        return self.lanes(order, executor)

    def same(self, expected, actual, order, i, exact):
        """Say what differs between an outcome and the eager one."""
        if isinstance(expected.raised, NATURAL):
            return None  # Python's own division of plain numbers, IEEE division of traced ones (docs/tape.md)
        if expected.raised is not None or actual.raised is not None:
            kinds = type(expected.raised), type(actual.raised)
            if not (issubclass(kinds[0], kinds[1]) or issubclass(kinds[1], kinds[0])):
                return f"call {i}: {actual}; eager: {expected}"
            return None
        if expected.structure != actual.structure:
            return f"call {i}: structure {actual.structure}; eager: {expected.structure}"
        return self.same_numbers(expected.numbers, actual.numbers, order, i, exact)

    def same_numbers(self, expected, actual, order, i, exact):
        signed = order == "value"  # elsewhere a zero's sign may differ
        for k, (e, a) in enumerate(zip(expected, actual, strict=True)):
            if same_bits(e, a) or (e == a and not signed):
                continue
            if self.overflows_forward(e, a, order) or (not exact and self.may_overflow(e, a, order, i, k)):
                continue
            if exact or not math.isfinite(e) or not math.isfinite(a):
                return f"call {i}, number {k}: {a!r}; eager: {e!r}"
            if self.cuts():
                continue  # the bound follows the graph, which plain numbers leave
            bound = self.bound(order, i)[k]
            if not abs(e - a) <= bound and math.isfinite(bound):
                return f"call {i}, number {k}: {a!r}; eager: {e!r}, ± {bound:.3g}"
        return None

    def overflows_forward(self, e, a, order):
        """Say whether a forward sweep overflowed: through an eager vmap it multiplies by what a reverse sweep found."""
        forward = order in ("tangent", "jacobian") and "al.vmap" in self.case.source
        return forward and {math.isnan(e), math.isnan(a)} == {True, False} and (math.isinf(e) or math.isinf(a))

    def may_overflow(self, e, a, order, i, k):
        """Say whether the order of additions, which may differ, explains an infinite or NaN number.

        Partial sums overflow where the terms are nearly as large as floats get. Where a node has overflowed already there is
        no bound, and infinities may cancel: then NaN may stand for an infinity, and neither for a finite number. Only an
        eager `vmap` multiplies by slopes of lanes, which may be 0 where the products inside a lane overflow.
        """
        if self.cuts():
            return False
        bound = self.bound(order, i)[k]
        if math.isfinite(bound):
            return bound > EPS * sys.float_info.max / 100
        if "al.vmap" in self.case.source and order != "value" and math.isnan(e) != math.isnan(a):
            return True
        return not math.isfinite(e) and not math.isfinite(a)

    def cuts(self):
        """Say whether numbers leave the graph, so that no bound follows it."""
        return (
            re.search(r"stop_gradient|val\(|\.grad \+|gradients\((?!.*create_graph)|copy\.", self.case.source)
            is not None
        )

    def is_exact(self, order, lanes):
        """Say whether bits are promised."""
        if "al.scan" in self.case.source and order != "value":
            return False
        # A trace keeps both sides of a selection, so that further derivatives add adjoints in another order (docs/tape.md).
        if order in ("hessian", "gradient of gradient") and re.search(
            r"where\(|max\(|min\(|select\(", self.case.source
        ):
            return False
        # The eager max(x, y) is x or y itself, to which all users of the result send; a traced one adds them up first.
        if order != "value" and re.search(r"(?<![\w.])(max|min)\(|al\.(max|min)\(", self.case.source):
            return False
        if "al.vmap" in self.case.source and INNER.search(self.case.source):
            return False  # a sweep multiplies by the slopes of lanes, or goes through each of them
        if "al.vmap" in self.case.source and ("reduce" in self.case.source or not self.case.exact or order != "value"):
            return False
        return self.case.exact or not lanes

    def one_lane(self, f, use, order, *, branches=False):
        for i, expected in enumerate(self.reference(order)):
            use(i)
            actual = called(f, self.arguments(i))
            if branches and isinstance(actual.raised, al.BranchError):
                continue
            if branches and self.keys(i) != self.keys(0):
                continue
            if difference := self.same(expected, actual, order, i, self.is_exact(order, lanes=False)):
                return difference
        return None

    def keys(self, i):
        """Return the order of keys in call i."""
        return [
            [key for key, _ in a["items"]] for a in self.case.calls[i] if isinstance(a, dict) and a["kind"] == "dict"
        ]

    def on_variables(self, order):
        """Variables as arguments, which keep the graph of the result."""
        if order == "value" and re.search(r" in \{|copy\.", self.case.source):
            return None  # nodes of the user are looked up by identity
        f, use = self.function(order)
        return self.one_lane(lambda *args: f(*(as_variables(a) for a in args)), use, order)

    def tape(self, order):
        f, use = self.function(order)
        use(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tape = al.trace(f, *self.arguments(0))
        except Exception as error:  # noqa: BLE001
            return self.same(self.reference(order)[0], Outcome(raised=error), order, 0, exact=True)
        return self.one_lane(tape, use, order, branches=True)

    def lanes(self, order, executor):
        """The calls whose numbers are captured alike as the rows of one batch."""
        i = len(self.case.calls) - 1
        rows = [*range(len(self.case.calls)), 0]  # captured numbers are those of the last call
        alone = Runner(dataclasses.replace(self.case, calls=copy.deepcopy([self.case.calls[r] for r in rows])))
        alone.case.captured = [self.case.captured[i]] * len(rows)
        orders_of_keys = self.keys(0)
        if any(self.keys(r) != orders_of_keys for r in rows):
            for call in alone.case.calls:
                for a in call:
                    if isinstance(a, dict) and a["kind"] == "dict":
                        a["items"] = sorted(a["items"])
        expected = alone.reference(order)
        if any(outcome.raised is not None or outcome.structure != expected[0].structure for outcome in expected):
            return None
        f, use = alone.function(order)
        use(0)
        reduce = executor.split()[-1] if executor.split()[-1] in ("sum", "mean") else None
        mapped = al.vmap(f, reduce=reduce)
        if executor.startswith("jit"):
            mapped = al.jit(mapped)
        columns = [stacked(column) for column in zip(*alone.case.calls, strict=True)]
        for _ in range(2):
            difference = self.same_lanes(alone, mapped, columns, expected, order, reduce)
            if difference:
                return difference
        return None

    def same_lanes(self, alone, mapped, columns, expected, order, reduce):
        actual = called_nest(mapped, columns)
        if isinstance(actual, Outcome):
            if order == "value" and isinstance(actual.raised, NATURAL):
                return None  # lanes that run f itself on plain numbers divide as Python does
            return f"lanes: {actual}"
        leaves = lane_leaves(actual)
        n = len(expected)
        if reduce:
            totals = [float(x) for leaf in leaves for x in np.ravel(leaf)]
            return self.same_sums(alone, totals, expected, order, reduce)
        for i in range(n):
            numbers = [float(x) for leaf in leaves for x in np.ravel(np.asarray(leaf, dtype=float)[i])]
            if len(numbers) != len(expected[i].numbers):
                return f"lane {i}: {len(numbers)} numbers; eager: {len(expected[i].numbers)}"
            difference = alone.same_numbers(expected[i].numbers, numbers, order, i, self.is_exact(order, lanes=True))
            if difference:
                return "lane of " + difference
        return None

    def same_sums(self, alone, totals, expected, order, reduce):
        """Sums over lanes: n·eps·Σ|terms|, and the bound of each lane."""
        n = len(expected)
        for k, total in enumerate(totals):
            terms = [outcome.numbers[k] for outcome in expected]
            with np.errstate(all="ignore"):
                right = float(sum(terms) / (n if reduce == "mean" else 1))
                size = sum(map(abs, terms))
            if not math.isfinite(size):
                if math.isnan(right) != math.isnan(total) and not self.overflows_forward(right, total, order):
                    return f"{reduce} {k}: {total!r}; eager: {right!r} of {terms}"
                continue
            bound = n * EPS * size
            if not self.is_exact(order, lanes=True):
                if alone.cuts():
                    continue
                bound += sum(alone.bound(order, i)[k] for i in range(n))
            if not abs(total - right) <= bound and math.isfinite(bound):
                return f"{reduce} {k}: {total!r}; eager: {right!r} of {terms}, ± {bound:.3g}"
        return None

    def naive(self):
        """Order 0 against plain floats and a library of loops and `math`, where that is defined."""
        for i, expected in enumerate(self.reference("value")):
            if expected.raised is not None:
                continue
            program, _ = compiled(self.case, NAIVE, np, [float(x) for x in self.case.captured[i]])
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    structure, numbers = flat(program(*(object_array(a) for a in self.arguments(i))))
            except (Undefined, ZeroDivisionError, OverflowError, ValueError, TypeError):  # TypeError: math on an array
                continue
            if len(numbers) != len(expected.numbers):
                return f"call {i}: structure {expected.structure}; naive: {structure}"
            for k, (e, a) in enumerate(zip(expected.numbers, numbers, strict=True)):
                if isinstance(a, complex) or math.isnan(e) or same_bits(e, float(a)):
                    continue  # comparisons with NaN decide max and min of Python by the order of arguments
                if " @ " in self.case.source and (e == a or abs(e - a) <= self.bound("value", i)[k]):
                    continue  # NumPy's products of objects begin with 0, those of floats are fused
                if e == a and re.search(r"\b(np|m\d+)\.(min|max)\(", self.case.source):
                    continue  # of zeros of both signs NumPy's extremes of floats take one by the place in its registers
                if "al.vmap" in self.case.source and not self.case.exact and abs(e - a) <= self.bound("value", i)[k]:
                    continue  # lanes have vector functions
                return f"call {i}, number {k}: eager {e!r}; naive: {a!r}"
        return None


def object_array(a):
    """Return an array of Python floats, whose sums and products NumPy forms one by one."""
    return a.astype(object) if isinstance(a, np.ndarray) else a


def as_variables(a):
    """Return an argument with Variables for its numbers."""
    if isinstance(a, np.ndarray):
        return al.array([al.Variable(float(x)) for x in a])  # NumPy's own clip and maximum lose a NaN among objects
    if isinstance(a, dict):
        return {key: al.Variable(x) for key, x in a.items()}
    if isinstance(a, (list, tuple)):
        return type(a)(al.Variable(x) for x in a)
    return Pair(al.Variable(a.a), al.Variable(a.b)) if isinstance(a, Pair) else al.Variable(a)


def called_nest(f, args):
    """Call a function; return its result, or an Outcome that raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refuse_numpys_warnings()
            return f(*args)
    except Exception as error:  # noqa: BLE001
        return Outcome(raised=error)


def lane_leaves(result):
    """Return the arrays of a nest in order, Variables as numbers."""
    if isinstance(result, dict):
        return [leaf for value in result.values() for leaf in lane_leaves(value)]
    if dataclasses.is_dataclass(result) and not isinstance(result, al.Variable):
        return [leaf for field in dataclasses.fields(result) for leaf in lane_leaves(getattr(result, field.name))]
    if isinstance(result, (list, tuple)):
        return [leaf for value in result for leaf in lane_leaves(value)]
    return [np.vectorize(lambda x: x.value if isinstance(x, al.Variable) else x, otypes=[float])(result)]


# --- plans --------------------------------------------------------------------------------------------------


def every_check():
    """Return all (order, executor)."""
    return [("value", "naive")] + [(o, e) for o in ORDERS for e in (*ONE_LANE, *LANES)]


def quick_checks(seed):
    """Return the few checks that a seed gets in the quick suite: together the seeds cover all."""
    choose = random.Random(f"checks {seed}").choice
    cheap = ("variables", "jit python", "jit numpy", "tape", "vmap", "vmap sum")
    native = ("jit llvm", "jit vmap", "jit vmap mean")
    return [("value", "naive"), ("value", choose(cheap)), (choose(ORDERS), choose(native if seed % 3 == 0 else cheap))]


def failures(case, checks):
    """Yield (order, executor, what differs)."""
    runner = Runner(case)
    for order, executor in checks:
        difference = runner.check(order, executor)
        if difference:
            yield order, executor, difference


# --- shrinking ----------------------------------------------------------------------------------------------


def reductions(tree):
    """Yield smaller trees: a statement left out, a block without its head, an expression replaced by a part."""
    for path, node in list(walk(tree)):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                for k, statement in enumerate(block):
                    if isinstance(statement, ast.Return) and path == [("body", 0)]:
                        continue
                    rest = block[:k] + block[k + 1 :]
                    yield changed(tree, path, name, rest if rest or name == "orelse" else [ast.Pass()])
                    if isinstance(statement, (ast.If, ast.While, ast.For)):
                        yield changed(tree, path, name, block[:k] + statement.body + block[k + 1 :])
                        if statement.orelse:
                            yield changed(tree, path, name, block[:k] + statement.orelse + block[k + 1 :])
    for path, node in list(walk(tree)):
        if isinstance(node, ast.expr) and not isinstance(node, (ast.Constant, ast.Name)) and path:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr) and not isinstance(getattr(child, "ctx", None), ast.Store):
                    yield replaced(tree, path, child)
            if isinstance(node, (ast.BinOp, ast.Call)):
                yield replaced(tree, path, ast.Constant(1.0))


def walk(node, path=()):
    yield list(path), node
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield from walk(value, (*path, (name, None)))
        elif isinstance(value, list):
            for k, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from walk(item, (*path, (name, k)))


def at(tree, path):
    for name, k in path:
        tree = getattr(tree, name) if k is None else getattr(tree, name)[k]
    return tree


def changed(tree, path, name, value):
    tree = copy.deepcopy(tree)
    setattr(at(tree, path), name, copy.deepcopy(value))
    return tree


def replaced(tree, path, node):
    tree = copy.deepcopy(tree)
    parent, (name, k) = at(tree, path[:-1]), path[-1]
    if k is None:
        setattr(parent, name, copy.deepcopy(node))
    else:
        getattr(parent, name)[k] = copy.deepcopy(node)
    return tree


def smaller(case):
    """Yield smaller cases."""
    for k in range(len(case.calls) - 1, -1, -1):
        if len(case.calls) > 1:
            calls, captured = list(case.calls), list(case.captured)
            del calls[k], captured[k]
            yield dataclasses.replace(case, calls=calls, captured=captured)
    for tree in reductions(ast.parse(case.source)):
        try:
            yield dataclasses.replace(case, source=ast.unparse(ast.fix_missing_locations(tree)) + "\n")
        except Exception:  # noqa: BLE001, S112 - a tree that is no program
            continue


def kind(difference):
    """Return what must stay while a case is shrunk: an exception's type and place, or that numbers differ."""
    if " raises " in difference:
        who = "eager" if "eager: raises" in difference and "; eager: raises" not in difference else "both"
        found = re.findall(r"raises (\w+: [^\d(]{0,40}).*?\(([\w.<> ]+):\d+\)", difference)
        return who, found[0] if found else difference
    return re.sub(r"-?\d[\d.e+-]*|nan|-?inf", "#", difference)[:20]


class TooLong(BaseException):
    """A candidate takes too long."""


def _too_long(*_):
    raise TooLong


def shrunk(case, order, executor, seconds=20.0):
    """Return a smaller case that fails alike, and what differs there."""

    def trouble(candidate):
        signal.setitimer(signal.ITIMER_REAL, 3.0)  # a loop whose counter was left out
        try:
            return Runner(candidate).check(order, executor)
        except (Exception, TooLong):  # noqa: BLE001 - no program, no failure
            return None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    signal.signal(signal.SIGALRM, _too_long)
    end = time.monotonic() + seconds
    difference = trouble(case) or ""
    wanted = kind(difference)
    going = True
    while going and time.monotonic() < end:
        going = False
        for candidate in smaller(case):
            if time.monotonic() > end:
                break
            if len(candidate.source) + 100 * len(candidate.calls) >= len(case.source) + 100 * len(case.calls):
                continue
            found = trouble(candidate)
            if found and kind(found) == wanted:
                case, difference, going = candidate, found, True
                break
    return case, difference


# --- kept cases ---------------------------------------------------------------------------------------------


def keep(case, order, executor, difference, folder=KEPT):
    """Write a failing case to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{case.seed}-{order}-{executor}.json".replace(" ", "_")
    facts = dataclasses.asdict(case) | {"order": order, "executor": executor, "difference": difference}
    facts["source"] = case.source.splitlines()
    path.write_text(json.dumps(facts, indent=1) + "\n")
    return path


def load(path):
    """Return (case, order, executor) of a kept file."""
    facts = json.loads(path.read_text())
    fields = {field.name: facts[field.name] for field in dataclasses.fields(Case)}
    fields["source"] = "\n".join(facts["source"]) + "\n"
    return Case(**fields), facts["order"], facts["executor"]


def main():
    """Run many programs; go on where the state file stopped."""
    parser = argparse.ArgumentParser(description="Run random structured programs and keep what fails.")
    parser.add_argument("--from", dest="start", type=int, default=0)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--state", type=pathlib.Path, help="a JSON file: the next seed and the failures so far")
    parser.add_argument("--quick", action="store_true", help="the few checks of the quick suite instead of all")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after that long")
    parser.add_argument("--shrink", type=float, default=20.0, help="seconds for each failure")
    parser.add_argument("--keep", type=pathlib.Path, default=KEPT)
    options = parser.parse_args()
    state = {"next": options.start, "end": options.start + options.count, "failures": []}
    if options.state and options.state.exists():
        state = json.loads(options.state.read_text())
    end = time.monotonic() + options.seconds
    while state["next"] < state["end"] and time.monotonic() < end:
        seed = state["next"]
        case = generate(seed)
        for order, executor, difference in failures(case, quick_checks(seed) if options.quick else every_check()):
            print(f"{seed} {order} / {executor}: {difference}", flush=True)
            small, said = shrunk(case, order, executor, options.shrink)
            path = keep(small, order, executor, said, options.keep)
            state["failures"].append([seed, order, executor, said, path.name])
            print(f"  kept as {path.name}\n" + small.source, flush=True)
        state["next"] = seed + 1
        if options.state:
            options.state.write_text(json.dumps(state, indent=1))
    print(f"{state['next']} of {state['end']}, {len(state['failures'])} failures")
    return bool(state["failures"])


if __name__ == "__main__":
    sys.exit(main())
