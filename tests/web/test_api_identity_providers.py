"""Identity providers through the API: their secrets go in, never come out, and go nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.openid_provider import CLIENT_SECRET
from tests.web.api import client, managed_by_the_api, refused, run
from tests.web.conftest import StartSite
from tests.web.site import Site

CONFIG: dict[str, Any] = {
    "issuer_url": "https://idp.example.com",
    "client_id": "portal",
    "client_secret": CLIENT_SECRET,
    "claims": ["department"],
}


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    return await start_site(managed_by_the_api)


async def secret_of(site: Site) -> str:
    (provider,) = site.current().identity_providers
    assert provider.openid is not None
    return provider.openid.client_secret.reveal()


async def issuer_of(site: Site) -> str:
    (provider,) = site.current().identity_providers
    assert provider.openid is not None
    return provider.openid.issuer_url


async def test_a_secret_goes_in_and_is_never_given_back(site: Site) -> None:
    zero_trust, account = (await client(site)).zero_trust, site.settings.account_id
    made = await run(zero_trust.identity_providers.create, account_id=account, name="Corp", type="oidc", config=CONFIG)
    read = await run(zero_trust.identity_providers.get, made.id, account_id=account)
    for answer in (made, read):
        assert answer.to_dict()["config"] == {name: CONFIG[name] for name in CONFIG if name != "client_secret"}
    assert await secret_of(site) == CLIENT_SECRET
    assert CLIENT_SECRET not in repr(await site.events())


async def test_a_provider_that_is_sent_back_as_it_was_read_keeps_its_secret(site: Site) -> None:
    zero_trust, account = (await client(site)).zero_trust, site.settings.account_id
    providers = zero_trust.identity_providers
    made = await run(providers.create, account_id=account, name="Corp", type="oidc", config=CONFIG)
    shown = (await run(providers.get, made.id, account_id=account)).to_dict()["config"]
    changed = {**shown, "claims": ["department", "site"]}
    await run(providers.update, made.id, account_id=account, name="Staff", type="oidc", config=changed)
    assert await secret_of(site) == CLIENT_SECRET
    assert site.current().identity_providers[0].name == "Staff"


@pytest.mark.parametrize("change", [{"issuer_url": "https://evil.example"}, {"token_url": "https://evil.example/t"}])
async def test_a_secret_is_not_sent_to_another_server_than_it_was_given_for(site: Site, change: dict[str, str]) -> None:
    zero_trust, account = (await client(site)).zero_trust, site.settings.account_id
    providers = zero_trust.identity_providers
    made = await run(providers.create, account_id=account, name="Corp", type="oidc", config=CONFIG)
    elsewhere = {name: value for name, value in CONFIG.items() if name != "client_secret"} | change
    found = await refused(providers.update, made.id, account_id=account, name="Corp", type="oidc", config=elsewhere)
    assert "must be given anew" in found["/config/client_secret"]
    assert await issuer_of(site) == CONFIG["issuer_url"]
    anew = {**CONFIG, "issuer_url": "https://new.example", "client_secret": "another"}
    await run(providers.update, made.id, account_id=account, name="Corp", type="oidc", config=anew)
    assert await secret_of(site) == "another"
