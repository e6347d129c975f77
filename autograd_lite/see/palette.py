"""The colours of every picture and page, one meaning each: blue and orange: sign, red: NaN and infinity, violet: now.

A role is a pair, for light and dark pages. Contrast with the ground is at least 4.5 for text, 3 for lines, and 4 on either
ground for text of pictures that do not know their page; a test computes it.
"""

from typing import NamedTuple


class Role(NamedTuple):
    """A colour on light pages, and on dark ones."""

    light: str
    dark: str

    @property
    def css(self) -> str:
        return self.light if self.light == self.dark else f"light-dark({self.light},{self.dark})"


PAPER = Role("#ffffff", "#151b22")  # what boxes and cards are made of
PAGE = Role("#f5f6f8", "#0d1116")  # what lies under them
INK = Role("#17212b", "#e8edf2")
MUTED = Role("#55616d", "#9dabb9")  # captions; never on a fill
RULE = Role("#d3d9e0", "#323c47")  # hairlines between parts
HEAD = Role("#eef1f4", "#1f2832")  # the head of a computed node
LINE = Role("#7c8794", "#7c8794")  # frames and arrows
BETWEEN, BETWEEN_BAD = Role("#727e8a", "#727e8a"), Role("#d94841", "#d94841")  # text that stands on any page
POSITIVE, NEGATIVE = Role("#0b5cab", "#86c5ff"), Role("#9c4400", "#ffb36b")  # as text and as lines
POSITIVE_FILL, NEGATIVE_FILL = Role("#7fbcf0", "#1f66ab"), Role("#f7ae68", "#96520f")  # under ink
BAD = Role("#b3141b", "#ff8a80")  # NaN and infinity, nothing else
NOW, NOW_FILL = Role("#6a2bd9", "#bda4ff"), Role("#efe8fd", "#2c2347")

#: Curves and classes of a plot, in this order, with ink before and grey after them.
SERIES = (POSITIVE.light, "#d97706", NOW.light, "#0f766e")


def custom_properties(code: str = "") -> str:
    """Return the roles as custom properties of CSS, `--ink:light-dark(…, …);`, in a line; with `code` those that it uses."""
    roles = {name.lower().replace("_", "-"): role for name, role in globals().items() if isinstance(role, Role)}
    return "".join(
        f"--{name}:{role.css};" for name, role in roles.items() if not code or f"-{name})" in code or f'{name}"' in code
    )
