r"""A tape as text in Python, NumPy, C or LaTeX: one line an instruction.

In Python and LaTeX the lines are those of `print(tape)`. NumPy and C have fewer operations: what they lack is first written
out by its `expression`, and slots are numbered anew. The careful program of a tape is a second function of the text, to
which the first hands over as a replay does; LaTeX leaves it out, since as mathematics both are the same.
"""

from collections.abc import Callable, Iterator

from autograd_lite.errors import ArgumentError, CompilationError
from autograd_lite.primitives import Primitive
from autograd_lite.tape.tape import Tape
from autograd_lite.tape.text.language import NUMPY, PYTHON, module, translation_unit
from autograd_lite.tape.text.latex import equations


def source(tape: Tape, language: str) -> str:
    r"""Write a tape as text.

    Parameters
    ----------
    tape : Tape
    language : {"python", "numpy", "c", "latex"}
        "python": a function of floats or Variables, with the results of the tape, bit for bit. "numpy": a function of arrays,
        one number a lane. "c": a C99 translation unit with `int name(const double *x, double *y)`. "latex": an `aligned`
        environment.

    Returns
    -------
    str
        Inputs are the numbers in the arguments, in order, then the captured Variables: in Python one parameter each if there
        are at most 20, else one sequence. The result is one number, or the tuple of all.

    Raises
    ------
    ArgumentError
        If there is no such language.
    CompilationError
        If C has no function for an operation and that has no `expression`; or if the tape is a path of jit with a scan.

    Notes
    -----
    Where a comparison comes out otherwise than recorded, Python raises ValueError, NumPy too if it does so in any lane, and
    C returns the comparison's number, from 1. Time: linear in the length of the tape.

    Examples
    --------
    >>> import autograd_lite as al
    >>> tape = al.trace(lambda x, y: x * y + al.sin(x) if x > 1 else y, 2.0, 3.0)
    >>> print(source(tape, "python"), end="")
    # The tape of <lambda>, written by autograd_lite.
    from autograd_lite import sin
    <BLANKLINE>
    <BLANKLINE>
    def f(x, y):
        if not x > 1.0:
            raise ValueError('recorded where x > 1.0 (...)')
        v3 = x * y
        v4 = sin(x)
        v5 = v3 + v4
        return v5
    >>> print(source(tape, "latex"), end="")
    \begin{aligned}
    &\text{given }x > 1 \\
    v_{3} &= x \cdot y \\
    v_{4} &= \sin x \\
    v_{5} &= v_{3} + v_{4} \\
    y_{0} &= v_{5}
    \end{aligned}
    """
    if not isinstance(language, str) or language not in _LANGUAGES:
        raise ArgumentError(f"language={language!r}: give 'python', 'numpy', 'c' or 'latex'.")
    if not all(isinstance(rule, Primitive) for rule, _ in tape.code):
        raise CompilationError(
            f"the tape of {tape.name} holds a scan as one operation, as jit keeps them, and that has no text. Write trace(f, "
            "*arguments).source(…), which records its steps one by one."
        )
    return "\n".join(_LANGUAGES[language](tape)) + "\n"


_LANGUAGES: dict[str, Callable[[Tape], Iterator[str]]] = {
    "python": lambda tape: module(tape, PYTHON),
    "numpy": lambda tape: module(tape, NUMPY),
    "c": translation_unit,
    "latex": equations,
}

Tape.source = source
