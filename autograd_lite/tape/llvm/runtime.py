"""Loops that every compiled program calls: compiled once, with all optimisations."""

from collections.abc import Iterable, Sequence
from functools import cache

from autograd_lite.tape.llvm import engine, matrix_loops, vector_math
from autograd_lite.tape.llvm.ir import at, chosen, counted, function, literal, load, transposed

DECLARATIONS = (
    "declare double @al_total(ptr, i64)",
    "declare void @al_gather(ptr, ptr, i64, i64, i64, ptr, i64, i64)",
    "declare void @al_scatter(ptr, ptr, i64, i64, i64, ptr, i64)",
    "declare void @al_clear(ptr, i64)",
)

_SCAN = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

; Steps t … n - 1 of a loop: row t of xs into the inputs of the body behind its carry, run it, the rest of its outputs to row
; t of ys; its carry is the next one's, by changing inputs and outputs over if `swap`, else by copying. Stops where the body's
; status is not 0, which goes to *status, or where something that the body calls has set *status; returns the step.
define i64 @al_scan(
    ptr %body, ptr %a, ptr %b, ptr %s, ptr %xs, ptr %ys, i64 %carry, i64 %x, i64 %y, i64 %first, i64 %n, ptr %status, i1 %swap
) {
start:
  %carryb = mul i64 %carry, 8
  %xb = mul i64 %x, 8
  %yb = mul i64 %y, 8
  store i64 0, ptr %status, align 8
  br label %loop
loop:
  %t = phi i64 [ %first, %start ], [ %t1, %good ], [ %t1, %copy ]
  %in = phi ptr [ %a, %start ], [ %out, %good ], [ %in, %copy ]
  %out = phi ptr [ %b, %start ], [ %in, %good ], [ %out, %copy ]
  %going = icmp slt i64 %t, %n
  br i1 %going, label %step, label %done
step:
  %inx = getelementptr i8, ptr %in, i64 %carryb
  %skipx = mul i64 %t, %xb
  %px = getelementptr i8, ptr %xs, i64 %skipx
  call void @llvm.memcpy.p0.p0.i64(ptr %inx, ptr %px, i64 %xb, i1 false)
  %st = call i64 %body(ptr %in, ptr %out, ptr %s)
  %set = load i64, ptr %status, align 8
  %any = or i64 %st, %set
  %fine = icmp eq i64 %any, 0
  br i1 %fine, label %good, label %bad
good:
  %outy = getelementptr i8, ptr %out, i64 %carryb
  %skipy = mul i64 %t, %yb
  %py = getelementptr i8, ptr %ys, i64 %skipy
  call void @llvm.memcpy.p0.p0.i64(ptr %py, ptr %outy, i64 %yb, i1 false)
  %t1 = add i64 %t, 1
  br i1 %swap, label %loop, label %copy
copy:
  call void @llvm.memcpy.p0.p0.i64(ptr %in, ptr %out, i64 %carryb, i1 false)
  br label %loop
bad:
  store i64 %any, ptr %status, align 8
  br label %done
done:
  ret i64 %t
}
"""


def _total() -> str:
    """The sum of n doubles, in four chains of four lanes."""
    v, chains, turn = "<4 x double>", range(4), [at("%here", "%p", "%i")]
    for k in chains:
        turn += [*load(f"%v{k}", "%here", str(k), v), f"%n{k} = fadd {v} %t{k}, %v{k}"]
    carried = [(v, f"t{k}", "zeroinitializer", f"%n{k}") for k in chains]
    rest = [*load("%x", "%p", "%j", "double"), "%s1 = fadd double %s, %x"]
    lines = [
        "%whole = and i64 %n, -16",
        *counted("i", "%whole", turn, step=16, carried=carried),
        f"%ab = fadd {v} %t0, %t1",
        f"%cd = fadd {v} %t2, %t3",
        f"%abcd = fadd {v} %ab, %cd",
        f"%most = call double @llvm.vector.reduce.fadd.v4f64(double 0.0, {v} %abcd)",
        *counted("j", "%n", rest, first="%whole", carried=[("double", "s", "%most", "%s1")]),
        "ret double %s",
    ]
    return function("al_total", "ptr %p, i64 %n", lines, "double")


def _lane(name: str, number: str, lane: str) -> list[str]:
    """Where a lane of input or output `number` begins, from the tables of bases and strides."""
    return [
        *load(f"{name}.base", "%bases", number, "ptr"),
        *load(f"{name}.stride", "%strides", number),
        f"{name}.skip = mul i64 {lane}, {name}.stride",
        at(name, f"{name}.base", f"{name}.skip", "i8"),
    ]


def _row(name: str, number: str) -> list[str]:
    """Where a row of the scratch array begins."""
    return [f"{name}.skip = mul i64 {number}, %row", at(name, "%s", f"{name}.skip", "i8")]


def _turned(width: int) -> str:
    """If `width` inputs from the j-th on lie side by side, their lanes before %whole as rows of the scratch array.

    Returns how many lanes were done: all or none.
    """
    v, names = f"<{width} x double>", [f"%x{k}" for k in range(width)]
    beside = [*_lane("%from", "%j", "%first"), *_row("%to", "%j"), "%start = ptrtoint ptr %from.base to i64"]
    beside += [f"%end = add i64 %j, {width}", "%b0 = icmp sle i64 %end, %k"]
    for k in range(1, width):
        beside += [
            f"%j{k} = add i64 %j, {k}",
            *load(f"%base{k}", "%bases", f"%j{k}"),
            *load(f"%stride{k}", "%strides", f"%j{k}"),
            f"%far{k} = sub i64 %base{k}, %start",
            f"%near{k} = icmp eq i64 %far{k}, {8 * k}",
            f"%alike{k} = icmp eq i64 %stride{k}, %from.stride",
            f"%both{k} = and i1 %near{k}, %alike{k}",
            f"%b{k} = and i1 %b{k - 1}, %both{k}",
        ]
    turn = []
    for k, name in enumerate(names):
        turn += [f"%l{k} = add i64 %l, {k}", f"%skip{k} = mul i64 %l{k}, %from.stride"]
        turn += load(name, "%from", f"%skip{k}", v, unit="i8")
    lines, columns = transposed(names)
    turn += lines
    for k, column in enumerate(columns):
        turn += [f"%r{k} = mul i64 %row, {k}", at(f"%row{k}", "%to", f"%r{k}", "i8"), at(f"%y{k}", f"%row{k}", "%l")]
        turn.append(f"store {v} {column}, ptr %y{k}, align 8")
    lines = [
        *beside,
        f"%lanes = select i1 %b{width - 1}, i64 %whole, i64 0",
        *counted("l", "%lanes", turn, step=width),
        "ret i64 %lanes",
    ]
    return function("al_turned", f"{_MANY}, i64 %j, i64 %first, i64 %whole, ptr %s, i64 %row", lines, "i64")


#: What an input or output begins with and how far apart its lanes are, for k of them.
_MANY = "ptr %bases, ptr %strides, i64 %k"


def _gather(width: int) -> str:
    """Lanes first … first + count - 1 of k inputs into rows of the scratch array.

    The rest of the last vector is filled with the last lane. Inputs that lie side by side go as vectors, `width` at a time.
    """
    lane = [
        "%offset = mul i64 %l, %from.stride",
        *load("%x", "%from", "%offset", "double", unit="i8"),
        at("%q", "%to", "%l"),
        "store double %x, ptr %q, align 8",
    ]
    together = "ptr %bases, ptr %strides, i64 %k, i64 %j, i64 %first, i64 %whole, ptr %s, i64 %row"
    body = [
        f"%phase = and i64 %j, {width - 1}",
        "%new = icmp eq i64 %phase, 0",
        *chosen("group", "%new", [f"%turned = call i64 @al_turned({together})"]),
        "%done1 = phi i64 [ %turned, %group.then ], [ %done, %group.else ]",
    ]
    singles = [
        *_lane("%from", "%j", "%first"),
        *_row("%to", "%j"),
        *counted("l", "%count", lane, first="%done1"),
        "%last = sub i64 %count, 1",
        *load("%filling", "%to", "%last", "double"),
        *counted("m", "%padded", [at("%r", "%to", "%m"), "store double %filling, ptr %r, align 8"], first="%count"),
    ]
    whole = f"%whole = and i64 %count, {-width}"
    loop = counted("j", "%k", [*body, *singles], carried=[("i64", "done", "0", "%done1")])
    parameters = f"{_MANY}, i64 %first, i64 %count, ptr %s, i64 %row, i64 %padded"
    return function("al_gather", parameters, [whole, *loop])


def _scatter() -> str:
    """Rows of the scratch array to lanes first … first + count - 1 of k outputs."""
    lane = [
        *load("%x", "%from", "%l", "double"),
        "%offset = mul i64 %l, %to.stride",
        at("%q", "%to", "%offset", "i8"),
        "store double %x, ptr %q, align 8",
    ]
    body = [*_lane("%to", "%j", "%first"), *_row("%from", "%j"), *counted("l", "%count", lane)]
    return function("al_scatter", f"{_MANY}, i64 %first, i64 %count, ptr %s, i64 %row", counted("j", "%k", body))


def _clear() -> str:
    """Zeros."""
    return function(
        "al_clear", "ptr %p, i64 %n", counted("i", "%n", [at("%q", "%p", "%i"), "store double 0.0, ptr %q, align 8"])
    )


def lanes_main(
    calls: Sequence[str],
    block_calls: Sequence[str],
    *,
    width: int,
    row: int,
    inputs: int,
    outputs: int,
    sums: int,
    places: Sequence[int],
    status: float | None,
) -> str:
    """The loop over blocks and vectors around the functions of a program.

    `sums` doubles for each block, of which those at `places` are accumulated vector by vector, the others by `block_calls`.
    """
    v, integers = f"<{width} x double>", f"<{width} x i64>"
    every = ", ".join(f"i64 {k}" for k in range(width))
    reset = []
    if status is not None:  # it lies in the last place of the outputs
        held = ", ".join([f"double {literal(status)}"] * width)
        reset = [
            at("%status", "%sv", str((inputs + outputs - 1) * row), "i8"),
            f"store {v} <{held}>, ptr %status, align 8",
        ]
    one_vector = [
        "%left = sub i64 %count, %v",
        f"%left.one = insertelement {integers} poison, i64 %left, i32 0",
        f"%left.all = shufflevector {integers} %left.one, {integers} poison, <{width} x i32> zeroinitializer",
        f"%live = icmp sgt {integers} %left.all, <{every}>",
        f"%mask = sext <{width} x i1> %live to {integers}",
        f"store {integers} %mask, ptr %acc, align 64",
        at("%sv", "%s", "%v"),
        *reset,
        *calls,
    ]
    one_sum = [
        *load("%va", "%sums", "%i", v),
        *_tree(width),
        *load("%place", "@places", "%i"),
        at("%result", "%redb", "%place"),
        "store double %sum, ptr %result, align 8",
    ]
    block = [
        "%first = mul i64 %b, %size",
        "%ahead = sub i64 %n, %first",
        "%full = icmp sge i64 %ahead, %size",
        "%count = select i1 %full, i64 %size, i64 %ahead",
        f"%up = add i64 %count, {width - 1}",
        f"%padded = and i64 %up, {-width}",
        f"call void @al_gather(ptr %vb, ptr %vs, i64 {inputs}, i64 %first, i64 %count, ptr %s, i64 {row}, i64 %padded)",
        f"call void @al_clear(ptr %sums, i64 {len(places) * width})",
        *counted("v", "%count", one_vector, step=width),
        f"call void @al_scatter(ptr %ob, ptr %os, i64 {outputs}, i64 %first, i64 %count, ptr %outs, i64 {row})",
        f"%redb.skip = mul i64 %b, {8 * sums}",
        at("%redb", "%red", "%redb.skip", "i8"),
        *counted("i", str(len(places)), one_sum),
        *block_calls,
    ]
    table = ", ".join(f"i64 {k}" for k in places)
    parameters = "ptr %in, ptr %vb, ptr %vs, ptr %ob, ptr %os, ptr %red, ptr %s, ptr %acc"
    body = [
        at("%outs", "%s", str(inputs * row), "i8"),
        at("%sums", "%acc", str(width)),
        *counted("b", "%to", block, first="%from"),
    ]
    main = function("main", f"{parameters}, i64 %n, i64 %size, i64 %from, i64 %to", body)
    return f"@places = internal constant [{len(places)} x i64] [{table}]\n{main}"


def _tree(width: int) -> list[str]:
    """The lanes of `%va` added up, halves onto halves, as `%sum`."""
    lines, name, size = [], "%va", width
    while size > 1:
        half = size // 2
        low, high = (", ".join(f"i32 {k}" for k in r) for r in (range(half), range(half, size)))
        kind, short = f"<{size} x double>", f"<{half} x double>"
        lines += [
            f"%lo{half} = shufflevector {kind} {name}, {kind} poison, <{half} x i32> <{low}>",
            f"%hi{half} = shufflevector {kind} {name}, {kind} poison, <{half} x i32> <{high}>",
            f"%h{half} = fadd {short} %lo{half}, %hi{half}",
        ]
        name, size = f"%h{half}", half
    return [*lines, f"%sum = extractelement <1 x double> {name}, i32 0"]


#: A vector of eight doubles stays in one register where there is one for it.
ATTRIBUTES = 'attributes #0 = { nounwind "min-legal-vector-width"="512" "prefer-vector-width"="512" }'


def _published(text: str, names: Iterable[str]) -> engine.Module:
    """Compile functions with all optimisations and make their names known to later modules."""
    module = engine.Module(f"{text}\n{ATTRIBUTES}", 2)
    for name in names:
        engine.publish(name, module.address(name))
    return module


@cache
def load_support() -> engine.Module:
    """What every program calls."""
    width = engine.width()
    declaration = "declare double @llvm.vector.reduce.fadd.v4f64(double, <4 x double>)"
    functions = [_total(), _turned(width), _gather(width), _scatter(), _clear(), _SCAN]
    names = [declaration.partition("@")[2].partition("(")[0] for declaration in DECLARATIONS]
    return _published("\n".join([declaration, *functions]), names)


@cache
def load_products(width: int) -> engine.Module:
    """The loops of `kernels`, for vectors of `width` lanes or for one lane."""
    return _published(*(matrix_loops.of_lanes(width) if width > 1 else matrix_loops.of_one_lane()))


@cache
def load_vector_functions(width: int) -> dict[str, engine.Module]:
    """The vector functions; returns which there are."""
    module = _published(vector_math.module(width), [f"{name}_v{width}" for name in vector_math.FUNCTIONS])
    return dict.fromkeys(vector_math.FUNCTIONS, module)
