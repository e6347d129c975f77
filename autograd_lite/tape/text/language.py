"""The common part of the languages: the order of instructions and guards, names, numbers."""

import keyword
import re
import textwrap
import unicodedata
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from math import copysign, isinf, isnan

from autograd_lite import primitives as p
from autograd_lite.primitives import Primitive
from autograd_lite.tape.lowering import lowered
from autograd_lite.tape.program import Guard, Program
from autograd_lite.tape.tape import Tape

#: With more inputs than this a function of Python takes one sequence of them.
FEW = 20


@dataclass(frozen=True)
class Language:
    """How the parts of a program are written."""

    operation: Callable[[Primitive, Sequence[str]], str]
    constant: Callable[[float], str]
    check: Callable[[int, Guard, str, str], str]  # the lines of a guard with its number and sides
    line: str = "    {} = {}"
    slot: str = "v{}"
    native: Collection[Primitive] | None = None  # what is not written out by its expression; None is everything

    def programs(self, tape: Tape) -> list[Program]:
        """The program of a tape, and its careful program if it has one."""
        parts = [part.program for part in ([tape, tape.careful()] if tape.doubtful and tape.careful else [tape])]
        return parts if self.native is None else [lowered(part, self.native) for part in parts]

    def terms(self, program: Program, inputs: Sequence[str]) -> list[str]:
        """The name of each slot."""
        computed = range(program.first_instruction, program.slots)
        return [*inputs, *map(self.constant, program.constants), *map(self.slot.format, computed)]

    def statements(self, program: Program, terms: Sequence[str]) -> Iterator[str]:
        """Instructions, and each guard as soon as its sides and all guards before it are there."""
        waiting = deque(enumerate(program.guards, start=1))
        for slot in range(program.first_instruction, program.slots + 1):
            while waiting and max(waiting[0][1].left, waiting[0][1].right) < slot:
                number, guard = waiting.popleft()
                yield self.check(number, guard, terms[guard.left], terms[guard.right])
            if slot < program.slots:
                primitive, arguments = program.code[slot - program.first_instruction]
                yield self.line.format(terms[slot], self.operation(primitive, [terms[a] for a in arguments]))


def applied(template: str, terms: Sequence[str]) -> str:
    """The text of an operation."""
    return f"-({terms[0]})" if template == "-{0}" and terms[0].startswith("-") else template.format(*terms)


def rounds_to_whole(primitive: Primitive, terms: Sequence[str]) -> bool:
    """Whether this is `round(x)`, which other languages have; not so `round(x, decimals)`."""
    return primitive is p.round and terms[1] in ("0.0", "-0.0")


def identifier(name: str, otherwise: str, taken: set[str]) -> str:
    """A name made an identifier that is not taken; it is then."""
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name.replace("<lambda>", "f"))).strip("_")
    if not name.isidentifier():
        name = otherwise
    if keyword.iskeyword(name) or re.fullmatch(r"v\d+", name):
        name += "_"
    unique, count = name, 2
    while unique in taken:
        unique, count = f"{name}_{count}", count + 1
    taken.add(unique)
    return unique


def wrapped(terms: Sequence[str]) -> str:
    """Terms between commas, in lines of bearable length."""
    return textwrap.fill(
        ", ".join(terms), 108, subsequent_indent=" " * 8, break_long_words=False, break_on_hyphens=False
    )


def on_one_line(text: str) -> str:
    """A name without what would end the line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def in_digits(number: float, infinity: str = 'float("inf")', nan: str = 'float("nan")') -> str:
    """A number in digits that are read as the same float."""
    sign = "-" if copysign(1.0, number) < 0.0 else ""
    return nan if isnan(number) else f"{sign}{infinity}" if isinf(number) else repr(number)
