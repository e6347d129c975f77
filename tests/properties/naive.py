"""What a program computes on plain floats: the library's names as loops and `math`, sharing no code with the library."""

import builtins
import itertools
import math
import types

import numpy as np
import optree


class Undefined(Exception):
    """The naive library does not have it."""


def _where(condition, a, b):
    return a if condition else b


def _clip(x, low, high):
    return x if x != x else builtins.min(builtins.max(x, low), high)


def _extreme(better):
    def choose(a, b):
        if a != a or b != b:
            return math.nan
        if a == b:
            raise Undefined  # which zero
        return a if better(a, b) else b

    return choose


def _square(x):
    return x * x


def _relu(x):
    return math.nan if x != x else builtins.max(x, 0.0)


def _whole(function):
    def rounded(x):
        return math.copysign(float(function(x)), x) if math.isfinite(x) else x

    return rounded


def _sign(x):
    return x if x != x or x == 0 else math.copysign(1.0, x)


def _step(x):
    raise Undefined


def _scan(step, init, xs=None, length=None, checkpoint=None):
    carry, ys = init, []
    for row in xs if xs is not None else [None] * length:
        carry, y = step(carry, row)
        ys.append(y)
    return carry, None if ys[0] is None else np.array(ys, dtype=object)


def _vmap(f, in_axes=0, reduce=None):
    if reduce is not None:
        raise Undefined  # a tree of its own

    def mapped(first, *shared):
        return np.array([f(row, *shared) for row in first], dtype=object)

    return mapped


def _sum(items):
    total = 0.0
    for item in items:
        total = total + item
    return total


def _less(a, b):
    return math.nan if a != a or b != b else float(a < b)


class _Naive(types.SimpleNamespace):
    def __getattr__(self, name):
        if name.startswith("__"):  # what collectors of doctests ask
            raise AttributeError(name)
        raise Undefined(name)


NAIVE = _Naive(
    where=_where, clip=_clip, maximum=_extreme(lambda a, b: a > b), minimum=_extreme(lambda a, b: a < b),
    square=_square, relu=_relu, floor=_whole(math.floor), ceil=_whole(math.ceil), trunc=_whole(math.trunc),
    round=_whole(builtins.round), sign=_sign, step=_step, sqrt=math.sqrt, copysign=math.copysign, less=_less,
    abs=math.fabs, sub=lambda a, b: a - b, div=lambda a, b: a / b, neg=lambda a: -a, inv=lambda a: 1.0 / a,
    sin=math.sin, cos=math.cos, exp=math.exp, log=math.log, log1p=math.log1p, expm1=math.expm1, atan=math.atan,
    asin=math.asin, acos=math.acos, asinh=math.asinh, tan=math.tan, sinh=math.sinh, cosh=math.cosh, tanh=math.tanh,
    scan=_scan, vmap=_vmap, sum=_sum, stop_gradient=lambda x: x, jit=lambda f, backend=None: f,
)  # fmt: skip


class Unrolled:
    """A library in which the lanes of a `vmap` are run one by one."""

    def __init__(self, library):
        self.library, self.vmap = library, _lane_by_lane

    def __getattr__(self, name):
        return getattr(self.library, name)


def _lane_by_lane(f, in_axes=0, reduce=None):
    def mapped(*arguments):
        axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(arguments)
        rows = [a if axis is not None else itertools.repeat(a) for a, axis in zip(arguments, axes, strict=True)]
        results = [f(*row) for row in zip(*rows, strict=False)]
        if reduce is None:
            return optree.tree_map(lambda *lanes: np.array(lanes, dtype=object), *results)
        count = len(results) if reduce == "mean" else 1
        return optree.tree_map(lambda *lanes: sum(lanes[1:], lanes[0]) / count, *results)

    return mapped
