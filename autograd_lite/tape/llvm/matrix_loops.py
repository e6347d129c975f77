"""IR of the loops over matrices, compiled once for all programs.

One kernel does all of them: rows `Σᵢ a[r][i]·v[i]`, each added up from first to last, several rows at a time. For a layer,
a is a weight and v a number in each lane; for a gradient by weights, summed over lanes, a is a lane's derivative by an
output and v eight neighbouring inputs in that lane.
"""

from collections.abc import Iterable, Sequence
from functools import cache

from autograd_lite.tape.llvm.ir import Library, at, counted, function, load, spread, transposed
from autograd_lite.tape.llvm.matrices import Matrix, Outer

#: Rows at a time: as many sums as hide the latency of an addition; what is left over goes by two and by one.
ROW_COUNTS = (8, 2, 1)

LANES = 8  # of the vectors that run along rows where the program has one lane
MOST_LANES = 256  # of a block

_ROWS = "ptr %in, ptr %from, ptr %out, ptr %w, ptr %b, ptr %y, ptr %x, i64 %stride, i64 %n"


@cache
def library(width: int | None) -> Library:
    """The loops for vectors of `width` lanes, or for one lane if None.

    With one lane rows run side by side, in scalars or, where their weights are neighbours, in a vector.
    """
    singles = [*(_rows("one", 1, count) for count in ROW_COUNTS), _over_rows("al_matrix1", "one", ROW_COUNTS)]
    if width is not None:
        lanes = [_rows("lanes", width, count) for count in ROW_COUNTS]
        return Library(*singles, *lanes, _over_rows(f"al_matrix_v{width}", "lanes", ROW_COUNTS), _outer(width))
    over_columns = _over_rows("al_columns", "one", (2 * LANES, LANES, *ROW_COUNTS[1:]))
    return Library(*singles, _columns(2), _columns(1), over_columns, _product(LANES), _product(1), _products())


def call_matrix(
    number: int, matrix: Matrix, shared: int, places: Sequence[int], vector: Sequence[int], *, width: int | None
) -> tuple[str, str]:
    """Tables and call of a matrix: weights from input `shared` on, byte offsets of its results and of its vector."""
    weights = [8 * (w - shared) for w in matrix.weights]
    starts = [-1 if b is None else 8 * (b - shared) for b in matrix.starts]
    tables, pointers = _tables(f"m{number}", w=weights, b=starts, y=places, x=vector)
    name = f"al_matrix_v{width}"
    if width is None:
        neighbours = matrix.weights == list(range(matrix.weights[0], matrix.weights[0] + len(places)))
        name = "al_columns" if neighbours else "al_matrix1"
    sizes = f"i64 {8 * matrix.stride}, i64 {len(vector)}, i64 {len(places)}"
    return tables, f"call void @{name}(ptr %in, ptr %s, ptr %s, {pointers}, {sizes})"


def call_outer(
    number: int, outer: Outer, left: Sequence[int], right: Sequence[int], *, width: int | None
) -> tuple[str, str]:
    """Tables and call of an outer product: byte offsets of its factors."""
    results, sizes = [8 * first for first in outer.results], f"i64 {len(left)}, i64 {len(right)}"
    if width is None:
        tables, pointers = _tables(f"o{number}", d=left, y=results, x=right)
        return tables, f"call void @al_products(ptr %s, ptr %out, {pointers}, {sizes})"
    tables, pointers = _tables(f"o{number}", d=left, b=[-1] * len(left), y=results, x=right)
    return tables, f"call void @al_outer_v{width}(ptr %scratch, ptr %redb, {pointers}, {sizes}, i64 %count)"


def _tables(prefix: str, **tables: Sequence[int]) -> tuple[str, str]:
    lines = [table(f"{prefix}{name}", numbers) for name, numbers in tables.items()]
    return "\n".join(lines), ", ".join(f"ptr @{prefix}{name}" for name in tables)


def table(name: str, numbers: Iterable[int]) -> str:
    entries = [f"i64 {n}" for n in numbers]
    return f"@{name} = internal constant [{len(entries)} x i64] [{', '.join(entries)}]"


def _over_rows(name: str, kind: str, counts: tuple[int, ...]) -> str:
    """Rows in groups of the counts there are kernels for, largest first."""
    lines, first = [], "0"
    for count in counts:
        row, limit = f"r{count}", f"%limit{count}"
        kernel = "columns" if count >= LANES and name == "al_columns" else kind
        tables = ", ".join(f"ptr %{k}{count}" for k in "wby")
        arguments = f"ptr %in, ptr %from, ptr %out, {tables}, ptr %x, i64 %stride, i64 %n"
        group = [at(f"%{k}{count}", f"%{k}", f"%{row}", "i64") for k in "wby"]
        group.append(f"call void @al_{kernel}{count}({arguments})")
        lines += [f"{limit} = sub i64 %rows, {count - 1}", *counted(row, limit, group, first=first, step=count)]
        first = f"%{row}"
    return function(name, f"{_ROWS}, i64 %rows", lines)


def _rows(kind: str, width: int, rows: int) -> str:
    """`rows` rows, vectors of `width` lanes from `%from + x[i]`, weights from `%in + w[r] + i·stride`."""
    v = f"<{width} x double>"
    lines, turn = [], _entry(v, "%v", "%from", "%x", "%i")
    for r in range(rows):
        lines += [*_place(f"%weight{r}", "%in", "%w", str(r)), *_start(f"%b{r}", r), *spread(width, f"%b{r}", f"%a{r}")]
        turn += [
            *load(f"%number{r}", f"%weight{r}", "%o", "double", unit="i8"),
            *spread(width, f"%number{r}", f"%s{r}"),
            f"%m{r} = fmul {v} %s{r}, %v",
            f"%n{r} = fadd {v} %t{r}, %m{r}",
        ]
    carried = [(v, f"t{r}", f"%a{r}", f"%n{r}") for r in range(rows)]
    lines += counted("i", "%n", [*turn, "%o1 = add i64 %o, %stride"], carried=[*carried, ("i64", "o", "0", "%o1")])
    for r in range(rows):
        lines += [*_place(f"%y{r}", "%out", "%y", str(r)), f"store {v} %t{r}, ptr %y{r}, align 8"]
    return function(f"al_{kind}{rows}", _ROWS, lines, internal=True)


def _start(name: str, row: int) -> list[str]:
    """What a row begins with; -0.0 where there is nothing, since -0.0 + x is x."""
    return [
        *load(f"{name}.o", "%b", str(row)),
        f"{name}.none = icmp slt i64 {name}.o, 0",
        f"{name}.safe = select i1 {name}.none, i64 0, i64 {name}.o",
        at(f"{name}.p", "%in", f"{name}.safe", "i8"),
        f"{name}.v = load double, ptr {name}.p, align 8",
        f"{name} = select i1 {name}.none, double -0.0, double {name}.v",
    ]


def _columns(vectors: int) -> str:
    """Rows whose weights are neighbours, in `vectors` vectors: each weight its own lane."""
    v, rows = f"<{LANES} x double>", LANES * vectors
    lines = _place("%weights", "%in", "%w", "0")
    for r in range(rows):
        before = "poison" if r % LANES == 0 else f"%a{r - 1}"
        lines += [*_start(f"%b{r}", r), f"%a{r} = insertelement {v} {before}, double %b{r}, i32 {r % LANES}"]
    turn = [*_entry("double", "%number", "%from", "%x", "%i"), *spread(LANES, "%number", "%v")]
    turn.append(at("%now", "%weights", "%o", "i8"))
    for k in range(vectors):
        turn += [*load(f"%l{k}", "%now", str(k), v), f"%m{k} = fmul {v} %l{k}, %v", f"%n{k} = fadd {v} %t{k}, %m{k}"]
    carried = [(v, f"t{k}", f"%a{LANES * (k + 1) - 1}", f"%n{k}") for k in range(vectors)]
    lines += counted("i", "%n", [*turn, "%o1 = add i64 %o, %stride"], carried=[*carried, ("i64", "o", "0", "%o1")])
    for r in range(rows):
        lines += [
            f"%e{r} = extractelement {v} %t{r // LANES}, i32 {r % LANES}",
            *_place(f"%y{r}", "%out", "%y", str(r)),
            f"store double %e{r}, ptr %y{r}, align 8",
        ]
    return function(f"al_columns{rows}", _ROWS, lines, internal=True)


def _outer(width: int) -> str:
    """Sums over lanes of all products d·x: the matrix of the ds, and `width` neighbouring xs as a vector in each lane.

    The xs lie lane by lane in rows of the scratch array, so that these are turned first; what does not fill a vector goes
    singly.
    """
    v = f"<{width} x double>"
    names = [f"%x{k}" for k in range(width)]
    shuffles, columns = transposed(names)
    turn = [at("%t.row", "%t", "%l", v)]
    for k in range(width):
        turn += load(names[k], f"%row{k}", "%l", v, unit="double")
    turn += shuffles
    for k, column in enumerate(columns):
        turn += [at(f"%t{k}", "%t.row", str(k), v), f"store {v} {column}, ptr %t{k}, align 64"]
    group = [at("%xc", "%x", "%c", "i64"), at("%yc", "%red", "%c")]
    for k in range(width):
        group += _place(f"%row{k}", "%s", "%xc", str(k))
    group += counted("l", "%count", turn, step=width)
    factors, sizes = "ptr %d, ptr %b, ptr %y", "i64 8, i64 %count, i64 %rows"
    group.append(f"call void @al_matrix_v{width}(ptr %s, ptr %t, ptr %yc, {factors}, ptr @al_steps, {sizes})")
    rest = [
        *_place("%row", "%s", "%x", "%e"),
        at("%ye", "%red", "%e"),
        f"call void @al_matrix1(ptr %s, ptr %row, ptr %ye, {factors}, ptr @al_steps1, {sizes})",
    ]
    lines = [f"%t = alloca [{MOST_LANES} x {v}], align 64", *_over_columns(width, group, rest)]
    tables = [table("al_steps", range(0, 8 * width * MOST_LANES, 8 * width))]
    tables.append(table("al_steps1", range(0, 8 * MOST_LANES, 8)))
    parameters = "ptr %s, ptr %red, ptr %d, ptr %b, ptr %y, ptr %x, i64 %rows, i64 %columns, i64 %count"
    return "\n".join([*tables, function(f"al_outer_v{width}", parameters, lines)])


_FACTORS = "ptr %s, ptr %out, ptr %d, ptr %y, ptr %x"


def _product(width: int) -> str:
    """Products of all left factors with the right ones from %c on, as many as a vector has lanes."""
    v, right = f"<{width} x double>", []
    for k in range(width):
        right += [
            f"%c{k} = add i64 %c, {k}",
            *_entry("double", f"%x{k}", "%s", "%x", f"%c{k}"),
            f"%v{k} = insertelement {v} {f'%v{k - 1}' if k else 'poison'}, double %x{k}, i32 {k}",
        ]
    row = [
        *_entry("double", "%number", "%s", "%d", "%r"),
        *spread(width, "%number", "%left"),
        f"%m = fmul {v} %left, %v{width - 1}",
        *_place("%row", "%out", "%y", "%r"),
        at("%place", "%row", "%c"),
        f"store {v} %m, ptr %place, align 8",
    ]
    lines = [*right, *counted("r", "%rows", row)]
    return function(f"al_product{width}", f"{_FACTORS}, i64 %rows, i64 %c", lines, internal=True)


def _products() -> str:
    """Products of each left factor with all right ones, which are neighbours in the results."""
    calls = (f"call void @al_product{k}({_FACTORS}, i64 %rows, i64 %{c})" for k, c in ((LANES, "c"), (1, "e")))
    lines = _over_columns(LANES, *([call] for call in calls))
    return function("al_products", f"{_FACTORS}, i64 %rows, i64 %columns", lines)


def _over_columns(width: int, group: Iterable[str], rest: Iterable[str]) -> list[str]:
    """Groups of `width` columns from %c on, and the rest column by column as %e."""
    loops = [*counted("c", "%whole", group, step=width), *counted("e", "%columns", rest, first="%whole")]
    return [f"%whole = and i64 %columns, {-width}", *loops]


def _place(name: str, base: str, table: str, index: str) -> list[str]:
    """The address that entry `index` of a table of byte offsets stands for."""
    return [*load(f"{name}.o", table, index), at(name, base, f"{name}.o", "i8")]


def _entry(kind: str, name: str, base: str, table: str, index: str) -> list[str]:
    """What lies at that address."""
    return [*_place(f"{name}.p", base, table, index), f"{name} = load {kind}, ptr {name}.p, align 8"]
