"""Layers, networks and losses: plain formulas over nests of parameters; no derivative is written here.

A network is a dataclass whose leaves are arrays of floats; `al.grad(loss)(network, x, y)` is a network of gradients.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optree

from autograd_lite import functions, hints, primitives
from autograd_lite.errors import ArgumentError
from autograd_lite.nests import NAMESPACE, register_dataclass, written
from autograd_lite.see import pieces

__all__ = [
    "ACTIVATIONS", "Dense", "Initialiser", "Network", "accuracy", "binary_cross_entropy", "count", "cross_entropy",
    "glorot_uniform", "he_uniform", "hinge", "identity", "mean_squared_error", "normal", "one_hot", "squared_error",
    "uniform", "zeros",
]  # fmt: skip


def identity(x: Any) -> Any:
    """The argument: the activation of an output that is a logit or any real number.

    Parameters
    ----------
    x : float, Variable or array
        The argument, or many of them.

    Returns
    -------
    float, Variable or array
        As the argument.

    Examples
    --------
    >>> identity(2.0)
    2.0
    """
    return x


#: The activations by name. Each takes floats, Variables, and arrays of either.
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "identity": identity, "elu": functions.elu, "gelu": functions.gelu, "leaky_relu": primitives.leaky_relu,
    "relu": primitives.relu, "selu": functions.selu, "sigmoid": primitives.sigmoid, "silu": functions.silu,
    "softmax": functions.softmax, "softplus": primitives.softplus, "softsign": primitives.softsign,
    "tanh": primitives.tanh,
}  # fmt: skip

#: Draws the first values of weights or biases: `(rng, inputs, outputs, shape) -> array` for a layer of that size.
Initialiser = Callable[[np.random.Generator, int, int, tuple[int, ...]], Any]


def normal(scale: float = 1.0, fan: str | None = None) -> Initialiser:
    """Normal numbers of standard deviation scale / √fan: an initialiser `(rng, inputs, outputs, shape) -> array`.

    Parameters
    ----------
    scale : float, default 1
        The standard deviation where nothing divides it.
    fan : {None, "in", "out", "average"}
        The divisor of the variance: none, the layer's inputs, its outputs, or the mean of both.

    Returns
    -------
    callable
        The initialiser.

    Raises
    ------
    ArgumentError
        If `fan` is none of these.

    Examples
    --------
    >>> normal(0.01)(np.random.default_rng(0), 784, 50, (50, 784)).std().round(4)
    np.float64(0.01)
    """
    if fan not in (None, "in", "out", "average"):
        raise ArgumentError(f'fan={fan!r}: choose None, "in", "out" or "average".')

    def draw(rng: np.random.Generator, inputs: int, outputs: int, shape: tuple[int, ...]) -> Any:
        """Draw the numbers of a layer.

        Parameters
        ----------
        rng : Generator
            The source of the numbers.
        inputs, outputs : int
            The size of the layer.
        shape : tuple of int
            The shape of the array.

        Returns
        -------
        array
            Of that shape.
        """
        divisor = {None: 1.0, "in": inputs, "out": outputs, "average": (inputs + outputs) / 2}[fan]
        return rng.normal(size=shape) * (scale / math.sqrt(divisor))

    return draw


def uniform(low: float = 0.0, high: float = 1.0) -> Initialiser:
    """Numbers between `low` and `high`, all equally likely: an initialiser, see `normal`.

    Parameters
    ----------
    low, high : float, default 0 and 1
        The ends.

    Returns
    -------
    callable
        The initialiser.

    Examples
    --------
    >>> bool(uniform(0.0, 0.1)(np.random.default_rng(0), 2, 3, (3,)).max() < 0.1)
    True
    """
    return lambda rng, _inputs, _outputs, shape: rng.uniform(low, high, size=shape)


def zeros(_rng: np.random.Generator, _inputs: int, _outputs: int, shape: tuple[int, ...]) -> Any:
    """Zeros: the initial biases.

    Parameters
    ----------
    _rng, _inputs, _outputs
        Not used.
    shape : tuple of int
        The shape of the array.

    Returns
    -------
    array
        Zeros.

    Examples
    --------
    >>> zeros(np.random.default_rng(0), 2, 3, (3,))
    array([0., 0., 0.])
    """
    return np.zeros(shape)


def glorot_uniform(rng: np.random.Generator, inputs: int, outputs: int, shape: tuple[int, ...]) -> Any:
    """Uniform numbers within √(6/(inputs + outputs)) of 0: for sigmoid and tanh.

    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, (16).

    Parameters
    ----------
    rng : Generator
        The source of the numbers.
    inputs, outputs : int
        The size of the layer.
    shape : tuple of int
        The shape of the array.

    Returns
    -------
    array
        Of that shape.

    Examples
    --------
    >>> bool(abs(glorot_uniform(np.random.default_rng(0), 3, 3, (3, 3))).max() <= 1.0)
    True
    """
    bound = math.sqrt(6 / (inputs + outputs))
    return rng.uniform(-bound, bound, size=shape)


#: Normal with variance 2/(inputs + outputs): Glorot & Bengio 2010, (12).
glorot_normal = normal(1.0, "average")
#: Normal with variance 2/inputs, which keeps the size of signals through layers of ReLU: He et al. 2015, (10).
he_normal = normal(math.sqrt(2), "in")


def he_uniform(rng: np.random.Generator, inputs: int, _outputs: int, shape: tuple[int, ...]) -> Any:
    """Uniform numbers within √(6/inputs) of 0: for ReLU.

    He et al., "Delving deep into rectifiers", 2015, (10), as a uniform distribution of that variance.

    Parameters
    ----------
    rng : Generator
        The source of the numbers.
    inputs, _outputs : int
        The size of the layer; outputs are not used.
    shape : tuple of int
        The shape of the array.

    Returns
    -------
    array
        Of that shape.

    Examples
    --------
    >>> bool(abs(he_uniform(np.random.default_rng(0), 6, 3, (3, 6))).max() <= 1.0)
    True
    """
    bound = math.sqrt(6 / inputs)
    return rng.uniform(-bound, bound, size=shape)


@hints.of_instances("a layer or network")
@register_dataclass
@dataclasses.dataclass
class Dense:
    """A layer: weights times inputs, plus biases.

    Attributes
    ----------
    weight : array (outputs, inputs)
        A row of weights for each output.
    bias : array (outputs,), or None
        What is added to each output.

    Examples
    --------
    >>> Dense(np.array([[2.0, 1.0]]), np.array([0.5]))([3.0, 4.0])
    array([10.5])
    """

    weight: Any
    bias: Any = None

    def __post_init__(self) -> None:
        if np.ndim(self.weight) != 2:
            raise ArgumentError(
                f"Dense(weight={self.weight!r:.60}): give an array (outputs, inputs); from sizes a layer is drawn by "
                "Dense.create(inputs, outputs)."
            )

    @classmethod
    @hints.keywords
    def create(
        cls,
        inputs: int,
        outputs: int,
        rng: Any = None,
        *,
        weights: Initialiser = glorot_uniform,
        biases: Initialiser | None = zeros,
    ) -> "Dense":
        """Draw a layer.

        Parameters
        ----------
        inputs, outputs : int
            Numbers that come in and go out, each from 1.
        rng : Generator, int or None
            The source of the numbers, or its seed; None makes a new source every time.
        weights, biases : callable
            See `normal`; `biases=None` makes a layer without biases.

        Returns
        -------
        Dense
            With arrays of floats.

        Examples
        --------
        >>> Dense.create(2, 3, rng=0).weight.shape
        (3, 2)
        """
        if not all(isinstance(size, (int, np.integer)) and size > 0 for size in (inputs, outputs)):
            raise ArgumentError(f"a layer of {inputs!r} inputs and {outputs!r} outputs: give whole numbers from 1.")
        rng = np.random.default_rng(rng)
        weight = weights(rng, inputs, outputs, (outputs, inputs))
        return cls(weight, None if biases is None else biases(rng, inputs, outputs, (outputs,)))

    def _repr_html_(self) -> str:
        return _described(self, "Dense")

    def __call__(self, x: Any) -> Any:
        """Outputs for inputs of shape (…, inputs): (…, outputs)."""
        x, (outputs, inputs) = np.asarray(x) if isinstance(x, (list, tuple)) else x, self.weight.shape
        if np.shape(x)[-1:] != (inputs,):
            raise ArgumentError(
                f"a layer of {inputs} inputs and {outputs} outputs got inputs of shape {np.shape(x)}. Give an array whose "
                f"last axis is {inputs} long."
            )
        with np.errstate(all="ignore"):  # overflow gives inf without a warning, as in the whole library
            summed = x @ self.weight.T
            return summed if self.bias is None else summed + self.bias


@hints.of_instances("a layer or network")
@register_dataclass
@dataclasses.dataclass
class Network:
    """Layers one after the other, an activation between them and one after the last.

    Attributes
    ----------
    layers : list of Dense
        Or any functions of an array.
    activation, output : str or callable
        One of `ACTIVATIONS`, or a function of an array.

    Examples
    --------
    >>> import autograd_lite as al
    >>> network = Network.create([2, 3, 1], "tanh", rng=0)
    >>> loss = lambda network, x, t: mean_squared_error(network(x), t)
    >>> gradient = al.grad(loss)(network, np.array([1.0, 2.0]), np.array([0.5]))
    >>> gradient.layers[0].weight.shape
    (3, 2)
    """

    layers: list[Dense]
    activation: str | Callable[..., Any] = dataclasses.field(default="tanh", metadata={"static": True})
    output: str | Callable[..., Any] = dataclasses.field(default="identity", metadata={"static": True})

    def __post_init__(self) -> None:
        layers: Any = self.layers
        if not isinstance(layers, (list, tuple)) or not all(map(callable, layers)):
            sizes = layers if isinstance(layers, (list, tuple)) else "[2, 3, 1]"
            raise ArgumentError(
                f"Network({layers!r:.60}): give a list of layers; from sizes a network is drawn by Network.create({sizes})."
            )

    @classmethod
    @hints.keywords
    def create(
        cls,
        sizes: Sequence[int],
        activation: str | Callable[..., Any] = "tanh",
        rng: Any = None,
        *,
        output: str | Callable[..., Any] = "identity",
        weights: Initialiser | None = None,
        biases: Initialiser | None = zeros,
    ) -> "Network":
        """Draw a network.

        Parameters
        ----------
        sizes : sequence of int
            Inputs, units of each hidden layer, outputs.
        activation, output : str or callable
            The activation between layers, and that after the last: a name of `ACTIVATIONS`, or a function of an array.
        rng : Generator, int or None
            The source of the numbers, or its seed. Layer by layer, weights are drawn before biases.
        weights, biases : callable
            See `normal`. By default weights are drawn as He et al. propose for rectifiers, else as Glorot & Bengio.

        Returns
        -------
        Network
            With arrays of floats.

        Raises
        ------
        ArgumentError
            If there are fewer than two sizes, or an activation has an unknown name.

        Examples
        --------
        >>> count(Network.create([784, 50, 10], "relu", rng=0))
        39760
        """
        if np.ndim(sizes) != 1 or len(sizes) < 2:
            raise ArgumentError(f"sizes={sizes!r}: give inputs and outputs, and the hidden layers between them.")
        between, _ = _activation(activation), _activation(output)
        if weights is None:
            rectifiers = [ACTIVATIONS[name] for name in ("relu", "leaky_relu", "elu", "gelu", "silu")]
            weights = he_normal if any(between is rectifier for rectifier in rectifiers) else glorot_uniform
        rng, pairs = np.random.default_rng(rng), itertools.pairwise(sizes)
        layers = [Dense.create(a, b, rng, weights=weights, biases=biases) for a, b in pairs]
        return cls(layers, activation, output)

    def _repr_html_(self) -> str:
        between, last = (getattr(f, "__name__", str(f)) for f in (self.activation, self.output))
        return _described(self, f"Network: {between} between the layers, {last} after the last")

    def __call__(self, x: Any) -> Any:
        """Outputs for inputs of shape (…, inputs): (…, outputs)."""
        between, last = _activation(self.activation), _activation(self.output)
        for layer in self.layers[:-1]:
            x = between(layer(x))
        return last(self.layers[-1](x))


def _described(nest: Any, title: str) -> str:
    """The arrays of a layer or network as a table for notebooks: names, shapes, numbers of parameters."""
    paths, leaves, _ = optree.tree_flatten_with_path(nest, namespace=NAMESPACE)
    rows = [
        (written(path), " × ".join(map(str, np.shape(leaf))) or "1", f"{np.size(leaf):,}")
        for path, leaf in zip(paths, leaves, strict=True)
    ]
    summary, head = f"{count(nest):,} parameters in {len(rows)} arrays", ("name", "shape", "parameters")
    return pieces.piece(pieces.title(title), pieces.table(summary, head, rows, numbers=[2]))


def _activation(name: str | Callable[..., Any]) -> Callable[..., Any]:
    if callable(name):
        return name
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise ArgumentError(
            f"there is no activation {name!r}. Choose one of {', '.join(ACTIVATIONS)}, or pass a function."
        )
    return ACTIVATIONS[name]


def count(nest: Any) -> int:
    """The number of numbers in a nest, such as the parameters of a network.

    Parameters
    ----------
    nest : nest
        A network, a state, arrays.

    Returns
    -------
    int
        How many numbers it holds.

    Examples
    --------
    >>> count({"weight": np.ones((3, 2)), "bias": 1.0})
    7
    """
    return sum(np.size(leaf) for leaf in optree.tree_leaves(nest, namespace=NAMESPACE))


def squared_error(outputs: Any, targets: Any) -> Any:
    """Σ (output - target)², a float or a Variable.

    Parameters
    ----------
    outputs, targets : array or number
        Of one shape.

    Returns
    -------
    float or Variable
        The sum.

    Raises
    ------
    ArgumentError
        If the shapes differ.

    Examples
    --------
    >>> squared_error(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    5.0
    """
    return functions.sum(primitives.square(primitives.sub(*_alike(outputs, targets, "squared_error"))))


def mean_squared_error(outputs: Any, targets: Any) -> Any:
    """The mean of (output - target)²; see `squared_error`.

    Parameters
    ----------
    outputs, targets : array or number
        Of one shape.

    Returns
    -------
    float or Variable
        The mean.

    Examples
    --------
    >>> mean_squared_error(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    2.5
    """
    return functions.mean(primitives.square(primitives.sub(*_alike(outputs, targets, "mean_squared_error"))))


def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    """The mean of -t·log σ(z) - (1 - t)·log(1 - σ(z)), a float or a Variable; accurate for logits z of any size.

    Parameters
    ----------
    logits : array or number
        Any real numbers, before the sigmoid.
    targets : array or number
        Between 0 and 1, of the same shape.

    Returns
    -------
    float or Variable
        The mean.

    Raises
    ------
    ArgumentError
        If the shapes differ.

    Notes
    -----
    t·log(1 + exp(-z)) + (1 - t)·log(1 + exp z): terms of one sign, so that nothing overflows, and nothing cancels where σ(z)
    has rounded to 0 or 1.

    Examples
    --------
    >>> round(binary_cross_entropy(np.array([0.0, -800.0]), np.array([1.0, 1.0])), 6)
    400.346574
    """
    z, t = _alike(logits, targets, "binary_cross_entropy")
    missed, false = primitives.mul(t, primitives.softplus(-z)), primitives.mul(1.0 - t, primitives.softplus(z))
    return functions.mean(missed + false)


def cross_entropy(logits: Any, target: Any) -> Any:
    """-Σ t·log softmax(z), from the logits z of one sample: a float or a Variable.

    Parameters
    ----------
    logits : array (classes,)
        Any real numbers, before the softmax.
    target : int or array (classes,)
        The class, or the probability of each (see `one_hot`). Under `jit` and `vmap` pass probabilities: a class that
        differs from sample to sample makes a branch for each class.

    Returns
    -------
    float or Variable
        The loss, never negative.

    Raises
    ------
    ArgumentError
        If `target` is neither.

    Examples
    --------
    >>> round(cross_entropy(np.array([2.0, 1.0, 0.0]), 0), 6)
    0.407606
    >>> round(cross_entropy(np.array([2.0, 1.0, 0.0]), one_hot(0, 3)), 6)
    0.407606
    """
    if np.ndim(logits) != 1:
        raise ArgumentError(
            f"cross_entropy takes the logits of one sample and got shape {np.shape(logits)}. Map it over samples with "
            "vmap(…, reduce='mean'), or write a loop."
        )
    if np.ndim(target) == 0:
        if isinstance(target, str) or not (0 <= target < len(logits) and target == int(target)):
            raise ArgumentError(
                f"cross_entropy got class {target} for {len(logits)} logits. Count classes from 0, in whole numbers."
            )
        return functions.surprises(np.atleast_1d(logits))[int(target)]
    logits, target = _alike(logits, target, "cross_entropy")
    return functions.dot(target, functions.surprises(logits))


def hinge(scores: Any, targets: Any) -> Any:
    """The mean of max(0, 1 - t·s), for targets t of -1 and 1: the loss of a support vector machine.

    Parameters
    ----------
    scores, targets : array or number
        Of one shape; targets are -1 or 1.

    Returns
    -------
    float or Variable
        The mean.

    Examples
    --------
    >>> hinge(np.array([0.5, 3.0]), np.array([1.0, 1.0]))
    0.25
    """
    return functions.mean(primitives.relu(primitives.sub(1.0, primitives.mul(*_alike(scores, targets, "hinge")))))


def _alike(outputs: Any, targets: Any, name: str) -> tuple[Any, Any]:
    """Two arrays of one shape: NumPy would silently broadcast (n,) and (n, 1) to n² differences."""
    if np.shape(outputs) != np.shape(targets):
        raise ArgumentError(
            f"{name} got outputs of shape {np.shape(outputs)} and targets of shape {np.shape(targets)}. Give both one shape."
        )
    if not np.size(outputs):
        raise ArgumentError(f"{name} got outputs of shape {np.shape(outputs)}, which hold no number. Give samples.")
    return np.atleast_1d(outputs), np.atleast_1d(targets)


def one_hot(labels: Any, classes: int) -> Any:
    """An array (…, classes) with 1 at each label and 0 elsewhere.

    Parameters
    ----------
    labels : int or array of int, any shape
        From 0 to classes - 1.
    classes : int
        How many there are.

    Returns
    -------
    array
        Of floats, with one axis more than the labels.

    Raises
    ------
    ArgumentError
        If a label is out of range.

    Examples
    --------
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu" or (labels.size and not (labels.min() >= 0 and labels.max() < classes)):
        raise ArgumentError(f"one_hot takes whole numbers from 0 to {classes - 1} and got {labels!r:.100}.")
    return np.eye(classes)[labels]


def accuracy(outputs: Any, labels: Any, *, threshold: float = 0.0) -> float:
    """The share of samples whose class is their label.

    Parameters
    ----------
    outputs : array (samples, classes), (samples, 1) or (samples,)
        The largest output of a row gives its class; a single output is class 1 if it is above `threshold`. NaN has no class.
    labels : array (samples,) or (samples, 1), or the result of one_hot
        Classes, counted from 0.
    threshold : float, default 0
        0 for logits, 0.5 for probabilities.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ArgumentError
        If there are no outputs, or not as many as labels; if a label is not a class.

    Examples
    --------
    >>> accuracy(np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), [0, 1, 1])  # doctest: +ELLIPSIS
    0.666...
    """
    # A column (n, 1) as a row: argmax would turn single outputs or labels into zeros.
    scores, known = (
        array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        for array in (np.asarray(outputs, dtype=float), np.asarray(labels))
    )
    classes = scores.argmax(axis=-1) if scores.ndim > 1 and scores.size else scores > threshold
    known = known.argmax(axis=-1) if known.ndim > 1 and known.size else known
    if classes.shape != known.shape or known.ndim != 1 or not known.size:
        raise ArgumentError(
            f"accuracy got outputs of shape {np.shape(outputs)} and labels of shape {np.shape(labels)}. Give a row "
            "of outputs for each label, and one or more."
        )
    last = scores.shape[1] - 1 if scores.ndim > 1 else 1
    if not np.isin(known, np.arange(last + 1)).all():
        raise ArgumentError(f"accuracy got labels {known!r:.60}. Give classes, whole numbers from 0 to {last}.")
    lost = np.isnan(scores.reshape(len(known), -1)).any(axis=1)
    return float(((classes == known) & ~lost).mean())


__getattr__ = hints.of_module(__name__, "al.nn")
