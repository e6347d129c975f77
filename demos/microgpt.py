"""Micro-GPT: a transformer of 4,192 parameters in scalar code learns to make up names.

    x = norm(token + position)      x += Wo · heads(softmax(q · k / 2) v)      x += W2 · relu(W1 · norm(x))²

The model has one block of four heads over sixteen letters of context, in numbers, lists and loops; Adam trains it. One
function runs in three ways from one start: on Variables, step by step; compiled, one document a call; and as lanes, all
documents of a step in one call. The losses agree, and only the times differ. You will see the loss fall, names before and
after the training, the three speeds, and the graph of one document at eleven moments of the training, on a page whose boxes
open down to one multiplication.

The original trains on 32,000 names with a `Value` class of forty lines. Here a short list of names ships with the demo. All
documents are padded to one length, so that one program serves them: a letter is a row of zeros with a single 1, and padding
has weight 0 in the loss.

Source: A. Karpathy, microgpt (2026), after Vaswani et al., "Attention is all you need", 2017.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

from .common import BLUE, ORANGE, Report, progress
from .transformer import LETTERS, NAMES, create, loss, padded, recorded, sample

if TYPE_CHECKING:
    from pathlib import Path

RATE, BATCH, STEPS, QUICK_STEPS = 0.01, 8, 400, 30
EAGER_STEPS, QUICK_EAGER_STEPS = 6, 2  # of each way in the comparison
WORD, QUICK_WORD, MOMENTS = "emma", "ada", 10  # the document whose graph is drawn; how often, after the first time


def eager(p: dict[str, Any], names: list[str]) -> tuple[float, dict[str, Any]]:
    """Return loss and gradients from a new graph of Variables, as the forty-line class computes them."""
    variables, total = recorded(p, names)
    total.backward()
    gradients = {name: np.array([[x.grad or 0.0 for x in row] for row in table]) for name, table in variables.items()}
    return total.value, gradients


def compare(
    report: Report, p: dict[str, Any], batches: list[list[str]], length: int, compiled: tuple[Any, Any]
) -> None:
    """Take some steps in three ways from one start; report the losses and the time of a step."""
    one, lanes = compiled
    ways: dict[str, Any] = {
        "Variables": eager,
        "compiled": lambda p, names: mean([one(p, *rows) for rows in zip(*padded(names, length), strict=True)]),
        "lanes": lambda p, names: lanes(p, *padded(names, length)),
    }
    losses: dict[str, list[float]] = {}
    times: dict[str, float] = {}
    for way, step in ways.items():
        learnt, optimiser = p, al.optim.Adam(RATE)
        state, losses[way], spent = optimiser.init(p), [], []
        for names in batches:
            began = perf_counter()
            value, gradients = step(learnt, names)
            learnt, state = optimiser.update(gradients, state, learnt)
            spent.append(perf_counter() - began)
            losses[way].append(value)
        times[way] = float(np.median(spent))
        report.say(f"  {way:<10} {times[way] * 1e3:9.2f} ms a step of {BATCH} documents, loss {losses[way][-1]:.6f}")
    for way in ("compiled", "lanes"):
        gap = max(abs(a - b) / b for a, b in zip(losses[way], losses["Variables"], strict=True))
        report.number(f"losses, {way}", gap, 0.0, 1e-12)
    ratios = (times["Variables"] / times[way] for way in ("compiled", "lanes"))
    report.say("  compiled {:.0f} times, lanes {:.0f} times as fast as Variables".format(*ratios))


def mean(results: list[tuple[float, dict[str, Any]]]) -> tuple[float, dict[str, Any]]:
    """Return the means of losses and of gradients."""
    gradients = {name: sum(g[name] for _, g in results) / len(results) for name in results[0][1]}
    return sum(value for value, _ in results) / len(results), gradients


def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report:
    """Train, make up names, compare the three ways, and draw the graph."""
    report, rng = Report(out), np.random.default_rng(seed)
    p, known = create(seed), [name for name in NAMES if not quick or len(name) <= 3]
    length = max(map(len, known)) + 1
    report.say(f"{sum(a.size for a in p.values()):,} parameters, {len(known)} names of up to {length - 1} letters")
    gradient = al.value_and_grad(loss)
    one, lanes = al.jit(gradient), al.jit(al.vmap(gradient, in_axes=(None, 0, 0, 0), reduce="mean"))
    began = perf_counter()
    one(p, *(rows[0] for rows in padded(known[:1], length)))
    lanes(p, *padded(known[:BATCH], length))
    report.say(
        f"  ready in {perf_counter() - began:.1f} s: traced, differentiated and compiled, for a document and for lanes"
    )
    steps = QUICK_EAGER_STEPS if quick else EAGER_STEPS
    compare(report, p, [list(rng.choice(known, BATCH)) for _ in range(steps)], length, (one, lanes))

    before = [sample(p, rng) for _ in range(8)]
    optimiser = al.optim.Adam(al.optim.exponential_decay(RATE, 0.995))
    state, history, kept, count = optimiser.init(p), [], {0: p}, QUICK_STEPS if quick else STEPS
    for step in progress(range(1, count + 1), "learning"):
        value, gradients = lanes(p, *padded(list(rng.choice(known, 4 * BATCH)), length))
        p, state = optimiser.update(gradients, state, p)
        history.append(value)
        if step % (count // MOMENTS) == 0:
            kept[step] = p
    bound, reached = 2.6 if quick else 2.0, float(np.mean(history[-10:]))
    report.number("loss at the start", history[0], float(np.log(len(LETTERS))), 0.3)
    report.number("loss at the end", reached)
    report.check(f"the loss fell below {bound}", reached < bound)
    report.say(f"  before: {', '.join(before)}")
    report.say(f"  after:  {', '.join(sample(p, rng) for _ in range(8))}")
    report.plot("loss.png", f"Seed {seed}: loss of {4 * BATCH} documents a step", painted(history), (None,))
    word = QUICK_WORD if quick else WORD
    moments = {step: drawn(p, word) for step, p in kept.items()}
    total = moments[count]
    total.backward()
    caption = f"The graph of one document, `{word}`, folded by scopes and repeats"
    report.graph("graph.svg", caption, total, fold=True, frames=moments, play="graph.html")
    first, last = (loss.value for loss in (moments[0], total))
    report.number(f"loss of {word} before", first)
    report.number(f"loss of {word} after", last)
    report.check(f"the loss of {word} fell", last < first)
    return report


def drawn(p: dict[str, Any], word: str) -> al.Variable:
    """Return the loss of a document, with scopes, and with names for the parameters and for itself."""
    variables, total = recorded(p, [word], al.scope)
    for name, table in variables.items():
        for (row, column), x in np.ndenumerate(np.array(table)):
            x.name = f"{name}[{row}][{column}]"
    total.name = f"loss on {word}"
    return total  # type: ignore[no-any-return]


def painted(history: list[float]) -> Any:
    """Return a painter of the loss, and of its mean over twenty steps."""

    def paint(_: Any, axes: Any) -> None:
        axes.plot(history, color=BLUE, alpha=0.4)
        width = min(20, len(history))
        axes.plot(
            np.arange(width - 1, len(history)), np.convolve(history, np.ones(width) / width, "valid"), color=ORANGE
        )
        axes.set(title="A letter costs this many nats", xlabel="step", ylabel="loss")

    return paint
