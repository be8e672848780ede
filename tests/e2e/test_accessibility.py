"""Every page of the portal, in light and dark and on a phone, held to WCAG by axe-core."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Route

from secondgate.model.login_design import LoginDesign
from secondgate.portal.assets import STATIC_FILES
from secondgate.portal.design import DESIGN_PATH, style_sheet, style_url
from secondgate.portal.pages import Page, render
from tests.unit.portal.page_samples import samples

PLACE = "http://mfa.localhost:9/page"
DESIGN = LoginDesign("#003366", "#ffffff", header_text="Of the works in Lund", footer_text="Help: 046-100", logo="")


def designed(plain: Page) -> Page:
    """Give a page in the organization's own colours, with its own words."""
    frame = replace(
        plain.frame,
        header_text=DESIGN.header_text,
        footer_text=DESIGN.footer_text,
        style_url=style_url(DESIGN),
    )
    return replace(plain, frame=frame)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_barrier(chromium: Browser, scheme: Literal["light", "dark"]) -> None:
    shown: list[Page] = []

    def serve(route: Route) -> None:
        if route.request.is_navigation_request() and route.request.url != PLACE:  # it goes on by itself: look first
            route.fulfill(status=204)
            return
        path = route.request.url.partition("?")[0]
        content_type, body = STATIC_FILES.get(path.rpartition("/")[2], ("text/plain", b""))
        if path.endswith(DESIGN_PATH):
            content_type, body = "text/css", style_sheet(DESIGN)
        if path == PLACE:
            content_type, body = "text/html; charset=utf-8", render(shown[-1]).encode()
        route.fulfill(content_type=content_type, body=body)

    context = chromium.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    page.route("**/*", serve)
    found = []
    for name, sample in {**samples(), "designed": designed(samples()["login-both"])}.items():
        shown.append(sample)
        page.goto(PLACE)
        violations = Axe().run(page).response["violations"]
        found += [(name, violation["id"], violation["nodes"][0]["html"]) for violation in violations]
    context.close()
    assert found == []
