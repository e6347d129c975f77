"""The tree of sums over blocks: its form depends on the number of blocks alone."""

import gc
import weakref

import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.tape.blocks import added, averaged, combined


def joined(left, right):
    return f"({left}{right})"


@pytest.mark.parametrize(
    ("parts", "tree"),
    [("a", "a"), ("ab", "(ab)"), ("abc", "((ab)c)"), ("abcd", "((ab)(cd))"), ("abcdefg", "(((ab)(cd))((ef)g))")],
)
def test_neighbours_are_joined_first(parts, tree):
    """As the docstring draws it."""
    assert combined(parts, joined) == tree


@pytest.mark.parametrize("count", range(1, 70))
def test_every_part_is_there_once_in_order_and_the_tree_is_flat(count):
    """Its height is that of a balanced tree."""
    letters = [chr(0x4E00 + k) for k in range(count)]
    tree = combined(letters, joined)
    assert tree.replace("(", "").replace(")", "") == "".join(letters)
    depths = np.cumsum([{"(": 1, ")": -1}.get(letter, 0) for letter in tree])
    assert max(depths) == int(np.ceil(np.log2(count)))


def test_few_parts_are_held_at_a_time():
    """A thousand blocks are read, and eleven sums at most wait."""

    class Part:
        """Can be watched."""

    alive, most = weakref.WeakSet(), 0

    def parts():
        nonlocal most
        for _ in range(1000):
            part = Part()
            alive.add(part)
            yield part
            del part
            gc.collect(0)
            most = max(most, len(alive))

    def how(left, right):
        both = Part()
        alive.add(both)
        return both

    combined(parts(), how)
    assert most <= 13


def test_nests_are_added_and_averaged():
    """Number by number; a mean of nothing is NaN."""
    nest = {"a": np.array([1.0, 2.0]), "b": (3.0,)}
    twice = added(nest, nest)
    assert twice["a"].tolist() == [2.0, 4.0]
    assert averaged(twice, 2)["b"] == (3.0,)
    assert np.isnan(averaged(0.0, 0))


def test_no_parts_are_refused():
    """The structure of the sum would be unknown."""
    with pytest.raises(al.ArgumentError, match="no row to add up"):
        combined([], added)
