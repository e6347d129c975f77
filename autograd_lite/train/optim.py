"""Optimisers over nests: pure functions, on numbers as well as under `jit` and `scan`.

    optimiser = Adam(1e-3)
    state = optimiser.init(params)
    params, state = optimiser.update(gradients, state, params)

A rate is a number, or a function of the number of steps done so far: a schedule.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import optree

from autograd_lite import primitives
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import NAMESPACE, as_array

__all__ = [
    "SGD", "Adam", "AdamW", "RMSProp", "Rate", "State", "clip_by_norm", "cosine_decay", "exponential_decay",
    "step_decay", "warmup",
]  # fmt: skip

Rate = float | Callable[[Any], Any]


class State(NamedTuple):
    """What an optimiser remembers: a nest itself, so that it can be carried by `scan` and saved.

    Attributes
    ----------
    step : float
        How many steps have been done.
    first, second : nest like the parameters, or None
        Running means of the gradient and of its square, or whatever the method keeps.
    """

    step: Any
    first: Any = None
    second: Any = None


def _each(function: Callable[..., Any], *nests: Any) -> Any:
    """A function applied leaf by leaf, to leaves of one shape."""

    def applied(*leaves: Any) -> Any:
        shapes = [_shape(leaf) for leaf in leaves]
        if len(set(shapes)) > 1:  # (n,) and (n, 1) would spread to n² numbers in silence
            raise ValueError(f"leaves of shapes {' and '.join(map(str, shapes))}")
        result = function(*map(_real, leaves))
        if isinstance(leaves[0], np.ndarray) and not isinstance(result, np.ndarray):
            return as_array(np.array(result), ())  # of arrays without axes NumPy makes numbers
        return result

    try:
        with np.errstate(all="ignore"):  # what overflows is inf, without a warning, as in all of the library
            return optree.tree_map(applied, *nests, namespace=NAMESPACE)
    except ValueError as error:
        raise ArgumentError(
            f"gradients, state and parameters are not nests of one structure: {f'{error}'.rstrip('.')}. Pass the gradients "
            "by those parameters, and the state that init made for them."
        ) from error


def _shape(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return leaf.shape
    return () if optree.tree_is_leaf(leaf, namespace=NAMESPACE) else type(leaf).__name__


def _real(leaf: Any) -> Any:
    """A leaf in 64 bits: a float32 would make one of what it is multiplied by."""
    if isinstance(leaf, np.ndarray):
        return leaf if leaf.dtype == object else leaf.astype(np.float64, copy=False)
    return float(leaf) if isinstance(leaf, np.generic) else leaf


def _zeros(params: Any) -> Any:
    return _each(lambda p: np.zeros(p.shape) if isinstance(p, np.ndarray) else 0.0, params)


def _root(x: Any) -> Any:
    """√ of a mean of squares; at 0 its derivative is 0, as that of the absolute value, where √ has an infinite one."""
    if isinstance(x, np.ndarray) and x.dtype != object:
        return np.sqrt(x)
    return primitives.where(x, primitives.sqrt(x), 0.0)


def _rate(rate: Rate, step: Any) -> Any:
    return rate(step) if callable(rate) else rate


def _checked_rate(rate: Any) -> None:
    if isinstance(rate, (int, float, str)):  # a Variable may go where a derivative by the rate takes it
        _checked("rate", rate, 0.0, math.inf)


def _checked(name: str, value: float | str, low: float, high: float) -> None:
    if isinstance(value, str) or not low <= value < high:
        raise ArgumentError(f"{name}={value!r} is outside of {low:g} ≤ {name} < {high:g}.")


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ArgumentError(f"{name}={value!r} is not above 0.")


def _own(state: Any, method: Any, *kept: bool) -> None:
    """Refuse what `init` of this method cannot have made."""
    if not isinstance(state, State) or kept != (state.first is not None, state.second is not None):
        held = f"a {type(state).__name__}" if not isinstance(state, State) else "the state of another optimiser"
        raise ArgumentError(
            f"{type(method).__name__}.update got {held} for its state. Begin with state = optimiser.init(params), and call "
            "update(gradients, state, params)."
        )


@dataclass(frozen=True)
class SGD:
    """Gradient descent, with momentum if asked for.

    Parameters
    ----------
    rate : float or schedule
    momentum : float, default 0
        Share of the last step that is kept: v ← momentum·v + g, p ← p - rate·v.
    nesterov : bool, default False
        Look ahead: p ← p - rate·(g + momentum·v).
    weight_decay : float, default 0
        Adds weight_decay·p to the gradient.

    Raises
    ------
    ArgumentError
        If momentum is not below 1, or Nesterov's method is asked for without momentum.

    References
    ----------
    .. [1] Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.

    Examples
    --------
    >>> optimiser = SGD(0.1, momentum=0.9)
    >>> x, state = 1.0, optimiser.init(1.0)
    >>> for _ in range(200):
    ...     x, state = optimiser.update(2 * x, state, x)  # of x²
    >>> abs(x) < 1e-3
    True
    """

    rate: Rate
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _checked_rate(self.rate)
        _checked("momentum", self.momentum, 0.0, 1.0)
        _checked("weight_decay", self.weight_decay, 0.0, math.inf)
        if self.nesterov and not self.momentum:
            raise ArgumentError("nesterov=True needs momentum: SGD(rate, momentum=0.9, nesterov=True).")

    def init(self, params: Any) -> State:
        """The state before the first step."""
        return State(0.0, _zeros(params) if self.momentum else None)

    def update(self, gradients: Any, state: State, params: Any) -> tuple[Any, State]:
        """New parameters and state."""
        _own(state, self, self.momentum > 0.0, False)
        rate, keep = _rate(self.rate, state.step), self.momentum
        if self.weight_decay:
            gradients = _each(lambda g, p: g + self.weight_decay * p, gradients, params)
        velocity = None
        if keep:
            velocity = _each(lambda v, g: keep * v + g, state.first, gradients)
            gradients = _each(lambda g, v: g + keep * v, gradients, velocity) if self.nesterov else velocity
        return _each(lambda p, g: p - rate * g, params, gradients), State(state.step + 1.0, velocity)


@dataclass(frozen=True)
class RMSProp:
    """Steps divided by the root of a running mean of squared gradients.

    Parameters
    ----------
    rate : float or schedule
    decay : float, default 0.99
        Share of the running mean that is kept.
    epsilon : float, default 1e-8
        Added to the root.
    momentum : float, default 0

    References
    ----------
    .. [1] Tieleman & Hinton, "Lecture 6.5, RMSProp", Neural Networks for Machine Learning, 2012.

    Examples
    --------
    >>> optimiser = RMSProp(0.1)
    >>> x, state = optimiser.update(2.0, optimiser.init(1.0), 1.0)
    >>> round(x, 6)                                       # 1 - 0.1·2/√(0.01·2²)
    0.0
    """

    rate: Rate
    decay: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0

    def __post_init__(self) -> None:
        _checked_rate(self.rate)
        _checked("decay", self.decay, 0.0, 1.0)
        _positive("epsilon", self.epsilon)
        _checked("momentum", self.momentum, 0.0, 1.0)

    def init(self, params: Any) -> State:
        """The state before the first step."""
        return State(0.0, _zeros(params) if self.momentum else None, _zeros(params))

    def update(self, gradients: Any, state: State, params: Any) -> tuple[Any, State]:
        """New parameters and state."""
        _own(state, self, self.momentum > 0.0, True)
        rate = _rate(self.rate, state.step)
        squares = _each(lambda s, g: self.decay * s + (1 - self.decay) * (g * g), state.second, gradients)
        steps = _each(lambda g, s: g / (_root(s) + self.epsilon), gradients, squares)
        velocity = None
        if self.momentum:
            steps = velocity = _each(lambda v, d: self.momentum * v + d, state.first, steps)
        return _each(lambda p, d: p - rate * d, params, steps), State(state.step + 1.0, velocity, squares)


@dataclass(frozen=True)
class Adam:
    """Running means of the gradient and its square, both corrected for having begun at 0.

    Parameters
    ----------
    rate : float or schedule, default 1e-3
    beta1, beta2 : float, default 0.9 and 0.999
        Shares of the running means that are kept.
    epsilon : float, default 1e-8
        Added to the root of the second.
    weight_decay : float, default 0
        Adds weight_decay·p to the gradient; see `AdamW`.

    References
    ----------
    .. [1] Kingma & Ba, "Adam: a method for stochastic optimization", 2015.

    Examples
    --------
    >>> optimiser = Adam(0.1)
    >>> x, state = optimiser.update(2.0, optimiser.init(1.0), 1.0)
    >>> round(x, 6)                                       # the first step is the rate, whatever the gradient
    0.9
    """

    rate: Rate = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _checked_rate(self.rate)
        _checked("beta1", self.beta1, 0.0, 1.0)
        _checked("beta2", self.beta2, 0.0, 1.0)
        _positive("epsilon", self.epsilon)
        _checked("weight_decay", self.weight_decay, 0.0, math.inf)

    def init(self, params: Any) -> State:
        """The state before the first step."""
        return State(0.0, _zeros(params), _zeros(params))

    def update(self, gradients: Any, state: State, params: Any) -> tuple[Any, State]:
        """New parameters and state."""
        _own(state, self, True, True)
        rate, step = _rate(self.rate, state.step), state.step + 1.0
        gradients, params = self._decayed(gradients, params, rate)
        first = _each(lambda m, g: self.beta1 * m + (1 - self.beta1) * g, state.first, gradients)
        second = _each(lambda s, g: self.beta2 * s + (1 - self.beta2) * (g * g), state.second, gradients)
        stride = rate / (1 - self.beta1**step)
        root = _root(1 - self.beta2**step)
        params = _each(lambda p, m, s: p - stride * m / (_root(s) / root + self.epsilon), params, first, second)
        return params, State(step, first, second)

    def _decayed(self, gradients: Any, params: Any, _rate: Any) -> tuple[Any, Any]:
        if self.weight_decay:
            gradients = _each(lambda g, p: g + self.weight_decay * p, gradients, params)
        return gradients, params


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weights that decay by themselves, p ← p·(1 - rate·weight_decay), and not by their gradient.

    References
    ----------
    .. [1] Loshchilov & Hutter, "Decoupled weight decay regularization", 2019.

    Examples
    --------
    >>> x, _ = AdamW(0.1).update(0.0, AdamW(0.1).init(1.0), 1.0)
    >>> round(x, 6)                                       # 1 - 0.1·0.01
    0.999
    """

    weight_decay: float = 1e-2

    def _decayed(self, gradients: Any, params: Any, rate: Any) -> tuple[Any, Any]:
        return gradients, _each(lambda p: p * (1 - rate * self.weight_decay), params)


# -------------------------------------------------------------------------------------------------------------- schedules


def exponential_decay(rate: float, factor: float, every: float = 1.0) -> Callable[[Any], Any]:
    """rate·factor^(step/every).

    Examples
    --------
    >>> exponential_decay(0.1, 0.5, every=10)(20.0)
    0.025
    """
    _positive("every", every)
    return lambda step: rate * factor ** (step / every)


def step_decay(rate: float, factor: float, every: float) -> Callable[[Any], Any]:
    """The rate times `factor` after every so many steps.

    Examples
    --------
    >>> step_decay(0.1, 0.5, every=10)(19.0)
    0.05
    """
    _positive("every", every)
    return lambda step: rate * factor ** primitives.floor(step / every)


def cosine_decay(rate: float, steps: float, floor: float = 0.0) -> Callable[[Any], Any]:
    """From `rate` down to `floor` along half a cosine, in so many steps; then `floor`.

    References
    ----------
    .. [1] Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, (5).

    Examples
    --------
    >>> cosine_decay(0.1, 100)(50.0)
    0.05
    """
    _positive("steps", steps)

    def schedule(step: Any) -> Any:
        part = primitives.minimum(step / steps, 1.0)
        return floor + (rate - floor) * (1 + primitives.cos(math.pi * part)) / 2

    return schedule


def warmup(rate: Rate, steps: float) -> Callable[[Any], Any]:
    """A rate or schedule that grows from 0 in even strides over the first `steps` steps.

    Examples
    --------
    >>> warmup(0.1, 4)(1.0)
    0.05
    """
    _positive("steps", steps)
    return lambda step: _rate(rate, step) * primitives.minimum((step + 1.0) / steps, 1.0)


def clip_by_norm(gradients: Any, limit: float) -> Any:
    """The gradients, scaled down to the Euclidean norm `limit` if theirs is larger.

    Parameters
    ----------
    gradients : nest
    limit : float
        Above 0.

    Returns
    -------
    nest

    References
    ----------
    .. [1] Pascanu et al., "On the difficulty of training recurrent neural networks", 2013, algorithm 1.

    Examples
    --------
    >>> [round(g, 12) for g in clip_by_norm([3.0, 4.0], 1.0)]
    [0.6, 0.8]
    """
    _positive("limit", limit)
    leaves = [np.atleast_1d(_real(leaf)) for leaf in optree.tree_leaves(gradients, namespace=NAMESPACE)]
    largest: Any = 0.0
    for leaf in leaves:
        peaks = abs(leaf).ravel() if leaf.dtype == object else [np.max(abs(leaf), initial=0.0)]
        largest = functools.reduce(primitives.maximum, peaks, largest)
    largest = primitives.hold(largest)
    # Divided by the largest, a constant, no square over- or underflows.
    scale = primitives.where(primitives.less(0.0, largest) * primitives.less(largest, math.inf), largest, 1.0)
    total: Any = 1e-300  # the root has a derivative where all are 0
    with np.errstate(all="ignore"):
        for leaf in leaves:
            part = leaf / scale
            total = total + np.sum(part * part)
    factor = primitives.minimum(primitives.div(primitives.div(limit, scale), primitives.sqrt(total)), 1.0)
    return _each(lambda g: g * factor, gradients)
