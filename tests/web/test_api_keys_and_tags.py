"""Signing keys and tags through Cloudflare's official client."""

from __future__ import annotations

from typing import Any

import cloudflare
import pytest

from tests.web import api
from tests.web.browser import Person
from tests.web.conftest import StartSite
from tests.web.site import AUTH_REQUEST, START, Site

Api = Any
DAY_S = 86_400


@pytest.fixture
async def managed(start_site: StartSite) -> Site:
    return await start_site(api.managed_by_the_api)


@pytest.fixture
async def access(managed: Site) -> Api:
    return (await api.client(managed)).zero_trust.access


async def published(site: Site) -> list[str]:
    certs = await site.send("portal", "GET", "/cdn-cgi/access/certs", [("Host", "mfa.example.com")])
    kids = [key["kid"] for key in certs.json["keys"]]
    assert [one["kid"] for one in certs.json["public_certs"]] == kids
    assert certs.json["public_cert"]["kid"] == kids[0]
    return kids


async def test_keys_are_rotated_and_the_interval_is_set_through_the_official_client(managed: Site, access: Api) -> None:
    account, keys = managed.settings.account_id, access.keys
    first = await api.run(keys.get, account_id=account)
    assert (first.key_rotation_interval_days, first.days_until_next_rotation) == (42, 42)
    assert first.last_key_rotation_at.timestamp() == START
    managed.clock.advance(1.5 * DAY_S)
    changed = await api.run(keys.update, account_id=account, key_rotation_interval_days=30)
    assert (changed.key_rotation_interval_days, changed.days_until_next_rotation) == (30, 29)
    (old,) = await published(managed)
    rotated = await api.run(keys.rotate, account_id=account)
    assert (rotated.days_until_next_rotation, rotated.last_key_rotation_at.timestamp()) == (30, START + 1.5 * DAY_S)
    new, previous = await published(managed)
    assert (previous, new != old) == (old, True)
    assert await api.run(keys.get, account_id=account) == await api.run(keys.get, account_id=account)


@pytest.mark.case(74)
@pytest.mark.parametrize("days", [20, 366, 30.5, "30", True, None])
async def test_an_interval_is_a_whole_number_of_days_from_three_weeks_to_a_year(
    managed: Site,
    access: Api,
    days: Any,  # noqa: ANN401 - anything
) -> None:
    with pytest.raises(cloudflare.BadRequestError) as refused:
        await api.run(access.keys.update, account_id=managed.settings.account_id, key_rotation_interval_days=days)
    assert "/key_rotation_interval_days" in api.errors(refused.value)
    assert (await managed.services.durable.load_key_rotation()).interval_days is None


@pytest.mark.case(90)
async def test_sessions_and_assertions_outlive_a_rotation(site: Site, ann: Person) -> None:
    wiki, account = "https://wiki.example.com/", site.settings.account_id
    keys = (await api.client(site)).zero_trust.access.keys
    await ann.log_in_with_totp(wiki)
    cookie = ann.session("wiki.example.com")
    for _ in range(3):
        await api.run(keys.rotate, account_id=account)
        site.clock.advance(20)
        answer = await site.check(AUTH_REQUEST, wiki, cookie=cookie)
        assert answer.status == 200
    assert len(await published(site)) == 4, "what an application was told before can still be verified"


async def test_a_tag_lives_its_whole_life_through_the_official_client(managed: Site, access: Api) -> None:
    account, tags = managed.settings.account_id, access.tags
    made = await api.run(tags.create, account_id=account, name="team a/b")
    assert made.to_dict()["app_count"] == 0
    assert (await api.run(tags.get, "team a/b", account_id=account)).to_dict() == made.to_dict()
    assert made.name == made.to_dict()["id"] == "team a/b"
    renamed = await api.run(tags.update, "team a/b", account_id=account, name="blue")
    assert renamed.name == "blue"
    with pytest.raises(cloudflare.NotFoundError):
        await api.run(tags.get, "team a/b", account_id=account)
    await api.run(tags.create, account_id=account, name="red")
    assert [tag.name for tag in await api.listed(tags.list, account_id=account, per_page=1)] == ["blue", "red"]
    with pytest.raises(cloudflare.BadRequestError) as refused:
        await api.run(tags.create, account_id=account, name="red")
    assert "/name" in api.errors(refused.value)
    assert (await api.run(tags.delete, "blue", account_id=account)).name == "blue"
    assert [tag.name for tag in await api.listed(tags.list, account_id=account)] == ["red"]


async def test_a_tag_in_use_counts_its_applications_and_is_neither_deleted_nor_renamed(
    managed: Site, access: Api
) -> None:
    account, tags = managed.settings.account_id, access.tags
    await api.run(tags.create, account_id=account, name="blue")
    wiki = {"type": "self_hosted", "name": "Wiki", "domain": "wiki.example.com"}
    with pytest.raises(cloudflare.BadRequestError) as refused:
        await api.run(access.applications.create, account_id=account, **wiki, tags=["green"])
    assert "/tags/0" in api.errors(refused.value)
    app = await api.run(access.applications.create, account_id=account, **wiki, tags=["blue"])
    assert app.tags == ["blue"]
    assert (await api.run(tags.get, "blue", account_id=account)).to_dict()["app_count"] == 1
    for call, fields in ((tags.delete, {}), (tags.update, {"name": "green"})):
        with pytest.raises(cloudflare.ConflictError) as kept:
            await api.run(call, "blue", account_id=account, **fields)
        assert "the application 'Wiki'" in str(kept.value)
    await api.run(access.applications.delete, app.id, account_id=account)
    await api.run(tags.delete, "blue", account_id=account)
    assert await api.listed(tags.list, account_id=account) == []
