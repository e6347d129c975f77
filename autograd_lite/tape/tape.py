"""The tape: the program of a function with the names and shapes of its inputs and results."""

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from autograd_lite import hints, transforms
from autograd_lite.errors import ArgumentError, TapeError
from autograd_lite.nests import Shape, unravel
from autograd_lite.see import pieces
from autograd_lite.tape import progress
from autograd_lite.tape.backends import python
from autograd_lite.tape.program import SIGNS, Guard, Instruction, Program
from autograd_lite.tape.trace import is_fixed, recorded
from autograd_lite.transforms import name_of
from autograd_lite.variable import Variable

_SHOWN = 60  # instructions that print(tape) shows before it leaves out the middle


@dataclass(frozen=True)
class Cost:
    """The cost of one replay.

    Attributes
    ----------
    operations : dict
        How often each primitive occurs.
    bytes : int
        Of all values of one lane, each kept.
    ratio : float or None
        Operations of value and gradient over operations of the value; None where there is no gradient.
    bound : float
        What theory allows for that ratio in reverse mode: 5 (Griewank & Walther 2008, section 4.6; moves not counted).
    """

    operations: dict[str, int]
    bytes: int
    ratio: float | None
    bound: float = 5.0

    def __str__(self) -> str:
        total = sum(self.operations.values())
        listed = ", ".join(f"{n} {name}" for name, n in sorted(self.operations.items(), key=lambda item: -item[1]))
        ratio = "" if self.ratio is None else f"; with gradient {self.ratio:.2f} times as many (bound {self.bound:g})"
        return f"{total} operations ({listed}), {self.bytes} bytes a lane{ratio}"


@hints.of_instances("a tape")
@dataclass(frozen=True, eq=False)
class Tape:
    """A straight-line program with known inputs, outputs and guards; `trace` makes one.

    Where a function selects by value (`where`, `relu`), its gradient as a tape sends 0·∂y/∂x into what was not taken, and
    that is NaN where ∂y/∂x is infinite. If one of the `doubtful` slots is NaN, the `careful` tape is replayed instead: the
    same derivative with the condition of every branch written out.

    Calling it replays it: in floats, in Variables, or in any arithmetic whose numbers have the operators (Fraction,
    Decimal, complex, mpmath), constants converted exactly.

    Parameters
    ----------
    name : str
        The name of the function.
    parameters : tuple of str
        The names of its parameters, for print.
    input_shape, output_shape : Shape
        The structures of the arguments and of the result.
    captured : tuple of Variable
        The Variables from outside, whose values are inputs behind the arguments.
    program : Program
        Instructions, constants, guards and the slots of the results.
    example : tuple of float
        The numbers of the arguments with which it was recorded.
    careful : callable or None
        Gives the careful tape; None if nothing is doubtful.
    ordered : bool, default False
        Whether the function sees in which order its keyword arguments are written.

    Raises
    ------
    BranchError
        If a guard comes out otherwise than recorded: the function would take another branch there. `jit` follows it.
    TapeError
        If the parts do not fit together.

    Examples
    --------
    >>> import autograd_lite as al
    >>> tape = al.trace(lambda x, y: x * y + al.sin(x), 2.0, 3.0)
    >>> tape(0.0, 5.0)
    0.0
    >>> print(tape)
    tape of <lambda>: 2 inputs, 3 instructions, 1 output
        v2 = mul(x, y)
        v3 = sin(x)
        v4 = add(v2, v3)
        return v4
    >>> tape.gradient()(0.0, 5.0)
    (6.0, 0.0)
    """

    name: str
    parameters: tuple[str, ...]
    input_shape: Shape
    captured: tuple[Variable, ...]
    program: Program
    output_shape: Shape
    example: tuple[float, ...] = ()
    careful: "Callable[[], Tape] | None" = None
    ordered: bool = False  # whether the function sees in which order its keyword arguments are written

    source: ClassVar[Callable[..., str]]  # given by `text`
    save: ClassVar[Callable[..., None]]  # given by `files`, as `load`
    load: "ClassVar[Callable[[Any], Tape]]"

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise TapeError(f"tape of {self.name}: {problem}. Make tapes with trace(f, *example) or Tape.load(path).")

    def _problem(self) -> str | None:
        program = self.program
        if program.inputs != self.arguments + len(self.captured):
            return f"a program of {program.inputs} inputs for {self.arguments + len(self.captured)} numbers"
        if sum(self.output_shape.sizes) != len(program.outputs):
            return f"{len(program.outputs)} outputs for a shape of {sum(self.output_shape.sizes)}"
        if program.doubtful and self.careful is None:
            return "results are doubtful, but there is no careful program"
        return program.problem

    @property
    def __name__(self) -> str:
        return self.name

    def __len__(self) -> int:
        return len(self.program.code)

    def __deepcopy__(self, memo: Any = None) -> "Tape":
        return self  # nothing in it changes

    __copy__ = __deepcopy__

    @cached_property
    def arguments(self) -> int:
        """How many numbers the arguments hold."""
        return sum(self.input_shape.sizes)

    @property
    def code(self) -> tuple[Instruction, ...]:
        """The instructions: for each its operation and the slots of its arguments."""
        return self.program.code

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The comparisons that the function decided by."""
        return self.program.guards

    @property
    def constants(self) -> tuple[float, ...]:
        """The constants, which have the slots behind the inputs."""
        return self.program.constants

    @property
    def outputs(self) -> tuple[int, ...]:
        """The slots of the results."""
        return self.program.outputs

    @property
    def doubtful(self) -> tuple[int, ...]:
        """The slots of which a NaN asks for the careful tape."""
        return self.program.doubtful

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Replay on arguments of the recorded shape."""
        if len(keywords) > 1 and not self.ordered and keywords.keys() == (known := self._example()[1]).keys():
            keywords = {name: keywords[name] for name in known}
        numbers = python.numbers_of((arguments, keywords), self.input_shape, self.name)
        return self.output_shape.pack(python.replay(self, [*numbers, *self.captured]))

    def condition(self, guard: Guard) -> str:
        """The comparison of a guard: `x < 0.0`.

        Parameters
        ----------
        guard : Guard
            One of `guards`.

        Returns
        -------
        str
            With the names of the inputs.
        """
        return f"{self._term(guard.left)} {SIGNS[guard.relation]} {self._term(guard.right)}"

    def gradient(self) -> "Tape":
        """The tape of the gradient with respect to all arguments: their structure, or a tuple of such if several.

        Returns
        -------
        Tape
            Of the same arguments.

        Raises
        ------
        OutputError
            If the tape does not return one number.
        """
        arguments, _ = self._example()
        return self._transformed("grad", 0 if len(arguments) == 1 else tuple(range(len(arguments))))

    def _example(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        arguments, keywords = self.input_shape.pack(list(self.example))
        return arguments, keywords

    def _transformed(self, transform: str, argnums: Any) -> "Tape":
        arguments, keywords = self._example()
        if not arguments:
            raise ArgumentError(f"the tape of {self.name} has no positional arguments to differentiate by.")
        return trace(getattr(transforms, transform)(self, argnums), *arguments, **keywords)

    def cost(self) -> Cost:
        """Operations, bytes, and the price of a gradient.

        Returns
        -------
        Cost
            `print` shows it in a line.
        """
        counts = Counter(primitive.name for primitive, _ in self.code)
        arguments, _ = self._example()
        ratio = None
        if len(self.outputs) == 1 and arguments and self.code:
            ratio = len(self._transformed("value_and_grad", tuple(range(len(arguments))))) / len(self.code)
        return Cost(dict(sorted(counts.items())), 8 * self.program.slots, ratio)

    def __repr__(self) -> str:
        return f"<{self._headline()}>"

    def _headline(self) -> str:
        counts = {
            "input": self.arguments,
            "captured Variable": len(self.captured),
            "instruction": len(self.code),
            "guard": len(self.guards),
            "output": len(self.outputs),
        }
        listed = (f"{n} {what}{'s' * (n != 1)}" for what, n in counts.items() if n or what in ("instruction", "output"))
        return f"tape of {self.name}: {', '.join(listed)}"

    def __str__(self) -> str:
        """All lines, or the first and last of a long tape."""
        lines = list(self._lines())
        if len(lines) > _SHOWN:
            half = _SHOWN // 2
            lines[half:-half] = [f"… {len(lines) - 2 * half} lines; tape.source('python') has them all"]
        return "\n    ".join([self._headline(), *lines])

    def _repr_html_(self) -> str:
        counts = Counter(primitive.name for primitive, _ in self.code)
        rows = [(name, f"{n:,}") for name, n in counts.most_common()]
        cost = f"Cost: {len(self.code):,} operations, {8 * self.program.slots:,} bytes"
        listing = pieces.listing("Program", [*self._lines()])
        return pieces.piece(
            pieces.title(self._headline()), listing, pieces.table(cost, ("operation", "times"), rows, numbers=[1])
        )

    def _lines(self) -> Iterator[str]:
        waiting = list(self.guards)[::-1]
        for position, (primitive, arguments) in enumerate([*self.code, (None, ())]):
            while waiting and waiting[-1].position <= position:
                guard = waiting.pop()
                yield f"guard {self.condition(guard)} is {guard.outcome}    # {guard.location}"
            if primitive is not None:
                terms = ", ".join(map(self._term, arguments))
                yield f"v{self.program.first_instruction + position} = {primitive.name}({terms})"
        if self.doubtful:
            yield f"careful program if nan: {', '.join(map(self._term, self.doubtful))}"
        yield f"return {', '.join(map(self._term, self.outputs))}"

    def _term(self, slot: int) -> str:
        if slot < self.program.inputs:
            return self.input_names[slot]
        if slot < self.program.first_instruction:
            return repr(self.constants[slot - self.program.inputs])
        return f"v{slot}"

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs in print: `x`, `w[2]`, and the names of captured Variables."""
        names = []
        for (by_keyword, which, *inside), index in self.input_shape.places():
            named = not by_keyword and which < len(self.parameters)
            name = self.parameters[which] if named else which if by_keyword else f"x{which}"
            names.append(name + "".join(f"[{step!r}]" for step in inside) + index)
        return (*names, *(v.name or f"captured{k}" for k, v in enumerate(self.captured)))


@hints.keywords
def trace(f: Callable[..., Any], *example: Any, **keywords: Any) -> Tape:
    """Record what a function does with such arguments, as a straight-line program.

    Parameters
    ----------
    f : callable
        Takes floats, arrays or nests of them; returns any nest.
    *example, **keywords
        Arguments to run it on. Their structure is fixed by that; their values decide which branches are recorded.

    Returns
    -------
    Tape

    Raises
    ------
    OperandError
        If an argument or a result is no number.

    Notes
    -----
    What Python decides by a traced number (`if`, `while`, `sorted`, `int(x)`) becomes a guard. Variables from outside the
    function stay live inputs; plain numbers from outside, and what the function prints or stores, are those of this one
    run. Time: about 3 µs an operation.

    Examples
    --------
    >>> import autograd_lite as al
    >>> tape = trace(lambda x: x * x if x > 0 else -x, 3.0)
    >>> tape(2.0), len(tape), len(tape.guards)
    (4.0, 1, 1)
    """
    if not callable(f):
        raise ArgumentError(f"trace takes a function and got {f!r}. Write trace(f, x), not trace(f(x)).")
    numbers, shape = unravel((example, keywords), f"an argument of {name_of(f)}", is_fixed)
    return record(f, numbers, Shape(shape.containers, shape.leaves))


def record(f: Callable[..., Any], numbers: Sequence[Any], shape: Shape, **options: Any) -> Tape:
    """Trace `f` on arguments of this shape with these numbers in them; options as of `recorded`."""
    with progress.shown(f"recording {name_of(f)}", counted=True):
        program, captured, output_shape = recorded(f, numbers, shape, **options)
    parameters = _signature(f) or ()
    careful = functools.cache(lambda: record(f, numbers, shape, **(options | {"masked": True})))
    return Tape(
        careful=careful if program.doubtful else None,
        name=name_of(f),
        parameters=tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)),
        ordered=sees_order(f),
        input_shape=shape,
        captured=captured,
        program=program,
        example=tuple(getattr(n, "_value", n) for n in numbers),
        output_shape=output_shape,
    )


def _signature(f: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return None


def sees_order(f: Callable[..., Any]) -> bool:
    """Whether a function can see in which order its keyword arguments are written: it collects them in `**keywords`."""
    parameters = _signature(f)
    return parameters is None or any(p.kind is p.VAR_KEYWORD for p in parameters)
