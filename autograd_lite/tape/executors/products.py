"""Sums of products found in a straight-line program of lanes: products of a matrix with a vector, and outer products.

Scalar code for a layer, `for w, x in zip(row, inputs): s = s + w * x`, is a chain of additions for each row. Chains over the
same varying numbers, with weights that lie at equal distances, are the rows of one matrix. As a loop they take a hundredth
of the code, and several rows at a time keep the adders busy; each row is still added up from first to last, bit for bit.
Likewise the sums over lanes of products d·x, for all pairs of some d and some x: a gradient by the weights.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from autograd_lite.primitives import add, mul
from autograd_lite.tape.passes import Straight

#: Fewer products than this in a group are left as they are.
WORTH_A_LOOP = 16


@dataclass
class Matrix:
    """Rows `starts[r] + Σ w·vector[i]`, w at slots weights[r] + i·stride, results at slots `rows`; None is no start."""

    rows: list[int]
    starts: list[int | None]
    weights: list[int]
    stride: int
    vector: tuple[int, ...]


@dataclass
class Outer:
    """Sums over lanes of `left[r]·right[c]`, as outputs `results[r][c]`."""

    left: list[int]
    right: tuple[int, ...]
    results: list[list[int]]


@dataclass
class Found:
    """The groups of a program, and the positions of the instructions that they stand for."""

    matrices: list[Matrix]
    outers: list[Outer]
    absorbed: set[int]


def found(tape: Straight, varying: int, *, summed: bool) -> Found:
    """Find groups in a program whose first `varying` inputs differ from lane to lane.

    With none the program is of one lane: weights are inputs, and what they are multiplied by is computed. `summed` asks for
    outer products too.
    """
    found = _Search(tape, varying).groups(summed=summed)
    tested = {side - tape.first_instruction for guard in tape.guards for side in (guard.left, guard.right)}
    return Found([], [], set()) if tested & found.absorbed else found


#: Last addition, start, and weights of a row.
Chain = tuple[int, int | None, list[int]]


class _Search:
    def __init__(self, tape: Straight, varying: int) -> None:
        self.tape, self.varying, self.first = tape, varying, tape.first_instruction
        self.uses = [0] * tape.slots
        for _, arguments in tape.code:
            for a in arguments:
                self.uses[a] += 1
        for slot in (*tape.outputs, *tape.doubtful, *(s for g in tape.guards for s in (g.left, g.right))):
            self.uses[slot] += 1

    def groups(self, *, summed: bool) -> Found:
        """Everything that is worth a loop."""
        found = Found([], [], set())
        steps = {slot: step for slot in range(self.first, self.tape.slots) if (step := self._step(slot)) is not None}
        followed = {before for before, *_ in steps.values() if before in steps and self.uses[before] == 1}
        by_vector: dict[tuple[int, ...], list[Chain]] = defaultdict(list)
        for slot in steps:
            if slot not in followed:
                start, terms = self._chain(slot, steps)
                if terms is not None:
                    by_vector[tuple(x for _, x in terms)].append((slot, start, [w for w, _ in terms]))
        for vector, chains in by_vector.items():
            for matrix in self._matrices(vector, chains):
                found.matrices.append(matrix)
                for row in matrix.rows:
                    self._absorb(row, steps, found.absorbed)
        if summed:
            found.outers = self._outers(found.absorbed)
        return found

    def _product(self, slot: int) -> tuple[int, int] | None:
        """Weight and varying number of a product that is used once."""
        if slot < self.first or self.uses[slot] != 1:
            return None
        primitive, arguments = self.tape.code[slot - self.first]
        if primitive is not mul:
            return None
        for weight, x in (arguments, arguments[::-1]):
            if self.varying <= weight < self.tape.first_constant and (x < self.varying or x >= self.first):
                return weight, x
        return None

    def _step(self, slot: int) -> tuple[int, int, int, int] | None:
        primitive, arguments = self.tape.code[slot - self.first]
        if primitive is not add or arguments[0] == arguments[1]:
            return None
        for before, product in (arguments, arguments[::-1]):
            term = self._product(product)
            if term is not None:
                return before, product, *term
        return None

    def _chain(
        self, slot: int, steps: dict[int, tuple[int, int, int, int]]
    ) -> tuple[int | None, list[tuple[int, int]] | None]:
        """Start and terms of the chain that ends with an addition; no terms if it cannot be a row."""
        terms = []
        while True:
            before, _, weight, x = steps[slot]
            terms.append((weight, x))
            if before in steps and self.uses[before] == 1:
                slot = before
                continue
            break
        first = self._product(before)
        if first is not None:
            return None, [first, *terms[::-1]]
        if self.varying <= before < self.tape.first_constant:
            return before, terms[::-1]
        return None, None

    def _matrices(self, vector: tuple[int, ...], chains: list[Chain]) -> list[Matrix]:
        by_stride: dict[tuple[int, bool], list[Chain]] = defaultdict(list)
        for chain in chains:
            weights = chain[2]
            stride = weights[1] - weights[0] if len(weights) > 1 else 1
            if weights == [weights[0] + k * stride for k in range(len(weights))]:
                by_stride[stride, chain[1] is None].append(chain)
        return [
            Matrix([c[0] for c in rows], [c[1] for c in rows], [c[2][0] for c in rows], stride, vector)
            for (stride, _), rows in by_stride.items()
            if len(rows) > 1 and len(rows) * len(vector) >= WORTH_A_LOOP
        ]

    def _absorb(self, slot: int, steps: dict[int, tuple[int, int, int, int]], absorbed: set[int]) -> None:
        while True:
            absorbed.add(slot - self.first)
            before, product, _, _ = steps[slot]
            absorbed.add(product - self.first)
            if not (before in steps and self.uses[before] == 1):
                if self._product(before) is not None:
                    absorbed.add(before - self.first)
                return
            slot = before

    def _outers(self, absorbed: set[int]) -> list[Outer]:
        """Outputs that are products of two varying numbers and nothing else, as full grids."""
        partners: dict[int, dict[int, int]] = defaultdict(dict)
        for k, slot in enumerate(self.tape.outputs):
            if slot >= self.first and self.uses[slot] == 1 and slot - self.first not in absorbed:
                primitive, (x, d) = self.tape.code[slot - self.first][0], (*self.tape.code[slot - self.first][1], 0)[:2]
                if primitive is mul and self._varies(x) and self._varies(d):
                    partners[d][x] = k
        by_partners: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for d, xs in partners.items():
            by_partners[tuple(sorted(xs))].append(d)
        outers = []
        for xs_of, ds in by_partners.items():
            results = [[partners[d][x] for x in xs_of] for d in ds]
            neighbours = all(row == list(range(row[0], row[0] + len(row))) for row in results)
            if len(ds) * len(xs_of) >= WORTH_A_LOOP and (self.varying or neighbours):
                outers.append(Outer(ds, xs_of, results))
                absorbed.update(self.tape.outputs[partners[d][x]] - self.first for d in ds for x in xs_of)
        return outers

    def _varies(self, slot: int) -> bool:
        return slot < self.varying or slot >= self.first


# ------------------------------------------------------------------------------------------------------------------- IR


#: Rows at a time: as many sums as hide the latency of an addition; what is left over goes by two and by one.
ROW_COUNTS = (8, 2, 1)
TILE = 4  # factors on each side of an outer product at a time

LANES = 8  # of the vectors that run along rows where the program has one lane

LOOPS = {
    "al_matrix": "declare void @al_matrix(ptr, ptr, ptr, ptr, ptr, ptr, i64, i64, i64)",
    "al_outer": "declare void @al_outer(ptr, ptr, i64, ptr, i64, ptr, ptr, i64)",
}
SINGLE_LOOPS = {
    "al_matrix1": "declare void @al_matrix1(ptr, ptr, ptr, ptr, ptr, ptr, i64, i64, i64)",
    "al_columns": "declare void @al_columns(ptr, ptr, ptr, ptr, ptr, ptr, i64, i64, i64)",
    "al_products": "declare void @al_products(ptr, ptr, i64, ptr, i64, ptr, ptr)",
}


def loops(width: int, tree: str) -> str:
    """IR of `al_matrix` and `al_outer`, which `call_matrix` and `call_outer` call."""
    rows = [_rows(width, count) for count in ROW_COUNTS]
    tiles = [_tile(width, count, tree) for count in (TILE, 1)]
    return "\n".join([*rows, _over_rows("al_matrix", ROW_COUNTS), *tiles, _over_tiles()])


def single_loops() -> str:
    """IR of the loops for one lane: rows side by side, in scalars or, where their weights are neighbours, in a vector."""
    rows = [_rows(1, count) for count in ROW_COUNTS]
    columns = [_columns(vectors) for vectors in (2, 1)]
    over = _over_rows("al_columns", (2 * LANES, LANES, *ROW_COUNTS[1:]))
    return "\n".join([*rows, _over_rows("al_matrix1", ROW_COUNTS), *columns, over, _all_products()])


def call_matrix(
    number: int, matrix: Matrix, shared: int, place: Sequence[int], vector: Sequence[int], *, single: bool
) -> tuple[str, str]:
    """Tables and call of a matrix: weights from input `shared` on, byte offsets of its results and of its vector."""
    weights = [8 * (w - shared) for w in matrix.weights]
    starts = [-1 if b is None else 8 * (b - shared) for b in matrix.starts]
    names = [f"m{number}{kind}" for kind in "wbyx"]
    tables = zip(names, (weights, starts, place, vector), strict=True)
    pointers = ", ".join(f"ptr @{name}" for name in names)
    function, scratch = "al_matrix", "%sv"
    if single:
        neighbours = matrix.weights == list(range(matrix.weights[0], matrix.weights[0] + len(place)))
        function, scratch = "al_columns" if neighbours else "al_matrix1", "%s"
    sizes = f"i64 {8 * matrix.stride}, i64 {len(vector)}, i64 {len(place)}"
    call = f"call void @{function}(ptr %in, ptr {scratch}, {pointers}, {sizes})"
    return "\n".join(_table(name, numbers) for name, numbers in tables), call


def call_outer(
    number: int, outer: Outer, left: Sequence[int], right: Sequence[int], *, single: bool
) -> tuple[str, str]:
    """Tables and call of an outer product: byte offsets of its factors."""
    results = [8 * row[0] for row in outer.results] if single else [8 * k for row in outer.results for k in row]
    names = [f"o{number}{kind}" for kind in "dxy"]
    tables = "\n".join(_table(name, numbers) for name, numbers in zip(names, (left, right, results), strict=True))
    d, x, y = (f"ptr @{name}" for name in names)
    if single:
        return tables, f"call void @al_products(ptr %s, {d}, i64 {len(left)}, {x}, i64 {len(right)}, {y}, ptr %out)"
    return (
        tables,
        f"call void @al_outer(ptr %s, {d}, i64 {len(left)}, {x}, i64 {len(right)}, {y}, ptr %redb, i64 %count)",
    )


def _table(name: str, numbers: Sequence[int]) -> str:
    return f"@{name} = internal constant [{len(numbers)} x i64] [{', '.join(f'i64 {n}' for n in numbers)}]"


def _over_rows(name: str, counts: tuple[int, ...]) -> str:
    """Rows in groups of the counts there are functions for, largest first."""
    lines = [
        f"define void @{name}(ptr %in, ptr %s, ptr %w, ptr %b, ptr %y, ptr %x, i64 %stride, i64 %n, i64 %rows) {{",
        "start:",
        f"  br label %loop{counts[0]}",
    ]
    before = "%start"
    for count, following in zip(counts, (*counts[1:], None), strict=True):
        first = "0" if before == "%start" else before.replace("%loop", "%r")
        kind = "wide" if name == "al_columns" and count >= LANES else "rows"
        given = f"ptr %in, ptr %s, ptr %w{count}, ptr %b{count}, ptr %y{count}, ptr %x"
        lines += [
            f"loop{count}:",
            f"  %r{count} = phi i64 [ {first}, {before} ], [ %end{count}, %step{count} ]",
            f"  %end{count} = add i64 %r{count}, {count}",
            f"  %fits{count} = icmp sle i64 %end{count}, %rows",
            f"  br i1 %fits{count}, label %step{count}, label %{f'loop{following}' if following else 'done'}",
            f"step{count}:",
            *(f"  %{k}{count} = getelementptr i64, ptr %{k}, i64 %r{count}" for k in "wby"),
            f"  call void @al_{kind}{count}({given}, i64 %stride, i64 %n)",
            f"  br label %loop{count}",
        ]
        before = f"%loop{count}"
    return "\n".join([*lines, "done:", "  ret void", "}"])


def _rows(width: int, rows: int) -> str:
    v = f"<{width} x double>"
    lines = [
        f"define void @al_rows{rows}(ptr %in, ptr %s, ptr %w, ptr %b, ptr %y, ptr %x, i64 %stride, i64 %n) #0 {{",
        "start:",
    ]
    for r in range(rows):
        lines += [
            f"  %wq{r} = getelementptr i64, ptr %w, i64 {r}",
            f"  %wo{r} = load i64, ptr %wq{r}, align 8",
            f"  %wp{r} = getelementptr i8, ptr %in, i64 %wo{r}",
            *_start(f"%b{r}", r),
            *_spread(width, f"%b{r}", f"%a{r}"),
        ]
    lines += ["  br label %loop", "loop:"]
    lines += [f"  %t{r} = phi {v} [ %a{r}, %start ], [ %n{r}, %step ]" for r in range(rows)]
    lines += [
        "  %i = phi i64 [ 0, %start ], [ %i1, %step ]",
        "  %o = phi i64 [ 0, %start ], [ %o1, %step ]",
        "  %going = icmp slt i64 %i, %n",
        "  br i1 %going, label %step, label %done",
        "step:",
        *_load(v, "%xv", "%s", "%x", "%i"),
    ]
    for r in range(rows):
        lines += [
            f"  %p{r} = getelementptr i8, ptr %wp{r}, i64 %o",
            f"  %l{r} = load double, ptr %p{r}, align 8",
            *_spread(width, f"%l{r}", f"%s{r}"),
            f"  %m{r} = fmul {v} %s{r}, %xv",
            f"  %n{r} = fadd {v} %t{r}, %m{r}",
        ]
    lines += ["  %i1 = add i64 %i, 1", "  %o1 = add i64 %o, %stride", "  br label %loop", "done:"]
    for r in range(rows):
        lines += [*_place(f"%y{r}", "%s", "%y", str(r)), f"  store {v} %t{r}, ptr %y{r}, align 8"]
    return "\n".join([*lines, "  ret void", "}"])


def _start(name: str, row: int) -> list[str]:
    """What a row begins with; -0.0 where there is nothing, since -0.0 + x is x."""
    return [
        f"  {name}q = getelementptr i64, ptr %b, i64 {row}",
        f"  {name}o = load i64, ptr {name}q, align 8",
        f"  {name}none = icmp slt i64 {name}o, 0",
        f"  {name}safe = select i1 {name}none, i64 0, i64 {name}o",
        f"  {name}p = getelementptr i8, ptr %in, i64 {name}safe",
        f"  {name}v = load double, ptr {name}p, align 8",
        f"  {name} = select i1 {name}none, double -0.0, double {name}v",
    ]


def _columns(vectors: int) -> str:
    """Rows whose weights are neighbours, in `vectors` vectors."""
    v, rows = f"<{LANES} x double>", LANES * vectors
    parameters = "ptr %in, ptr %s, ptr %w, ptr %b, ptr %y, ptr %x, i64 %stride, i64 %n"
    lines = [f"define void @al_wide{rows}({parameters}) #0 {{", "start:", *_place("%w0", "%in", "%w", "0")]
    for r in range(rows):
        before = "poison" if r % LANES == 0 else f"%a{r - 1}"
        lines += [*_start(f"%c{r}", r), f"  %a{r} = insertelement {v} {before}, double %c{r}, i32 {r % LANES}"]
    lines += ["  br label %loop", "loop:"]
    lines += [f"  %t{k} = phi {v} [ %a{LANES * (k + 1) - 1}, %start ], [ %n{k}, %step ]" for k in range(vectors)]
    lines += [
        "  %i = phi i64 [ 0, %start ], [ %i1, %step ]",
        "  %o = phi i64 [ 0, %start ], [ %o1, %step ]",
        "  %going = icmp slt i64 %i, %n",
        "  br i1 %going, label %step, label %done",
        "step:",
        *_load("double", "%xs", "%s", "%x", "%i"),
        *_spread(LANES, "%xs", "%xv"),
    ]
    for k in range(vectors):
        lines += [
            f"  %o{k}k = add i64 %o, {8 * LANES * k}",
            f"  %p{k} = getelementptr i8, ptr %w0, i64 %o{k}k",
            f"  %l{k} = load {v}, ptr %p{k}, align 8",
            f"  %m{k} = fmul {v} %l{k}, %xv",
            f"  %n{k} = fadd {v} %t{k}, %m{k}",
        ]
    lines += ["  %i1 = add i64 %i, 1", "  %o1 = add i64 %o, %stride", "  br label %loop", "done:"]
    for r in range(rows):
        lines += [
            f"  %e{r} = extractelement {v} %t{r // LANES}, i32 {r % LANES}",
            *_place(f"%y{r}", "%s", "%y", str(r)),
            f"  store double %e{r}, ptr %y{r}, align 8",
        ]
    return "\n".join([*lines, "  ret void", "}"])


def _all_products() -> str:
    """Products of each left factor with all right ones, which are neighbours in the results."""
    v = f"<{LANES} x double>"
    gather = []
    for k in range(LANES):
        gather += [
            f"  %c{k} = add i64 %c, {k}",
            *_load("double", f"%x{k}", "%s", "%x", f"%c{k}"),
            f"  %v{k} = insertelement {v} {f'%v{k - 1}' if k else 'poison'}, double %x{k}, i32 {k}",
        ]

    def rows(label: str, kind: str, factor: str, following: str) -> list[str]:
        spread = _spread(LANES, f"%f{label}", f"%fv{label}") if kind == v else []
        return [
            f"  br label %{label}",
            f"{label}:",
            f"  %r{label} = phi i64 [ 0, %{label}s ], [ %n{label}, %do{label} ]",
            f"  %go{label} = icmp slt i64 %r{label}, %rows",
            f"  br i1 %go{label}, label %do{label}, label %{following}",
            f"do{label}:",
            *_load("double", f"%f{label}", "%s", "%d", f"%r{label}"),
            *spread,
            f"  %m{label} = fmul {kind} {f'%fv{label}' if spread else f'%f{label}'}, {factor}",
            *_place(f"%y{label}", "%out", "%y", f"%r{label}"),
            f"  %q{label} = getelementptr double, ptr %y{label}, i64 %{'c' if spread else 'e'}",
            f"  store {kind} %m{label}, ptr %q{label}, align 8",
            f"  %n{label} = add i64 %r{label}, 1",
            f"  br label %{label}",
        ]

    lines = [
        "define void @al_products(ptr %s, ptr %d, i64 %rows, ptr %x, i64 %columns, ptr %y, ptr %out) #0 {",
        "start:",
        f"  %whole = and i64 %columns, {-LANES}",
        "  br label %across",
        "across:",
        "  %c = phi i64 [ 0, %start ], [ %next, %wided ]",
        "  %more = icmp slt i64 %c, %whole",
        "  br i1 %more, label %wides, label %rest",
        "wides:",
        *gather,
        *rows("wide", v, f"%v{LANES - 1}", "wided"),
        "wided:",
        f"  %next = add i64 %c, {LANES}",
        "  br label %across",
        "rest:",
        "  %e = phi i64 [ %whole, %across ], [ %e1, %oned ]",
        "  %left = icmp slt i64 %e, %columns",
        "  br i1 %left, label %ones, label %done",
        "ones:",
        *_load("double", "%xe", "%s", "%x", "%e"),
        *rows("one", "double", "%xe", "oned"),
        "oned:",
        "  %e1 = add i64 %e, 1",
        "  br label %rest",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def _spread(width: int, number: str, name: str) -> list[str]:
    v = f"<{width} x double>"
    return [
        f"  {name}i = insertelement {v} poison, double {number}, i32 0",
        f"  {name} = shufflevector {v} {name}i, {v} poison, <{width} x i32> zeroinitializer",
    ]


def _place(name: str, base: str, table: str, index: str) -> list[str]:
    """The address that entry `index` of a table of byte offsets stands for."""
    return [
        f"  {name}q = getelementptr i64, ptr {table}, i64 {index}",
        f"  {name}o = load i64, ptr {name}q, align 8",
        f"  {name} = getelementptr i8, ptr {base}, i64 {name}o",
    ]


def _load(kind: str, name: str, base: str, table: str, index: str) -> list[str]:
    return [*_place(f"{name}p", base, table, index), f"  {name} = load {kind}, ptr {name}p, align 8"]


def _tile(width: int, size: int, tree: str) -> str:
    """Sums over `count` lanes of size × size products; the last, broken vector goes through a mask."""
    v, integers = f"<{width} x double>", f"<{width} x i64>"
    pairs = [(r, c) for r in range(size) for c in range(size)]
    mask = ", ".join([*["i64 -1"] * width, *["i64 0"] * width])
    lines = [
        f"@al_mask{size} = internal constant [{2 * width} x i64] [{mask}]",
        f"define void @al_tile{size}(ptr %s, ptr %d, ptr %x, ptr %y, i64 %row, ptr %red, i64 %count) #0 {{",
        "start:",
    ]
    for k in range(size):
        lines += [*_place(f"%dp{k}", "%s", "%d", str(k)), *_place(f"%xp{k}", "%s", "%x", str(k))]
    lines += [f"  %whole = and i64 %count, {-width}", "  br label %loop", "loop:"]
    lines += [f"  %t{r}_{c} = phi {v} [ zeroinitializer, %start ], [ %n{r}_{c}, %step ]" for r, c in pairs]
    lines += [
        "  %i = phi i64 [ 0, %start ], [ %i1, %step ]",
        "  %going = icmp slt i64 %i, %whole",
        "  br i1 %going, label %step, label %rest",
        "step:",
        *_products(v, size, ""),
        *(f"  %n{r}_{c} = fadd {v} %t{r}_{c}, %m{r}_{c}" for r, c in pairs),
        f"  %i1 = add i64 %i, {width}",
        "  br label %loop",
        "rest:",
        "  %left = sub i64 %count, %whole",
        "  %broken = icmp sgt i64 %left, 0",
        "  br i1 %broken, label %last, label %done",
        "last:",
        f"  %skip = sub i64 {width}, %left",
        f"  %mq = getelementptr i64, ptr @al_mask{size}, i64 %skip",
        f"  %mask = load {integers}, ptr %mq, align 8",
        *_products(v, size, "e"),
    ]
    for r, c in pairs:
        lines += [
            f"  %b{r}_{c} = bitcast {v} %em{r}_{c} to {integers}",
            f"  %k{r}_{c} = and {integers} %b{r}_{c}, %mask",
            f"  %f{r}_{c} = bitcast {integers} %k{r}_{c} to {v}",
            f"  %l{r}_{c} = fadd {v} %t{r}_{c}, %f{r}_{c}",
        ]
    lines += ["  br label %done", "done:"]
    lines += [f"  %a{r}_{c} = phi {v} [ %t{r}_{c}, %rest ], [ %l{r}_{c}, %last ]" for r, c in pairs]
    names = [f"%a{r}_{c}" for r, c in pairs]
    texts, sums = _added_up(width, names) if size > 1 else ([tree.replace("%va", names[0])], ["%sum"])
    lines += texts
    for (r, c), total in zip(pairs, sums, strict=True):
        lines += [
            f"  %yr{r}_{c} = mul i64 %row, {r}",
            f"  %yi{r}_{c} = add i64 %yr{r}_{c}, {c}",
            *_place(f"%y{r}_{c}", "%red", "%y", f"%yi{r}_{c}"),
            f"  store double {total}, ptr %y{r}_{c}, align 8",
        ]
    return "\n".join([*lines, "  ret void", "}"])


def _added_up(width: int, vectors: list[str]) -> tuple[list[str], list[str]]:
    """The lanes of each vector added up by halves, as the tree does, two vectors at a time in one addition."""
    v, lines, length = f"<{width} x double>", [], width
    while length > 1:
        starts = range(0, 2 * width, length)
        halves = [[start + k for start in starts for k in range(length // 2)]]
        halves.append([k + length // 2 for k in halves[0]])
        low, high = (", ".join(f"i32 {k}" for k in half) for half in halves)
        added: list[str] = []
        for a, b in zip(vectors[::2], vectors[1::2], strict=True):
            name = f"%u{length}_{len(added)}"
            lines += [
                f"  {name}l = shufflevector {v} {a}, {v} {b}, <{width} x i32> <{low}>",
                f"  {name}h = shufflevector {v} {a}, {v} {b}, <{width} x i32> <{high}>",
                f"  {name} = fadd {v} {name}l, {name}h",
            ]
            added.append(name)
        vectors, length = added, length // 2
    sums = [f"%w{k}" for k in range(width * len(vectors))]
    lines += [f"  {s} = extractelement {v} {vectors[k // width]}, i32 {k % width}" for k, s in enumerate(sums)]
    return lines, sums


def _products(v: str, size: int, prefix: str) -> list[str]:
    lines = []
    for kind in "dx":
        for k in range(size):
            lines += [
                f"  %{prefix}{kind}r{k} = getelementptr double, ptr %{kind}p{k}, i64 %i",
                f"  %{prefix}{kind}v{k} = load {v}, ptr %{prefix}{kind}r{k}, align 8",
            ]
    return lines + [
        f"  %{prefix}m{r}_{c} = fmul {v} %{prefix}dv{r}, %{prefix}xv{c}" for r in range(size) for c in range(size)
    ]


def _over_tiles() -> str:
    """Whole tiles, and single products at the edges."""
    return f"""
define void @al_outer(ptr %s, ptr %d, i64 %rows, ptr %x, i64 %columns, ptr %y, ptr %red, i64 %count) {{
start:
  br label %down
down:
  %r = phi i64 [ 0, %start ], [ %r1, %across ]
  %below = icmp slt i64 %r, %rows
  br i1 %below, label %begin, label %done
begin:
  %rest = sub i64 %rows, %r
  %tall = icmp sge i64 %rest, {TILE}
  %high = select i1 %tall, i64 {TILE}, i64 1
  %r1 = add i64 %r, %high
  %dr = getelementptr i64, ptr %d, i64 %r
  br label %across
across:
  %c = phi i64 [ 0, %begin ], [ %c4, %tile ], [ %c1, %singles ]
  %more = icmp slt i64 %c, %columns
  br i1 %more, label %choose, label %down
choose:
  %c4 = add i64 %c, {TILE}
  %wide = icmp sle i64 %c4, %columns
  %whole = and i1 %tall, %wide
  %xc = getelementptr i64, ptr %x, i64 %c
  %row = mul i64 %r, %columns
  %at = add i64 %row, %c
  %yc = getelementptr i64, ptr %y, i64 %at
  br i1 %whole, label %tile, label %edge
tile:
  call void @al_tile{TILE}(ptr %s, ptr %dr, ptr %xc, ptr %yc, i64 %columns, ptr %red, i64 %count)
  br label %across
edge:
  %c1 = add i64 %c, 1
  br label %singles
singles:
  %k = phi i64 [ 0, %edge ], [ %k1, %one ]
  %again = icmp slt i64 %k, %high
  br i1 %again, label %one, label %across
one:
  %dk = getelementptr i64, ptr %dr, i64 %k
  %skip = mul i64 %k, %columns
  %yk = getelementptr i64, ptr %yc, i64 %skip
  call void @al_tile1(ptr %s, ptr %dk, ptr %xc, ptr %yk, i64 %columns, ptr %red, i64 %count)
  %k1 = add i64 %k, 1
  br label %singles
done:
  ret void
}}"""
