"""Random programs around `scan`: what steps may do, written as functions that run eagerly and compiled."""

import random

import numpy as np

import autograd_lite as al

#: Where an adjoint that was not sent, a true 0 and a NaN part ways.
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.25, 4.0, 1e-300, float("inf"), -float("inf"), float("nan"))

UNARY = (
    lambda a: al.sqrt(a),
    lambda a: al.log(a),
    lambda a: al.relu(a),
    lambda a: al.abs(a),
    lambda a: -a,
    lambda a: a * a,
    lambda a: 0.0 * a,
    lambda a: al.tanh(a),
    lambda a: al.inv(a),
    lambda a: al.stop_gradient(a),
    lambda a: a * al.Variable(2.0),
    lambda a: al.Variable(0.5),
    lambda a: al.grad(lambda t: t * al.sqrt(t))(a),
    lambda a: al.grad(lambda t: al.where(al.less(t, 1.0), t, al.sqrt(t - 1.0)))(a),
)
BINARY = (
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: al.maximum(a, b),
    lambda a, b: al.where(al.less(a, b), a, b),
    lambda a, b: al.where(al.less(a, 1.0), b, al.sqrt(a - 1.0)),
    lambda a, b: al.where(b, a, al.log(b)),
    lambda a, b: a if b > 0.5 else b,
    lambda a, b: a if a > b else al.sqrt(b),
    lambda a, b: b,
    lambda a, b: a + b if a > -0.25 else a * b,
    lambda a, b: al.sqrt(a) if a > 1.0 else a - b,
    lambda a, b: b * b if -1.0 < b < 1.0 else a,
)


class Expression:
    """A random function of some numbers: a fixed list of operations on what was computed before."""

    def __init__(self, rng, inputs, length, outputs):
        self.code = []
        known = inputs
        for _ in range(length):
            operation = rng.choice(UNARY + BINARY)
            count = 1 if operation in UNARY else 2
            self.code.append((operation, [rng.randrange(known) for _ in range(count)]))
            known += 1
        recent = range(max(0, known - length - 1), known)
        self.outputs = [rng.choice(recent) for _ in range(outputs)]

    def __call__(self, numbers):
        """The outputs."""
        values = list(numbers)
        for operation, places in self.code:
            values.append(operation(*(values[p] for p in places)))
        return [values[p] for p in self.outputs]


class Program:
    """A random function of two numbers and an array of rows, around one scan or two.

    Whatever it draws is drawn when it is made; calling it is deterministic.
    """

    def __init__(self, seed):
        rng = random.Random(seed)
        self.length = rng.randint(1, 4)
        self.carry, self.given = rng.randint(1, 2), rng.randint(0, 1)
        self.plain_rows = rng.random() < 0.5
        self.checkpoint = rng.choice((None, None, 1, 2))
        self.nested, self.twice, self.mutated = (rng.random() < share for share in (0.2, 0.3, 0.3))
        self.before = Expression(rng, 2, rng.randint(0, 2), self.carry + 2)
        self.step = Expression(rng, self.carry + 3, rng.randint(1, 5), self.carry + self.given)
        self.inner = Expression(rng, 2, rng.randint(1, 2), 1)
        self.after = Expression(rng, self.carry + self.given + 2, rng.randint(0, 3), 1)
        self.kept = rng.random() < 0.7

    def __call__(self, p, q, rows):
        """One number."""
        *carry, a, b = self.before([p, q])
        seen = {"a": a, "k": 0.25}
        total = 0.0
        for turn in range(2 if self.twice else 1):
            if self.mutated:  # the step reads an object that changes later
                seen["a"], seen["k"] = (a, b)[turn], float(turn)

            def step(carry, x):
                values = self.step([*carry, x, seen["a"], b if self.kept else seen["k"]])
                if self.nested:
                    more = al.scan(lambda c, _: (self.inner([c, seen["a"]])[0], None), values[0], length=2)[0]
                    values = [more, *values[1:]]
                return values[: self.carry], values[self.carry] if self.given else None

            last, ys = al.scan(step, carry, rows, checkpoint=self.checkpoint)
            ends = [*last, *([ys.tolist()[self.length // 2]] if self.given else [])]
            total = total + self.after([*ends, p, q])[0]
        seen["a"] = 7.0
        return total

    def arguments(self, rng):
        """Some numbers, half of them special."""
        number = lambda: rng.choice(SPECIAL) if rng.random() < 0.5 else rng.choice((-1, 1)) * rng.randint(1, 40) / 16
        return number(), number(), np.array([number() for _ in range(self.length)])
