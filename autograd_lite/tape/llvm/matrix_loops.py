"""The loops over matrices: rows `Σᵢ a[r][i]·v[i]`, each added up from first to last, several rows at a time.

For a layer, a is a weight and v a number in each lane; for a gradient by weights, summed over lanes, a is a lane's derivative
by an output and v eight neighbouring inputs in that lane.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache

from autograd_lite.tape.llvm.ir import Builder, Module, Value, vector
from autograd_lite.tape.llvm.matrices import Matrix, Outer

#: Rows at a time: as many sums as hide the latency of an addition; what is left over goes by two and by one.
ROW_COUNTS = (8, 2, 1)

LANES = 8  # of the vectors that run along rows where the program has one lane
MOST_LANES = 256  # of a block

#: Where weights and starts lie, where the vector does, results, four tables; bytes between weights, and their number.
_ROWS = (*["ptr"] * 7, "i64", "i64")

Call = Callable[..., Value]  # of a builder and what the kernel is passed first


@cache
def library(width: int | None) -> Module:
    """The loops for vectors of `width` lanes; for one lane if None: rows whose weights are neighbours run in a vector."""
    module = Module(1)
    for name, lanes in (("al_matrix1", 1), (f"al_matrix_v{width}", width)):
        if lanes is not None:
            for rows in ROW_COUNTS:
                module.function(f"{name}_{rows}", _ROWS, _rows(lanes, rows), linkage="internal")
            _over_rows(module, name, {rows: f"{name}_{rows}" for rows in ROW_COUNTS})
    if width is not None:
        _outer(module, width)
        return module
    for vectors in (2, 1):
        module.function(f"al_columns{LANES * vectors}", _ROWS, _columns(vectors), linkage="internal")
    kernels = {count: f"al_columns{count}" for count in (2 * LANES, LANES)}
    _over_rows(module, "al_columns", kernels | {count: f"al_matrix1_{count}" for count in ROW_COUNTS[1:]})
    for columns in (LANES, 1):
        module.function(f"al_product{columns}", [*["ptr"] * 5, "i64", "i64"], _product(columns), linkage="internal")
    module.function("al_products", [*["ptr"] * 5, "i64", "i64"], _products)
    return module


def matrix(module: Module, number: int, found: Matrix, shared: int, *, places: list[int], sources: list[int]) -> Call:
    """The call of a matrix, whose tables are written; it is passed pointers to inputs and to the scratch array.

    Weights are inputs from `shared` on; `places` and `sources` are byte offsets of its results and its vector.
    """
    weights = [8 * (w - shared) for w in found.weights]
    starts = [-1 if b is None else 8 * (b - shared) for b in found.starts]
    lists = {"w": weights, "b": starts, "y": places, "x": sources}
    tables = [module.table(f"m{number}{letter}", numbers) for letter, numbers in lists.items()]
    name = f"al_matrix_v{module.width}"
    if module.width is None:
        neighbours = found.weights == list(range(found.weights[0], found.weights[0] + len(places)))
        name = "al_columns" if neighbours else "al_matrix1"
    sizes = 8 * found.stride, len(sources), len(places)
    return lambda b, given, scratch, _: b.call("void", name, given, scratch, scratch, *tables, *sizes)


def outer(module: Module, number: int, found: Outer, left: Sequence[int], right: Sequence[int]) -> Call:
    """The call of an outer product, whose tables are written, with factors at these byte offsets.

    It is passed pointers to the scratch array and to results, and for several lanes their number.
    """
    lists: dict[str, Sequence[int]] = {"d": left, "y": [8 * first for first in found.results], "x": right}
    name = "al_products"
    if module.width is not None:
        lists["b"], name = [-1] * len(left), f"al_outer_v{module.width}"
    tables = [module.table(f"o{number}{letter}", numbers) for letter, numbers in lists.items()]
    return lambda b, *passed: b.call("void", name, *passed, *tables, len(left), len(right))


def _over_rows(module: Module, name: str, kernels: dict[int, str]) -> None:
    """Rows in groups of the counts there are kernels for, largest first."""

    def rows(b: Builder, *arguments: Value) -> None:
        given, source, out, weights, starts, places, x, stride, n, count = arguments
        first: Value | int = 0
        for size, kernel in kernels.items():
            with b.counted(count - (size - 1), first=first, step=size) as (row,):
                tables = [table.at(row, "i64") for table in (weights, starts, places)]
                b.call("void", kernel, given, source, out, *tables, x, stride, n)
            first = row

    module.function(name, [*_ROWS, "i64"], rows)


def _rows(width: int, rows: int) -> Callable[..., None]:
    """`rows` rows, vectors of `width` lanes from `source + x[i]`, weights from `given + weights[r] + i·stride`."""
    v = vector(width)

    def kernel(b: Builder, *arguments: Value) -> None:
        given, source, out, weights, starts, places, x, stride, n = arguments
        begins, firsts = [], []
        for r in range(rows):
            firsts.append(_place(given, weights, r))
            begins.append(_start(given, starts, r).spread(width))
        with b.counted(n, carried=[*begins, b.constant(0, "i64")]) as turn:
            index, *sums, offset = turn
            number = _place(source, x, index).load(v)
            for r, first in enumerate(firsts):
                turn[1 + r] = sums[r] + first.at(offset, "i8").load("double").spread(width) * number
            turn[-1] = offset + stride
        for r, total in enumerate(sums):
            _place(out, places, r).store(total)

    return kernel


def _start(given: Value, starts: Value, row: int) -> Value:
    """What a row begins with; -0.0 where there is nothing, since -0.0 + x is x."""
    offset = starts.at(row, "i64").load("i64")
    none = offset.compare("slt", 0)
    safe = offset.b.constant(0, "i64").where(none, offset)
    number = given.at(safe, "i8").load("double")
    return offset.b.constant(-0.0, "double").where(none, number)


def _columns(vectors: int) -> Callable[..., None]:
    """Rows whose weights are neighbours, in `vectors` vectors: each weight its own lane."""
    v, rows = vector(LANES), LANES * vectors

    def kernel(b: Builder, *arguments: Value) -> None:
        given, source, out, weights, starts, places, x, stride, n = arguments
        first = _place(given, weights, 0)
        begins = [
            b.joined(LANES, (_start(given, starts, LANES * k + lane) for lane in range(LANES))) for k in range(vectors)
        ]
        with b.counted(n, carried=[*begins, b.constant(0, "i64")]) as turn:
            index, *sums, offset = turn
            number = _place(source, x, index).load("double").spread(LANES)
            now = first.at(offset, "i8")
            for k, total in enumerate(sums):
                turn[1 + k] = total + now.at(k, v).load(v) * number
            turn[-1] = offset + stride
        for r in range(rows):
            number = sums[r // LANES].lane(r % LANES)
            _place(out, places, r).store(number)

    return kernel


def _outer(module: Module, width: int) -> None:
    """Sums over lanes of all products d·x: the matrix of the ds, and `width` neighbouring xs as a vector in each lane.

    The xs lie in rows of the scratch array, which are turned first; what does not fill a vector goes singly.
    """
    v = vector(width)
    steps = module.table("al_steps", range(0, 8 * width * MOST_LANES, 8 * width))
    single_steps = module.table("al_steps1", range(0, 8 * MOST_LANES, 8))

    def outer(b: Builder, *arguments: Value) -> None:
        scratch, results, count, d, y, x, starts, rows, columns = arguments
        turned = b.emit("ptr", f"alloca [{MOST_LANES} x {v}], align 64")
        for column, several in _over_columns(b, width, columns):
            here, result = x.at(column, "i64"), results.at(column)
            if several:
                places = [_place(scratch, here, k) for k in range(width)]
                with b.counted(count, step=width) as (lane,):
                    to = turned.at(lane, v)
                    for k, row in enumerate(_transposed([place.at(lane).load(v) for place in places])):
                        to.at(k, v).store(row, align=64)
                b.call("void", f"al_matrix_v{width}", scratch, turned, result, d, starts, y, steps, 8, count, rows)
            else:
                row = _place(scratch, x, column)
                b.call("void", "al_matrix1", scratch, row, result, d, starts, y, single_steps, 8, count, rows)

    module.function(f"al_outer_v{width}", ["ptr", "ptr", "i64", *["ptr"] * 4, "i64", "i64"], outer)


def _transposed(rows: list[Value]) -> list[Value]:
    """As many vectors as each has lanes, rows made columns."""
    width, half = len(rows), 1
    while half < width:
        made = list(rows)
        for k in range(width):
            if not k & half:
                low = [p if not p & half else width + p - half for p in range(width)]
                high = [p + half if not p & half else width + p for p in range(width)]
                made[k], made[k + half] = (rows[k].shuffled(lanes, rows[k + half]) for lanes in (low, high))
        rows, half = made, 2 * half
    return rows


def _product(width: int) -> Callable[..., None]:
    """Products of all left factors with the right ones from a column on, as many as a vector has lanes."""

    def product(b: Builder, *arguments: Value) -> None:
        scratch, out, d, y, x, rows, column = arguments
        right = b.joined(width, (_place(scratch, x, column + k).load("double") for k in range(width)))
        with b.counted(rows) as (row,):
            number = _place(scratch, d, row).load("double").spread(width) * right
            _place(out, y, row).at(column).store(number)

    return product


def _products(b: Builder, *arguments: Value) -> None:
    """Products of each left factor with all right ones, which are neighbours in the results."""
    *factors, columns = arguments
    for column, several in _over_columns(b, LANES, columns):
        b.call("void", f"al_product{LANES if several else 1}", *factors, column)


def _over_columns(b: Builder, width: int, columns: Value) -> Iterator[tuple[Value, bool]]:
    """Groups of `width` columns, and the rest column by column: the first of each, and whether there are several."""
    whole = columns & -width
    for first, limit, step in ((0, whole, width), (whole, columns, 1)):
        with b.counted(limit, first=first, step=step) as (column,):
            yield column, step > 1


def _place(base: Value, table: Value, index: Value | int) -> Value:
    """The address that an entry of a table of byte offsets stands for."""
    return base.at(table.at(index, "i64").load("i64"), "i8")
