"""The palette: every text can be read on every ground that it stands on, on light pages and on dark ones."""

import colorsys

import pytest
from pictures import contrast, mixed

from autograd_lite.see import palette
from autograd_lite.see.palette import Role, custom_properties

SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
#: Text, and the grounds under it.
TEXTS = {
    "INK": ("PAPER", "PAGE", "HEAD", "NOW_FILL", "POSITIVE_FILL", "NEGATIVE_FILL"),
    "MUTED": ("PAPER", "PAGE", "HEAD", "NOW_FILL"),
    "POSITIVE": ("PAPER", "NOW_FILL"),
    "NEGATIVE": ("PAPER", "NOW_FILL"),
    "BAD": ("PAPER", "NOW_FILL"),
    "NOW": ("PAPER", "PAGE", "NOW_FILL"),
    "PAPER": ("INK", "BAD", "NOW"),
}
#: Lines, and the grounds under them.
LINES = dict.fromkeys(("LINE", "POSITIVE", "NEGATIVE", "BAD", "NOW"), ("PAPER", "PAGE"))


def roles():
    """Every role by its name."""
    return {name: role for name, role in vars(palette).items() if isinstance(role, Role)}


@SCHEMES
@pytest.mark.parametrize(("pairs", "least"), [(TEXTS, 4.5), (LINES, 3.0)], ids=["text", "lines"])
def test_contrast(pairs, least, scheme):
    """The guidelines' level AA."""
    colour = {name: getattr(role, scheme) for name, role in roles().items()}
    low = {
        (name, ground): round(contrast(colour[name], colour[ground]), 2)
        for name, grounds in pairs.items()
        for ground in grounds
        if contrast(colour[name], colour[ground]) < least
    }
    assert low == {}


@SCHEMES
@pytest.mark.parametrize("fill", ["POSITIVE_FILL", "NEGATIVE_FILL"])
def test_ink_on_every_strength_of_a_fill(fill, scheme):
    """A cell mixes its fill into paper, from 12 % to all of it."""
    full, paper, ink = (getattr(roles()[name], scheme) for name in (fill, "PAPER", "INK"))
    assert mixed(full, paper, 1.0) == full
    assert mixed(full, paper, 0.0) == paper
    assert min(contrast(ink, mixed(full, paper, percent / 100)) for percent in range(12, 101)) >= 4.5


def test_text_of_pictures_stands_on_either_page():
    """One colour for both: a picture does not know its page."""
    for role in (palette.BETWEEN, palette.BETWEEN_BAD):
        assert role.light == role.dark
        assert min(contrast(role.light, ground) for ground in palette.PAPER) >= 4.0


def test_curves_can_be_told_from_paper_and_from_one_another():
    """Lines of 3 : 1 on white, no two alike."""
    assert all(contrast(colour, palette.PAPER.light) >= 3.0 for colour in palette.SERIES)
    assert len(set(palette.SERIES)) == len(palette.SERIES)


def test_custom_properties():
    """All roles, or those that a code uses; one colour where both pages have the same."""
    everything = custom_properties()
    assert everything.count(";") == len(roles())
    assert "--ink:light-dark(#17212b,#e8edf2);" in everything
    assert "--line:#7c8794;" in everything
    assert custom_properties("color:var(--now-fill)") == "--now-fill:light-dark(#efe8fd,#2c2347);"
    assert custom_properties("color:red") == ""


def test_red_is_the_colour_of_nan_alone():
    """By its hue: no other role is near it."""

    def hue(colour):
        return colorsys.rgb_to_hls(*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)))

    strong = {name: role for name, role in vars(palette).items() if isinstance(role, Role)}
    for name, role in strong.items():
        for colour in role:
            angle, _, strength = hue(colour)
            red = strength > 0.4 and min(angle, 1 - angle) < 0.03
            assert red == (name in ("BAD", "BETWEEN_BAD")), (name, colour)
