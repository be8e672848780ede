"""`login_design`: what is taken, what it compiles to, and which colours nobody could read."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from pydantic import ValidationError

from secondgate.access import AccessShapes, compile_access
from secondgate.access.login_design import MAX_LOGO_BYTES
from secondgate.access.problems import find_problems
from secondgate.model.login_design import LoginDesign

ACCOUNT = "0123456789abcdef0123456789abcdef"
AT = "access.organization.login_design"
PNG = b"\x89PNG\r\n\x1a\n"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'


def data_url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def shapes(design: object) -> AccessShapes:
    return AccessShapes.model_validate({"organization": {"name": "Example", "login_design": design}})


def compiled(design: object) -> LoginDesign:
    return compile_access(shapes(design), account_id=ACCOUNT).rulebook.organization.login_design


def problems(**design: object) -> dict[str, str]:
    return {finding.path: finding.message for finding in find_problems(shapes(design))}


def message(design: object) -> str:
    with pytest.raises(ValidationError) as caught:
        shapes(design)
    return str(caught.value)


def test_a_design_is_compiled_with_colors_in_one_form() -> None:
    logo = data_url("png", PNG)
    design = {
        "background_color": "#0B3d3A",
        "text_color": "#FFf",
        "header_text": " Welcome ",
        "footer_text": "Help: 555",
        "logo_path": logo,
    }
    assert compiled(design) == LoginDesign("#0b3d3a", "#ffffff", "Welcome", "Help: 555", logo)
    assert find_problems(shapes(design)) == ()


@pytest.mark.parametrize(
    "design", [None, {}, {"background_color": None, "header_text": None, "logo_path": None}, {"header_text": "  "}]
)
def test_nothing_said_is_the_pages_own_look(design: object) -> None:
    assert compiled(design) == LoginDesign()
    assert find_problems(shapes(design)) == ()


@pytest.mark.case(21)
@pytest.mark.parametrize(
    "color",
    [
        "",
        "red",
        "#12",
        "#1234",
        "#12345678",
        "1a2b3c",
        "#ggg",
        "#fff;}",
        "#fff\n",
        "#fff}*{background:url(//x)",
        "url(https://x)",
        "rgb(0 0 0)",
        "var(--ink)",
        "\uff03fff",
        "#\uff11\uff12\uff13",
        7,
        True,
        ["#fff"],
    ],
)
@pytest.mark.parametrize("field", ["background_color", "text_color"])
def test_a_color_is_three_or_six_digits_and_nothing_else(field: str, color: object) -> None:
    assert field in message({field: color})


@pytest.mark.parametrize("field", ["header_text", "footer_text"])
def test_a_text_is_one_line_of_at_most_200_characters(field: str) -> None:
    shapes({field: "x" * 200})
    assert "at most 200 characters" in message({field: "x" * 201})
    for text in ("a\nb", "a\x00", "a\u2028b", 7):
        assert field in message({field: text})


@pytest.mark.parametrize(
    "logo",
    [
        "https://example.com/logo.png",
        "//example.com/logo.png",
        "/logo.png",
        "javascript:alert(1)",
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/svg+xml,<svg onload='alert(1)'/>",
        "data:image/gif;base64,R0lGODlh",
        "data:image/png;base64",
        "",
        7,
    ],
)
def test_a_logo_from_elsewhere_is_refused_with_the_reason(logo: object) -> None:
    assert "the pages load nothing from elsewhere" in message({"logo_path": logo})


def test_a_logo_is_what_it_says_it_is() -> None:
    for url in (data_url("svg+xml", SVG), data_url("png", PNG)):
        assert compiled({"logo_path": url}).logo == url
    assert "is no PNG" in message({"logo_path": data_url("png", SVG)})
    assert "is no SVG" in message({"logo_path": data_url("svg+xml", PNG)})
    for text in ("!", "iVBO\n", "iVBORw0KGg=x", 'iVBO"><script>', "\u00e9", "\ud800"):
        assert "must be Base64" in message({"logo_path": f"data:image/png;base64,{text}"})


def test_a_logo_has_at_most_32_kilobytes() -> None:
    full = PNG.ljust(MAX_LOGO_BYTES, b"x")
    shapes({"logo_path": data_url("png", full)})
    for more in (b"x", b"x" * 1000):
        assert "at most 32 KB" in message({"logo_path": data_url("png", full + more)})


def test_another_key_is_no_field() -> None:
    assert "font" in message({"font": "serif"})


@pytest.mark.parametrize(
    ("design", "place", "words"),
    [
        (
            {"background_color": "#fff", "text_color": "#777"},
            "text_color",
            "contrast with the background_color, #ffffff, is 4.47:1",
        ),
        ({"background_color": "#000"}, "background_color", "text of the pages, #1d2325, which stays"),
        ({"text_color": "#fff"}, "text_color", "background of the pages, #f5f4f0, which stays"),
    ],
)
def test_colors_that_cannot_be_read_are_a_problem_with_the_ratio(
    design: dict[str, Any], place: str, words: str
) -> None:
    ((path, text),) = problems(**design).items()
    assert path == f"{AT}.{place}"
    assert words in text
    assert "needs 4.5:1 or more (WCAG 2.1, 1.4.3)" in text


@pytest.mark.parametrize(
    "design",
    [
        {"background_color": "#fff", "text_color": "#767676"},
        {"background_color": "#e8f0ff"},
        {"text_color": "#004a44"},
        {"background_color": "#000", "text_color": "#fff"},
    ],
)
def test_colors_that_can_be_read_are_none(design: dict[str, Any]) -> None:
    assert problems(**design) == {}
