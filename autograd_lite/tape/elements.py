"""A program cut into elements: nonlinear parts of few inputs, joined by sums. Equal elements are one kernel over lanes.

Down from each output, sums, differences and factors that are constants are followed to *heads*: inputs, or nonlinear
operations. What a head depends on is its cone; heads that depend on the same inputs form an element. Elements with the same
instructions, up to inputs and constants, are a group (`alike` finds them): what differs between them becomes data.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from sys import float_info
from typing import Any

import numpy as np

from autograd_lite import core, primitives
from autograd_lite.copies import uncollected
from autograd_lite.errors import AutogradLiteError
from autograd_lite.tape.alike import Arrays, Part, Step, alike, hashed
from autograd_lite.tape.program import Program

#: Cones are cut apart as long as they have together no more than so many times the instructions of the program.
OVERLAP = 4
#: Equal elements from which on they are run as lanes; others are computed together by one straight program.
LANES = 4
#: The smallest number with all its digits.
TINY = float_info.min

#: Operations that give 0 for zeros; of `where` the condition does not count.
_ZERO_OF_ZEROS = frozenset([primitives.add, primitives.sub, primitives.neg, primitives.where])

#: Kinds of slots in a sum: operations that may be linear, what is none, constants; more is added where several use a slot.
_ADD, _SUB, _NEG, _MUL, _DIV, _TERM, _CONSTANT, _SHARED = range(8)
_KINDS = {primitives.add: _ADD, primitives.sub: _SUB, primitives.neg: _NEG, primitives.mul: _MUL, primitives.div: _DIV}


@dataclass(frozen=True)
class Element:
    """Instructions without the numbers that they work on, and which of their results are heads."""

    code: tuple[Step, ...]
    heads: tuple[int, ...]

    def run(self, inputs: Sequence[Any], constants: Sequence[Any]) -> list[Any]:
        """The value of each instruction, for numbers of any kind."""
        values: list[Any] = []
        places = {"input": inputs, "constant": constants, "code": values}
        for primitive, arguments in self.code:
            values.append(primitive(*[places[kind][k] for kind, k in arguments]))
        return values

    @cached_property
    def supports(self) -> list[list[int]]:
        """The inputs that each head depends on."""
        reached: list[set[int]] = []
        for _, arguments in self.code:
            parts = [{k} if kind == "input" else reached[k] for kind, k in arguments if kind != "constant"]
            reached.append(parts[0] if len(parts) == 1 else set().union(*parts))
        return [sorted(reached[head]) for head in self.heads]


@dataclass(frozen=True)
class Group:
    """Equal elements: in the rows of arrays the inputs of each, the constants in which they differ, and its heads."""

    element: Element
    inputs: Any
    constants: Any
    heads: Any

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """What tells the kernel: the element, and the bits of the constants that all share."""
        return self.element, self.shared.tobytes(), self.varying.tobytes()

    @cached_property
    def varying(self) -> Any:
        """The constants in which the elements differ; 0.0 and -0.0 differ."""
        bits = self.constants.view(np.int64)
        return np.flatnonzero((bits != bits[:1]).any(axis=0))

    @cached_property
    def shared(self) -> Any:
        """The constants of the first element, those that vary set to 0."""
        constants = self.constants[0].copy()
        constants[self.varying] = 0.0
        return constants

    def __len__(self) -> int:
        return len(self.inputs)

    def __str__(self) -> str:
        many, of, code = len(self), self.inputs.shape[1], len(self.element.code)
        return (
            f"{many:,} element{'s' * (many > 1)} of {of} input{'s' * (of != 1)}: {code:,} instruction{'s' * (code != 1)}"
            + f", {len(self.varying)} constants that differ" * (len(self.varying) > 0)
        )


@dataclass(frozen=True)
class Cut:
    """A program as `linear @ x + weights @ heads + offset`, with the groups that compute the heads."""

    inputs: int
    outputs: int
    linear: Any  # CSR
    by_output: Any  # the weights of the heads, CSC
    offset: Any
    groups: list[Group]
    cancelled: list[Group]  # of heads without a weight but 0: for the value alone, which may be NaN

    @cached_property
    def by_head(self) -> Any:
        """The weights of the outputs, CSR: a row for each head."""
        return self.by_output.T


def dependencies(program: Program, slots: Sequence[int]) -> set[int]:
    """All slots that these slots depend on, they among them."""
    first, code = program.first_instruction, program.code
    seen, stack = {*slots}, [slot for slot in slots if slot >= first]
    while stack:
        for a in code[stack.pop() - first][1]:
            if a not in seen:
                seen.add(a)
                if a >= first:
                    stack.append(a)
    return seen


def zero_slots(program: Program) -> set[int]:
    """The slots that are 0 for all finite inputs, as derivatives of what is flat are."""
    zeros = {slot for slot, number in enumerate(program.constants, start=program.inputs) if number == 0.0}
    for slot, (primitive, arguments) in enumerate(program.code, start=program.first_instruction):
        all_ = zeros.issuperset(arguments[1:] if primitive is primitives.where else arguments)
        any_ = not zeros.isdisjoint(arguments[:1] if primitive is primitives.div else arguments)
        flat = primitive is primitives.less and arguments[0] == arguments[1]
        if flat or (all_ and primitive in _ZERO_OF_ZEROS) or (any_ and primitive in (primitives.mul, primitives.div)):
            zeros.add(slot)
    return zeros


@uncollected()
def cut(arrays: Arrays) -> Cut:
    """Cut a program into elements. Time grows linearly with the program, unless many outputs share one long sum."""
    program = arrays.program
    offset, rows, slots, factors = _sums(arrays)
    head = slots >= program.inputs
    heads, columns = np.unique(slots[head], return_inverse=True)
    counting = np.bincount(columns, factors[head] != 0.0, len(heads)) > 0
    count, sparse = len(offset), scipy_sparse()
    return Cut(
        program.inputs,
        count,
        sparse.csr_array((factors[~head], (rows[~head], slots[~head])), (count, program.inputs)),
        sparse.csc_array((factors[head], (rows[head], columns)), (count, len(heads))),
        offset,
        _groups(arrays, heads, heads[counting]),
        _groups(arrays, heads, heads[~counting]),
    )


def scipy_sparse() -> Any:
    try:
        import scipy.sparse  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise AutogradLiteError(
            "sparse derivatives are SciPy's matrices, and SciPy is not installed. Install it with pip install "
            '"autograd-lite[scipy]".'
        ) from error
    return scipy.sparse


def _sums(arrays: Arrays) -> tuple[Any, Any, Any, Any]:
    """The outputs as sums of inputs and heads: the constant of each; the output, the slot and the factor of each term."""
    program, first = arrays.program, arrays.first
    kinds = np.full(program.slots, _TERM, dtype=np.uint8)
    kinds[program.inputs : first] = _CONSTANT
    kinds[first:] = np.take([_KINDS.get(operation, _TERM) for operation in arrays.known], arrays.operations)
    uses = np.bincount(arrays.arguments, minlength=program.slots)
    kinds[(uses > 1) & (kinds < _TERM)] += _SHARED
    constants, outputs = np.array(program.constants), np.array(program.outputs, dtype=np.int64)
    found = linear_sums(kinds, arrays.starts, arrays.arguments, constants, outputs)
    types: tuple[Any, ...] = np.float64, np.int64, np.int64, np.float64
    offset, counts, slots, factors = (np.frombuffer(part, kind) for part, kind in zip(found, types, strict=True))
    return offset, np.repeat(np.arange(len(counts)), counts), slots, factors


@core.or_compiled
def linear_sums(kinds: Any, starts: Any, arguments: Any, constants: Any, outputs: Any) -> tuple[Any, ...]:
    """For each of these slots a constant and how many terms it has, and for each term the slot and its factor.

    The instruction at a slot has its arguments from a start on; constants lie before the first instruction.
    """
    first = len(kinds) - len(starts)
    numbers = np.zeros(len(kinds))  # 0 for what is no constant
    numbers[first - len(constants) : first] = constants
    constant = numbers.tolist().__getitem__
    starts, arguments, kinds = starts.tolist(), arguments.tolist(), kinds.tobytes()

    def of(output: int) -> tuple[float, dict[int, float]]:
        terms: dict[int, float] = {}
        shared: dict[int, float] = {}  # sums that several others have: their factors are added up first
        later: list[int] = []
        offset, waiting = 0.0, [(output, 1.0)]
        while waiting or later:
            if waiting:
                slot, factor = waiting.pop()
                kind = kinds[slot]
                if kind >= _SHARED:
                    if slot not in shared:
                        heapq.heappush(later, -slot)
                    shared[slot] = shared.get(slot, 0.0) + factor
                    continue
            else:  # all that use it have come up: they are younger
                slot = -heapq.heappop(later)
                kind, factor = kinds[slot] - _SHARED, shared.pop(slot)
            start = starts[slot - first] if slot >= first else 0
            if kind == _ADD:
                waiting += (arguments[start + 1], factor), (arguments[start], factor)
            elif kind == _CONSTANT:
                offset += factor * constant(slot)
            elif kind < _TERM and (parts := _parts(kind, arguments[start : start + 2], factor, constant)) is not None:
                waiting += parts
            else:
                terms[slot] = terms[slot] + factor if slot in terms else factor
        return offset, terms

    sums = [of(output) for output in outputs.tolist()]
    offsets, counts = np.array([offset for offset, _ in sums]), np.array([len(terms) for _, terms in sums])
    slots = np.array([slot for _, terms in sums for slot in terms], dtype=np.int64)
    return offsets, counts, slots, np.array([factor for _, terms in sums for factor in terms.values()])


def _parts(
    kind: int, arguments: Sequence[int], factor: float, constant: Callable[[int], float]
) -> tuple[tuple[int, float], ...] | None:
    """The arguments of a linear operation other than a sum, with their factors; None if it is none.

    A factor 0 is none: x·0 is NaN where x is infinite. One that over- or underflows would lose the number.
    """
    if kind == _SUB:
        return (arguments[0], factor), (arguments[1], -factor)
    if kind == _NEG:
        return ((arguments[0], -factor),)
    if kind == _MUL:
        for one, other in (arguments, arguments[::-1]):
            number = constant(one)
            if number and TINY <= abs(product := factor * number) < inf:
                return ((other, product),)
    if kind == _DIV and (number := constant(arguments[1])) and TINY <= abs(ratio := factor / number) < inf:
        return ((arguments[0], ratio),)
    return None


def _groups(arrays: Arrays, heads: Any, roots: Any) -> list[Group]:
    """The groups of some heads, as places among all of them. What has no equals is computed together."""
    program, most = arrays.program, OVERLAP * arrays.program.slots
    groups, rest = [], {*roots.tolist()}
    if len(roots) >= LANES:
        marks = arrays.marks()
        supports = np.zeros(len(roots), dtype=np.uint64)
        for part, rows, columns in alike(arrays, roots[:, None], marks[roots], LANES, most):
            own = [columns[node] for node, slot in enumerate(part.slots) if slot < program.inputs]
            supports[rows] = hashed(np.sort(np.array(own), axis=0).T)
        roots, supports = roots[supports > 0], supports[supports > 0]
        _, first, which, counts = np.unique(supports, return_index=True, return_inverse=True, return_counts=True)
        first_of = first[which]  # for each head the first of those with its support
        roots = roots[np.argsort(first_of, kind="stable")]
        counts = counts[np.argsort(first)]
        starts = np.cumsum(counts) - counts
        for many in np.unique(counts):  # heads with one support are an element
            members = roots[starts[counts == many][:, None] + np.arange(many)]
            for part, rows, columns in alike(arrays, members, hashed(marks[members]), LANES, most):
                groups.append(_group(program, part, columns, members[rows], heads))
                rest.difference_update(members[rows].ravel().tolist())
    if rest:
        left = sorted(rest)
        element, inputs, constants = _element(program, left, dependencies(program, left))
        numbers = np.array(program.constants)[np.array(constants, dtype=np.int64) - program.inputs]
        places = np.searchsorted(heads, left)[None]
        groups.append(Group(element, np.array([inputs], dtype=np.int64), numbers[None], places))
    return groups


def _group(program: Program, part: Part, columns: list[Any], members: Any, heads: Any) -> Group:
    """The group of a set of equal parts; constants that are equal in each of them are one."""
    numbers, count = np.array(program.constants), len(members)
    places: dict[int, tuple[str, int]] = {node: ("code", k) for k, node in enumerate(part.order)}
    inputs: list[Any] = []
    constants: dict[bytes, int] = {}
    for node, slot in enumerate(part.slots):
        if slot < program.inputs:
            places[node] = "input", len(inputs)
            inputs.append(columns[node])
        elif slot < program.first_instruction:
            places[node] = (
                "constant",
                constants.setdefault(numbers[columns[node] - program.inputs].tobytes(), len(constants)),
            )
    of: dict[tuple[int, int], int] = {origin: node for node, origin in enumerate(part.origins)}
    of |= {(above, place): node for above, place, node in part.links}
    steps = []
    for node in part.order:
        primitive, arguments = program.code[part.slots[node] - program.first_instruction]
        steps.append((primitive, tuple([places[of[node, place]] for place in range(len(arguments))])))
    found = np.array([np.frombuffer(bits) for bits in constants]).reshape(len(constants), count).T
    return Group(
        Element(tuple(steps), tuple(places[of[-1, k]][1] for k in range(members.shape[1]))),
        np.array(inputs, dtype=np.int64).reshape(len(inputs), count).T,
        np.ascontiguousarray(found),
        np.searchsorted(heads, members),
    )


def _element(program: Program, heads: Sequence[int], cone: set[int]) -> tuple[Element, list[int], list[int]]:
    """The element of some heads, and the slots of its inputs and constants in the order of their first use."""
    inputs, first, code = program.inputs, program.first_instruction, program.code
    places: dict[int, tuple[str, int]] = {}
    own: list[int] = []
    constants: list[int] = []
    steps: list[Step] = []
    for slot in sorted(slot for slot in cone if slot >= first):
        primitive, arguments = code[slot - first]
        for a in arguments:
            if a not in places:  # an input or a constant: instructions come before their users
                kind, slots = ("input", own) if a < inputs else ("constant", constants)
                places[a] = kind, len(slots)
                slots.append(a)
        places[slot] = "code", len(steps)
        steps.append((primitive, tuple([places[a] for a in arguments])))
    return Element(tuple(steps), tuple(places[head][1] for head in heads)), own, constants
