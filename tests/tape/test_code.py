"""Programs while they are made: the instructions of a builder, and hashes of programs as arrays, in either core."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_lite as al
from autograd_lite import primitives
from autograd_lite.tape import alike
from autograd_lite.tape.alike import Arrays, levels
from autograd_lite.tape.program import Builder, Code

FIRST = 1 << 29
OPERATIONS = [primitives.add, primitives.mul, al.Primitive("own_of_code", lambda x: x, [lambda x, y: 1.0])]
STEPS = st.tuples(st.sampled_from(OPERATIONS), st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple))


@given(st.lists(st.one_of(st.tuples(STEPS, st.booleans()), st.integers(0, 40)), max_size=60))
def test_code_is_a_list_in_which_what_is_kept_is_found(calls):
    """Against a list that is searched from its beginning."""
    code, model = Code(), []
    for call in calls:
        if isinstance(call, int):
            first = min(call, len(model))
            assert code.taken(first) == [step for step, _ in model[first:]]
            del model[first:]
            continue
        step, kept = call
        known = next((FIRST + k for k, (other, was) in enumerate(model) if was and other == step), None)
        assert code.find(*step) == known
        if not kept or known is None:
            model.append((step, kept))
        assert code.append(*step, kept) == (known if kept and known is not None else FIRST + len(model) - 1)
        assert len(code) == len(model)
    assert [code[k] for k in range(len(code))] == [step for step, _ in model]
    with pytest.raises(IndexError):
        code[len(model)]


def test_whole_numbers_of_numpy_are_slots():
    """Captured numbers have their places in an array of NumPy: `while_loop` in lanes ended in a TypeError."""
    code = Code()
    for arguments in [(2, 3), (1, 2, 3), (1, 2, 3, 4)]:
        slot = code.append(OPERATIONS[0], tuple(map(np.int64, arguments)), True)
        assert code.find(OPERATIONS[0], arguments) == slot == code.find(OPERATIONS[0], tuple(map(np.int32, arguments)))


def test_a_long_code():
    """Thousands of instructions, each found again, as its table grows."""
    code = Code()
    steps = [(OPERATIONS[k % 3], (k, k // 2) * (1 + k % 2)) for k in range(5_000)]
    assert [code.append(*step, True) for step in steps] == [FIRST + k for k in range(5_000)]
    assert [code.append(*step, True) for step in steps] == [code.find(*step) for step in steps]
    assert len(code) == 5_000


def test_operations_that_are_equal_are_one():
    """What stands for the same operation, made twice, is found again; in a table by hashes as in a dict."""

    class Same(type(primitives.add)):
        __slots__ = ()

        def __eq__(self, other):
            return type(other) is Same

        def __hash__(self):
            return 7

    one, other = (Same("same_of_code", lambda x: x, [lambda x, y: 1.0]) for _ in range(2))
    code = Code()
    assert code.append(one, (0,), True) == code.find(other, (0,)) == code.append(other, (0,), True) == FIRST


def test_an_instruction_that_is_moved_is_not_found_at_its_old_place():
    builder = Builder(2)
    first = builder.instruction(primitives.add, (0, 1))
    builder.code.taken(0)
    builder.append(primitives.mul, (0, 1))
    assert builder.instruction(primitives.add, (0, 1)) == first + 1
    assert builder.instruction(primitives.mul, (0, 1)) == first + 2  # what was only appended is not found


@given(st.integers(0, 30), st.integers(1, 6), st.integers(0, 2**32))
def test_marks_see_so_many_levels(count, deep, seed):
    """Against one sum after the other."""
    rng, mask = np.random.default_rng(seed), (1 << 64) - 1
    counts = rng.integers(1, 5, count)
    starts, arguments = np.cumsum(counts) - counts, rng.integers(0, count + 3, counts.sum())
    own = rng.integers(0, 2**63, count).astype(np.uint64)
    marks = rng.integers(0, 2**63, count + 3).astype(np.uint64)
    expected = marks.tolist()

    def mixed(n):
        n = (n ^ n >> 31) * 0x9E3779B97F4A7C15 & mask
        return n ^ n >> 29

    for _ in range(deep if count else 0):
        totals = [
            sum(expected[a] * (mixed(k + 1) | 1) for k, a in enumerate(arguments[start : start + many])) & mask
            for start, many in zip(starts, counts, strict=True)
        ]
        expected[3:] = [int(n) ^ mixed(total) for n, total in zip(own, totals, strict=True)]
    if count:
        levels(own, starts, arguments, marks, deep)
    assert marks.tolist() == expected


def test_equal_parts_have_equal_marks():
    def f(x):
        return [al.sin(x[k] * x[k + 1]) + 2.0 for k in range(0, 20, 2)] + [al.cos(x[0]) * x[1]]

    program = al.trace(f, np.linspace(0.1, 2.0, 20)).program
    marks = Arrays(program).marks()[list(program.outputs)]
    assert len({*marks[:-1].tolist()}) == 1
    assert marks[-1] != marks[0]
    assert alike.DEEP > 2
