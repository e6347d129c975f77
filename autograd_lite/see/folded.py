"""The page of a folded picture: its boxes open on what is in them. It needs no other file and no network."""

import html
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from string import Template

from autograd_lite.see.dot import Sketch
from autograd_lite.see.fold import Box
from autograd_lite.see.labels import visible
from autograd_lite.see.select import Selection

#: What a box shows when it opens: at most so many of its nodes, those nearest to its last result.
NEAREST = 16


@dataclass(frozen=True)
class Inside:
    """What a box opens on: its id, its title, and the Graphviz source of a picture."""

    box: str
    title: str
    source: str


def insides(boxes: Iterable[Box], sketch: Sketch, rankdir: str) -> list[Inside]:
    """Draw what computes the last result of each box of many nodes, with the numbers of the sketch."""
    found = []
    for box in boxes:
        if len(box.nodes) > 1:
            part = Sketch(_nearest(box, sketch.selection), sketch.gradients, rankdir)
            found.append(Inside(box.id, visible(", ".join(box.title)), part.source()))
    return found


def _nearest(box: Box, selection: Selection) -> Selection:
    """The last node of a box and those of its nodes that lead to it, ring by ring, with what they take from outside.

    A box of leaves shows the last few of them.
    """
    members = [selection.nodes[i] for i in sorted(box.nodes)]
    inside, ring = set(members), [members[-1]]
    seen = dict.fromkeys(ring)
    while ring and len(seen) < NEAREST:
        ring = [p for p in dict.fromkeys(p for node in ring for p in node.parents) if p in inside and p not in seen]
        seen.update(dict.fromkeys(ring[: NEAREST - len(seen)]))
    if not members[-1].parents:
        seen = dict.fromkeys(members[-NEAREST:])
    drawn = {*seen, *(p for node in seen for p in node.parents if p in selection.position)}
    known = {*drawn, *(p for node in drawn for p in node.parents)}
    nodes = sorted(drawn, key=selection.position.__getitem__)
    return Selection(frozenset([members[-1]]), tuple(nodes), {node: selection.position[node] for node in known})


def page(title: str, picture: str, parts: Sequence[tuple[Inside, str]]) -> str:
    """Return the page of a picture; each part is what a box opens on, and that rendered."""
    folder = Path(__file__).parent
    script = (folder / "folded.js").read_text(encoding="utf-8")
    templates = "\n".join(
        f'<template data-box="{html.escape(part.box)}" data-title="{html.escape(part.title)}">{svg}</template>'
        for part, svg in parts
    )
    return Template((folder / "folded.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        picture=picture,
        insides=templates,
        script=script,
        hash=b64encode(sha256(script.encode()).digest()).decode(),
    )
