"""What tests of logging out together with an OpenID provider do: log in there, and look who is still in."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from tests.fakes.openid_provider import OpenIdProvider
from tests.web.browser import Browser
from tests.web.site import PORTAL
from tests.web.wire import Answer

MENU = "https://menu.example.com/page"
NEWS = "https://news.example.com/"


def add_provider(configuration: dict[str, Any], provider: OpenIdProvider, **more: object) -> None:
    config = provider.config(**more)
    configuration["access"]["identity_providers"].append({"name": "Corp", "type": "oidc", "config": config})


async def log_in(browser: Browser, provider: OpenIdProvider, url: str = MENU) -> Answer:
    """Open something and log in at the provider, where nobody is logged in here."""
    await browser.open(url)
    found = re.search(r'href="(/login/[^"]+)">Log in with Corp<', browser.page.text)
    assert found, browser.page
    answer = await browser.request("GET", PORTAL + unescape(found[1]))
    return await browser.open(provider.authorize(answer.one("Location")))


async def is_inside(browser: Browser, url: str = MENU) -> bool:
    """Whether the application lets this browser in with what it has."""
    return (await browser.request("GET", url)).status == 200


async def is_logged_in(browser: Browser) -> bool:
    """Whether the portal knows somebody in this browser."""
    return (await browser.request("GET", f"{PORTAL}/")).status == 200
