"""A seeded generator of Python functions: branches, loops, nests, closures and transforms in one another, as source text.

`generate(seed)` gives a `Case`: the text of a function `program(...)` that returns `(number, nest)`, the arguments of
several calls, and the numbers that the captured Variables `W` have in each. The text is what a user would write, so that a
failure reads as one. `FEATURES` switches each kind of statement on or off.
"""

import dataclasses
import math
import random
import re

import autograd_lite as al

#: What a program may contain. A feature is switched off only with a reason beside it.
FEATURES = {
    "if": True,  # if/elif on comparisons, and/or/not
    "while": True,  # loops whose count depends on data
    "for": True,  # loops of Python over arrays, lists, dictionaries, ranges
    "order": True,  # max, min, sorted of Python
    "integers": True,  # int(x), an index, range(int(x))
    "value": True,  # x.value, and comparisons of it
    "float of value": True,  # float(x.value)
    "select": True,  # where on a comparison
    "condition as data": True,  # products with comparisons, & and | of them
    "np.where": True,
    "scan": True,  # rows, captured numbers, checkpoint, branches in the step
    "scan of changing objects": True,  # the step reads a dictionary that Python changes
    "vmap": True,  # in_axes shared and mapped, reduce
    "nests": True,
    "captured Variables": True,  # whose value changes between the calls
    "inner grad": True,  # grad, jvp, hvp, value_and_grad, hessian, taylor of a lambda inside
    "inner jit": True,
    "gradients": True,  # gradients and backward() with .grad inside
    "copies": True,
    "stop_gradient": True,
    "reductions": True,
    "reductions over axes": True,  # np.max(m, axis=0)
    "membership": True,  # x in […], x.value in {…}; a traced number itself is refused there
    "recursion": True,
    "big integers": True,  # 10**23 as an operand
    "special inputs": True,  # NaN, infinities, -0.0, huge and tiny numbers
    "order of keys": True,
    "scan with a gradient": True,
}

ROUNDED = ("sqrt", "square", "relu", "abs", "floor", "ceil", "trunc", "round", "sign", "step", "neg", "inv")
TRANSCENDENTAL = (
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1",
    "log", "log10", "log1p", "log2", "sigmoid", "sin", "sinh", "sinc", "softplus", "tan", "tanh", "lgamma", "digamma",
)  # fmt: skip
CONSTANTS = (0.5, -0.5, 0.25, 1.5, 2.0, -2.0, 3.0, -0.75, 1.0, 0.0, -1.0, 0.1, 10.0)
SPECIAL = (math.nan, math.inf, -math.inf, -0.0, 0.0, 1e200, -1e200, 1e-200, 5e-324, 1.7e308, 2.0**53, 1.0, -1.0)


@dataclasses.dataclass
class Case:
    """A program and its calls."""

    source: str
    calls: list  # of argument lists
    captured: list  # the values of W, for each call
    exact: bool  # only correctly rounded operations
    seed: int | None = None

    def has(self, word):
        """Say whether the text holds a word."""
        return re.search(rf"\b{re.escape(word)}\b", self.source) is not None


class Generator:
    """Writes one program."""

    def __init__(self, seed):
        self.random = random.Random(f"structured {seed}")
        self.exact = self.random.random() < 0.6
        self.captures = FEATURES["captured Variables"] and self.random.random() < 0.35
        self.lines, self.indent, self.count = [], 1, 0
        self.numbers, self.arrays, self.lists = [], [], []  # texts of expressions; arrays with their length
        self.depth, self.in_lane = 0, False
        # Lanes and gradients of loops are compared within a bound that follows the graph, which a plain number leaves;
        # so a program either cuts its graph or is made of correctly rounded operations only.
        self.may_cut = self.exact

    # --- small tools --------------------------------------------------------------------------------------

    def on(self, feature):
        return FEATURES[feature]

    def name(self, prefix="t"):
        self.count += 1
        return f"{prefix}{self.count}"

    def write(self, line):
        self.lines.append("    " * self.indent + line)

    def pick(self, options):
        return self.random.choice(options)

    def chance(self, p):
        return self.random.random() < p

    # --- expressions --------------------------------------------------------------------------------------

    def constant(self):
        return repr(self.pick(CONSTANTS))

    def leaf(self):
        if self.captures and self.chance(0.12):
            return self.pick(["W[0]", "W[1]"])
        if self.chance(0.15):
            return self.constant()
        recent = self.numbers[-5:]
        return self.pick(recent if self.chance(0.6) else self.numbers)

    def number(self, depth=2):
        """Return the text of an expression that is one number."""
        if depth == 0 or self.chance(0.15):
            return self.leaf()
        a, b = (lambda: self.number(depth - 1)), (lambda: self.number(depth - 1))
        kinds = [
            (8, lambda: f"({a()} * {b()})"),
            (5, lambda: f"({a()} + {b()})"),
            (4, lambda: f"({a()} - {b()})"),
            (2, lambda: f"({a()} / {b()})"),
            (3, lambda: self.unary(a())),
            (1, lambda: f"al.{self.pick(['maximum', 'minimum', 'copysign', 'less', 'div', 'sub'])}({a()}, {b()})"),
            (1, lambda: f"al.clip({a()}, -2.0, 1.5)"),
            (0.5, lambda: f"({a()} % {self.pick(['3.0', '1.5', '-2.0'])})"),
            (0.4, lambda: f"({a()} // {self.pick(['3.0', '0.5'])})"),
            (1, lambda: f"{a()}**2"),
        ]
        if not self.exact:
            kinds += [
                (8, lambda: self.unary(a(), TRANSCENDENTAL)),
                (1, lambda: f"al.{self.pick(['hypot', 'atan2', 'logaddexp', 'xlogy'])}({a()}, {b()})"),
                (1, lambda: f"al.pow({a()}, {self.pick(['3', '0.5', '-1', '1.5', '2.0'])})"),
                (0.5, lambda: f"al.pow(abs({a()}), {b()})"),
            ]
        if self.on("select"):
            kinds.append((3, lambda: f"al.where({self.comparison()}, {a()}, {b()})"))
        if self.on("condition as data"):
            kinds += [
                (1.5, lambda: f"(({self.comparison()}) * {a()})"),
                (1, lambda: f"((({self.comparison()}) {self.pick('&|')} ({self.comparison()})) * {a()} + 0.0)"),
                (0.5, lambda: f"al.where(({self.comparison()}) {self.pick('&|')} ({self.comparison()}), {a()}, {b()})"),
            ]
        if self.on("order"):
            kinds.append((1, lambda: f"{self.pick(['max', 'min'])}({a()}, {b()}, {self.leaf()})"))
        if self.on("stop_gradient") and self.may_cut:
            kinds.append((0.4, lambda: f"al.stop_gradient({a()})"))
        if self.on("copies"):
            kinds.append((0.3, lambda: f"copy.{self.pick(['copy', 'deepcopy'])}({self.leaf()})"))
        if self.on("big integers"):
            kinds.append((0.15, lambda: f"({a()} * {self.pick(['10**23', '(2**60 + 1)', '3'])})"))
        if self.arrays and self.on("reductions"):
            kinds.append((1, self.reduction))
        return self.weighted(kinds)()

    def weighted(self, kinds):
        return self.random.choices([k for _, k in kinds], [w for w, _ in kinds])[0]

    def unary(self, a, names=ROUNDED):
        name = self.pick(names)
        if name == "abs":
            return f"abs({a})"
        if name == "neg":
            return f"(-{a})"
        if name == "sqrt" and self.chance(0.5):
            return f"al.sqrt(abs({a}))"
        return f"al.{name}({a})"

    def reduction(self):
        """Return an array's sum, largest element or product with itself."""
        a, n = self.pick(self.arrays)
        texts = [
            f"np.sum({a})",
            f"al.sum({a})",
            f"{a}.sum()",
            f"{a}.max()",
            f"np.min({a})",
            f"al.mean({a})",
            f"({a} @ {a})",
        ]
        texts += [
            f"sum({a})",
            f"{a}[{self.random.randrange(n)}]",
            f"al.dot({a}, {a})",
            f"al.prod({a})",
            f"({a} * {a}).mean()",
        ]
        if self.on("order"):
            texts += [f"max({a})", f"sorted({a})[{self.random.randrange(n)}]"]
        if not self.exact:
            texts += [f"al.norm({a})", f"al.logsumexp({a})", f"al.exp({a}).sum()", f"al.tanh({a}).sum()"]
        return self.pick(texts)

    def array(self):
        """Return the text of an array and its length."""
        if not self.arrays or self.chance(0.3):
            n = self.pick([1, 2, 3, 3])
            return "np.array([" + ", ".join(self.leaf() for _ in range(n)) + "])", n
        a, n = self.pick(self.arrays)
        kinds = [
            f"{a} * {self.leaf()}",
            f"{a} + {a}[::-1]",
            f"{a} - {self.constant()}",
            f"np.maximum({a}, {self.leaf()})",
        ]
        kinds += [f"np.abs({a})", f"np.clip({a}, -1.0, 1.0)", f"np.cumsum({a})"]
        if self.on("np.where"):
            kinds.append(f"np.where({a} > {self.leaf()}, {a}, {self.leaf()})")
        if self.on("condition as data"):
            kinds.append(f"({a} < {self.leaf()}) * {a}")
        if not self.exact:
            kinds += [f"al.sin({a})", f"al.exp(-{a})"]
        return self.pick(kinds), n

    def comparison(self):
        op = self.pick(["<", ">", "<=", ">=", "<", ">", "==", "!="])
        right = self.constant() if self.chance(0.5) else self.leaf()
        return f"{self.traced()} {op} {right}"

    def traced(self):
        """Return something that depends on the arguments, so that a comparison is one of Variables."""
        return self.pick(self.numbers[-6:])

    def argument_name(self):
        """Return a number of the arguments: always a Variable inside a transform."""
        return self.pick(self.given)

    def condition(self, depth=1):
        """Return the text of a condition that Python asks for its truth."""
        kinds = [(6, self.comparison), (1, lambda: f"{self.constant()} < {self.traced()} < {self.constant()}")]
        if depth:
            kinds += [
                (1, lambda: f"({self.condition(depth - 1)}) and ({self.condition(depth - 1)})"),
                (1, lambda: f"({self.condition(depth - 1)}) or ({self.condition(depth - 1)})"),
                (1, lambda: f"not ({self.condition(depth - 1)})"),
            ]
        if self.on("value"):
            kinds.append((1, lambda: f"val({self.traced()}) {self.pick('<>')} {self.constant()}"))
        if self.on("membership"):
            kinds.append((0.3, lambda: f"{self.traced()} in [0.0, 1.0, -0.5]"))
            kinds.append((0.3, lambda: f"val({self.traced()}) in {{0.0, 1.0, 0.5}}"))
        if self.on("condition as data"):
            kinds.append((0.7, lambda: f"({self.comparison()}) {self.pick('&|')} ({self.comparison()})"))
        return self.weighted(kinds)()

    # --- statements ---------------------------------------------------------------------------------------

    def scope(self):
        """Return a function that forgets the names made since."""
        kept = list(self.numbers), list(self.arrays), list(self.lists)

        def restore():
            self.numbers, self.arrays, self.lists = (list(k) for k in kept)

        return restore

    def statement(self):
        self.depth += 1
        kinds = [(5, self.assignment)]
        for feature, weight, method in (
            ("if", 3, self.branch),
            ("while", 1.5, self.while_loop),
            ("for", 2, self.for_loop),
            ("order", 1, self.ordering),
            ("integers", 1.2, self.integer),
            ("value", 1.2, self.reading),
            ("scan", 1.5, self.scan),
            ("vmap", 1, self.vmap),
            ("nests", 1, self.nest),
            ("inner grad", 1.5, self.inner_gradient),
            ("inner jit", 0.4, self.inner_jit),
            ("gradients", 1, self.inner_pass),
            ("reductions", 1.2, self.new_array),
            ("reductions over axes", 0.5, self.matrix),
            ("recursion", 0.5, self.recursion),
        ):
            if self.on(feature) and self.depth <= 3:
                kinds.append((weight, method))
        self.weighted(kinds)()
        self.depth -= 1

    def assignment(self):
        t = self.name()
        self.write(f"{t} = {self.number(3)}")
        self.numbers.append(t)

    def block(self, target):
        """Write an indented block whose last line assigns to target."""
        restore = self.scope()
        self.indent += 1
        if self.chance(0.3):
            self.statement()
        self.write(f"{target} = {self.number()}")
        self.indent -= 1
        restore()

    def branch(self):
        t = self.name()
        self.write(f"if {self.condition()}:")
        self.block(t)
        if self.chance(0.3):
            self.write(f"elif {self.condition()}:")
            self.block(t)
        self.write("else:")
        self.block(t)
        self.numbers.append(t)

    def while_loop(self):
        t, n = self.name(), self.name("n")
        self.write(f"{t}, {n} = {self.leaf()} + 0.0, 0")
        self.write(f"while {t} {self.pick('<>')} {self.leaf()} and {n} < {self.pick([2, 3, 5])}:")
        self.numbers.append(t)
        self.indent += 1
        self.write(f"{t} = {self.pick([f'{t} * {self.leaf()} + {self.leaf()}', f'{t} / 2.0', self.number()])}")
        self.write(f"{n} += 1")
        self.indent -= 1
        if self.chance(0.3):
            self.write(f"{t} = {t} + {n}")

    def for_loop(self):
        t, e = self.name(), self.name("e")
        restore = self.scope()
        self.write(f"{t} = {self.leaf()} + 0.0")
        heads = [f"for {e} in [{self.leaf()}, {self.leaf()}, {self.constant()}]:"]
        heads += [f"for {e} in {a}:" for a, _ in self.arrays] + [f"for {e} in {a}:" for a in self.lists]
        if self.dictionary:
            heads += [f"for {e} in d.values():"] * 2
        self.write(self.pick(heads))
        self.numbers += [e, t]
        self.indent += 1
        form = self.random.randrange(4)
        if form == 0:
            self.write(f"if {self.condition(0)}:")
            self.indent += 1
            self.write(self.pick(["continue", "break"]))
            self.indent -= 1
        self.write(f"{t} = {self.pick([f'{t} * {self.pick(CONSTANTS)!r} + {e} * {self.leaf()}', self.number()])}")
        self.indent -= 1
        restore()
        self.numbers.append(t)

    def ordering(self):
        t = self.name()
        items = ", ".join(self.leaf() for _ in range(3))
        forms = [f"sorted([{items}])[{self.random.randrange(3)}]", f"max([{items}])", f"min({items})"]
        forms += [f"max([{items}], key=abs)", f"sum(sorted([{items}], reverse=True)[:2])"]
        forms += [f"sum(e * k for k, e in enumerate(sorted([{items}])))"]
        if self.on("value"):
            forms += [f"({self.traced()} - max(val(e) for e in [{items}]))"]
        for f in ("max", "min"):
            if hasattr(al, f):
                forms += [f"al.{f}([{items}])"]
        self.write(f"{t} = {self.pick(forms)}")
        self.numbers.append(t)

    def integer(self):
        t, k = self.name(), self.name("k")
        a = self.traced()
        self.write(f"{k} = int(al.clip({a}, 0.0, 2.0)) if {a} == {a} else {self.pick([0, 1])}")
        forms = [
            f"[{self.leaf()}, {self.leaf()}, {self.constant()}][{k}]",
            f"({self.leaf()} * {k})",
            f"{self.leaf()}**{k}",
        ]
        forms += [f"sum({self.leaf()} * i for i in range({k}))", f"({self.leaf()} if {k} == 1 else {self.leaf()})"]
        forms += [f"{{0: {self.leaf()}, 1: {self.leaf()}}}.get({k}, {self.constant()})"]
        self.write(f"{t} = {self.pick(forms)}")
        self.numbers.append(t)

    def reading(self):
        t, a = self.name(), self.traced()
        forms = [f"({self.leaf()} if val({a}) > {self.constant()} else {self.leaf()})"]
        if self.may_cut:
            forms += [f"({self.leaf()} * val({a}))", f"(val({a}) + {self.leaf()})", f"abs(val({a})) * {self.leaf()}"]
        if self.may_cut and self.on("float of value"):
            forms += [f"({self.leaf()} * float(val({a})))", f"({self.leaf()} * math.copysign(2.0, val({a})))"]
        self.write(f"{t} = {self.pick(forms)}")
        self.numbers.append(t)

    def new_array(self):
        v = self.name("v")
        text, n = self.array()
        self.write(f"{v} = {text}")
        self.arrays.append((v, n))

    def matrix(self):
        t, m = self.name(), self.name("m")
        cells = [self.leaf() for _ in range(4)]
        self.write(f"{m} = np.array([[{cells[0]} * 1.0, {cells[1]}], [{cells[2]}, {cells[3]}]]) * {self.traced()}")
        forms = [f"np.max({m}, axis={self.pick([0, 1])}).sum()", f"{m}.min()", f"np.max({m})", f"{m}.sum(axis=0)[1]"]
        forms += [f"({m} @ {m})[0, 1]", f"({m}.T @ np.array([1.0, -2.0]))[1]", f"np.mean({m}, axis=1)[0]"]
        self.write(f"{t} = {self.pick(forms)}")
        self.numbers.append(t)

    def nest(self):
        t, s = self.name(), self.name("s")
        forms = [
            (
                f"{{'b': {self.leaf()}, 'a': {self.leaf()}}}",
                [f"{s}['a']", f"sum({s}.values())", f"list({s}.values())[0]"],
            ),
            (
                f"Pair({self.leaf()}, {self.leaf()})",
                [f"{s}.a", f"dataclasses.astuple({s})[1]", f"dataclasses.replace({s}, a=1.0).b"],
            ),
            (f"[{self.leaf()}, ({self.leaf()}, {self.leaf()})]", [f"{s}[1][0]", f"al.sum([{s}[0], {s}[1][1]])"]),
        ]
        text, uses = self.pick(forms)
        self.write(f"{s} = {text}")
        self.write(f"{t} = {self.pick(uses)}")
        self.numbers.append(t)

    def recursion(self):
        t, h = self.name(), self.name("halve")
        self.write(f"def {h}(u, n):")
        self.write(
            f"    return u if n == 0 or abs(u) < {self.pick([0.5, 1.0])} else {h}(u / 2.0, n - 1) + {self.leaf()}"
        )
        self.write(f"{t} = {h}({self.traced()}, {self.pick([2, 3])})")
        self.numbers.append(t)

    # --- transforms inside --------------------------------------------------------------------------------

    def local_function(self, head, parameters, lines=1):
        """Write a function of its own names; return nothing. The caller writes its last line."""
        restore = self.scope()
        self.write(f"def {head}:")
        self.indent += 1
        self.numbers += parameters
        for _ in range(lines):
            if self.chance(0.5):
                self.pick([self.assignment, self.branch] if self.on("if") else [self.assignment])()
        return restore

    def scan(self):
        c, s, cfg = self.name("c"), self.name("step"), None
        k, row = self.name("k"), self.name("row")
        if self.on("scan of changing objects") and self.chance(0.25):
            cfg = self.name("box")
            self.write(f"{cfg} = {{'k': {self.leaf()}}}")
        rows = self.random.randrange(4)
        arrays = [a for a, _ in self.arrays]
        length = self.pick([2, 3, 5])
        if rows == 0 or (rows == 1 and not arrays):
            xs, r = f"None, length={length}", []
        elif rows == 1:
            xs, r = self.pick(arrays), [row]
        else:
            xs, r = "np.array([" + ", ".join(self.constant() for _ in range(length)) + "])", [row]
        form = self.pick(["number", "tuple", "dict"])
        carry = {"number": [k], "tuple": [f"{k}[0]", f"{k}[1]"], "dict": [f"{k}['p']", f"{k}['q']"]}[form]
        start = [f"{self.leaf()} * 1.0" for _ in carry]
        # What a step captures must not be too long a list, or every gradient overflows: few names, short expressions.
        restore = self.local_function(f"{s}({k}, {row})", [*carry, *r])
        self.numbers = self.numbers[-8:]
        if cfg:
            self.numbers.append(f"{cfg}['k']")
        new = [self.number(2) for _ in carry]
        wrap = {"number": "{0}", "tuple": "({0}, {1})", "dict": "{{'p': {0}, 'q': {1}}}"}[form]
        self.write(f"return {wrap.format(*new)}, {self.pick(['None', carry[0], self.number(1)])}")
        has_ys = not self.lines[-1].endswith(", None")
        self.indent -= 1
        restore()
        checkpoint = self.pick(["", "", ", checkpoint=2"])
        self.write(f"{c}, ys{c} = al.scan({s}, {wrap.format(*start)}, {xs}{checkpoint})")
        if cfg:
            self.write(f"{cfg}['k'] = {self.leaf()} + 1.0")
            self.write(f"{c}b, _ = al.scan({s}, {c}, {xs}{checkpoint})")
            self.numbers += [n.replace(k, f"{c}b", 1) for n in carry]
        self.numbers += [n.replace(k, c, 1) for n in carry]
        if has_ys:
            t = self.name()
            uses = [f"ys{c}[-1]", f"ys{c}[0]", f"(np.sum(ys{c}) + 0.0)", f"(ys{c}.sum() + 0.0)"]
            self.write(f"{t} = {self.pick(uses)}")
            self.numbers.append(t)

    def vmap(self):
        t, f = self.name("v"), self.name("lane")
        mapped, n = self.array()
        shared = self.chance(0.5)
        around, self.in_lane = self.in_lane, True
        restore = self.local_function(f"{f}(r{', s' if shared else ''})", ["r", *(["s"] if shared else [])])
        self.numbers = self.numbers[-8:]
        self.write(f"return {self.number(2)}")
        self.indent -= 1
        restore()
        self.in_lane = around
        axes = ", in_axes=(0, None)" if shared else ""
        reduce = self.pick([None, None, "sum", "mean"])
        call = f"al.vmap({f}{axes}{f', reduce={reduce!r}' if reduce else ''})({mapped}{f', {self.leaf()}' if shared else ''})"
        self.write(f"{t} = {call}")
        if reduce:
            self.numbers.append(t)
        else:
            self.arrays.append((t, n))

    def inner_gradient(self):
        t, f = self.name(), self.name("f")
        restore = self.local_function(f"{f}(u)", ["u"])
        self.write(f"return {self.number(2)}")
        self.indent -= 1
        restore()
        a, b = self.traced(), self.leaf()
        forms = [f"al.grad({f})({a})", f"al.jvp({f}, ({a},), ({b},))[1]", f"sum(al.value_and_grad({f})({a}))"]
        forms += [
            f"al.hessian({f})({a})",
            f"al.grad(al.grad({f}))({a})",
            f"al.hvp({f}, ({a},), ({b},))",
            f"al.vjp({f}, {a})[1]({b})[0]",
        ]
        forms += [f"al.grad(lambda v: {f}(v[0]) * v[1])(np.array([{a}, {b}])).sum()"]
        forms += [f"al.taylor({f}, {a}, {b}, 3)[{self.random.randint(1, 3)}]"]
        forms += [f"al.grad(lambda q: {f}(q['k']))({{'k': {a}}})['k']"]
        # The sign of a zero may differ behind a branch that was not taken (docs/tape.md): + 0.0 makes it positive.
        self.write(f"{t} = {self.pick(forms)} + 0.0")
        self.numbers.append(t)

    def inner_jit(self):
        t, f = self.name(), self.name("f")
        restore = self.local_function(f"{f}(u)", ["u"])
        self.write(f"return {self.number(2)}")
        self.indent -= 1
        restore()
        forms = [
            f"al.jit({f}, backend=BACKEND)({self.leaf()})",
            f"al.jit(al.grad({f}), backend=BACKEND)({self.traced()}) + 0.0",
        ]
        self.write(f"{t} = {self.pick(forms)}")
        self.numbers.append(t)

    def inner_pass(self):
        t, y, q = self.name(), self.name("y"), self.name("q")
        # A trace refuses to write .grad of a Variable from outside, so backward() stays where nothing is captured.
        # … and so it would in the trace of lanes, of the Variables of the function around them.
        if self.chance(0.5) and self.may_cut and not self.captures and not self.in_lane:
            self.write(f"{q} = al.Variable({self.pick(CONSTANTS)!r})")
            self.write(f"{y} = ({q} * {self.traced()} - {self.leaf()})**2")
            self.write(f"{y}.backward()")
            self.write(f"{t} = {q}.grad + 0.0")
        elif self.may_cut and self.chance(0.5):
            self.write(f"{y} = {self.number()} * {self.traced()} + 0.0")
            wrt = f"[{self.argument_name()}, {self.argument_name()}]"
            self.write(f"{t} = al.gradients({y}, {wrt})[{self.pick([0, 1])}] + 0.0")
        else:
            self.write(f"{y} = {self.number()} * {self.traced()} + 0.0")
            self.write(f"{t} = al.gradients({y}, {self.argument_name()}, create_graph=True) + 0.0")
        self.numbers.append(t)

    # --- the whole ----------------------------------------------------------------------------------------

    def parameters(self):
        """Choose the arguments; return their names and a function that draws one."""
        kinds = ["number", "number", "array", "list", "dict", "pair", "tuple"]
        chosen = [self.pick(["number", "number", "array"])] + [
            self.pick(kinds) for _ in range(self.random.randrange(3))
        ]
        self.dictionary = False
        names, draws = [], []
        for i, kind in enumerate(chosen):
            if kind == "dict" and self.dictionary:
                kind = "number"
            name = "d" if kind == "dict" else "xyz"[i]
            n = self.pick([2, 3])
            names.append(name)
            if kind == "number":
                self.numbers.append(name)
            elif kind == "array":
                self.arrays.append((name, n))
                self.numbers += [f"{name}[{j}]" for j in range(2)]
            elif kind in ("list", "tuple"):
                self.lists.append(name)
                self.numbers += [f"{name}[{j}]" for j in range(2)]
            elif kind == "dict":
                self.dictionary = True
                self.numbers += ["d['p']", "d['q']", "list(d.values())[0]"]
            else:
                self.numbers += [f"{name}.a", f"{name}.b"]
            draws.append((kind, n))
        return names, draws

    def draw(self):
        if self.on("special inputs") and self.chance(self.special):
            return self.pick(SPECIAL)
        if self.exact or self.chance(0.3):
            return self.random.randrange(-24, 25) / 8
        return self.random.uniform(-2.5, 2.5)

    def argument(self, kind, n):
        if kind == "number":
            return self.draw()
        if kind == "dict":
            keys = ["p", "q"] if not self.on("order of keys") or self.chance(0.6) else ["q", "p"]
            return {"kind": "dict", "items": [[k, self.draw()] for k in keys]}
        return {"kind": kind, "items": [self.draw() for _ in range(n if kind == "array" else 2)]}

    def case(self):
        names, draws = self.parameters()
        self.given = list(self.numbers)
        for _ in range(self.random.randrange(2, 8)):
            self.statement()
        self.write(f"total = {self.number(2)} + {self.number(2)}")
        self.numbers.append("total")
        items = [self.leaf() for _ in range(2)]
        outs = [
            f"[{items[0]}, {{'b': total, 'a': {items[1]}}}]",
            f"np.array([total, {items[0]}])",
            f"(total, Pair({items[0]}, {items[1]}))",
            "total",
        ]
        outs += [a for a, _ in self.arrays[-1:]]
        self.write(f"return total, {self.pick(outs)}")
        source = f"def program({', '.join(names)}):\n" + "\n".join(self.lines) + "\n"
        self.special = self.pick([0.0, 0.05, 0.25])
        calls = [[self.argument(*d) for d in draws] for _ in range(3)]
        calls.insert(2, calls[0])
        captured = [[0.75, -1.25]] * 2 + [[self.draw(), self.draw()] for _ in range(2)]
        return Case(source, calls, captured, self.exact)


def generate(seed):
    """Return the case of a seed."""
    case = Generator(seed).case()
    case.seed = seed
    return case
