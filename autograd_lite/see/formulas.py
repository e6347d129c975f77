"""The formula of a whole block of nodes, `tanh(Σ w·x + b)`: it identifies copies and names a folded box."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from autograd_lite.see.labels import elide, rule_name, short, steady, visible
from autograd_lite.variable import Variable

# Where an input and a number go in the formula of a block; `visible` lets neither into a name.
INPUT, CONSTANT = "\0", "\1"
# In letters; and how many different terms a sum may have.
BLOCK_LENGTH, BLOCK_TERMS = 36, 4
# What can be done in any order: a row of them, however long, is one operation.
ROWS = frozenset({"add", "mul", "maximum", "minimum"})
# How it is written, and how tightly each of its arguments must bind.
WRITTEN = {
    "sub": ("{} - {}", (1, 2)),
    "div": ("{}/{}", (2, 3)),
    "neg": ("-{}", (3,)),
    "pow": ("{}^{}", (4, 4)),
    "square": ("{}²", (4,)),
}
BINDING = {"add": 1, "sub": 1, "mul": 2, "div": 2, "neg": 2, "pow": 3, "square": 3}


class Shape(NamedTuple):
    """The formula of a block without its inputs, `tanh(Σ _·_ + _)`, and the number of occurrences of each term."""

    op: str
    terms: tuple[tuple[str, int], ...]
    text: str
    inside: frozenset[str]


BLANK, PLAIN = (Shape("", ((slot, 1),), slot, frozenset()) for slot in (INPUT, CONSTANT))


def join(op: str, shapes: Sequence[Shape]) -> Shape | None:
    """Return the formula of `op` applied to `shapes`; None if it is too long, or if an operation stands inside itself.

    >>> term = join("mul", (BLANK, BLANK))
    >>> neuron = join("tanh", [join("add", (join("add", (term, term)), BLANK))])
    >>> fill(neuron, ["w", "x", "b"])
    'tanh(Σ w·x + b)'
    >>> join("tanh", [neuron]) is None
    True
    """
    rows = op in ROWS or len(shapes) > BLOCK_TERMS
    if any(op in shape.inside for shape in shapes if not (rows and shape.op == op)):
        return None
    if rows:
        counts: dict[str, int] = {}
        for shape in shapes:
            for term, count in terms_in(op, shape):
                counts[term] = min(counts.get(term, 0) + count, single(term) + 1)
        terms = tuple(counts.items())
        text = _row(op, in_order(op, terms))
    else:
        form, tightness = WRITTEN.get(op, ("", ()))
        if len(tightness) != len(shapes):
            form, tightness = "", (0,) * len(shapes)
        texts = [wrapped(shape, least) for shape, least in zip(shapes, tightness, strict=True)]
        text = form.format(*texts) if form else f"{op}({', '.join(texts)})"
        terms = ((text, 1),)
    if (len(text) > BLOCK_LENGTH or len(terms) > BLOCK_TERMS) and any(shape.op for shape in shapes):
        return None
    return Shape(op, terms, text, frozenset({op}).union(*(shape.inside for shape in shapes)))


def single(term: str) -> int:
    """Return how often a term may occur before it is written once, behind a Σ: `a + b + c`, but `Σ w·x`."""
    return 3 if term in {INPUT, CONSTANT} else 1


def terms_in(op: str, shape: Shape) -> tuple[tuple[str, int], ...]:
    """Return the terms of `shape` in a row of `op`: its own terms if it is such a row, else `shape` itself."""
    return shape.terms if shape.op == op else ((wrapped(shape, BINDING.get(op, -1) + 1), 1),)


def in_order(op: str, terms: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the terms in the order of writing: repeated terms are first in a sum, and last elsewhere."""
    return sorted(terms, key=lambda term: (term[1] > single(term[0])) is (op != "add"))


def wrapped(shape: Shape, least: int) -> str:
    return shape.text if BINDING.get(shape.op, 4) >= least else f"({shape.text})"


def _row(op: str, terms: Sequence[tuple[str, int]]) -> str:
    sign, between, after = {"add": ("Σ ", " + ", ""), "mul": ("Π ", "·", "")}.get(op, ("", ", ", ", …"))
    written: list[str] = []
    for term, count in terms:
        written += [term] * count if count <= single(term) else [sign + term + after]
    row = between.join(written)
    return row if op in {"add", "mul"} else f"{op.removesuffix('imum')}({row})"


def fill(shape: Shape, letters: Sequence[str]) -> str:
    pieces = re.split(f"[{INPUT}{CONSTANT}]", shape.text)
    return "".join(piece for pair in zip(pieces, [*letters, ""], strict=True) for piece in pair)


def call(node: Variable) -> tuple[str, tuple[Any, ...]]:
    """Return the operation and its arguments for a formula: x·x is a square, and a sum drops the 0 at its start."""
    op, arguments = rule_name(node) or "hand-made", node.arguments
    if len(arguments) == 2:
        x, y = arguments
        if (op == "mul" and x is y) or (op == "pow" and type(y) is float and y == 2.0):
            return "square", (x,)
    return op, tuple(a for a in arguments if type(a) is Variable or a) if op == "add" else arguments


@lru_cache(maxsize=1 << 14)
def combine(op: str, shapes: tuple[Shape, ...]) -> tuple[Shape, tuple[bool, ...]]:
    """Return the formula of `op`, and the operands that are part of it: operands that do not fit become inputs."""
    kept = [True] * len(shapes)
    given = list(shapes)
    while (shape := join(op, given)) is None:
        worst = max(range(len(given)), key=lambda k: (op in given[k].inside and op != given[k].op, len(given[k].text)))
        given[worst], kept[worst] = BLANK, False
    return shape, tuple(kept)


class Formula(NamedTuple):
    """A node in the formula of its block; operands are indices of nodes or `(number,)`; joined ones belong to the block."""

    shape: Shape
    operands: tuple[Any, ...]
    joined: tuple[bool, ...]


def inputs(block: Iterable[int], formulas: Mapping[int, Formula]) -> list[set[Any]]:
    """Return the inputs of a block's formula, in the order of writing; `block` holds its nodes, arguments first."""
    filled: dict[int, dict[str, list[list[set[Any]]]]] = {}
    for i in block:
        shape, operands, parts = formulas[i]
        # For every term the contents of its blanks, each time that it occurs.
        terms: dict[str, list[list[set[Any]]]] = defaultdict(list)
        for operand, joined in zip(operands, parts, strict=True):
            given = formulas[operand].shape if joined else PLAIN if type(operand) is tuple else BLANK
            if joined and given.op == shape.op:
                for term, occurrences in filled.pop(operand).items():
                    terms[term] += occurrences
                continue
            blanks = _written(given, filled.pop(operand)) if joined else [{operand}]
            if shape.op in ROWS or len(operands) > BLOCK_TERMS:
                terms[terms_in(shape.op, given)[0][0]].append(blanks)
            else:
                terms.setdefault(shape.text, [[]])[0].extend(blanks)
        for term, count in shape.terms:
            if count > single(term):
                terms[term] = [[union(same) for same in zip(*terms[term], strict=True)]]
        filled[i] = terms
    return _written(shape, terms)


def _written(shape: Shape, terms: Mapping[str, list[list[set[Any]]]]) -> list[set[Any]]:
    return [blank for term, _ in in_order(shape.op, shape.terms) for blanks in terms[term] for blank in blanks]


def union(sets: Iterable[set[Any]]) -> set[Any]:
    """Return the union, built in the largest operand: a sum of n terms takes time n and not n²."""
    first, *others = sorted(sets, key=len, reverse=True)
    first.update(*others)
    return first


def letters(shape: Shape, slots: Sequence[set[Any]], nodes: Sequence[Variable], results: dict[int, str]) -> list[str]:
    """Return the name of each input of a formula for many blocks; `slots` holds the nodes of each input.

    The name is the common name of the nodes without digits, or one of `results`, else `w`, `b` for leaves and `x` for others.
    """
    places = [match.start() for match in re.finditer(f"[{INPUT}{CONSTANT}]", shape.text)]
    names = [_shared_name(slot, nodes, results) for slot in slots]
    chosen: dict[frozenset[Any], str] = {}
    # What has a name keeps it; of the rest the larger comes first: there are more weights than inputs.
    for k in sorted(range(len(slots)), key=lambda k: (not names[k], -len(slots[k]), k)):
        numbers = shape.text[places[k]] == CONSTANT
        leaves = all(numbers or (i >= 0 and not nodes[i].arguments) for i in slots[k])
        addend = "Σ" in shape.text and shape.text[: places[k]].endswith(" + ")
        preferred = [names[k], "b" * addend, *("kcmnpqrs" if numbers else "wxvukmnp" if leaves else "xhzuvpqr")]
        free = (name for name in preferred if name and name not in chosen.values())
        chosen.setdefault(frozenset(slots[k]), next(free, "…"))
    found = []
    for slot, place in zip(slots, places, strict=True):
        letter, before = chosen[frozenset(slot)], shape.text[:place]
        negative = letter.startswith("-") and before and not before.endswith(("(", ", "))
        found.append(f"({letter})" if negative else letter)
    return found


def _shared_name(slot: set[Any], nodes: Sequence[Variable], results: Mapping[int, str]) -> str:
    if any(type(i) is tuple for i in slot):
        return short(min(slot)[0]) if len(slot) == 1 else ""
    if len(told := {results.get(i, "") for i in slot}) == 1 and (result := told.pop()):
        return result
    names = {visible(nodes[i].name or "").strip() if i >= 0 else "" for i in slot}
    common = names if len(slot) == 1 else {stem(name) for name in names}
    return steady(elide(common.pop(), 10)) if len(common) == 1 else ""


def stem(name: str) -> str:
    """Return `name` without a number at its end.

    >>> stem("w12"), stem("layer1.w[3][4]"), stem("7")
    ('w', 'layer1.w', '7')
    """
    return re.sub(r"[\d_.,:()\[\]]+$", "", name) or name
