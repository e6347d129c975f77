"""Loops that every compiled program calls: compiled once, with all optimisations."""

from collections.abc import Sequence
from functools import cache

from autograd_lite.tape.executors import machine, products, vector_math
from autograd_lite.tape.executors.ir import literal

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
; status is not 0, which goes to *status; returns the step.
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
  %fine = icmp eq i64 %st, 0
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
  store i64 %st, ptr %status, align 8
  br label %done
done:
  ret i64 %t
}
"""


_TEXT = """
declare double @llvm.vector.reduce.fadd.v4f64(double, <4 x double>)

; The sum of n doubles, in four chains of four lanes.
define double @al_total(ptr %p, i64 %n) {
start:
  %whole = and i64 %n, -16
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %next, %step ]
  %a = phi <4 x double> [ zeroinitializer, %start ], [ %a1, %step ]
  %b = phi <4 x double> [ zeroinitializer, %start ], [ %b1, %step ]
  %c = phi <4 x double> [ zeroinitializer, %start ], [ %c1, %step ]
  %d = phi <4 x double> [ zeroinitializer, %start ], [ %d1, %step ]
  %going = icmp slt i64 %i, %whole
  br i1 %going, label %step, label %rest
step:
  %pa = getelementptr double, ptr %p, i64 %i
  %pb = getelementptr i8, ptr %pa, i64 32
  %pc = getelementptr i8, ptr %pa, i64 64
  %pd = getelementptr i8, ptr %pa, i64 96
  %va = load <4 x double>, ptr %pa, align 8
  %vb = load <4 x double>, ptr %pb, align 8
  %vc = load <4 x double>, ptr %pc, align 8
  %vd = load <4 x double>, ptr %pd, align 8
  %a1 = fadd <4 x double> %a, %va
  %b1 = fadd <4 x double> %b, %vb
  %c1 = fadd <4 x double> %c, %vc
  %d1 = fadd <4 x double> %d, %vd
  %next = add i64 %i, 16
  br label %loop
rest:
  %ab = fadd <4 x double> %a, %b
  %cd = fadd <4 x double> %c, %d
  %abcd = fadd <4 x double> %ab, %cd
  %total = call double @llvm.vector.reduce.fadd.v4f64(double 0.0, <4 x double> %abcd)
  br label %single
single:
  %j = phi i64 [ %whole, %rest ], [ %j1, %one ]
  %s = phi double [ %total, %rest ], [ %s1, %one ]
  %left = icmp slt i64 %j, %n
  br i1 %left, label %one, label %done
one:
  %pj = getelementptr double, ptr %p, i64 %j
  %vj = load double, ptr %pj, align 8
  %s1 = fadd double %s, %vj
  %j1 = add i64 %j, 1
  br label %single
done:
  ret double %s
}
"""


_TEXT += """
; Lanes first … first + count - 1 of k inputs, each with its base and stride, into rows of the scratch array; the rest of the
; last vector is filled with the last lane.
define void @al_gather(ptr %bases, ptr %strides, i64 %k, i64 %first, i64 %count, ptr %s, i64 %row, i64 %padded) {
start:
  br label %inputs
inputs:
  %j = phi i64 [ 0, %start ], [ %j1, %filled ]
  %more = icmp slt i64 %j, %k
  br i1 %more, label %input, label %done
input:
  %pb = getelementptr ptr, ptr %bases, i64 %j
  %base = load ptr, ptr %pb, align 8
  %ps = getelementptr i64, ptr %strides, i64 %j
  %stride = load i64, ptr %ps, align 8
  %skip = mul i64 %first, %stride
  %from = getelementptr i8, ptr %base, i64 %skip
  %place = mul i64 %j, %row
  %to = getelementptr i8, ptr %s, i64 %place
  br label %lanes
lanes:
  %l = phi i64 [ 0, %input ], [ %l1, %lane ]
  %going = icmp slt i64 %l, %count
  br i1 %going, label %lane, label %fill
lane:
  %offset = mul i64 %l, %stride
  %p = getelementptr i8, ptr %from, i64 %offset
  %v = load double, ptr %p, align 8
  %q = getelementptr double, ptr %to, i64 %l
  store double %v, ptr %q, align 8
  %l1 = add i64 %l, 1
  br label %lanes
fill:
  %m = phi i64 [ %count, %lanes ], [ %m1, %fill1 ]
  %short = icmp slt i64 %m, %padded
  br i1 %short, label %fill1, label %filled
fill1:
  %before = sub i64 %m, 1
  %pl = getelementptr double, ptr %to, i64 %before
  %vl = load double, ptr %pl, align 8
  %ql = getelementptr double, ptr %to, i64 %m
  store double %vl, ptr %ql, align 8
  %m1 = add i64 %m, 1
  br label %fill
filled:
  %j1 = add i64 %j, 1
  br label %inputs
done:
  ret void
}

; Rows of the scratch array to lanes first … first + count - 1 of k outputs.
define void @al_scatter(ptr %bases, ptr %strides, i64 %k, i64 %first, i64 %count, ptr %s, i64 %row) {
start:
  br label %outputs
outputs:
  %j = phi i64 [ 0, %start ], [ %j1, %written ]
  %more = icmp slt i64 %j, %k
  br i1 %more, label %output, label %done
output:
  %pb = getelementptr ptr, ptr %bases, i64 %j
  %base = load ptr, ptr %pb, align 8
  %ps = getelementptr i64, ptr %strides, i64 %j
  %stride = load i64, ptr %ps, align 8
  %skip = mul i64 %first, %stride
  %to = getelementptr i8, ptr %base, i64 %skip
  %place = mul i64 %j, %row
  %from = getelementptr i8, ptr %s, i64 %place
  br label %lanes
lanes:
  %l = phi i64 [ 0, %output ], [ %l1, %lane ]
  %going = icmp slt i64 %l, %count
  br i1 %going, label %lane, label %written
lane:
  %p = getelementptr double, ptr %from, i64 %l
  %v = load double, ptr %p, align 8
  %offset = mul i64 %l, %stride
  %q = getelementptr i8, ptr %to, i64 %offset
  store double %v, ptr %q, align 8
  %l1 = add i64 %l, 1
  br label %lanes
written:
  %j1 = add i64 %j, 1
  br label %outputs
done:
  ret void
}

define void @al_clear(ptr %p, i64 %n) {
start:
  br label %loop
loop:
  %i = phi i64 [ 0, %start ], [ %next, %step ]
  %going = icmp slt i64 %i, %n
  br i1 %going, label %step, label %done
step:
  %q = getelementptr double, ptr %p, i64 %i
  store double 0.0, ptr %q, align 8
  %next = add i64 %i, 1
  br label %loop
done:
  ret void
}
"""


def lanes_main(
    calls: str,
    block_calls: str,
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
    vector = f"<{width} x double>"
    steps = ", ".join(f"i64 {k}" for k in range(width))
    reset = ""
    if status is not None:  # it lies in the last place of the outputs
        held = ", ".join([f"double {literal(status)}"] * width)
        reset = f"""%st = getelementptr i8, ptr %sv, i64 {(inputs + outputs - 1) * row}
  store {vector} <{held}>, ptr %st, align 8"""
    table = ", ".join(f"i64 {k}" for k in places)
    return f"""
@places = internal constant [{len(places)} x i64] [{table}]
define void @main(
    ptr %in, ptr %vb, ptr %vs, ptr %ob, ptr %os, ptr %red, ptr %s, ptr %acc, i64 %n, i64 %size, i64 %from, i64 %to
) #0 {{
start:
  %outs = getelementptr i8, ptr %s, i64 {inputs * row}
  %sums = getelementptr i8, ptr %acc, i64 {8 * width}
  br label %blocks
blocks:
  %b = phi i64 [ %from, %start ], [ %b1, %reduced ]
  %more = icmp slt i64 %b, %to
  br i1 %more, label %block, label %done
block:
  %first = mul i64 %b, %size
  %left = sub i64 %n, %first
  %full = icmp sge i64 %left, %size
  %count = select i1 %full, i64 %size, i64 %left
  %up = add i64 %count, {width - 1}
  %padded = and i64 %up, {-width}
  call void @al_gather(ptr %vb, ptr %vs, i64 {inputs}, i64 %first, i64 %count, ptr %s, i64 {row}, i64 %padded)
  call void @al_clear(ptr %sums, i64 {len(places) * width})
  br label %vectors
vectors:
  %v = phi i64 [ 0, %block ], [ %v1, %vec ]
  %going = icmp slt i64 %v, %count
  br i1 %going, label %vec, label %end
vec:
  %rest = sub i64 %count, %v
  %r1 = insertelement <{width} x i64> poison, i64 %rest, i32 0
  %r = shufflevector <{width} x i64> %r1, <{width} x i64> poison, <{width} x i32> zeroinitializer
  %live = icmp sgt <{width} x i64> %r, <{steps}>
  %mask = sext <{width} x i1> %live to <{width} x i64>
  store <{width} x i64> %mask, ptr %acc, align 64
  %sv = getelementptr double, ptr %s, i64 %v
  {reset}
{calls}
  %v1 = add i64 %v, {width}
  br label %vectors
end:
  call void @al_scatter(ptr %ob, ptr %os, i64 {outputs}, i64 %first, i64 %count, ptr %outs, i64 {row})
  %rowbytes = mul i64 %b, {8 * sums}
  %redb = getelementptr i8, ptr %red, i64 %rowbytes
  br label %reduce
reduce:
  %i = phi i64 [ 0, %end ], [ %i1, %one ]
  %again = icmp slt i64 %i, {len(places)}
  br i1 %again, label %one, label %reduced
one:
  %pa = getelementptr {vector}, ptr %sums, i64 %i
  %va = load {vector}, ptr %pa, align 64
{_tree(width)}
  %ppl = getelementptr i64, ptr @places, i64 %i
  %pl = load i64, ptr %ppl, align 8
  %pr = getelementptr double, ptr %redb, i64 %pl
  store double %sum, ptr %pr, align 8
  %i1 = add i64 %i, 1
  br label %reduce
reduced:
{block_calls}
  %b1 = add i64 %b, 1
  br label %blocks
done:
  ret void
}}"""


def _tree(width: int) -> str:
    """The lanes of `%va` added up, halves onto halves, as `%sum`."""
    lines, name, size = [], "%va", width
    while size > 1:
        half = size // 2
        low, high = (", ".join(f"i32 {k}" for k in r) for r in (range(half), range(half, size)))
        kind, short = f"<{size} x double>", f"<{half} x double>"
        lines += [
            f"  %lo{half} = shufflevector {kind} {name}, {kind} poison, <{half} x i32> <{low}>",
            f"  %hi{half} = shufflevector {kind} {name}, {kind} poison, <{half} x i32> <{high}>",
            f"  %h{half} = fadd {short} %lo{half}, %hi{half}",
        ]
        name, size = f"%h{half}", half
    return "\n".join([*lines, f"  %sum = extractelement <1 x double> {name}, i32 0"])


@cache
def load() -> machine.Module:
    """Compile the loops and make their names known to later modules."""
    module = machine.Module(_TEXT + _SCAN, 2)
    for declaration in DECLARATIONS:
        name = declaration.partition("@")[2].partition("(")[0]
        machine.publish(name, module.address(name))
    return module


@cache
def load_products(width: int) -> machine.Module:
    """Compile the loops of `products` and make their names known."""
    attributes = 'attributes #0 = { nounwind "min-legal-vector-width"="512" "prefer-vector-width"="512" }'
    text = products.loops(width, _tree(width)) if width > 1 else products.single_loops()
    module = machine.Module(f"{text}\n{attributes}", 2)
    for name in products.LOOPS if width > 1 else products.SINGLE_LOOPS:
        machine.publish(name, module.address(name))
    return module


@cache
def load_vector_functions(width: int) -> dict[str, machine.Module]:
    """Compile the vector functions and make their names known; returns which there are."""
    module = machine.Module(vector_math.module(width), 2)
    for name in vector_math.FUNCTIONS:
        machine.publish(f"{name}_v{width}", module.address(f"{name}_v{width}"))
    return dict.fromkeys(vector_math.FUNCTIONS, module)
