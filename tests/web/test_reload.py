"""Settings read again: the new ones count at the next request, a bad file changes nothing and says why."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tests.web.browser import Browser, Person
from tests.web.site import (
    DIALECTS,
    EVERYONE,
    FORWARD_AUTH,
    KEY_ONLY,
    NO_MFA,
    PORTAL,
    ROOT,
    SCRIPT,
    Site,
    application,
)

MENU = "https://menu.example.com/"


def applications(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the applications of a configuration."""
    found: list[dict[str, Any]] = configuration["access"]["applications"]
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_new_application_and_a_removed_one_count_at_the_next_request(
    site: Site, ann: Person, dialect: str
) -> None:
    await ann.log_in(MENU)
    new = "https://new.example.com/"
    assert (await site.check(dialect, new)).status == 403
    site.reload(
        lambda configuration: applications(configuration).append(application("New", "new.example.com", EVERYONE))
    )
    assert (await site.check(dialect, new)).status == 200
    assert (await site.check(dialect, MENU, cookie=ann.session("menu.example.com"))).status == 200
    site.reload(lambda configuration: applications(configuration).__delitem__(3))
    assert (await site.check(dialect, MENU, cookie=ann.session("menu.example.com"))).status == 403
    assert (await ann.browser.request("GET", f"{MENU}.secondgate/login?return_to=/")).status == 404


async def test_mfa_turned_on_for_an_application_counts_at_the_next_request(site: Site, ann: Person) -> None:
    await ann.log_in(MENU)
    cookie = ann.session("menu.example.com")
    site.reload(lambda configuration: applications(configuration)[3].update(mfa_config=KEY_ONLY))
    answer = await site.check(FORWARD_AUTH, MENU, cookie=cookie, fields=SCRIPT)
    assert (answer.status, answer.json["reason"]) == (401, "mfa_missing")
    site.reload(lambda configuration: applications(configuration)[3].update(mfa_config=NO_MFA))
    assert (await site.check(FORWARD_AUTH, MENU, cookie=cookie)).status == 200


async def test_a_bypass_taken_back_counts_at_the_next_request(site: Site) -> None:
    url = "https://open.example.com/"
    assert (await site.check(FORWARD_AUTH, url)).status == 200
    site.reload(
        lambda configuration: applications(configuration)[6].update(policies=applications(configuration)[0]["policies"])
    )
    assert (await site.check(FORWARD_AUTH, url)).status == 302


async def test_an_application_that_changed_on_the_way_through_a_login_is_judged_anew(site: Site, ann: Person) -> None:
    await ann.browser.open(MENU)
    await ann.browser.submit(email=ann.email)
    pin = await site.pin(ann.email)
    site.reload(lambda configuration: applications(configuration)[3].update(policies=ROOT))
    page = await ann.browser.submit(pin=pin)
    assert page.status == 403
    assert "__Host-secondgate" not in ann.browser.jar["menu.example.com"]
    (event,) = await site.events("application.refused")
    assert (event.actor, event.detail["reason"]) == (ann.email, "no_policy_matched")


BAD: dict[str, Any] = {
    "no application name": lambda configuration: applications(configuration)[0].pop("name"),
    "a misspelt key": lambda configuration: applications(configuration)[0].update(polices=[]),
    "an odd duration": lambda configuration: configuration["access"]["organization"].update(session_duration="1y"),
    "an unknown method": lambda configuration: applications(configuration)[0].update(
        mfa_config={"allowed_authenticators": ["sms"]}
    ),
    "one domain twice": lambda configuration: applications(configuration).append(
        application("Twice", "menu.example.com", EVERYONE)
    ),
}


@pytest.mark.case(92)
@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
async def test_a_bad_file_changes_nothing_and_says_why(
    site: Site,
    ann: Person,
    logs: io.StringIO,
    change: Any,  # noqa: ANN401 - a function of the configuration
) -> None:
    await ann.log_in(MENU)
    before = site.current()
    site.reload(change)
    assert site.current() is before
    assert (await site.check(FORWARD_AUTH, MENU, cookie=ann.session("menu.example.com"))).status == 200
    assert (await Browser(site).open(f"{PORTAL}/login")).status == 200
    refused = [json.loads(line) for line in logs.getvalue().splitlines() if "reload." in line]
    (line,) = [one for one in refused if one["event"] == "reload.refused"]
    assert line["level"] == "error"
    assert line["problems"]
    assert all("secondgate.yaml:1:" in problem for problem in line["problems"])


@pytest.mark.case(92)
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"access: [", b"- a\n- b\n"])
async def test_a_file_that_is_no_configuration_changes_nothing(site: Site, logs: io.StringIO, content: bytes) -> None:
    before = site.current()
    whole = site.config_file.read_text()
    site.config_file.write_bytes(content)
    site.reload_file()
    assert site.current() is before
    site.config_file.unlink()
    site.reload_file()
    assert site.current() is before
    assert logs.getvalue().count("reload.refused") == 2
    site.config_file.write_text(whole)
    site.reload_file()
    assert logs.getvalue().count("reload.done") == 1
    assert site.current() == before


async def test_what_a_reload_cannot_take_is_named(site: Site, logs: io.StringIO) -> None:
    site.reload(lambda configuration: configuration.update({"log_level": "error", "workers": 1}))
    (line,) = [
        line for line in map(json.loads, logs.getvalue().splitlines()) if line["event"] == "reload.needs_restart"
    ]
    assert line["settings"] == ["log_level"]
