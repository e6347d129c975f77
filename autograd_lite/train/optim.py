"""Optimisers over nests: pure functions, on numbers as well as under `jit` and `scan`.

    optimiser = Adam(1e-3)
    state = optimiser.init(params)
    params, state = optimiser.update(gradients, state, params)

A rate is a number or a schedule: a function of the number of steps done so far.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import optree

from autograd_lite import hints, primitives
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import NAMESPACE, as_array

__all__ = [
    "SGD", "Adam", "AdamW", "RMSProp", "Rate", "State", "clip_by_norm", "cosine_decay", "exponential_decay",
    "step_decay", "warmup",
]  # fmt: skip

Rate = float | Callable[[Any], Any]
# Hyperparameters from 0, each with the bound that it must stay below.
_BOUNDS = {"rate": math.inf, "momentum": 1.0, "decay": 1.0, "beta1": 1.0, "beta2": 1.0, "weight_decay": math.inf}


class State(NamedTuple):
    """The memory of an optimiser: a nest, so that `scan` can carry it and `save` can write it.

    Attributes
    ----------
    step : float
        The number of steps done.
    first, second : nest like the parameters, or None
        Running means of the gradient and of its square, or other means that the method keeps.
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
            return as_array(np.array(result), ())  # NumPy turns arrays without axes into numbers
        return result

    try:
        with np.errstate(all="ignore"):  # overflow gives inf without a warning, as in the whole library
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
    """A leaf in 64 bits: a product with a float32 would be a float32."""
    if isinstance(leaf, np.ndarray):
        return leaf if leaf.dtype == object else leaf.astype(np.float64, copy=False)
    return float(leaf) if isinstance(leaf, np.generic) else leaf


def _root(x: Any) -> Any:
    """√ of a mean of squares, with derivative 0 at 0 like the absolute value; the derivative of √ is infinite there."""
    if isinstance(x, np.ndarray) and x.dtype != object:
        return np.sqrt(x)
    return primitives.where(x, primitives.sqrt(x), 0.0)


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ArgumentError(f"{name}={value!r} is not above 0.")


class _Optimiser:
    """A dataclass of hyperparameters, whose `_step` gives new parameters and the running means to keep."""

    rate: Rate
    _second: ClassVar[bool] = True
    _step: Callable[..., tuple[Any, ...]]

    def __post_init__(self) -> None:
        rate: Any = self.rate
        nested = not optree.all_leaves([rate], namespace=NAMESPACE)
        if nested or (not isinstance(self.rate, str) and not callable(self.rate) and np.ndim(self.rate)):
            raise ArgumentError(
                f"rate={self.rate!r:.60}: an optimiser takes no parameters, but a rate; the parameters are given to "
                "init(params) and update(gradients, state, params)."
            )
        for name, value in vars(self).items():
            if name == "epsilon":
                _positive(name, value)
            elif name == "rate" and not isinstance(value, (int, float, str)):
                continue  # a schedule, or a Variable where a derivative by the rate is taken
            elif name in _BOUNDS and (isinstance(value, str) or not 0.0 <= value < _BOUNDS[name]):
                raise ArgumentError(f"{name}={value!r} is outside of 0 ≤ {name} < {_BOUNDS[name]:g}.")

    def _kept(self) -> tuple[bool, bool]:
        """Whether the state has a first mean (absent without momentum) and a second mean."""
        return getattr(self, "momentum", 1.0) > 0.0, self._second

    @functools.partial(hints.keywords, name="optimiser.init")
    def init(self, params: Any) -> State:
        """The state before the first step.

        Parameters
        ----------
        params : nest
            The parameters: floats and arrays of them.

        Returns
        -------
        State
            Zeros like the parameters.
        """
        zeros = [
            _each(lambda p: np.zeros(p.shape) if isinstance(p, np.ndarray) else 0.0, params) if kept else None
            for kept in self._kept()
        ]
        return State(0.0, *zeros)

    @functools.partial(hints.keywords, name="optimiser.update")
    def update(self, gradients: Any, state: State, params: Any) -> tuple[Any, State]:
        """New parameters and state.

        Parameters
        ----------
        gradients : nest
            The gradient by the parameters, in their structure.
        state : State
            From `init`, or from the last step.
        params : nest
            The parameters.

        Returns
        -------
        params : nest
            The new parameters.
        state : State
            The state after this step.
        """
        if not isinstance(state, State) or self._kept() != (state.first is not None, state.second is not None):
            held = "the state of another optimiser" if isinstance(state, State) else f"a {type(state).__name__}"
            raise ArgumentError(
                f"{type(self).__name__}.update got {held} for its state. Begin with state = optimiser.init(params), and call "
                "update(gradients, state, params)."
            )
        rate = self.rate(state.step) if callable(self.rate) else self.rate
        params, *means = self._step(gradients, state, params, rate)
        return params, State(state.step + 1.0, *means)


@hints.of_instances("an optimiser")
@dataclass(frozen=True)
class SGD(_Optimiser):
    """Gradient descent, with optional momentum.

    Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.

    Parameters
    ----------
    rate : float or schedule
        The length of a step; a schedule is a function of the number of steps done.
    momentum : float, default 0
        The share of the last step to keep: v ← momentum·v + g, p ← p - rate·v.
    nesterov : bool, default False
        Look ahead: p ← p - rate·(g + momentum·v).
    weight_decay : float, default 0
        Adds weight_decay·p to the gradient.

    Raises
    ------
    ArgumentError
        If momentum is not below 1, or `nesterov` is given without momentum.

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
    _second: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise ArgumentError("nesterov=True needs momentum: SGD(rate, momentum=0.9, nesterov=True).")

    def _step(self, gradients: Any, state: State, params: Any, rate: Any) -> tuple[Any, ...]:
        keep, velocity = self.momentum, None
        if self.weight_decay:
            gradients = _each(lambda g, p: g + self.weight_decay * p, gradients, params)
        if keep:
            velocity = _each(lambda v, g: keep * v + g, state.first, gradients)
            gradients = _each(lambda g, v: g + keep * v, gradients, velocity) if self.nesterov else velocity
        return _each(lambda p, g: p - rate * g, params, gradients), velocity


@hints.of_instances("an optimiser")
@dataclass(frozen=True)
class RMSProp(_Optimiser):
    """Steps divided by the root of a running mean of squared gradients.

    Tieleman & Hinton, "Lecture 6.5, RMSProp", Neural Networks for Machine Learning, 2012.

    Parameters
    ----------
    rate : float or schedule
        The length of a step; a schedule is a function of the number of steps done.
    decay : float, default 0.99
        The share of the running mean to keep.
    epsilon : float, default 1e-8
        Added to the root.
    momentum : float, default 0
        The share of the last step to keep.

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

    def _step(self, gradients: Any, state: State, params: Any, rate: Any) -> tuple[Any, ...]:
        squares = _each(lambda s, g: self.decay * s + (1 - self.decay) * (g * g), state.second, gradients)
        steps = _each(lambda g, s: g / (_root(s) + self.epsilon), gradients, squares)
        velocity = None
        if self.momentum:
            steps = velocity = _each(lambda v, d: self.momentum * v + d, state.first, steps)
        return _each(lambda p, d: p - rate * d, params, steps), velocity, squares


@hints.of_instances("an optimiser")
@dataclass(frozen=True)
class Adam(_Optimiser):
    """Running means of the gradient and its square, both corrected for their start at 0.

    Kingma & Ba, "Adam: a method for stochastic optimization", 2015.

    Parameters
    ----------
    rate : float or schedule, default 1e-3
        The length of a step; a schedule is a function of the number of steps done.
    beta1, beta2 : float, default 0.9 and 0.999
        The shares of the running means to keep.
    epsilon : float, default 1e-8
        Added to the root of the second.
    weight_decay : float, default 0
        Adds weight_decay·p to the gradient; see `AdamW`.

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
    _decoupled: ClassVar[bool] = False

    def _step(self, gradients: Any, state: State, params: Any, rate: Any) -> tuple[Any, ...]:
        step = state.step + 1.0
        if self._decoupled:
            params = _each(lambda p: p * (1 - rate * self.weight_decay), params)
        elif self.weight_decay:
            gradients = _each(lambda g, p: g + self.weight_decay * p, gradients, params)
        first = _each(lambda m, g: self.beta1 * m + (1 - self.beta1) * g, state.first, gradients)
        second = _each(lambda s, g: self.beta2 * s + (1 - self.beta2) * (g * g), state.second, gradients)
        stride, root = rate / (1 - self.beta1**step), _root(1 - self.beta2**step)
        params = _each(lambda p, m, s: p - stride * m / (_root(s) / root + self.epsilon), params, first, second)
        return params, first, second


@hints.of_instances("an optimiser")
@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with a decay of the weights themselves, p ← p·(1 - rate·weight_decay), and not of their gradient.

    Loshchilov & Hutter, "Decoupled weight decay regularization", 2019.

    Parameters
    ----------
    rate : float or schedule, default 1e-3
        The length of a step; a schedule is a function of the number of steps done.
    beta1, beta2 : float, default 0.9 and 0.999
        The shares of the running means to keep.
    epsilon : float, default 1e-8
        Added to the root of the second.
    weight_decay : float, default 1e-2
        The share of each weight, times the rate, that a step takes away.

    Examples
    --------
    >>> x, _ = AdamW(0.1).update(0.0, AdamW(0.1).init(1.0), 1.0)
    >>> round(x, 6)                                       # 1 - 0.1·0.01
    0.999
    """

    weight_decay: float = 1e-2
    _decoupled = True


def exponential_decay(rate: float, factor: float, every: float = 1.0) -> Callable[[Any], Any]:
    """rate·factor^(step/every).

    Parameters
    ----------
    rate : float
        The rate of the first step.
    factor : float
        By what it is multiplied.
    every : float, default 1
        After how many steps.

    Returns
    -------
    callable
        The schedule: from the number of steps done to the rate.

    Examples
    --------
    >>> exponential_decay(0.1, 0.5, every=10)(20.0)
    0.025
    """
    _positive("every", every)
    return lambda step: rate * factor ** (step / every)


def step_decay(rate: float, factor: float, every: float) -> Callable[[Any], Any]:
    """The rate times `factor` after every so many steps.

    Parameters
    ----------
    rate : float
        The rate of the first steps.
    factor : float
        By what it is multiplied.
    every : float
        After how many steps.

    Returns
    -------
    callable
        The schedule: from the number of steps done to the rate.

    Examples
    --------
    >>> step_decay(0.1, 0.5, every=10)(19.0)
    0.05
    """
    _positive("every", every)
    return lambda step: rate * factor ** primitives.floor(step / every)


def cosine_decay(rate: float, steps: float, floor: float = 0.0) -> Callable[[Any], Any]:
    """From `rate` down to `floor` along half a cosine, in so many steps; then `floor`.

    Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, (5).

    Parameters
    ----------
    rate : float
        The rate of the first step.
    steps : float
        How many steps the way down takes.
    floor : float, default 0
        The rate at its end.

    Returns
    -------
    callable
        The schedule: from the number of steps done to the rate.

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
    """A rate or schedule that grows from 0 in equal parts over the first `steps` steps.

    Parameters
    ----------
    rate : float or schedule
        The rate after the warm-up.
    steps : float
        How many steps it takes.

    Returns
    -------
    callable
        The schedule: from the number of steps done to the rate.

    Examples
    --------
    >>> warmup(0.1, 4)(1.0)
    0.05
    """
    _positive("steps", steps)
    return lambda step: (rate(step) if callable(rate) else rate) * primitives.minimum((step + 1.0) / steps, 1.0)


def clip_by_norm(gradients: Any, limit: float) -> Any:
    """The nest of gradients, scaled down to the Euclidean norm `limit` if its norm is larger.

    Pascanu et al., "On the difficulty of training recurrent neural networks", 2013, algorithm 1.

    Parameters
    ----------
    gradients : nest
        Floats and arrays.
    limit : float
        Above 0.

    Returns
    -------
    nest
        Of the same structure.

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
    total: Any = 1e-300  # at 0 the root would have no derivative
    with np.errstate(all="ignore"):
        for leaf in leaves:
            part = leaf / scale
            total = total + np.sum(part * part)
    factor = primitives.minimum(primitives.div(primitives.div(limit, scale), primitives.sqrt(total)), 1.0)
    return _each(lambda g: g * factor, gradients)


__getattr__ = hints.of_module(__name__, "al.optim")
