"""Required models over sockets: listed keys are enrolled, others are told why not, and those enrolled before go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from secondgate.model.person import Authenticator
from tests.fakes.authenticator import Lies, SoftAuthenticator
from tests.fakes.vendor import Vendor, metadata
from tests.web.browser import Browser, Person
from tests.web.site import DIALECTS, PORTAL, START, Site, open_site

A, B = bytes.fromhex("a" * 32), bytes.fromhex("b" * 32)
ACME, OTHER = Vendor("Acme"), Vendor("Other")
VAULT = "https://vault.example.com/page"
DASHED = "AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA"


def require(configuration: dict[str, Any]) -> None:
    configuration["access"]["lists"] = [{"name": "Company keys", "type": "AAGUID", "items": [{"value": DASHED}]}]
    configuration["access"]["organization"]["mfa_config"]["required_aaguids"] = "Company keys"


def with_amr_matching(configuration: dict[str, Any]) -> None:
    names = {"email": "X-Email", "amr": "X-Amr", "auth_time": "X-Auth-Time"}
    configuration["identity"] = {"headers": [names]}
    configuration["access"]["organization"]["mfa_config"]["amr_matching_session_duration"] = "1h"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    known = metadata(ACME.entry(A), OTHER.entry(B))
    async with open_site(tmp_path, with_amr_matching, models=lambda: known) as started:
        yield started


def key(aaguid: bytes = A) -> SoftAuthenticator:
    return SoftAuthenticator("mfa.example.com", PORTAL, aaguid=aaguid)


async def devices(person: Person) -> tuple[Authenticator, ...]:
    found = await person.site.services.durable.load_person_by_email(person.email)
    assert found
    return await person.site.services.durable.list_authenticators(found.id)


async def choose_key(person: Person) -> None:
    await person.log_in(VAULT)
    await person.choose("security_key")


async def test_a_listed_key_is_enrolled_on_the_way_to_an_application(site: Site, ann: Person) -> None:
    site.reload(require)
    await choose_key(ann)
    assert "of models that your organization lists" in ann.page.text
    await ann.browser.perform(key(), Lies(attestation=ACME.attestation(A)))
    assert ann.browser.url == VAULT
    [one] = await devices(ann)
    assert one.aaguid == A.hex()


@pytest.mark.case(53, 54, 55)
@pytest.mark.parametrize(
    ("aaguid", "lies"),
    [
        (A, Lies()),
        (A, Lies(attestation=ACME.attestation(A, self_signed=True))),
        (A, Lies(attestation=OTHER.attestation(A, with_root=True))),
        (B, Lies(attestation=OTHER.attestation(B))),
        (bytes(16), Lies()),
    ],
    ids=["no attestation", "self-signed", "another vendor's chain", "another model", "zero"],
)
async def test_another_key_is_refused_in_plain_words_and_the_log_says_why(
    site: Site, ann: Person, aaguid: bytes, lies: Lies
) -> None:
    site.reload(require)
    await choose_key(ann)
    refused = await ann.browser.perform(key(aaguid), lies)
    assert refused.status == 403
    assert "of a model that your organization lists" in refused.json["error"]
    assert await devices(ann) == ()
    [event] = await site.events("authenticator.rejected")
    assert event.detail["reason"] == "attestation"
    assert event.detail["detail"]


@pytest.mark.case(59)
async def test_a_key_enrolled_before_still_logs_in_and_cannot_be_enrolled_again(site: Site, ann: Person) -> None:
    await choose_key(ann)
    assert "your organization lists" not in ann.page.text
    old = key(bytes(16))
    await ann.browser.perform(old)
    assert ann.browser.url == VAULT
    site.reload(require)
    await ann.another_browser()
    await ann.log_in(VAULT)
    await ann.browser.perform(old)
    assert ann.browser.url == VAULT
    await ann.browser.open(f"{PORTAL}/challenge?purpose=devices")
    await ann.browser.perform(old)
    await ann.browser.open(f"{PORTAL}/AddMfaDevice/security_key")
    assert (await ann.browser.perform(key(bytes(16)))).status == 403
    assert len(await devices(ann)) == 1


async def test_an_authenticator_app_is_enrolled_as_ever(site: Site, ann: Person) -> None:
    site.reload(require)
    await ann.log_in_with_totp()
    assert len(await devices(ann)) == 1


@pytest.mark.case(61)
async def test_with_required_models_a_key_used_at_the_provider_counts_no_more(site: Site) -> None:
    named = [("X-Email", "ann@example.com"), ("X-Amr", "hwk"), ("X-Auth-Time", str(START))]
    browser = Browser(site, named=named)
    await browser.open(VAULT)
    assert (browser.url, browser.page.status) == (VAULT, 200)
    site.reload(require)
    for dialect in DIALECTS:
        answer = await site.check(dialect, VAULT, cookie=browser.cookies("vault.example.com"), fields=named)
        assert answer.status in {302, 401}
    other = Browser(site, named=named)
    await other.open(VAULT)
    assert other.url.startswith(f"{PORTAL}/AddMfaDevice")


@pytest.mark.case(58)
async def test_a_list_that_is_deleted_while_it_is_required_changes_nothing(site: Site, ann: Person) -> None:
    site.reload(require)
    site.reload(lambda configuration: configuration["access"].pop("lists"))
    await choose_key(ann)
    assert (await ann.browser.perform(key(B), Lies(attestation=OTHER.attestation(B)))).status == 403
    assert await devices(ann) == ()
