"""Look-ups in a table as instructions, of which each takes one step, whatever the length of the table.

`Table` has the numbers of the table as arguments and no number as its value; `Row` takes one of them by a place. Backwards, a
`Table` collects what its rows send and becomes one `Scatter`, with a result for each number. All three are linear in the
numbers, so every derivative is made of such operations again. Only the tapes of `trace` have selections instead.

In lanes the places differ from lane to lane; a table may be shared by all lanes, or have other numbers in each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from autograd_lite.backward import Number
from autograd_lite.many import Cotangents, Operation, Sent, recorded
from autograd_lite.primitives import COMPARISONS, where
from autograd_lite.tables import FEW, between
from autograd_lite.tape import recording
from autograd_lite.tape.recording import Recording
from autograd_lite.variable import Variable, make_node


@dataclass(frozen=True)
class Place:
    """An entry of a table: the number of the node that says which row, and that node; the entry's place in the row."""

    number: int
    row: "Row"
    node: Any = field(compare=False)


class Lookup(Operation):
    """An operation on tables. It runs nothing of the user's: a program with it is traced twice as others are."""

    computed: Any = None

    def kept(self, arguments: Any, results: Any) -> Any:  # noqa: ARG002
        return self


class Table(Lookup):
    """The numbers of a table, row by row."""

    name, lookup = "table", "table"

    def __init__(self, arity: int) -> None:
        self.arity = arity
        self.content = "table", arity  # what machine code becomes of it, in any process

    @staticmethod
    @lru_cache(maxsize=1 << 12)
    def of(arity: int) -> "Table":
        return Table(arity)

    def value(self, *entries: Any) -> Any:
        return entries

    def __call__(self, *entries: Any) -> Any:
        """A node where a trace allows it, else the numbers."""
        notes = recording.current()
        return _table(notes, entries) if notes and notes.lookups else entries

    def of_lanes(self, *entries: Any) -> Any:
        """The numbers as an array, with an axis of lanes first if they differ from lane to lane."""
        return np.stack(np.broadcast_arrays(*entries), axis=-1)

    def pushed(self, _: Any, arrived: Sequence[Sent | None], *_places: Any, masked: bool) -> dict[int, Sent]:  # noqa: ARG002
        """The tangents of the entries that have some, for each `Row` to choose from."""
        return {k: sent for k, sent in enumerate(arrived) if sent is not None}

    def pulled_back(
        self, _: tuple[Any, ...], cotangents: Any, conditions: dict[Any, Number | None] | None = None
    ) -> list[Any]:
        places: list[Place] = [*cotangents]
        scatter, rows = Scatter.of(tuple(p.row for p in places), self.arity), [p.node for p in places]
        adjoints = scatter(*rows, *cotangents.values())
        if conditions is None:
            return adjoints
        known = [1.0 if (c := conditions[p]) is None else where(c, 1.0, 0.0) for p in places]  # no sum of these is 0
        return list(zip(adjoints, scatter(*rows, *known), strict=True))


class Row:
    """Takes entry `offset` of a row of `width` numbers out of a table of `count` rows; the first row if there is none."""

    arity, selects, expression, partials, lookup = 2, False, None, (None, None), "row"

    def __init__(self, offset: int, width: int, count: int) -> None:
        self.offset, self.width, self.count = offset, width, count
        self.name = f"row_{offset}_of_{width}"
        self.content = "row", offset, width, count

    @staticmethod
    @lru_cache(maxsize=1 << 16)
    def at(offset: int, width: int, count: int) -> "Row":
        return Row(offset, width, count)

    def index(self, place: Any) -> int:
        return int(place if 0 < place < self.count else 0) * self.width + self.offset

    def value(self, entries: Sequence[Any], place: Any) -> Any:
        return entries[self.index(place)]

    def of_lanes(self, table: Any, place: Any) -> Any:
        """Each lane's number."""
        index = self.index_of(place)
        return table[index] if table.ndim == 1 else table[np.arange(len(table)), index]

    def index_of(self, places: Any) -> Any:
        """As `index`, of an array."""
        return np.where((places > 0) & (places < self.count), places, 0.0).astype(np.int64) * self.width + self.offset

    def __call__(self, table: Any, place: Any) -> Any:
        if type(table) is Variable:
            entry = table._arguments[self.index(getattr(place, "_value", place))]
            return make_node(self, getattr(entry, "_value", entry), (table, place), (None, None))  # type: ignore[arg-type]
        if type(place) is not Variable or not recording.current():
            return table[self.index(getattr(place, "_value", place))]
        return self._selected(table, place)

    def _selected(self, table: Sequence[Any], place: Any) -> Any:
        return between([[number] for number in table[self.offset :: self.width]], place, 0, self.count)[0]

    def pushed(self, node: Any, arrived: Sequence[Any], *_places: Any, masked: bool) -> Sent | None:
        """The tangent of the entry that is taken, and the condition that it arrived."""
        table, place = node._arguments
        if not arrived[0]:
            return None
        sent: list[Sent | None] = [arrived[0].get(k) for k in range(len(table._arguments))]
        tangent = self._taken([0.0 if s is None else s[0] for s in sent], place)
        if not masked or all(s is not None and s[1] is None for s in sent):
            return tangent, None
        return tangent, self._taken([0.0 if s is None else 1.0 if s[1] is None else s[1] for s in sent], place)

    def _taken(self, entries: Sequence[Any], place: Any) -> Any:
        """One of these numbers: looked up, or selected where few differ from the others."""
        own = [float(e) if type(e) is not Variable else e._number for e in entries[self.offset :: self.width]]
        first: dict[Any, Any] = {}
        if len(set(own)) <= FEW:
            return self._selected([first.setdefault(e if type(e) is Variable else repr(e), e) for e in entries], place)
        return self(Table.of(len(entries))(*entries), place)

    def shares(self, node: Variable, adjoint: Number) -> list[tuple[Any, Any]]:
        """The adjoint, at its place among those of the table."""
        table, place = node._arguments
        key: Any = Place(getattr(place, "_number", -1), self, place)
        return [(table, Cotangents({key: adjoint}))]


class Scatter(Lookup):
    """Adds numbers to the entries of a table of zeros: its arguments are the places of the `rows`, then the numbers."""

    lookup = "scatter"

    def __init__(self, rows: tuple[Row, ...], results: int) -> None:
        self.rows, self.results, self.arity = rows, results, 2 * len(rows)
        self.name = f"scatter_{abs(hash(tuple((row.offset, row.width) for row in rows)))}"
        self.content = "scatter", results, *(row.content for row in rows)

    @staticmethod
    @lru_cache(maxsize=1 << 12)
    def of(rows: tuple[Row, ...], results: int) -> "Scatter":
        return Scatter(rows, results)

    def value(self, *arguments: Any) -> list[Any]:
        found: list[Any] = [0.0] * self.results
        pairs = [(row.index(p), y) for row, p, y in zip(self.rows, *self._apart(arguments), strict=True)]
        for k, _ in pairs:
            found[k] = -0.0  # which changes no sum
        for k, y in pairs:
            found[k] = found[k] + y
        return found

    def of_lanes(self, *arguments: Any) -> Any:
        """The numbers of each lane, added to a table of its own."""
        given = [np.atleast_1d(a) for a in np.broadcast_arrays(*arguments)]
        lanes, (places, numbers) = np.arange(len(given[0])), self._apart(given)
        found = np.zeros((len(lanes), self.results))
        indices = [row.index_of(place) for row, place in zip(self.rows, places, strict=True)]
        for index in indices:
            found[lanes, index] = -0.0  # which changes no sum
        for index, number in zip(indices, numbers, strict=True):
            found[lanes, index] += number
        return found

    def pushed(self, node: Any, arrived: Sequence[Any], *_places: Any, masked: bool) -> dict[int, Sent]:
        """The tangents of all results, and the conditions that any was sent to each."""
        (places, _), (_, sent) = self._apart(node._arguments), self._apart([s or (None, None) for s in arrived])
        tangents = self(*places, *(0.0 if t is None else t if c is None else where(c, t, -0.0) for t, c in sent))
        if not masked:
            return {k: (tangent, None) for k, tangent in enumerate(tangents)}
        known = [0.0 if t is None else 1.0 if c is None else where(c, 1.0, 0.0) for t, c in sent]
        return dict(enumerate(zip(tangents, self(*places, *known), strict=True)))  # no sum of those that hold is 0

    def _apart(self, arguments: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return arguments[: len(self.rows)], arguments[len(self.rows) :]

    def __call__(self, *arguments: Any) -> list[Any]:
        notes, values = recording.current(), [getattr(a, "_value", a) for a in arguments]
        if notes and notes.lookups:
            return recorded(self, arguments, np.array(self.value(*values), dtype=np.float64))
        places, numbers = self._apart(arguments)
        if not notes:
            return self.value(*values[: len(places)], *numbers)
        found: list[Any] = [0.0] * self.results
        for row, place, y in zip(self.rows, places, numbers, strict=True):
            for k in range(row.count):
                here, at = COMPARISONS["eq"](place, float(k)), k * row.width + row.offset
                found[at] = found[at] + where(here, y, 0.0)
        return found

    def pulled_back(
        self, arguments: tuple[Any, ...], cotangents: Cotangents, conditions: dict[int, Number | None] | None = None
    ) -> list[Any]:
        def looked_up(numbers: Iterable[Any]) -> list[Any]:
            table = Table.of(self.results)(*numbers)
            return [row(table, place) for row, place in zip(self.rows, places, strict=True)]

        places, _ = self._apart(arguments)
        adjoints = looked_up(cotangents.get(k, 0.0) for k in range(self.results))
        if conditions is None:
            return [None] * len(places) + adjoints
        known = {k: 1.0 if c is None else c for k, c in conditions.items()}
        sent = looked_up(known.get(k, 0.0) for k in range(self.results))
        return [(0.0, 0.0)] * len(places) + list(zip(adjoints, sent, strict=True))


def _table(notes: Recording, entries: Sequence[Any]) -> Any:
    """The node of a table, one for all look-ups in these numbers."""
    key = tuple([n._number if type(n) is Variable else repr(n) for n in entries])
    if key not in notes.tables:
        operation: Any = Table.of(len(entries))
        notes.tables[key] = make_node(operation, 0.0, tuple(entries), (None,) * len(entries))
    return notes.tables[key]


def look_up(notes: Recording, rows: Sequence[Sequence[Any]], place: Any) -> list[Any]:
    """The numbers of a row of a table, as nodes."""
    _, table = notes.tables.get(id(rows), (None, None))
    if table is None:
        table = _table(notes, [n if type(n) is Variable else float(n) for row in rows for n in row])
        notes.tables[id(rows)] = rows, table  # which keeps the rows, and so their identity
    return [Row.at(k, len(rows[0]), len(rows))(table, place) for k in range(len(rows[0]))]


Recording.look_up = look_up
