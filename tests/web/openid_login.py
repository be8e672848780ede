"""What somebody does who logs in at an OpenID Connect provider, and what is said when that fails."""

from __future__ import annotations

import io
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.openid_provider import OpenIdProvider
from tests.web.browser import Browser
from tests.web.site import PORTAL
from tests.web.wire import Answer

MENU = "https://menu.example.com/page"
CALLBACK = f"{PORTAL}/login/callback"


async def begin(browser: Browser, url: str = MENU, *, name: str = "Corp") -> str:
    """Open something, choose the provider, and give the provider's URL."""
    page = await browser.open(url)
    found = re.search(rf'href="(/login/[^"]+)">Log in with {name}<', page.text)
    assert found, page.text
    answer = await browser.request("GET", PORTAL + found[1].replace("&amp;", "&"))
    assert answer.status == 303, answer
    return answer.one("Location")


async def log_in(browser: Browser, provider: OpenIdProvider, url: str = MENU, **more: str) -> Answer:
    """Log in there, all the way."""
    return await browser.open(provider.authorize(await begin(browser, url), **more))


def asked_of(url: str) -> dict[str, str]:
    """Give the parameters of an authorization request."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def lines(logs: io.StringIO, *events: str) -> list[dict[str, Any]]:
    """Give the log lines of some events."""
    found = [json.loads(line) for line in logs.getvalue().splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] in events]


def refusal(page: Answer, logs: io.StringIO) -> str:
    """Give the reason of the one log line of a login that failed, whose page is clear and tells nothing of it."""
    assert page.status in {400, 403}, page.status
    assert "You could not be logged in" in page.text
    assert "Log in again" in page.text
    (line,) = lines(logs, "login.failed")
    assert not line["detail"] or line["detail"] not in page.text
    reason: str = line["reason"]
    assert reason not in page.text
    logs.truncate(logs.seek(0))
    logs.seek(0)
    return reason
