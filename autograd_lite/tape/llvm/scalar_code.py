"""Values of the table that are loops over plain floats, as LLVM IR: their Python text, statement by statement.

A program that calls such a value runs without Python, with the bits of the eager run: each operation is the IEEE operation
that Python has, and `math` calls the same libm. The subset: annotated numbers, `if`, `while`, `for` over ranges and tables,
calls of other such functions. Where Python raises, machine code has inf or nan, so a value must not rely on exceptions.
"""

import ast
import builtins
import inspect
import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from autograd_lite import ieee, special
from autograd_lite.errors import CompilationError
from autograd_lite.primitives import PRIMITIVES, Primitive
from autograd_lite.tape.llvm.ir import Module, literal

_KINDS = {"float": "double", "int": "i64", "bool": "i1"}
#: Functions of libm, which `ieee` lets give inf or nan where Python raises; no optimiser may put another in their place.
_LIBM = {
    f: name
    for name in ("exp", "expm1", "log", "log1p", "pow", "sin", "cos", "erfc", "fmod", "remainder")
    for f in {getattr(math, name), getattr(ieee, name, None)}
}
_EXACT = {math.sqrt: "sqrt", math.floor: "floor", math.fabs: "fabs", math.copysign: "copysign"}
_RELATIONS = {
    ast.Lt: ("olt", "slt"), ast.LtE: ("ole", "sle"), ast.Gt: ("ogt", "sgt"), ast.GtE: ("oge", "sge"),
    ast.Eq: ("oeq", "eq"), ast.NotEq: ("une", "ne"),
}  # fmt: skip
_OPERATORS = {ast.Add: ("fadd", "add"), ast.Sub: ("fsub", "sub"), ast.Mult: ("fmul", "mul"), ast.Div: ("fdiv", "")}

#: What Python has written in C, in Python.
_TWINS: dict[Any, Any] = {
    math.lgamma: special.lanczos_lgamma,
    ieee._lgamma: special.lanczos_lgamma,  # noqa: SLF001
    math.gamma: special.lanczos_gamma,
    ieee.gamma: special.lanczos_gamma,
}

Typed = tuple[str, str]  # the type of a number, and its name


@cache
def _definitions(module: ModuleType) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


class _Function:
    """Writes one function; variables have a place on the stack, which LLVM turns into registers."""

    def __init__(self, module: Module, source: ModuleType, node: ast.FunctionDef, calls: list[FunctionType]) -> None:
        self.module, self.names, self.calls = module, vars(source), calls
        self.lines: list[str] = []
        self.kinds: dict[str, str] = {}
        self._count = 0
        self._ends: list[tuple[str, str]] = []  # of the loops around: where `break` and `continue` go
        parameters = [*node.args.args, *node.args.kwonlyargs]
        for a in parameters:
            self._store(a.arg, (_KINDS[ast.unparse(a.annotation or a)], f"%a.{a.arg}"))
        self.returned = _KINDS[ast.unparse(node.returns or node)]
        self._block(node.body)
        places = [f"%v.{name} = alloca {kind}" for name, kind in self.kinds.items()]
        head = ", ".join(f"{self.kinds[a.arg]} %a.{a.arg}" for a in parameters)
        self.parameters, self.text = head, "\n".join([*places, *self.lines, "unreachable", "}"])

    # ------------------------------------------------------------------------------------------------- statements

    def _block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            getattr(self, f"_{type(statement).__name__.lower()}", self._refuse)(statement)

    def _refuse(self, node: ast.AST) -> Any:
        raise CompilationError(f"no machine code for `{ast.unparse(node)}`, line {getattr(node, 'lineno', 0)}")

    def _label(self) -> str:
        self._count += 1
        return f"l{self._count}"

    def _to(self, label: str) -> None:
        """Go to a label, which stands here or elsewhere; what follows a jump is a block that nothing reaches."""
        self.lines += [f"br label %{label}", f"{self._label()}:"]

    def _here(self, label: str) -> None:
        self.lines += [f"br label %{label}", f"{label}:"]

    def _branch(self, test: ast.expr, other: str) -> None:
        """Go on where the test holds, else to another label."""
        after = self._label()
        self.lines += [f"br i1 {self._truth(test)}, label %{after}, label %{other}", f"{after}:"]

    def _expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self._refuse(node)

    def _return(self, node: ast.Return) -> None:
        value = self._value(node.value or node)
        found = self._double(value) if self.returned == "double" else value[1]
        self.lines += [f"ret {self.returned} {found}", f"{self._label()}:"]

    def _if(self, node: ast.If) -> None:
        otherwise, end = self._label(), self._label()
        self._branch(node.test, otherwise)
        self._block(node.body)
        self.lines += [f"br label %{end}", f"{otherwise}:"]
        self._block(node.orelse)
        self._here(end)

    def _while(self, node: ast.While) -> None:
        test, end = self._label(), self._label()
        self._here(test)
        self._branch(node.test, end)
        self._turn(node.body, end, test)
        self.lines += [f"br label %{test}", f"{end}:"]

    def _turn(self, body: list[ast.stmt], end: str, after: str) -> None:
        self._ends.append((end, after))
        self._block(body)
        self._ends.pop()

    def _break(self, _: ast.Break) -> None:
        self._to(self._ends[-1][0])

    def _continue(self, _: ast.Continue) -> None:
        self._to(self._ends[-1][1])

    def _for(self, node: ast.For) -> None:
        """Over a range; or over a table, turn by turn."""
        source, end = node.iter, self._label()
        if not (isinstance(source, ast.Call) and ast.unparse(source.func) == "range"):
            for element in self._elements(source):
                after = self._label()
                self._assigned(node.target, element)
                self._turn(node.body, end, after)
                self._here(after)
            self._here(end)
            return
        limits = [self._value(a)[1] for a in source.args]
        first, limit = ("0", *limits) if len(limits) == 1 else limits[:2]
        step = int(ast.literal_eval(source.args[2])) if len(limits) > 2 else 1
        test, turn, after = (self._label() for _ in range(3))
        counter = f"{ast.unparse(node.target)}.{test}"
        self._store(counter, ("i64", first))
        self._here(test)
        index = self._load(counter)
        going = self._emit("i1", f"icmp {'slt' if step > 0 else 'sgt'} i64 {index[1]}, {limit}")
        self.lines += [f"br i1 {going[1]}, label %{turn}, label %{end}", f"{turn}:"]
        self._store(ast.unparse(node.target), index)
        self._turn(node.body, end, after)
        self._here(after)
        self._store(counter, self._emit("i64", f"add i64 {index[1]}, {step}"))
        self.lines += [f"br label %{test}", f"{end}:"]

    def _elements(self, source: ast.expr) -> list[ast.expr]:
        """The elements of a table, numbered where `enumerate` does so."""
        if isinstance(source, ast.Call) and ast.unparse(source.func) == "enumerate":
            first = sum(ast.literal_eval(k.value) for k in source.keywords)
            pairs = enumerate(self._elements(source.args[0]), start=first)
            return [ast.Tuple([ast.Constant(k), e], ast.Load()) for k, e in pairs]
        if isinstance(source, ast.Name) and type(self.names.get(source.id)) is tuple:
            return [ast.Constant(float(c)) for c in self.names[source.id]]
        return list(source.elts) if isinstance(source, ast.Tuple) else self._refuse(source)

    def _assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assigned(target, node.value)

    def _annassign(self, node: ast.AnnAssign) -> None:
        self._assigned(node.target, node.value or node.target)

    def _augassign(self, node: ast.AugAssign) -> None:
        self._assigned(node.target, ast.BinOp(ast.Name(ast.unparse(node.target), ast.Load()), node.op, node.value))

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        """All values before the first is stored."""
        pairs: list[tuple[str, Typed]] = []
        self._pairs(target, value, pairs)
        for name, found in pairs:
            self._store(name, found)

    def _pairs(self, target: ast.expr, value: ast.expr, pairs: list[tuple[str, Typed]]) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for t, v in zip(target.elts, value.elts, strict=True):
                self._pairs(t, v, pairs)
        elif isinstance(target, ast.Name):
            pairs.append((target.id, self._value(value)))
        else:
            self._refuse(target)

    # ------------------------------------------------------------------------------------------------ expressions

    def _emit(self, kind: str, instruction: str) -> Typed:
        self._count += 1
        self.lines.append(f"%t{self._count} = {instruction}")
        return kind, f"%t{self._count}"

    def _store(self, name: str, value: Typed) -> None:
        kind = self.kinds.setdefault(name, value[0])
        found = self._double(value) if kind == "double" else value[1]
        if kind not in ("double", value[0]):
            raise CompilationError(f"{name} is a whole number here and none there")
        self.lines.append(f"store {kind} {found}, ptr %v.{name}")

    def _load(self, name: str) -> Typed:
        return self._emit(self.kinds[name], f"load {self.kinds[name]}, ptr %v.{name}")

    def _double(self, value: Typed) -> str:
        kind, name = value
        if kind == "double":
            return name
        return self._emit("double", f"{'uitofp' if kind == 'i1' else 'sitofp'} {kind} {name} to double")[1]

    def _value(self, node: ast.AST) -> Typed:
        return getattr(self, f"_of_{type(node).__name__.lower()}", self._refuse)(node)  # type: ignore[no-any-return]

    def _truth(self, node: ast.expr) -> str:
        kind, name = self._value(node)
        if kind == "double":
            return self._emit("i1", f"fcmp une double {name}, {literal('double', 0.0)}")[1]
        return name if kind == "i1" else self._emit("i1", f"icmp ne i64 {name}, 0")[1]

    def _of_constant(self, node: ast.Constant) -> Typed:
        kind = _KINDS[type(node.value).__name__]
        number: Any = node.value
        return kind, literal(kind, number) if kind == "double" else str(int(number))

    def _of_name(self, node: ast.Name) -> Typed:
        if node.id in self.kinds:
            return self._load(node.id)
        return self._of_constant(ast.Constant(self.names[node.id]))

    def _of_attribute(self, node: ast.Attribute) -> Typed:
        return self._of_constant(ast.Constant(self._thing(node)))

    def _of_subscript(self, node: ast.Subscript) -> Typed:
        """A number of a table, whose index is inside."""
        name, numbers = f"table.{ast.unparse(node.value)}", self._thing(node.value)
        if not any(line.startswith(f"@{name} ") for line in self.module.data):
            self.module.numbers(name, map(float, numbers))
        place = self._emit("ptr", f"getelementptr double, ptr @{name}, i64 {self._value(node.slice)[1]}")
        return self._emit("double", f"load double, ptr {place[1]}")

    def _of_unaryop(self, node: ast.UnaryOp) -> Typed:
        if isinstance(node.op, ast.Not):
            return self._emit("i1", f"xor i1 {self._truth(node.operand)}, true")
        kind, name = self._value(node.operand)
        if not isinstance(node.op, ast.USub):
            return self._refuse(node)  # type: ignore[no-any-return]
        return self._emit(kind, f"fneg double {name}" if kind == "double" else f"sub i64 0, {name}")

    def _of_binop(self, node: ast.BinOp) -> Typed:
        x, y, operation = self._value(node.left), self._value(node.right), type(node.op)
        if operation is ast.Pow:  # of a float: Python's is C's, where that is no error
            return self._libm("pow", [x, y])
        if operation in (ast.Mod, ast.FloorDiv) and x[0] == y[0] == "i64":  # of numbers that are not negative
            return self._emit("i64", f"{'srem' if operation is ast.Mod else 'sdiv'} i64 {x[1]}, {y[1]}")
        real, whole = _OPERATORS.get(operation) or self._refuse(node)
        if x[0] == y[0] == "i64" and whole:
            return self._emit("i64", f"{whole} i64 {x[1]}, {y[1]}")
        return self._emit("double", f"{real} double {self._double(x)}, {self._double(y)}")

    def _compared(self, relation: type[ast.cmpop], x: Typed, y: Typed) -> Typed:
        real, whole = _RELATIONS[relation]
        if x[0] == y[0] != "double":
            return self._emit("i1", f"icmp {whole} {x[0]} {x[1]}, {y[1]}")
        return self._emit("i1", f"fcmp {real} double {self._double(x)}, {self._double(y)}")

    def _of_compare(self, node: ast.Compare) -> Typed:
        """A chain, of which each side is computed once."""
        left, found = self._value(node.left), None
        for relation, side in zip(node.ops, node.comparators, strict=True):
            if isinstance(relation, ast.In) and isinstance(side, ast.Tuple):
                own = [self._compared(ast.Eq, left, self._value(e)) for e in side.elts]
                holds = own[0]
                for other in own[1:]:
                    holds = self._emit("i1", f"or i1 {holds[1]}, {other[1]}")
                right = left
            else:
                right = self._value(side)
                holds = self._compared(type(relation), left, right)
            found = holds if found is None else self._emit("i1", f"and i1 {found[1]}, {holds[1]}")
            left = right
        return found or self._refuse(node)

    def _of_boolop(self, node: ast.BoolOp) -> Typed:
        """Truth, or the first number that is not 0; the others are not computed."""
        first, *others = node.values
        rest = ast.BoolOp(node.op, others) if len(others) > 1 else others[0]
        value = self._value(first)
        name = f"b{self._label()}"
        self._store(name, value)
        held = ast.Name(name, ast.Load())
        pair = (rest, held) if isinstance(node.op, ast.And) else (held, rest)
        return self._of_ifexp(ast.IfExp(held, *pair))

    def _of_ifexp(self, node: ast.IfExp) -> Typed:
        otherwise, end = self._label(), self._label()
        result = f"i{end}"
        self._branch(node.test, otherwise)
        value = self._value(node.body)
        self._store(result, value if value[0] == "i1" else ("double", self._double(value)))
        self.lines += [f"br label %{end}", f"{otherwise}:"]
        self._store(result, self._value(node.orelse))
        self._here(end)
        return self._load(result)

    def _thing(self, node: ast.AST) -> Any:
        """What a name from outside means."""
        if isinstance(node, ast.Attribute):
            return getattr(self._thing(node.value), node.attr)
        name = node.id if isinstance(node, ast.Name) else self._refuse(node)
        return self.names[name] if name in self.names else getattr(builtins, name)

    def _libm(self, name: str, arguments: list[Typed]) -> Typed:
        values = [f"double {self._double(a)}" for a in arguments]
        self.module.declarations[name] = f"declare double @{name}({', '.join(['double'] * len(values))})"
        return self._emit("double", f"call double @{name}({', '.join(values)}) nobuiltin")

    def _of_call(self, node: ast.Call) -> Typed:
        called = self._thing(node.func)
        arguments = [self._value(a) for a in node.args]
        if called is ieee.pow:  # x·x for x²
            x, p = (self._double(a) for a in arguments)
            two = self._emit("i1", f"fcmp oeq double {p}, {literal('double', 2.0)}")
            square, power = self._emit("double", f"fmul double {x}, {x}"), self._libm("pow", arguments)
            return self._emit("double", f"select i1 {two[1]}, double {square[1]}, double {power[1]}")
        if called in _LIBM:
            return self._libm(_LIBM[called], arguments)
        if called is float:
            return "double", self._double(arguments[0])
        if called in (ieee.div, ieee.inv):
            pair = [("double", literal("double", 1.0)), *arguments][-2:]
            return self._emit("double", f"fdiv double {self._double(pair[0])}, {self._double(pair[1])}")
        if called in (math.isnan, math.isinf):
            size = self._intrinsic("fabs", arguments)[1]
            test = (
                f"uno double {size}, {size}"
                if called is math.isnan
                else f"oeq double {size}, {literal('double', math.inf)}"
            )
            return self._emit("i1", f"fcmp {test}")
        if called is abs and arguments[0][0] == "i64":
            negative = self._emit("i64", f"sub i64 0, {arguments[0][1]}")
            return self._chosen("max", arguments[0], negative)
        if called in (min, max):
            return self._chosen("min" if called is min else "max", *arguments)
        if called is int:
            self.module.declarations["fptosi"] = "declare i64 @llvm.fptosi.sat.i64.f64(double)"
            return self._emit("i64", f"call i64 @llvm.fptosi.sat.i64.f64(double {self._double(arguments[0])})")
        if called in _EXACT or called is abs:
            return self._intrinsic(_EXACT.get(called, "fabs"), arguments)
        return self._own(called, node, arguments)

    def _intrinsic(self, name: str, arguments: list[Typed]) -> Typed:
        values = ", ".join(f"double {self._double(a)}" for a in arguments)
        kinds = ", ".join(["double"] * len(arguments))
        self.module.declarations[name] = f"declare double @llvm.{name}.f64({kinds})"
        return self._emit("double", f"call double @llvm.{name}.f64({values})")

    def _chosen(self, which: str, first: Typed, other: Typed) -> Typed:
        """Python's `min` or `max` of two: the first unless the other is beyond."""
        relation = ast.Lt if which == "min" else ast.Gt
        beyond = self._compared(relation, other, first)
        kind = "i64" if first[0] == other[0] == "i64" else "double"
        x, y = (v[1] if kind == "i64" else self._double(v) for v in (other, first))
        return self._emit(kind, f"select i1 {beyond[1]}, {kind} {x}, {kind} {y}")

    def _own(self, called: Any, node: ast.Call, arguments: list[Typed]) -> Typed:
        """A call of another function of the subset."""
        called = _text_of(called)
        if not isinstance(called, FunctionType) or called.__module__ not in (special.__name__, ieee.__name__):
            return self._refuse(node)  # type: ignore[no-any-return]
        if called not in self.calls:
            self.calls.append(called)
        parameters = inspect.signature(called).parameters
        given = dict(zip(parameters, arguments, strict=False)) | {
            str(k.arg): self._value(k.value) for k in node.keywords
        }
        values = [given.get(n) or self._of_constant(ast.Constant(p.default)) for n, p in parameters.items()]
        kinds = [_KINDS[p.annotation.__name__] for p in parameters.values()]
        parts = [f"{k} {self._double(v) if k == 'double' else v[1]}" for k, v in zip(kinds, values, strict=True)]
        kind = _KINDS[called.__annotations__["return"].__name__]
        return self._emit(kind, f"call {kind} @{_name(called)}({', '.join(parts)})")


def _text_of(function: Any) -> FunctionType:
    found: FunctionType = _TWINS.get(function, function)
    return found


def _readable() -> bool:
    """Whether the text of the functions is there, and those that stand for Python's own are these to the bit."""
    numbers = [-3.7, -0.3, 1e-21, 0.02, 0.7, 1.3, 2.4, 4.9, 5.1, 12.3, 33.7, 141.2, 167.9]
    here = Path(str(special.__file__))
    return (
        here.suffix == ".py" and here.exists() and all(f(x) == twin(x) for f, twin in _TWINS.items() for x in numbers)
    )


def _name(function: FunctionType) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def library(root: FunctionType, _width: int | None = None) -> Module:
    """The module with a value as `@value_…`, and all functions that it calls."""
    module, calls = Module(None), [root]
    for function in calls:  # which grows
        source = special if function.__module__ == special.__name__ else ieee
        node = _definitions(source).get(function.__name__)
        if node is None or vars(source).get(function.__name__) is not function:
            raise CompilationError(f"{function.__name__} has no text of its own")
        written = _Function(module, source, node, calls)
        head = f"define internal {written.returned} @{_name(function)}({written.parameters}) #0 {{"
        module.parts.append(f"{head}\n{written.text}")
    kinds = ["double"] * root.__code__.co_argcount
    module.function(f"value_{root.__name__}", kinds, lambda b, *x: b.call("double", _name(root), *x))
    module.written.update(map(_name, calls))
    return module


READABLE = _readable()

#: The entries whose values become machine code.
VALUES: dict[Primitive, str] = {
    PRIMITIVES[name]: f"value_{_text_of(PRIMITIVES[name].value).__name__}"
    for name in (
        "bessel_j", "bessel_i", "j0", "j1", "i0", "i1", "gamma", "lgamma", "digamma", "polygamma", "polygamma_gap",
        "stirling_error", "betaln", "gammainc", "gammaincc", "lower_beta", "upper_beta", "t_cdf",
    )
    if READABLE
}  # fmt: skip
LIBRARIES: dict[str, Callable[[Any], Module]] = {
    name: partial(library, _text_of(rule.value)) for rule, name in VALUES.items()
}
