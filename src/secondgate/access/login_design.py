"""The organization's `login_design` on the wire: its fields, what it compiles to, and colours that nobody could read.

Field names are those of Cloudflare Access's API. A logo is taken as a `data:` URL alone: the pages load nothing from
elsewhere, and an SVG in an `<img>` runs no script and loads nothing either (SVG 2, section 2.2.1, secure static mode).
"""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from secondgate.access.fields import Shape, Text, refusal
from secondgate.access.finding import Finding
from secondgate.model.login_design import (
    DEFAULT_BACKGROUND,
    DEFAULT_TEXT,
    MIN_CONTRAST,
    PLAIN_DESIGN,
    LoginDesign,
    full_color,
)

MAX_LINE_CHARACTERS = 200
MAX_LOGO_BYTES = 32 * 1024

_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"  # PNG, section 5.2
_PNG, _SVG = "data:image/png;base64,", "data:image/svg+xml;base64,"


def _color(value: str) -> str:
    if not _COLOR.fullmatch(value):
        raise refusal("must be a colour as #1a2b3c or #123")
    return value


def _line(value: str) -> str:
    if len(value) > MAX_LINE_CHARACTERS:
        raise refusal(f"must be at most {MAX_LINE_CHARACTERS} characters")
    return value


def _logo(value: object) -> str:
    if not isinstance(value, str) or not value.startswith((_PNG, _SVG)):
        raise refusal(
            f"must be the image itself, as {_PNG}… or {_SVG}…: the pages load nothing from elsewhere, and no files of "
            "yours are served here"
        )
    prefix = _PNG if value.startswith(_PNG) else _SVG
    if len(value) - len(prefix) > 4 * -(-MAX_LOGO_BYTES // 3):
        raise refusal(f"must be an image of at most {MAX_LOGO_BYTES // 1024} KB")
    try:
        image = b64decode(value.removeprefix(prefix), validate=True)
        is_image = image.startswith(_PNG_SIGNATURE) if prefix == _PNG else b"<svg" in image
    except (binascii.Error, ValueError):
        raise refusal("must be Base64 after the comma") from None
    if len(image) > MAX_LOGO_BYTES:
        raise refusal(f"must be an image of at most {MAX_LOGO_BYTES // 1024} KB")
    if not is_image:
        raise refusal(f"is no {'PNG' if prefix == _PNG else 'SVG'}, although it says so")
    return value


Color = Annotated[Text, AfterValidator(_color), Field(description="a colour, as #1a2b3c or #123")]
Line = Annotated[Text, AfterValidator(_line), Field(description="one line of text, of at most 200 characters")]
Logo = Annotated[str, BeforeValidator(_logo), Field(description="a PNG or SVG of at most 32 KB, as a data: URL")]


class LoginDesignShape(Shape):
    """How the pages of logging in look. Colours hold in light; in dark the pages keep their own."""

    background_color: Color | None = None
    text_color: Color | None = None
    header_text: Line | None = None
    footer_text: Line | None = None
    logo_path: Logo | None = None


def compile_login_design(shape: LoginDesignShape | None) -> LoginDesign:
    """Make the design; None is the pages' own look."""
    if shape is None:
        return PLAIN_DESIGN
    return LoginDesign(
        background_color=full_color(shape.background_color) if shape.background_color else "",
        text_color=full_color(shape.text_color) if shape.text_color else "",
        header_text=(shape.header_text or "").strip(),
        footer_text=(shape.footer_text or "").strip(),
        logo=shape.logo_path or "",
    )


def find_login_design_problems(shape: LoginDesignShape | None, *, at: str) -> Iterator[Finding]:
    """Find colours that differ too little to be read. `at` is the path of the design."""
    if shape is None:
        return
    design = compile_login_design(shape)
    if design.contrast >= MIN_CONTRAST:
        return
    background, text = f"{at}.background_color", f"{at}.text_color"
    if design.text_color and design.background_color:
        place, against = text, f"background_color, {design.background_color}"
    elif design.text_color:
        place, against = text, f"background of the pages, {DEFAULT_BACKGROUND}, which stays without background_color"
    else:
        place, against = background, f"text of the pages, {DEFAULT_TEXT}, which stays without text_color"
    ratio = math.floor(design.contrast * 100) / 100  # never rounded up to what is asked for
    yield Finding(
        place,
        f"cannot be read: its contrast with the {against}, is {ratio:.2f}:1, and text needs {MIN_CONTRAST}:1 or more "
        "(WCAG 2.1, 1.4.3)",
        (background, text),
    )
