"""What `gradients` and `value_and_grad` add to record and sweep: the network of one sample, parameters in all kinds of nests.

All in one process, in turns: the same function of the same kind of nest, swept by `backward`, by `gradients` and by
`value_and_grad`. What the last two add goes with the leaves and not with the operations: they take them out of a nest and put
gradients into one. `value_and_grad` makes the leaves too, which is measured by itself and taken off.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import autograd_lite as al
from benchmarks import measure
from benchmarks.programs import ONE_SAMPLE, PARAMETERS, WIDTHS, network, squared_error

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = ("leaves", "backward", "gradients", "value_and_grad")
SAMPLES = [([0.3, -0.7], [1.0, 0.0])]


class Nest(NamedTuple):
    """The parameters, the loss as a function of them, and the Variables among those."""

    parameters: Any
    loss: Callable[[Any], Any]
    leaves: Callable[[Any], list[Any]]


def nests() -> dict[str, Nest]:
    """Return the network's parameters in each container, with the loss as its user would write it."""
    program = network(ONE_SAMPLE)
    ends = [(n_in + 1) * n_out for n_in, n_out in pairwise(WIDTHS)]
    neurons = [
        np.array(part).reshape(-1, n_in + 1)
        for part, n_in in zip(np.split(program.leaves, np.cumsum(ends)[:-1]), WIDTHS, strict=False)
    ]
    layers = [(rows[:, :-1].copy(), rows[:, -1].copy()) for rows in neurons]

    def flat(p: Any) -> Any:
        return program.run(p, al)

    def layered(p: Any) -> Any:
        return squared_error([[*zip(weights, biases, strict=True)] for weights, biases in p], SAMPLES, al)

    def named(p: Any) -> Any:
        return layered([(p[f"weights {k}"], p[f"biases {k}"]) for k in range(len(layers))])

    def entries(arrays: Any) -> list[Any]:
        return [x for array in arrays for x in array.ravel().tolist()]

    names = {
        f"{name} {k}": array
        for k, pair in enumerate(layers)
        for name, array in zip(("weights", "biases"), pair, strict=True)
    }
    return {
        "list": Nest(program.leaves, flat, list),
        "array": Nest(np.array(program.leaves), flat, lambda p: p.tolist()),
        "list of tuples of arrays": Nest(layers, layered, lambda p: entries(array for pair in p for array in pair)),
        "dictionary of arrays": Nest(names, named, lambda p: entries(p.values())),
    }


def recorded(nest: Any) -> Any:
    """Return the nest with a Variable in the place of each number."""
    if isinstance(nest, np.ndarray):
        return al.array([al.Variable(x) for x in nest.ravel().tolist()]).reshape(nest.shape)
    if isinstance(nest, dict):
        return {name: recorded(part) for name, part in nest.items()}
    return type(nest)(recorded(part) for part in nest) if isinstance(nest, list | tuple) else al.Variable(nest)


class Calls:
    """The three ways to a gradient, on one nest."""

    def __init__(self, name: str) -> None:
        self.nest = nests()[name]
        self.variables = recorded(self.nest.parameters)
        self.numbers, self.nodes = self.nest.leaves(self.nest.parameters), self.nest.leaves(self.variables)
        self.both = al.value_and_grad(self.nest.loss)

    def leaves(self) -> Any:
        """Make the Variables."""
        return [al.Variable(x) for x in self.numbers]

    def backward(self) -> Any:
        """Record and sweep."""
        self.nest.loss(self.variables).backward()

    def gradients(self) -> Any:
        """Record and ask for the gradients of a nest of Variables."""
        return al.gradients(self.nest.loss(self.variables), self.variables)

    def value_and_grad(self) -> Any:
        """Ask for value and gradient at a nest of numbers."""
        return self.both(self.nest.parameters)[1]

    def seconds(self, call: str, passes: int) -> float:
        """Return seconds a call, the graph's end included."""
        run, clock, spent = getattr(self, call), time.process_time, 0.0
        for _ in range(passes):
            started = clock()
            run()
            spent += clock() - started
            if call == "backward":
                for x in self.nodes:
                    x.grad = None
        return spent / passes


class Rounds:
    """All nests and calls, in a process of their own."""

    def __init__(self) -> None:
        self.calls = {name: Calls(name) for name in nests()}

    def run(self, rounds: int) -> dict[str, dict[str, list[float]]]:
        """Return seconds in each round, by nest and call."""
        found = {}
        for name, calls in self.calls.items():
            passes = max(1, int(0.03 / calls.seconds("value_and_grad", 1)))
            found[name] = measure.in_turns({call: (partial(calls.seconds, call, passes), rounds) for call in CALLS})
        return found


def measured(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return seconds in each round, by nest and call; none where they could not be had."""
    worker = measure.Worker(Rounds)
    try:
        return worker.ask("run", rounds, timeout=600)
    except measure.NotRunError:
        return {}
    finally:
        worker.close()


def added(rounds: dict[str, list[float]], call: str) -> float:
    """Return the seconds a leaf that a call takes beyond record, backward and its leaves: the median over rounds."""
    made = rounds["leaves"] if call == "value_and_grad" else [0.0] * len(rounds[call])
    more = [a - b - c for a, b, c in zip(rounds[call], rounds["backward"], made, strict=True)]
    return statistics.median(more) / PARAMETERS
