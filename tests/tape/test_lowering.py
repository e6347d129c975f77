"""Programs written out in the operations that an executor has code for."""

import autograd_lite as al
from autograd_lite.primitives import PRIMITIVES
from autograd_lite.tape.lowering import lowered


def test_a_program_that_an_executor_has_code_for_stays_as_it_is():
    """Only a power is looked at: a square is a product, as in the rule's own value."""
    every = frozenset(PRIMITIVES.values())
    plain = al.trace(lambda x, y: al.sin(x) * y + al.tanh(y), 1.0, 2.0).program
    assert lowered(plain, every) is plain
    squared = al.trace(lambda x, k: al.pow(x, k), 1.0, 2.0)
    assert [p.name for p, _ in lowered(squared.program, every).code] == ["pow"]
    squared = al.trace(lambda x: al.pow(x, 2.0), 1.0)
    assert [p.name for p, _ in lowered(squared.program, every).code] == ["mul"]
