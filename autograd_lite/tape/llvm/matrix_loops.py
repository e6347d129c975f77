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
    text = [*(_rows("one", 1, count) for count in ROW_COUNTS), _over_rows("al_matrix1", "one", ROW_COUNTS)]
    if width is not None:
        text += [_rows("lanes", width, count) for count in ROW_COUNTS]
        text += [_over_rows(f"al_matrix_v{width}", "lanes", ROW_COUNTS), _outer(width)]
        kinds = {f"al_matrix_v{width}": (7, 3), f"al_outer_v{width}": (6, 3)}
    else:
        text += [_columns(2), _columns(1), _over_rows("al_columns", "one", (2 * LANES, LANES, *ROW_COUNTS[1:]))]
        text.append(_products())
        kinds = {"al_matrix1": (7, 3), "al_columns": (7, 3), "al_products": (5, 2)}
    declarations = [
        f"declare void @{name}({', '.join(['ptr'] * pointers + ['i64'] * integers)})"
        for name, (pointers, integers) in kinds.items()
    ]
    return Library("\n".join(text), tuple(declarations))


def call_matrix(
    number: int, matrix: Matrix, shared: int, places: Sequence[int], vector: Sequence[int], width: int | None
) -> tuple[str, str]:
    """Tables and call of a matrix: weights from input `shared` on, byte offsets of its results and of its vector."""
    weights = [8 * (w - shared) for w in matrix.weights]
    starts = [-1 if b is None else 8 * (b - shared) for b in matrix.starts]
    tables, pointers = _tables(f"m{number}", w=weights, b=starts, y=places, x=vector)
    name, scratch = f"al_matrix_v{width}", "%sv"
    if width is None:
        neighbours = matrix.weights == list(range(matrix.weights[0], matrix.weights[0] + len(places)))
        name, scratch = "al_columns" if neighbours else "al_matrix1", "%s"
    sizes = f"i64 {8 * matrix.stride}, i64 {len(vector)}, i64 {len(places)}"
    return tables, f"call void @{name}(ptr %in, ptr {scratch}, ptr {scratch}, {pointers}, {sizes})"


def call_outer(
    number: int, outer: Outer, left: Sequence[int], right: Sequence[int], width: int | None
) -> tuple[str, str]:
    """Tables and call of an outer product: byte offsets of its factors."""
    results, sizes = [8 * first for first in outer.results], f"i64 {len(left)}, i64 {len(right)}"
    if width is None:
        tables, pointers = _tables(f"o{number}", d=left, y=results, x=right)
        return tables, f"call void @al_products(ptr %s, ptr %out, {pointers}, {sizes})"
    tables, pointers = _tables(f"o{number}", d=left, b=[-1] * len(left), y=results, x=right)
    return tables, f"call void @al_outer_v{width}(ptr %s, ptr %redb, {pointers}, {sizes}, i64 %count)"


def _tables(prefix: str, **tables: Sequence[int]) -> tuple[str, str]:
    lines = [table(f"{prefix}{name}", numbers) for name, numbers in tables.items()]
    return "\n".join(lines), ", ".join(f"ptr @{prefix}{name}" for name in tables)


def table(name: str, numbers: Iterable[int]) -> str:
    entries = [f"i64 {n}" for n in numbers]
    return f"@{name} = internal constant [{len(entries)} x i64] [{', '.join(entries)}]"


def _over_rows(name: str, kind: str, counts: tuple[int, ...]) -> str:
    """Rows in groups of the counts there are kernels for, largest first."""
    body, first = [], "0"
    for count in counts:
        row = f"%r{count}"
        kernel = "columns" if count >= LANES and name == "al_columns" else kind
        tables = ", ".join(f"ptr %{k}{count}" for k in "wby")
        body += [
            f"%limit{count} = sub i64 %rows, {count - 1}",
            *counted(
                row[1:],
                f"%limit{count}",
                [
                    *(at(f"%{k}{count}", f"%{k}", row, "i64") for k in "wby"),
                    f"call void @al_{kernel}{count}(ptr %in, ptr %from, ptr %out, {tables}, ptr %x, i64 %stride, i64 %n)",
                ],
                first=first,
                step=count,
            ),
        ]
        first = row
    return function(name, f"{_ROWS}, i64 %rows", body)


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
    return function(f"al_{kind}{rows}", _ROWS, lines)


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
    return function(f"al_columns{rows}", _ROWS, lines)


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
    same = "ptr %d, ptr %b, ptr %y"
    group.append(
        f"call void @al_matrix_v{width}(ptr %s, ptr %t, ptr %yc, {same}, ptr @al_steps, i64 8, i64 %count, i64 %rows)"
    )
    rest = [
        *_place("%row", "%s", "%x", "%e"),
        at("%ye", "%red", "%e"),
        f"call void @al_matrix1(ptr %s, ptr %row, ptr %ye, {same}, ptr @al_steps1, i64 8, i64 %count, i64 %rows)",
    ]
    lines = [
        f"%t = alloca [{MOST_LANES} x {v}], align 64",
        f"%whole = and i64 %columns, {-width}",
        *counted("c", "%whole", group, step=width),
        *counted("e", "%columns", rest, first="%whole"),
    ]
    tables = [table("al_steps", range(0, 8 * width * MOST_LANES, 8 * width))]
    tables.append(table("al_steps1", range(0, 8 * MOST_LANES, 8)))
    parameters = "ptr %s, ptr %red, ptr %d, ptr %b, ptr %y, ptr %x, i64 %rows, i64 %columns, i64 %count"
    return "\n".join([*tables, function(f"al_outer_v{width}", parameters, lines)])


def _products() -> str:
    """Products of each left factor with all right ones, which are neighbours in the results."""
    v = f"<{LANES} x double>"

    def rows(index: str, kind: str, column: str, factors: str) -> list[str]:
        number, many = f"%d.{index}", kind == v
        factor = f"%f.{index}" if many else number
        body = [*_entry("double", number, "%s", "%d", f"%{index}")]
        body += spread(LANES, number, factor) if many else []
        body += [
            f"%m.{index} = fmul {kind} {factor}, {factors}",
            *_place(f"%row.{index}", "%out", "%y", f"%{index}"),
            at(f"%y.{index}", f"%row.{index}", column),
            f"store {kind} %m.{index}, ptr %y.{index}, align 8",
        ]
        return counted(index, "%rows", body)

    group = []
    for k in range(LANES):
        group += [
            f"%c{k} = add i64 %c, {k}",
            *_entry("double", f"%x{k}", "%s", "%x", f"%c{k}"),
            f"%v{k} = insertelement {v} {f'%v{k - 1}' if k else 'poison'}, double %x{k}, i32 {k}",
        ]
    lines = [
        f"%whole = and i64 %columns, {-LANES}",
        *counted("c", "%whole", [*group, *rows("r", v, "%c", f"%v{LANES - 1}")], step=LANES),
        *counted(
            "e",
            "%columns",
            [*_entry("double", "%xe", "%s", "%x", "%e"), *rows("q", "double", "%e", "%xe")],
            first="%whole",
        ),
    ]
    return function("al_products", "ptr %s, ptr %out, ptr %d, ptr %y, ptr %x, i64 %rows, i64 %columns", lines)


def _place(name: str, base: str, table: str, index: str) -> list[str]:
    """The address that entry `index` of a table of byte offsets stands for."""
    return [*load(f"{name}.o", table, index), at(name, base, f"{name}.o", "i8")]


def _entry(kind: str, name: str, base: str, table: str, index: str) -> list[str]:
    """What lies at that address."""
    return [*_place(f"{name}.p", base, table, index), f"{name} = load {kind}, ptr {name}.p, align 8"]
