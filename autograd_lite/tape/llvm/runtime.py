"""Functions that every compiled program calls: compiled once, with all optimisations."""

import ctypes
from collections.abc import Callable
from functools import cache
from threading import Lock

from autograd_lite.tape.llvm import engine, vector_math
from autograd_lite.tape.llvm.ir import Library, at, counted, function, load, spread, transposed

# Steps t … n - 1 of a loop: row t of xs goes into the inputs of the body behind its carry, the body runs, and its outputs
# behind the carry go to row t of ys. The carry is passed on by exchanging inputs and outputs if `swap`, else by a copy. The
# loop stops where the body's status is not 0, which goes to *status, or where something that the body calls has set
# *status; it returns the step.
_SCAN = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
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


def _fill() -> str:
    one = [at("%q", "%p", "%i"), "store double %x, ptr %q, align 8"]
    return function("al_fill", "ptr %p, double %x, i64 %n", counted("i", "%n", one))


#: Addresses of the first lane of inputs or outputs, and bytes from one lane of each to the next.
_COLUMNS = "ptr %bases, ptr %strides"


def _column(name: str, number: str, lane: str) -> list[str]:
    """Where `lane` of an input or output begins."""
    return [
        *load(f"{name}.start", "%bases", number),
        *load(f"{name}.stride", "%strides", number),
        f"{name}.base = inttoptr i64 {name}.start to ptr",
        f"{name}.skip = mul i64 {lane}, {name}.stride",
        at(name, f"{name}.base", f"{name}.skip", "i8"),
    ]


def _row(name: str, number: str) -> list[str]:
    """Where a row of the scratch array begins."""
    return [f"{name}.skip = mul i64 {number}, %row", at(name, "%s", f"{name}.skip", "i8")]


def _scatter() -> str:
    """Rows of the scratch array to lanes first … first + count - 1 of k outputs."""
    lane = [
        *load("%x", "%from", "%l", "double"),
        "%offset = mul i64 %l, %to.stride",
        at("%q", "%to", "%offset", "i8"),
        "store double %x, ptr %q, align 8",
    ]
    body = [*_column("%to", "%j", "%first"), *_row("%from", "%j"), *counted("l", "%count", lane)]
    parameters = f"{_COLUMNS}, i64 %k, i64 %first, i64 %count, ptr %s, i64 %row"
    return function("al_scatter", parameters, counted("j", "%k", body))


def _turned(width: int) -> list[str]:
    """Gathers `width` inputs from number %g on as vectors if they lie side by side: %done lanes, %whole or none."""
    v, integers = f"<{width} x double>", f"<{width} x i64>"
    beside = ", ".join(f"i64 {8 * k}" for k in range(width))
    rows = [f"%x{k}" for k in range(width)]
    turning, columns = transposed(rows)
    turn = []
    for k, name in enumerate(rows):
        turn += [f"%l{k} = add i64 %l, {k}", f"%skip{k} = mul i64 %l{k}, %turned.stride"]
        turn += load(name, "%turned", f"%skip{k}", v, unit="i8")
    turn += turning
    for k, column in enumerate(columns):
        turn += [f"%r{k} = mul i64 %row, {k}", at(f"%row{k}", "%rows", f"%r{k}", "i8"), at(f"%y{k}", f"%row{k}", "%l")]
        turn.append(f"store {v} {column}, ptr %y{k}, align 8")
    return [
        *_column("%turned", "%g", "%first"),
        *_row("%rows", "%g"),
        *load("%starts", "%bases", "%g", integers, unit="i64"),
        *load("%apart", "%strides", "%g", integers, unit="i64"),
        *spread(width, "%turned.start", "%start", "i64"),
        *spread(width, "%turned.stride", "%stride", "i64"),
        f"%next = add {integers} %start, <{beside}>",
        f"%near = icmp eq {integers} %starts, %next",
        f"%alike = icmp eq {integers} %apart, %stride",
        f"%both = and <{width} x i1> %near, %alike",
        f"%all = call i1 @llvm.vector.reduce.and.v{width}i1(<{width} x i1> %both)",
        "%done = select i1 %all, i64 %whole, i64 0",
        *counted("l", "%done", turn, step=width),
    ]


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
    one = [
        *_column("%from", "%j", "%first"),
        *_row("%to", "%j"),
        *counted("l", "%count", lane, first="%done"),
        "%last = sub i64 %count, 1",
        *load("%filling", "%to", "%last", "double"),
        *counted("m", "%padded", [at("%r", "%to", "%m"), "store double %filling, ptr %r, align 8"], first="%count"),
    ]
    parameters = f"{_COLUMNS}, i64 %first, i64 %count, ptr %s, i64 %row, i64 %padded"
    numbers = f"{parameters}, i64 %done, i64 %start, i64 %end"
    singly = function("al_singly", numbers, counted("j", "%end", one, first="%start"), internal=True)
    call = f"call void @al_singly({parameters}, i64 "
    groups = [*_turned(width), f"%after = add i64 %g, {width}", f"{call}%done, i64 %g, i64 %after)"]
    lines = [
        f"%whole = and i64 %count, {-width}",
        f"%grouped = and i64 %k, {-width}",
        *counted("g", "%grouped", groups, step=width),
        f"{call}0, i64 %grouped, i64 %k)",
    ]
    return "\n".join([singly, function(f"al_gather_v{width}", f"{parameters}, i64 %k", lines)])


#: A vector of eight doubles stays in one register where there is one for it.
WIDE = '"min-legal-vector-width"="512" "prefer-vector-width"="512"'


@cache
def library() -> Library:
    """Functions for programs of every kind."""
    intrinsic = "declare double @llvm.vector.reduce.fadd.v4f64(double, <4 x double>)"
    return Library(intrinsic, _total(), _fill(), _scatter(), _SCAN)


@cache
def lanes_library(width: int) -> Library:
    """Functions for programs of lanes in vectors of `width`: the gathering of inputs, and the elementary functions."""
    intrinsic = f"declare i1 @llvm.vector.reduce.and.v{width}i1(<{width} x i1>)"
    return Library(intrinsic, _gather(width), vector_math.library(width).text)


_loading = Lock()
_loaded: dict[Library, engine.Module] = {}


def loaded(functions: Library) -> engine.Module:
    """The machine code of a library, whose functions later modules find by their names."""
    with _loading:
        if functions not in _loaded:
            module = _loaded[functions] = engine.Module(f"{functions.text}\nattributes #0 = {{ nounwind {WIDE} }}", 2)
            for name in functions.names:
                engine.publish(name, module.address(name))
    return _loaded[functions]


@cache
def _native_scan() -> Callable[..., int]:
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    kinds = [pointer] * 6 + [integer] * 5 + [pointer, ctypes.c_bool]
    return engine.function(loaded(library()).address("al_scan"), integer, *kinds)


def scan(*arguments: int) -> tuple[int, int]:
    """Run the loop `al_scan`, which a failure stops: the step that it has come to, and the status of that step."""
    *most, swap = arguments
    status, loops = ctypes.c_int64(), engine.running_loops()
    loops.append(status)
    try:
        return _native_scan()(*most, ctypes.addressof(status), swap), status.value
    finally:
        loops.pop()
