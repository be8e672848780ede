"""AAGUID lists, and the organization that requires one, through the API and Cloudflare's official client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cloudflare
import pytest

from secondgate.flows.api_tokens import create_api_token
from secondgate.model.api_token import Permission
from tests.fakes.authenticator import Lies, SoftAuthenticator
from tests.fakes.vendor import Vendor, metadata
from tests.web import api
from tests.web.browser import Person
from tests.web.site import PORTAL, Site, open_site

Api = Any
A, B = bytes.fromhex("a" * 32), bytes.fromhex("b" * 32)
ACME, OTHER = Vendor("Acme"), Vendor("Other")
VAULT = "https://vault.example.com/page"
DASHED, UPPER = "AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA", "C" * 32
ITEMS = [{"value": DASHED, "description": "blue keys"}, {"value": UPPER, "description": "red keys"}]
CONFIG = {"allowed_authenticators": ["security_key"], "session_duration": "12h"}
LIST_PLACE = "/access/organizations/mfa_config/required_aaguids"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site that the API manages, with Acme's and Other's keys known, and a vault behind it."""
    known = metadata(ACME.entry(A), OTHER.entry(B))
    async with open_site(tmp_path, api.managed_by_the_api, models=lambda: known) as started:
        zero_trust = (await api.client(started)).zero_trust
        account = started.settings.account_id
        await api.run(zero_trust.organizations.update, account_id=account, **organization(CONFIG))
        await api.run(
            zero_trust.identity_providers.create, account_id=account, name="PIN", type="onetimepin", config={}
        )
        vault = {"type": "self_hosted", "name": "Vault", "domain": "vault.example.com", "policies": [api.EVERYONE]}
        await api.run(zero_trust.access.applications.create, account_id=account, **vault)
        yield started


def organization(config: dict[str, Any] | None) -> dict[str, Any]:
    return {"name": "Example", "extra_body": {"mfa_config": config, "mfa_required_for_all_apps": True}}


async def list_of(site: Site, items: list[dict[str, str]] | None = None) -> Any:  # noqa: ANN401 - the client's model
    gateway = (await api.client(site)).zero_trust.gateway
    new = {"name": "Company keys", "type": "AAGUID", "items": ITEMS if items is None else items}
    return await api.run(gateway.lists.create, account_id=site.settings.account_id, **new)


async def require(site: Site, list_id: str | None) -> Any:  # noqa: ANN401 - the client's model
    organizations = (await api.client(site)).zero_trust.organizations
    config = CONFIG if list_id is None else {**CONFIG, "required_aaguids": list_id}
    return await api.run(organizations.update, account_id=site.settings.account_id, **organization(config))


async def patch(site: Site, required: str | None) -> None:
    body = {"mfa_config": {"required_aaguids": required}}
    path = f"/accounts/{site.settings.account_id}/access/organizations"
    await api.run((await api.client(site)).patch, path, cast_to=object, body=body)


def required(site: Site) -> frozenset[str] | None:
    return site.current().rulebook.organization.mfa.required_aaguids


def key(aaguid: bytes = A) -> SoftAuthenticator:
    return SoftAuthenticator("mfa.example.com", PORTAL, aaguid=aaguid)


async def choose_key(person: Person) -> None:
    await person.log_in(VAULT)
    await person.choose("security_key")


@pytest.mark.case(58)
async def test_dashes_and_upper_case_are_taken_compared_in_one_form_and_given_back_as_sent(site: Site) -> None:
    made, account = await list_of(site), site.settings.account_id
    gateway = (await api.client(site)).zero_trust.gateway
    assert [one.value for one in made.items] == [DASHED, UPPER]
    items = await api.listed(gateway.lists.items.list, made.id, account_id=account, per_page=1)
    assert [one.value for one in items] == [DASHED, UPPER]
    read = await api.run(gateway.lists.get, made.id, account_id=account)
    assert [(one.value, one.description) for one in read.items] == [(DASHED, "blue keys"), (UPPER, "red keys")]
    await require(site, made.id)
    assert required(site) == frozenset((A.hex(), UPPER.lower()))
    more = await api.run(gateway.lists.edit, made.id, account_id=account, append=[{"value": B.hex()}], remove=[UPPER])
    assert [one.value for one in more.items] == [DASHED, B.hex()]
    assert required(site) == frozenset((A.hex(), B.hex()))


@pytest.mark.case(58)
@pytest.mark.parametrize(
    ("items", "pointer"),
    [
        ([{"value": "YubiKey 5"}], "/items/0/value"),
        ([{"value": DASHED}, {"value": "0" * 32}], "/items/1/value"),
        ([{"value": DASHED}, {"value": A.hex()}], "/items/1/value"),
        ([{"value": f"{{{DASHED}}}"}], "/items/0/value"),
        ([{"value": f" {DASHED}"}], "/items/0/value"),
        ([{"description": "no value"}], "/items/0/value"),
    ],
)
async def test_what_is_no_aaguid_or_stands_twice_is_refused_at_its_place(
    site: Site, items: list[dict[str, str]], pointer: str
) -> None:
    with pytest.raises(cloudflare.BadRequestError) as refused:
        await list_of(site, items)
    assert list(api.errors(refused.value)) == [pointer]
    made = await list_of(site)
    gateway = (await api.client(site)).zero_trust.gateway
    with pytest.raises(cloudflare.BadRequestError) as refused:
        await api.run(
            gateway.lists.update, made.id, account_id=site.settings.account_id, name="Company keys", items=items
        )
    assert list(api.errors(refused.value)) == [pointer]


async def test_a_requirement_is_set_and_taken_away_by_put_and_patch(site: Site) -> None:
    made = await list_of(site)
    assert (await require(site, made.id)).mfa_config.required_aaguids == made.id
    assert required(site) is not None
    organizations = (await api.client(site)).zero_trust.organizations
    named = {"name": "Example"}  # what is absent stays
    kept = await api.run(organizations.update, account_id=site.settings.account_id, **named)
    assert kept.mfa_config.required_aaguids == made.id
    changed = await require(site, None)  # a present mfa_config replaces the whole of it
    assert changed.mfa_config.required_aaguids is None
    assert required(site) is None
    await patch(site, made.id)
    assert required(site) == frozenset((A.hex(), UPPER.lower()))
    read = await api.run(organizations.list, account_id=site.settings.account_id)
    assert (read.mfa_config.session_duration, read.mfa_config.required_aaguids) == ("12h", made.id)
    await patch(site, None)
    assert required(site) is None
    with_null = {**CONFIG, "required_aaguids": None}
    await patch(site, made.id)
    await api.run(organizations.update, account_id=site.settings.account_id, **organization(with_null))
    assert required(site) is None


@pytest.mark.case(58)
async def test_only_a_list_of_aaguids_that_is_there_and_not_empty_can_be_required(site: Site) -> None:
    gateway = (await api.client(site)).zero_trust.gateway
    account = site.settings.account_id
    empty = await list_of(site, [])
    people = await api.run(
        gateway.lists.create, account_id=account, name="people", type="EMAIL", items=[{"value": "ann@example.com"}]
    )
    for wrong in (empty.id, people.id, "no-such-list", ""):
        with pytest.raises(cloudflare.BadRequestError) as refused:
            await require(site, wrong)
        assert list(api.errors(refused.value)) == ["/mfa_config/required_aaguids"]
        with pytest.raises(cloudflare.BadRequestError):
            await patch(site, wrong)
    assert required(site) is None


@pytest.mark.case(58)
async def test_a_list_in_use_is_neither_deleted_nor_emptied_nor_made_another_kind(site: Site) -> None:
    made, account = await list_of(site), site.settings.account_id
    lists = (await api.client(site)).zero_trust.gateway.lists
    await require(site, made.id)
    with pytest.raises(cloudflare.ConflictError) as used:
        await api.run(lists.delete, made.id, account_id=account)
    assert "the organization" in api.errors(used.value)[""]
    assert used.value.response.headers["x-should-retry"] == "false"
    with pytest.raises(cloudflare.BadRequestError) as emptied:
        await api.run(lists.update, made.id, account_id=account, name="Company keys", items=[])
    assert LIST_PLACE in api.errors(emptied.value)
    with pytest.raises(cloudflare.BadRequestError) as emptied:
        await api.run(lists.edit, made.id, account_id=account, remove=[DASHED, UPPER])
    assert LIST_PLACE in api.errors(emptied.value)
    with pytest.raises(cloudflare.BadRequestError):
        await api.run(lists.update, made.id, account_id=account, name="x", extra_body={"type": "EMAIL"})
    assert required(site) == frozenset((A.hex(), UPPER.lower()))
    await require(site, None)
    assert (await api.run(lists.delete, made.id, account_id=account)) is not None
    assert required(site) is None


@pytest.mark.case(53, 54, 55)
async def test_a_list_made_by_the_api_restricts_enrolment_to_what_is_attested(site: Site, ann: Person) -> None:
    await require(site, (await list_of(site)).id)
    await choose_key(ann)
    for aaguid, lies in (
        (A, Lies()),
        (A, Lies(attestation=ACME.attestation(A, self_signed=True))),
        (A, Lies(attestation=OTHER.attestation(A, with_root=True))),
        (B, Lies(attestation=OTHER.attestation(B))),
    ):
        assert (await ann.browser.perform(key(aaguid), lies)).status == 403
    await ann.browser.perform(key(), Lies(attestation=ACME.attestation(A)))
    assert ann.browser.url == VAULT


@pytest.mark.case(59)
async def test_a_key_of_before_still_logs_in_until_it_is_deleted_and_cannot_be_enrolled_again(
    site: Site, ann: Person
) -> None:
    await choose_key(ann)
    old = key(B)
    await ann.browser.perform(old)
    assert ann.browser.url == VAULT
    await require(site, (await list_of(site)).id)
    await ann.another_browser()
    await ann.log_in(VAULT)
    await ann.browser.perform(old)
    assert ann.browser.url == VAULT
    users, account = (await api.client(site)).zero_trust.access.users, site.settings.account_id
    [user] = await api.listed(users.list, account_id=account, email=ann.email)
    base = f"/client/v4/accounts/{account}/access/users/{user.id}/mfa_authenticators"
    _, secret = await create_api_token(site.services, name="all", permissions=tuple(Permission), actor="test")
    fields = [("Authorization", f"Bearer {secret.reveal()}")]
    [enrolled] = (await site.send("admin", "GET", base, fields)).json["result"]
    assert enrolled["aaguid"] == B.hex()
    assert (await site.send("admin", "DELETE", f"{base}/{enrolled['id']}", fields)).status == 200
    await ann.another_browser()
    await choose_key(ann)
    assert (await ann.browser.perform(key(B), Lies(attestation=OTHER.attestation(B)))).status == 403
    await ann.browser.perform(key(), Lies(attestation=ACME.attestation(A)))
    assert ann.browser.url == VAULT
