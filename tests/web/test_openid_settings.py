"""What an operator may set for OpenID Connect providers: keys in place of secrets, straight ways, claims and groups."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.openid_provider import OpenIdProvider, running_provider
from tests.web.browser import Browser
from tests.web.conftest import StartSite
from tests.web.openid_login import MENU, begin, log_in, refusal
from tests.web.site import NO_MFA, PORTAL, START, Site, application

RSA_KEY, EC_KEY = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with running_provider(lambda: START) as running:
        yield running


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


async def start(start_site: StartSite, config: dict[str, Any], **organization: object) -> Site:
    def change(configuration: dict[str, Any]) -> None:
        access = configuration["access"]
        access["identity_providers"].append({"name": "Corp", "type": "oidc", "config": config})
        access["organization"].update(organization)

    return await start_site(change)


def by_key(provider: OpenIdProvider, **more: object) -> dict[str, Any]:
    config = provider.config(token_endpoint_auth_method="private_key_jwt", **more)
    del config["client_secret"]
    return config


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY])
async def test_a_key_in_a_file_proves_the_portal_anew_at_each_login(
    start_site: StartSite,
    provider: OpenIdProvider,
    logs: io.StringIO,
    tmp_path: Path,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    provider.client_key = key.public_key()
    (tmp_path / "key.pem").write_text(pem(key))
    site = await start(start_site, by_key(provider, client_private_key_file="key.pem", client_key_id="k7"))
    for _ in range(2):
        assert (await log_in(Browser(site), provider)).status == 200
    first, second = provider.assertions
    algorithm = "RS256" if key is RSA_KEY else "ES256"
    assert first["header"] == {"alg": algorithm, "typ": "JWT", "kid": "k7"}
    assert first["jti"] != second["jti"]
    written = logs.getvalue() + repr(site.rows()) + repr(site.services.access())
    body = pem(key).splitlines()[1]
    assert body not in written
    assert "PRIVATE KEY" not in written


async def test_a_provider_may_know_itself_by_its_token_endpoint(
    start_site: StartSite, provider: OpenIdProvider
) -> None:
    provider.client_key, provider.client_audience = EC_KEY.public_key(), f"{provider.issuer}/token"
    config = by_key(provider, client_private_key=pem(EC_KEY), client_assertion_audience="token_endpoint")
    assert (await log_in(Browser(await start(start_site, config)), provider)).status == 200


async def test_a_key_that_the_provider_does_not_know_logs_nobody_in(
    start_site: StartSite, provider: OpenIdProvider, logs: io.StringIO
) -> None:
    provider.client_key = EC_KEY.public_key()
    other = ec.generate_private_key(ec.SECP256R1())
    site = await start(start_site, by_key(provider, client_private_key=pem(other)))
    provider.token_status = 401
    assert refusal(await log_in(Browser(site), provider), logs) == "provider_refused"


async def test_an_organization_goes_straight_to_the_only_provider(
    start_site: StartSite, provider: OpenIdProvider
) -> None:
    def change(configuration: dict[str, Any]) -> None:
        access = configuration["access"]
        access["organization"]["auto_redirect_to_identity"] = True
        access["identity_providers"].append({"name": "Corp", "type": "oidc", "config": provider.config()})
        access["applications"] += [
            application("Corp only", "corp.example.com", mfa_config=NO_MFA, allowed_idps=["Corp"]),
            application("Pin only", "pin.example.com", mfa_config=NO_MFA, allowed_idps=["PIN"]),
        ]

    site = await start_site(change)
    straight = Browser(site)
    answer = await straight.request("GET", "https://corp.example.com/x")
    while answer.one("Location").startswith(("https://corp.example.com/", PORTAL)):
        answer = await straight.request("GET", answer.one("Location"))
    assert (await straight.open(provider.authorize(answer.one("Location")))).status == 200
    assert straight.url == "https://corp.example.com/x"
    for url in (MENU, "https://pin.example.com/", PORTAL):
        assert "Send me a code" in (await Browser(site).open(url)).text


async def test_an_organization_with_one_provider_goes_straight_on_from_its_launcher_too(
    start_site: StartSite, provider: OpenIdProvider
) -> None:
    def change(configuration: dict[str, Any]) -> None:
        access = configuration["access"]
        access["organization"]["auto_redirect_to_identity"] = True
        access["identity_providers"] = [{"name": "Corp", "type": "oidc", "config": provider.config()}]

    browser = Browser(await start_site(change))
    answer = await browser.request("GET", f"{PORTAL}/login")
    assert (await browser.open(provider.authorize(answer.one("Location")))).status == 200
    assert browser.url == f"{PORTAL}/"


STAFF_CLAIMS = [
    {
        "name": "staff",
        "decision": "allow",
        "include": [
            {"oidc": {"identity_provider_id": "Corp", "claim_name": "department", "claim_value": "research"}},
            {"oidc": {"identity_provider_id": "Corp", "claim_name": "groups", "claim_value": "staff"}},
        ],
    }
]


@pytest.mark.parametrize("where", ["token", "userinfo"])
@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"department": "research"}, 200),
        ({"department": ["sales", "research"]}, 200),
        ({"groups": ["staff", "other"]}, 200),
        ({"groups": "staff"}, 200),
        ({"department": "Research"}, 403),
        ({"department": ["research "]}, 403),
        ({"department": {"research": True}}, 403),
        ({"department": None, "groups": []}, 403),
        ({"other": "research"}, 403),
        ({}, 403),
    ],
)
async def test_claims_that_are_kept_decide_wherever_the_provider_sends_them(
    start_site: StartSite, provider: OpenIdProvider, where: str, claims: dict[str, object], status: int
) -> None:
    def change(configuration: dict[str, Any]) -> None:
        access = configuration["access"]
        config = provider.config(claims=["department", "groups"])
        access["identity_providers"].append({"name": "Corp", "type": "oidc", "config": config})
        access["applications"].append(application("Lab", "lab.example.com", STAFF_CLAIMS, mfa_config=NO_MFA))

    browser = Browser(await start_site(change))
    if where == "token":
        provider.claims |= claims
    else:
        provider.userinfo = {**provider.claims, **claims}
    page = await log_in(browser, provider, "https://lab.example.com/")
    assert page.status == status


@pytest.mark.parametrize(("suspended", "status"), [("yes", 403), ("no", 200), (None, 200)])
async def test_a_rule_about_a_claim_that_a_login_was_not_asked_for_asks_for_a_new_login(
    start_site: StartSite, provider: OpenIdProvider, suspended: str | None, status: int
) -> None:
    site = await start(start_site, provider.config())
    browser = Browser(site)
    provider.claims |= {"suspended": suspended} if suspended else {}
    await log_in(browser, provider)
    assert browser.url == MENU

    def exclude(configuration: dict[str, Any]) -> None:
        access = configuration["access"]
        access["identity_providers"][-1]["config"]["claims"] = ["suspended"]
        menu = next(one for one in access["applications"] if one["name"] == "Menu")
        claim = {"identity_provider_id": "Corp", "claim_name": "suspended", "claim_value": "yes"}
        menu["policies"] = [{**menu["policies"][0], "exclude": [{"oidc": claim}]}]

    site.reload(exclude)
    assert (await browser.request("GET", MENU)).status == 302
    login = (await browser.request("GET", (await browser.request("GET", MENU)).one("Location"))).one("Location")
    to_provider = (await browser.request("GET", login)).one("Location")
    assert (await browser.open(provider.authorize(to_provider))).status == status
    assert (browser.url == MENU) is (status == 200)


async def test_groups_of_the_token_go_before_those_of_userinfo(start_site: StartSite, provider: OpenIdProvider) -> None:
    site = await start(start_site, provider.config(claims=["department"]))
    provider.claims |= {"groups": ["token"]}
    provider.userinfo = {**provider.claims, "groups": ["userinfo"], "department": "x"}
    assert (await log_in(Browser(site), provider)).one("Remote-Groups") == "token"
    assert "userinfo" in provider.asked


async def test_groups_are_bounded_and_inert(start_site: StartSite, provider: OpenIdProvider) -> None:
    site = await start(start_site, provider.config())
    odd = ["staff", "a,b", "x\r\nRemote-User: root", "", 7, None, ["nested"], {"a": 1}, "x" * 257]
    provider.claims |= {"groups": [*odd, *(f"g{number}" for number in range(1000))]}
    groups = (await log_in(Browser(site), provider)).one("Remote-Groups").split(",")
    assert groups[:2] == ["staff", "7"]
    assert len(groups) <= 500
    assert not {"a", "b", "root"} & set(groups)


async def test_the_provider_is_asked_for_the_scopes_and_the_account_that_the_settings_name(
    start_site: StartSite, provider: OpenIdProvider
) -> None:
    site = await start(start_site, provider.config(scopes=["openid", "email", "groups"], prompt="select_account"))
    url = await begin(Browser(site))
    assert re.search(r"[?&]scope=openid\+email\+groups(&|$)", url)
    assert "prompt=select_account" in url
