"""The palette: its contrast, and red for NaN and infinity alone."""

import colorsys

from pictures import contrast

from autograd_lite.see import palette
from autograd_lite.see.palette import Role


def test_contrast():
    """4.5 for text, 3 for lines; 4 on either ground for what does not know its page."""
    for k in (0, 1):
        for ground in (palette.PAPER, palette.PAGE):
            for text in (palette.INK, palette.MUTED, palette.POSITIVE, palette.NEGATIVE, palette.BAD, palette.NOW):
                assert contrast(text[k], ground[k]) >= 4.5
            assert contrast(palette.LINE[k], ground[k]) >= 3.0
        for fill in (palette.POSITIVE_FILL, palette.NEGATIVE_FILL, palette.NOW_FILL, palette.HEAD):
            assert contrast(palette.INK[k], fill[k]) >= 4.5
        for between in (palette.BETWEEN, palette.BETWEEN_BAD):
            assert contrast(between.light, palette.PAPER[k]) >= 4.0
    for colour in palette.SERIES:
        assert contrast(colour, palette.PAPER.light) >= 3.0


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


def test_custom_properties():
    """A role is a pair, unless both are one colour; with a style sheet, only those that it uses."""
    assert "--ink:light-dark(#17212b,#e8edf2);" in palette.custom_properties()
    assert "--line:#7c8794;" in palette.custom_properties()
    assert palette.custom_properties("a { color: var(--ink) }") == "--ink:light-dark(#17212b,#e8edf2);"
