"""Arguments of the functions under test: dataclasses that are nests, a named tuple, a fact."""

import dataclasses
import enum
from typing import NamedTuple

import numpy as np

import autograd_lite as al


@al.register_dataclass
@dataclasses.dataclass
class Layer:
    """A layer with a static fact."""

    weight: np.ndarray
    bias: float
    activation: str = dataclasses.field(default="tanh", metadata={"static": True})

    def __call__(self, x):
        """Plain NumPy on whatever the weights are."""
        return getattr(al, self.activation)(self.weight @ x + self.bias)


@al.register_dataclass
@dataclasses.dataclass
class Pair:
    """A registered nest."""

    a: object
    b: object


class Mode(enum.Enum):
    """A fact."""

    DOUBLE = 1
    TRIPLE = 2


class Point(NamedTuple):
    """A tuple with names."""

    x: float
    y: float
