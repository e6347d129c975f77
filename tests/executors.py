"""The executors, and whether their results are those of the function: types, shapes, bits."""

import functools

import numpy as np
from corpus import same_bits

import autograd_lite as al

BACKENDS = ("llvm", "numpy", "python")
COMPILED = {name: functools.partial(al.jit, backend=name) for name in BACKENDS}


def lifted(thing):
    """Numbers become Variables, so that eager results have the types that a traced function has."""
    if isinstance(thing, np.ndarray) and thing.dtype.kind in "fiu":
        flat = np.array([al.Variable(float(v)) for v in thing.ravel()], dtype=object)
        return flat.reshape(thing.shape)
    if isinstance(thing, (float, int, np.floating, np.integer)) and not isinstance(thing, bool):
        return al.Variable(thing)
    if isinstance(thing, dict):
        return {k: lifted(v) for k, v in thing.items()}
    return type(thing)(map(lifted, thing)) if isinstance(thing, (list, tuple)) else thing


def plain(result):
    """Variables become floats again, NumPy's floats Python's."""
    if isinstance(result, np.ndarray):
        flat = [plain(v) for v in result.ravel().tolist()]
        return np.array(flat, dtype=float if result.dtype == object else result.dtype).reshape(result.shape)
    if isinstance(result, al.Variable):
        return result.value
    if isinstance(result, np.floating):
        return float(result)
    if isinstance(result, dict):
        return {k: plain(v) for k, v in result.items()}
    return type(result)(map(plain, result)) if isinstance(result, (list, tuple)) else result


def outcome(f, arguments, keywords=None):
    """The plain result of a call, or what it raised."""
    try:
        return plain(f(*arguments, **(keywords or {})))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return ("raised", type(error), str(error))


def same(a, b, *, signs=True):
    """Say whether two nests are the same: types, shapes, dtypes, bits."""
    if isinstance(a, np.ndarray):
        alike = isinstance(b, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype
        return alike and all(
            same(p, q, signs=signs) for p, q in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
        )
    if isinstance(a, float):
        return type(b) is float and (same_bits(a, b) or (not signs and a == b))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k], signs=signs) for k in a)
    if isinstance(a, (list, tuple)):
        return (
            type(a) is type(b) and len(a) == len(b) and all(same(p, q, signs=signs) for p, q in zip(a, b, strict=True))
        )
    return type(a) is type(b) and a == b


def check(f, *calls, backends=BACKENDS, keywords=None, lift=True, signs=True):
    """Every call gives eager's result on every backend, first and later, in whatever order paths were found."""
    calls = [c if isinstance(c, tuple) else (c,) for c in calls]
    for backend in backends:
        jitted = al.jit(f, backend=backend)
        for arguments in calls + calls[::-1]:
            expected = outcome(f, lifted(arguments) if lift else arguments, keywords)
            got = outcome(jitted, arguments, keywords)
            assert same(expected, got, signs=signs), f"{backend} at {arguments}: {got}, eager {expected}"
