"""Docstrings of public calls: each parameter and each result is described, and nothing that does not exist."""

import inspect
import re

import generated
import numpy as np
import pytest

import autograd_lite as al
from autograd_lite.primitives import PUBLIC


def calls():
    """Functions and classes that users call, and the methods of these classes, by their names.

    Operations are documented by the table, also as methods of nodes; what an instance knows is a fact, whose summary says it.
    """
    found = {}
    for name in (name for page in generated.calls().values() for name in page):
        thing = generated.thing_of(name)
        if not inspect.isclass(thing):
            found[name] = thing
            continue
        found[name] = thing
        for method, bound in inspect.getmembers(thing, callable):
            ours = getattr(bound, "__module__", "") or ""
            operation = thing is al.Variable and (method in PUBLIC or method in al.PRIMITIVES or hasattr(np, method))
            if not method.startswith("_") and ours.startswith("autograd_lite") and not operation:
                found[f"{name}.{method}"] = bound
    return found


CALLS = calls()


def sections(doc):
    """The sections of a docstring by their titles."""
    parts = re.split(r"^(\w+)\n-{3,}$", doc, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def described(section):
    """The names of a section's entries, each with what is said of it below."""
    found, names = {}, []
    for line in section.splitlines():
        if line and not line[0].isspace():
            names = [name.strip().lstrip("*") for name in line.partition(" : ")[0].split(",")]
            found |= dict.fromkeys(names, "")
        elif line.strip():
            found |= {name: found[name] + line.strip() for name in names}
    return found


def lacking(thing):
    """What the docstring leaves out: parameters, or the result; and what it names that is no parameter."""
    doc = inspect.getdoc(thing) or ""
    parts = sections(doc)
    parameters = inspect.signature(thing).parameters
    if thing.__module__ == "autograd_lite.scipy" and hasattr(thing, "__wrapped__"):
        # The signature is SciPy's: what is said must be of its parameters, and those without a default must be described.
        wanted = [name for name, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    else:
        wanted = [name for name in parameters if name != "self"]
    entries = described(parts.get("Parameters", "") + parts.get("Attributes", ""))
    lacks = [name for name in wanted if not entries.get(name)]
    given = inspect.signature(thing).return_annotation not in (None, "None")
    if not inspect.isclass(thing) and given and not ({"Returns", "Yields"} & set(parts)):
        lacks.append("the result")
    named = described(parts.get("Parameters", ""))
    if parameters.keys() & {"options"} and thing.__module__ == "autograd_lite.scipy":  # those of SciPy's classes
        parameters = {**parameters, "jac": None}
    return lacks, [name for name in named if name not in parameters]


@pytest.mark.parametrize("name", CALLS)
def test_a_docstring_describes_every_parameter_and_the_result(name):
    """In numpydoc: a name, its kind, and below it what it means."""
    assert lacking(CALLS[name]) == ([], [])


def test_all_kinds_of_calls_are_looked_at():
    """Functions, classes, class methods and inherited ones."""
    assert {"al.grad", "al.Variable", "al.Variable.backward", "al.nn.Dense.create", "al.optim.Adam.update"} <= set(
        CALLS
    )
    assert len(CALLS) > 80


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        ("Do it.", (["x", "y", "the result"], [])),
        ("Do it.\n\nParameters\n----------\nx : float\ny : float\n    Up.\n\nReturns\n-------\nfloat\n", (["x"], [])),
        (
            "Do it.\n\nParameters\n----------\nx, y : float\n    Both.\nz : int\n    No.\n\nReturns\n-------\nfloat",
            ([], ["z"]),
        ),
    ],
)
def test_what_is_left_out_is_found(doc, expected):
    """A parameter without a word, a name that is no parameter, a result."""

    def f(x, *y):
        return x, y

    f.__doc__ = doc
    assert lacking(f) == expected
