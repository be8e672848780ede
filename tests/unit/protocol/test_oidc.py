"""Documents, URLs and responses of the code flow."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from secondgate.errors import Malformed, TokenRejected
from secondgate.model.openid import ClientAuthentication, OpenIdSettings
from secondgate.model.secret import Secret
from secondgate.protocol.oidc import (
    ProviderMetadata,
    authorization_url,
    code_challenge,
    discovery_url,
    parse_discovery,
    parse_token_response,
    parse_userinfo,
    token_request,
    verify_response_issuer,
)

ISSUER = "https://idp.example/realm"
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://idp.example/authorize?tenant=1&state=x",
    "token_endpoint": "https://idp.example/token",
    "jwks_uri": "https://keys.example/jwks",
}


def settings(**more: Any) -> OpenIdSettings:  # noqa: ANN401 - any of the fields
    return OpenIdSettings(issuer_url=ISSUER, client_id="a:b", client_secret=Secret("p w/é"), **more)


def discovered(**more: object) -> ProviderMetadata:
    return parse_discovery(json.dumps({**DOCUMENT, **more}).encode(), expected_issuer=ISSUER)


def test_the_document_stands_below_the_issuer() -> None:
    expected = "https://idp.example/realm/.well-known/openid-configuration"
    assert discovery_url(ISSUER) == discovery_url(f"{ISSUER}/") == expected


def test_a_document_is_read() -> None:
    assert discovered() == ProviderMetadata(
        ISSUER, DOCUMENT["authorization_endpoint"], DOCUMENT["token_endpoint"], DOCUMENT["jwks_uri"]
    )
    more = discovered(userinfo_endpoint="https://idp.example/me", authorization_response_iss_parameter_supported=True)
    assert (more.userinfo_endpoint, more.sends_iss) == ("https://idp.example/me", True)
    assert not discovered(authorization_response_iss_parameter_supported="true").sends_iss


@pytest.mark.case(63)
@pytest.mark.parametrize("issuer", [None, "", f"{ISSUER}/", "https://evil.example", [ISSUER]])
def test_a_document_of_another_issuer_is_refused(issuer: object) -> None:
    with pytest.raises(Malformed):
        discovered(issuer=issuer)


@pytest.mark.parametrize(
    "url",
    [
        None,
        7,
        "",
        "/token",
        "http://idp.example/token",
        "javascript:alert(1)",
        "https://",
        "https://u@idp.example/",
        "https://[/",
        "https://idp.example/\n",
        "https://idp.example/ x",
        "https://idp.example/é",
        "https://idp.example/#x",
        "https://idp.example/" + "x" * 2048,
    ],
)
@pytest.mark.parametrize("field", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
def test_an_endpoint_is_a_whole_https_url(field: str, url: object) -> None:
    if field == "userinfo_endpoint" and url is None:
        return
    with pytest.raises(Malformed):
        discovered(**{field: url})


def test_plain_http_is_for_an_issuer_of_plain_http() -> None:
    document = {name: value.replace("https:", "http:") for name, value in DOCUMENT.items()}
    issuer = document["issuer"]
    assert parse_discovery(json.dumps(document).encode(), expected_issuer=issuer).issuer == issuer


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"issuer": NaN}'])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_discovery(body, expected_issuer=ISSUER)
    with pytest.raises(TokenRejected):
        parse_token_response(body)
    with pytest.raises(TokenRejected):
        parse_userinfo(body, expected_sub="s")


def test_the_challenge_is_that_of_the_standard() -> None:
    # RFC 7636, appendix B
    assert (
        code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_the_url_of_a_login_keeps_the_providers_own_query_and_not_over_ours() -> None:
    url = authorization_url(
        settings(scopes=("email", "openid")),
        discovered(),
        redirect_uri="https://p/cb",
        state="s",
        nonce="n",
        verifier="v",
    )
    assert parse_qs(urlsplit(url).query) == {
        "tenant": ["1"],
        "response_type": ["code"],
        "client_id": ["a:b"],
        "redirect_uri": ["https://p/cb"],
        "scope": ["openid email"],
        "state": ["s"],
        "nonce": ["n"],
        "code_challenge": [code_challenge("v")],
        "code_challenge_method": ["S256"],
    }


def test_without_pkce_nothing_is_said_of_it() -> None:
    url = authorization_url(settings(), discovered(), redirect_uri="https://p/cb", state="s", nonce="n", verifier="")
    assert "code_challenge" not in url
    form, _ = token_request(settings(), code="c", redirect_uri="https://p/cb", verifier="")
    assert "code_verifier" not in form


def test_a_new_login_is_asked_for_where_it_is_needed() -> None:
    def asked(**more: Any) -> dict[str, list[str]]:  # noqa: ANN401 - either of the two
        url = authorization_url(
            settings(), discovered(), redirect_uri="https://p/cb", state="s", nonce="n", verifier="", **more
        )
        return parse_qs(urlsplit(url).query)

    assert not {"prompt", "max_age"} & asked().keys()
    anew = asked(prompt="login", max_age_s=0)
    assert (anew["prompt"], anew["max_age"]) == (["login"], ["0"])


@pytest.mark.case(65)
def test_a_response_names_its_issuer_where_the_provider_does_so() -> None:
    verify_response_issuer(discovered(), None)
    verify_response_issuer(discovered(), ISSUER)
    for metadata, presented in (
        (discovered(), "https://evil.example"),
        (discovered(), ""),
        (discovered(authorization_response_iss_parameter_supported=True), None),
    ):
        with pytest.raises(TokenRejected):
            verify_response_issuer(metadata, presented)


def test_the_client_is_proven_in_the_header_or_in_the_form() -> None:
    form, headers = token_request(settings(), code="c", redirect_uri="https://p/cb", verifier="v")
    assert form == {
        "grant_type": "authorization_code",
        "code": "c",
        "redirect_uri": "https://p/cb",
        "code_verifier": "v",
    }
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"a%3Ab:p%20w%2F%C3%A9"
    post = settings(client_authentication=ClientAuthentication.POST)
    form, headers = token_request(post, code="c", redirect_uri="https://p/cb", verifier="v")
    assert (form["client_id"], form["client_secret"], headers) == ("a:b", "p w/é", {})


def test_the_client_is_proven_by_an_assertion_and_no_secret_is_sent() -> None:
    key = settings(client_authentication=ClientAuthentication.PRIVATE_KEY)
    form, headers = token_request(key, code="c", redirect_uri="https://p/cb", verifier="", assertion="h.p.s")
    assert (form["client_id"], form["client_assertion"], headers) == ("a:b", "h.p.s", {})
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in form


@pytest.mark.parametrize(
    "change",
    [
        {"id_token": None},
        {"id_token": 1},
        {"access_token": None},
        {"access_token": "é"},
        {"access_token": ""},
        {"access_token": "a\r\nX: y"},
        {"access_token": "a" * 16385},
        {"token_type": None},
        {"token_type": "DPoP"},
    ],
)
def test_a_token_response_has_both_tokens(change: dict[str, object]) -> None:
    sound = {"id_token": "i", "access_token": "a", "token_type": "bearer"}
    assert parse_token_response(json.dumps(sound).encode()).id_token == "i"
    assert "'i'" not in repr(parse_token_response(json.dumps(sound).encode()))
    with pytest.raises(TokenRejected):
        parse_token_response(json.dumps({**sound, **change}).encode())


@pytest.mark.case(63)
@pytest.mark.parametrize("sub", ["other", None, 7, ["s"], "\ud800"])
def test_userinfo_is_of_the_same_subject(sub: object) -> None:
    assert parse_userinfo(b'{"sub": "s", "email": "e"}', expected_sub="s")["email"] == "e"
    with pytest.raises(TokenRejected):
        parse_userinfo(json.dumps({"sub": sub}).encode(), expected_sub="s")


def test_the_settings_show_no_secret() -> None:
    assert "p w" not in repr(settings())
    assert settings().is_discovered
    assert settings().urls == (ISSUER,)
