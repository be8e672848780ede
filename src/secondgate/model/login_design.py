"""How an organization's pages of logging in look: two colours, two lines of text, a logo.

Contrast is that of WCAG 2.1: relative luminance, and success criterion 1.4.3 for the least that text needs. Decides
nothing about style sheets and markup.
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_CONTRAST = 4.5
"""The least contrast of text, as a ratio to 1 (WCAG 2.1, success criterion 1.4.3)."""
DEFAULT_BACKGROUND, DEFAULT_TEXT = "#f5f4f0", "#1d2325"
"""The colours of the pages in light, where a design says no others."""

_LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True, slots=True)
class LoginDesign:
    """What differs from the pages' own look; empty: nothing.

    Colours are `#rrggbb` in lower case. `logo` is an image within a `data:` URL.
    """

    background_color: str = ""
    text_color: str = ""
    header_text: str = ""
    footer_text: str = ""
    logo: str = ""

    @property
    def contrast(self) -> float:
        """The contrast of text and background, from 1 to 21, with the pages' own colours where none is set."""
        return contrast(self.text_color or DEFAULT_TEXT, self.background_color or DEFAULT_BACKGROUND)


PLAIN_DESIGN = LoginDesign()


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of two colours `#rrggbb`, from 1 to 21 (WCAG 2.1, contrast ratio)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def full_color(color: str) -> str:
    """Give a colour `#rgb` or `#rrggbb` as `#rrggbb` in lower case (CSS Color 4, section 5.2)."""
    digits = color.removeprefix("#").lower()
    return "#" + ("".join(digit * 2 for digit in digits) if len(digits) == 3 else digits)  # noqa: PLR2004 - #rgb


def _luminance(color: str) -> float:
    """Give the relative luminance of a colour in sRGB (WCAG 2.1, relative luminance)."""
    shares = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)  # noqa: PLR2004 - the standard's
    return sum(weight * value for weight, value in zip(_LUMINANCE_WEIGHTS, linear, strict=True))
