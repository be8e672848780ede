"""What applications are told of the person, and that they can prove it with the published keys."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from tests.web.browser import Person, authenticator
from tests.web.conftest import StartSite
from tests.web.site import DIALECTS, FORWARD_AUTH, PORTAL, Site

WIKI = "https://wiki.example.com/page"
MENU = "https://menu.example.com/"


def claims_of(token: str) -> dict[str, Any]:
    """Read a token's claims without proving anything."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


async def verified(site: Site, token: str, algorithm: str = "ES256") -> dict[str, Any]:
    """Verify a token as an application does: by the keys at its own host."""
    certs = await site.send("portal", "GET", "/cdn-cgi/access/certs", [("Host", "wiki.example.com")])
    assert certs.status == 200
    return dict(jwt.decode(token, KeySet.import_key_set({"keys": certs.json["keys"]}), algorithms=[algorithm]).claims)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_assertion_proves_who_how_and_when(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in(WIKI)
    logged_in_at = site.clock.now
    site.clock.advance(60)
    await ann.set_up_totp()
    proved_at = int(site.clock.now)
    answer = await site.check(dialect, WIKI, cookie=ann.session("wiki.example.com"))
    token = answer.one("Cf-Access-Jwt-Assertion")
    claims = await verified(site, token)
    person = await site.services.durable.load_person_by_email(ann.email)
    wiki = next(one for one in site.current().applications if one.name == "Wiki")
    assert person
    nonce = claims.pop("identity_nonce")
    assert claims == {
        "iss": PORTAL,
        "aud": [wiki.aud],
        "sub": person.id,
        "email": ann.email,
        "iat": proved_at,
        "nbf": proved_at,
        "exp": proved_at + 24 * 3600,
        "type": "app",
        "amr": ["otp", "mfa"],
        "auth_time": int(logged_in_at),
        "mfa": {"totp": proved_at},
    }
    assert nonce
    head = json.loads(urlsafe_b64decode(token.split(".")[0] + "=="))
    assert (head["alg"], head["typ"]) == ("ES256", "JWT")


async def test_the_assertion_names_the_key_that_was_used(site: Site, ann: Person) -> None:
    await ann.log_in("https://vault.example.com/")
    await ann.choose("security_key")
    arrived = await ann.browser.perform(authenticator())
    claims = await verified(site, arrived.one("Cf-Access-Jwt-Assertion"))
    assert (claims["amr"], claims["mfa"]) == (["hwk", "mfa"], {"security_key": int(site.clock.now)})


async def test_without_mfa_the_assertion_claims_none(site: Site, ann: Person) -> None:
    arrived = await ann.log_in(MENU)
    claims = await verified(site, arrived.one("Cf-Access-Jwt-Assertion"))
    assert (claims["amr"], claims["mfa"]) == ([], {})


async def test_the_certificates_hold_the_keys_of_the_set(site: Site) -> None:
    answers = [
        await site.send("portal", "GET", path, [("Host", host)])
        for path, host in (
            ("/cdn-cgi/access/certs", "wiki.example.com"),
            ("/cdn-cgi/access/certs", "mfa.example.com"),
            ("/.well-known/jwks.json", "mfa.example.com"),
        )
    ]
    certs, at_portal, jwks = (answer.json for answer in answers)
    assert certs == at_portal
    assert jwks == {"keys": certs["keys"]}
    (key,) = certs["keys"]
    assert (key["alg"], key["use"], "d" in key) == ("ES256", "sig", False)
    assert certs["public_cert"] == certs["public_certs"][0]
    assert certs["public_cert"]["kid"] == key["kid"]
    certificate = x509.load_pem_x509_certificate(certs["public_cert"]["cert"].encode())
    raw = ECKey.import_key(key).as_pem(private=False)
    assert certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) == raw


async def test_with_rs256_configured_the_assertion_is_signed_so(start_site: StartSite) -> None:
    site = await start_site(lambda configuration: configuration.update(signing_algorithm="RS256"))
    ann = Person(site, "ann@example.com")
    arrived = await ann.log_in(MENU)
    token = arrived.one("Cf-Access-Jwt-Assertion")
    assert (await verified(site, token, "RS256"))["email"] == ann.email
    (key,) = (await site.send("portal", "GET", "/.well-known/jwks.json", [("Host", "mfa.example.com")])).json["keys"]
    assert RSAKey.import_key(key).as_dict()["kty"] == "RSA"


@pytest.mark.case(69)
async def test_the_assertion_is_no_session_and_the_session_no_assertion(site: Site, ann: Person) -> None:
    arrived = await ann.log_in(MENU)
    assertion = arrived.one("Cf-Access-Jwt-Assertion")
    session = ann.session("menu.example.com")
    assert (await site.check(FORWARD_AUTH, MENU, cookie=session)).status == 200
    assert (await site.check(FORWARD_AUTH, MENU, cookie=f"__Host-secondgate={assertion}")).status == 302
    head = json.loads(urlsafe_b64decode(session.partition("=")[2].split(".")[0] + "=="))
    assert head["typ"] == "secondgate-session+jwt"
    assert claims_of(session.partition("=")[2])["aud"] == "https://menu.example.com"


@pytest.mark.parametrize("path", ["/cdn-cgi/access/get-identity", "/.secondgate/identity"])
async def test_an_application_can_ask_who_is_logged_in(site: Site, ann: Person, path: str) -> None:
    nobody = await ann.browser.request("GET", f"https://wiki.example.com{path}")
    assert (nobody.status, nobody.json) == (401, {"error": "not logged in"})
    await ann.log_in_with_totp(WIKI)
    answer = await ann.browser.request("GET", f"https://wiki.example.com{path}")
    person = await site.services.durable.load_person_by_email(ann.email)
    assert person
    identity = answer.json
    assert (identity["id"], identity["email"], identity["amr"]) == (person.id, ann.email, ["otp", "mfa"])
    assert identity["mfa"] == {"totp": int(site.clock.now)}
    assert identity["idp"] == {"id": site.current().identity_providers[0].id, "type": "onetimepin"}
    elsewhere = await ann.browser.request("GET", f"https://menu.example.com{path}")
    assert elsewhere.status == 401
