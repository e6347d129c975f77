"""A transformer of one block in scalar code, and the names that the demo `microgpt` trains it on.

Nothing but numbers, lists and loops: the same functions run on Variables, in a trace, as lanes, and on plain floats; and
on the numbers of another engine, whose functions are handed in as `m`.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_lite as al

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Scope = Callable[[str], AbstractContextManager[Any]]

NAMES = (  # noqa: SIM905 - to be read as text
    "ada adam alan albert alice alma amos anna anton april arthur astrid august ava basil beata ben bella bertha "
    "bruno carl carla cecil celia chloe clara conrad cora dana daniel dario david delia dora edgar edith edwin elena "
    "elias elisa ella elmar elsa emil emma erika ernst erwin esther eva evan felix fiona flora frank freda frieda "
    "gerda gina gloria greta gustav hanna harald harry hector heidi helen helga henry hilda hugo ida igor ines inga "
    "irene iris irma isaac ivan jakob jan jana jasper jenny joel johan john jonas josef judith julia julian karin "
    "karl kira klara klaus lara laura lea lena leo leon liam lilian linda lisa lora louis lucas lucia lydia magda "
    "maja marc maria marie marta martin mary max mia mila mona monika moritz nadia nina noah nora olga oliver oscar "
    "otto paul paula peter petra philip ralf regina rita robert rosa ruben rudolf ruth sara selma simon sofia sonja "
    "stefan stella susan sven tara thea theo thomas tina tobias toni ulla ulrich ursula vera verena victor viola "
    "walter wanda werner wilma xenia yara yvonne zora "
).split()
LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # a document begins and ends with a dot
WIDTH, HEADS, CONTEXT, HIDDEN = 16, 4, 16, 64


def create(seed: int) -> dict[str, Any]:
    """Return the parameters: a nest of arrays."""
    rng = np.random.default_rng(seed)
    shapes = {
        "token": (len(LETTERS), WIDTH), "position": (CONTEXT, WIDTH), "query": (WIDTH, WIDTH), "key": (WIDTH, WIDTH),
        "value": (WIDTH, WIDTH), "mix": (WIDTH, WIDTH), "up": (HIDDEN, WIDTH), "down": (WIDTH, HIDDEN),
        "head": (len(LETTERS), WIDTH),
    }  # fmt: skip
    return {name: rng.normal(0.0, 0.08, shape) for name, shape in shapes.items()}


def dot(a: Any, b: Any) -> Any:
    """Return the sum of products, in plain scalar code."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def linear(matrix: Any, x: list[Any]) -> list[Any]:
    """Return one number for each row."""
    return [dot(row, x) for row in matrix]


def norm(x: list[Any]) -> list[Any]:
    """Return x over its root mean square."""
    scale = (dot(x, x) / len(x) + 1e-5) ** -0.5
    return [scale * number for number in x]


def softmax(x: list[Any], m: Any = al) -> list[Any]:
    """Return shares; the largest number is taken off first, and is no part of the derivative."""
    largest = m.max(m.stop_gradient(x))
    powers = [m.exp(number - largest) for number in x]
    total = sum(powers)
    return [power / total for power in powers]


def pick(table: Any, letter: Any) -> list[Any]:
    """Return a row of a table, chosen by its number or by a row of zeros with a single 1."""
    if isinstance(letter, int):
        return list(table[letter])
    return [dot(letter, column) for column in zip(*table, strict=True)]


def answers(p: dict[str, Any], letters: Any, scope: Scope = nullcontext, m: Any = al) -> Any:
    """Yield, for each letter, the logits of the next one; keys and values of earlier letters are kept."""
    keys: list[list[Any]] = []
    values: list[list[Any]] = []
    size = WIDTH // HEADS
    for letter, place in zip(letters, p["position"], strict=False):
        with scope("embedding"):
            x = norm([a + b for a, b in zip(pick(p["token"], letter), place, strict=True)])
        with scope("norm 1"):
            inner = norm(x)
        with scope("q, k, v"):
            query = linear(p["query"], inner)
            keys.append(linear(p["key"], inner))
            values.append(linear(p["value"], inner))
        with scope("heads"):
            found: list[Any] = []
            for number, first in enumerate(range(0, WIDTH, size), 1):
                part = slice(first, first + size)
                with scope(f"head {number}"):
                    with scope("scores"):
                        scores = [dot(query[part], key[part]) / size**0.5 for key in keys]
                    with scope("softmax"):
                        shares = softmax(scores, m)
                    with scope("mix"):
                        found += [
                            dot(shares, column) for column in zip(*(value[part] for value in values), strict=True)
                        ]
        with scope("output"):
            found = linear(p["mix"], found)
        with scope("residual 1"):
            x = [a + b for a, b in zip(x, found, strict=True)]
        with scope("norm 2"):
            inner = norm(x)
        with scope("up"):
            hidden = linear(p["up"], inner)
        with scope("relu²"):
            hidden = [m.relu(number) ** 2 for number in hidden]
        with scope("down"):
            hidden = linear(p["down"], hidden)
        with scope("residual 2"):
            x = [a + b for a, b in zip(x, hidden, strict=True)]
        with scope("logits"):
            logits = linear(p["head"], x)
        yield logits


def loss(
    p: dict[str, Any], letters: Any, targets: Any, weights: Any, scope: Scope = nullcontext, *, m: Any = al
) -> Any:
    """Return the mean of -log(share of the right next letter), over letters that are no padding."""
    total: Any = 0.0
    for logits, target, weight in zip(answers(p, letters, scope, m), targets, weights, strict=True):
        with scope("softmax"):
            shares = softmax(logits, m)
        with scope("loss"):
            share = pick([[number] for number in shares], target)[0]
            total = total - weight * m.log(share)
    return total


def encoded(name: str) -> list[int]:
    """Return a document as numbers of letters, a dot on each side."""
    return [LETTERS.index(letter) for letter in f".{name}."]


def padded(names: list[str], length: int) -> tuple[Any, Any, Any]:
    """Return rows of letters, rows of targets and weights, of one length for all documents."""
    rows = np.eye(len(LETTERS))
    letters, weights = np.zeros((len(names), length + 1, len(LETTERS))), np.zeros((len(names), length))
    for document, name in enumerate(names):
        code = encoded(name)
        letters[document, : len(code)] = rows[code]
        letters[document, len(code) :] = rows[0]
        weights[document, : len(code) - 1] = 1.0 / (len(code) - 1)
    return letters[:, :-1], letters[:, 1:], weights


def sample(p: dict[str, Any], rng: np.random.Generator) -> str:
    """Make up a name, letter by letter, on plain floats."""
    table = {name: array.tolist() for name, array in p.items()}
    letters = [0]
    while len(letters) < CONTEXT:
        *_, logits = answers(table, letters)
        letters.append(int(rng.choice(len(LETTERS), p=np.array(softmax(logits)))))
        if letters[-1] == 0:
            break
    return "".join(LETTERS[letter] for letter in letters).strip(".")


def recorded(p: dict[str, Any], names: list[str], scope: Scope = nullcontext) -> tuple[dict[str, Any], Any]:
    """Return the parameters as Variables, and the loss of some documents as a function of them."""
    variables = {name: [[al.Variable(x) for x in row] for row in table.tolist()] for name, table in p.items()}
    total: Any = 0.0
    for name in names:
        code = encoded(name)
        one = loss(variables, code[:-1], code[1:], [1.0 / (len(code) - 1)] * (len(code) - 1), scope)
        with scope("loss"):
            total = total + one / len(names)
    return variables, total
