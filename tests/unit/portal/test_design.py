"""The login design on pages: its style sheet, its texts and logo, and that no other page shows it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from secondgate.model.login_design import DEFAULT_BACKGROUND, DEFAULT_TEXT, PLAIN_DESIGN, LoginDesign
from secondgate.portal import pages
from secondgate.portal.assets import STATIC_FILES
from secondgate.portal.design import style_sheet, style_url
from tests.unit.portal.test_pages import HOSTILE, PAGES, opened

LOGO = "data:image/png;base64,iVBORw0KGgo="
OF_LOGIN = (pages.LoginPage, pages.PinPage, pages.ChallengePage)
every_page = pytest.mark.parametrize("name", PAGES)


def designed(name: str, **design: str) -> pages.Page:
    page = PAGES[name]
    return replace(page, frame=replace(page.frame, **design))


def test_the_style_sheet_sets_what_the_pages_use_in_light_alone() -> None:
    design = LoginDesign("#0b3d3a", "#ffffff")
    assert " ".join(style_sheet(design).decode().split()) == (
        "@media (prefers-color-scheme: light) { :root { --ground: #0b3d3a; --on-ground: #ffffff; } }"
    )
    assert b"--on-ground" not in style_sheet(LoginDesign(background_color="#0b3d3a"))
    assert b"--ground" not in style_sheet(LoginDesign(text_color="#0b3d3a"))
    own = STATIC_FILES["frame.css"][1].decode()
    assert "background: var(--ground)" in own
    assert "color: var(--on-ground)" in own


def test_the_url_names_the_colors_and_there_is_none_without() -> None:
    urls = {style_url(LoginDesign(color)) for color in ("#111111", "#222222")}
    assert len(urls) == 2
    assert all(re.fullmatch(r"/design\.css\?v=[\w-]{12}", url) for url in urls)
    texts = LoginDesign(header_text="Hello", footer_text="Bye", logo=LOGO)
    assert [style_url(design) or style_sheet(design) for design in (PLAIN_DESIGN, texts)] == [b"", b""]


def test_the_colors_that_contrast_is_measured_with_are_those_of_the_pages() -> None:
    root = STATIC_FILES["frame.css"][1].decode().partition("}")[0]
    assert re.findall(r"--(?:ground|ink): ([^;]+);", root) == [DEFAULT_BACKGROUND, DEFAULT_TEXT]
    assert "--on-ground: var(--ink);" in root


@every_page
def test_pages_of_logging_in_alone_show_the_design(name: str) -> None:
    page = designed(name, header_text="Hello Ann", footer_text="Call 555", logo=LOGO, style_url="/design.css?v=x")
    document = opened(page)
    if not isinstance(page, OF_LOGIN):
        assert pages.render(page) == pages.render(PAGES[name])
        return
    assert document.one("footer").text.strip() == "Call 555"
    (organization,) = (e for e in document.all("p") if e.attributes.get("class") == "organization")
    assert organization.text.split() == ["Example", "Hello", "Ann"]
    (logo,) = (e for e in document.all("img") if organization in e.path)
    assert logo.attributes == {"src": LOGO, "alt": ""}
    sheets = [e.attributes["href"] for e in document.all("link") if e.attributes["rel"] == "stylesheet"]
    assert sheets[-1] == "/design.css?v=x"
    assert document.one("body").attributes["class"] == "narrow designed"


@every_page
def test_without_a_design_nothing_of_it_stands_on_a_page(name: str) -> None:
    html = pages.render(PAGES[name])
    assert not re.search(r"<footer|design|class=\"under|class=\"organization\"><img", html)


def test_texts_alone_link_no_style_sheet() -> None:
    html = pages.render(designed("login-pin", header_text="Hello", footer_text="Bye"))
    assert "design" not in html
    assert "Hello" in html


@pytest.mark.case(21)
@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if isinstance(page, OF_LOGIN)])
def test_hostile_texts_are_inert(name: str) -> None:
    page = designed(name, header_text=HOSTILE, footer_text=HOSTILE)
    document, harmless = opened(page), opened(designed(name, header_text="x", footer_text="y"))
    assert [e.tag for e in document.elements] == [e.tag for e in harmless.elements]
    assert document.one("footer").text.strip() == HOSTILE
    for element in document.elements:
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
