"""What the garbage collector knows: which Variables exist, and whether something is left for it to find."""

import contextlib
import gc

import autograd_lite as al
from autograd_lite import core


def alive():
    """Return how many Variables exist.

    The compiled core counts them; else the collector knows. It also holds objects of other packages, some of which warn or
    do worse when an attribute is read, and `isinstance` reads `__class__`: only `type` asks nothing of an object.
    """
    return core.compiled.alive() if core.compiled else sum(issubclass(type(o), al.Variable) for o in gc.get_objects())


def settle():
    """Collect until nothing is found: what one collection finalizes may set more free."""
    for _ in range(100):
        if gc.collect() == 0:
            return
    raise AssertionError("a hundred collections, and the last still found something")


@contextlib.contextmanager
def collector_off():
    """Switch the cyclic collector off, with nothing left of what came before; on again at the end."""
    gc.disable()
    try:
        settle()
        yield
    finally:
        gc.enable()
