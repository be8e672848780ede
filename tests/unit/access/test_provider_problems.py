"""Settings of identity providers that make no sense although each field is well formed."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from secondgate.access import AccessShapes, compile_access, find_problems
from secondgate.model.openid import ClientAuthentication, Prompt

AT = "access.identity_providers[0]"
PEM = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
WEAK = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
BASE: dict[str, Any] = {"issuer_url": "https://idp.example", "client_id": "portal"}
END = "https://idp.example/end"
EXPLICIT = {**BASE, "client_secret": "s"} | {
    name: f"https://idp.example/{name}" for name in ("auth_url", "token_url", "certs_url")
}
BY_KEY = {**BASE, "token_endpoint_auth_method": "private_key_jwt"}


def shapes(config: dict[str, Any], kind: str = "oidc") -> AccessShapes:
    return AccessShapes.model_validate({"identity_providers": [{"name": "Corp", "type": kind, "config": config}]})


def problems(config: dict[str, Any], kind: str = "oidc") -> list[tuple[str, str]]:
    return [(finding.path, finding.message) for finding in find_problems(shapes(config, kind))]


@pytest.mark.parametrize(
    "config",
    [
        {**BASE, "client_secret": "s"},
        {**BASE, "client_secret": "s", "token_endpoint_auth_method": "client_secret_post", "prompt": "login"},
        {**BASE, "client_secret": "s", "rp_initiated_logout": True},
        {**BASE, "client_secret": "s", "end_session_url": END},
        {**EXPLICIT, "end_session_url": END},
        {**EXPLICIT, "rp_initiated_logout": True, "end_session_url": END},
        {**EXPLICIT, "rp_initiated_logout": False},
        {**EXPLICIT, "callback_name": "corp-2"},
        {**EXPLICIT, "userinfo_url": "https://idp.example/userinfo"},
        {**BY_KEY, "client_private_key": PEM},
        {**BY_KEY, "client_private_key": PEM, "client_key_id": "k1"},
    ],
)
def test_what_makes_sense_has_no_problem(config: dict[str, Any]) -> None:
    assert problems(config) == []


@pytest.mark.parametrize(
    ("config", "place", "words"),
    [
        (BASE, "client_secret", "is required"),
        ({**BASE, "client_secret": "s", "userinfo_url": END}, "userinfo_url", "without auth_url it is discovered"),
        (BY_KEY, "client_private_key", "is required: RSA of 2048 to 8192 bits or P-256, as PEM"),
        ({**BY_KEY, "client_private_key": PEM, "client_secret": "s"}, "client_secret", "is never used"),
        ({**BASE, "client_secret": "s", "client_private_key": PEM}, "client_private_key", "is never used"),
        ({**BASE, "client_secret": "s", "client_key_id": "k1"}, "client_key_id", "is never used"),
        (
            {**BASE, "client_secret": "s", "client_assertion_audience": "issuer"},
            "client_assertion_audience",
            "is never used",
        ),
        ({**BY_KEY, "client_private_key": "hunter2"}, "client_private_key", "cannot be read as a private key"),
        ({**BY_KEY, "client_private_key": WEAK}, "client_private_key", "is of the curve secp384r1; allowed is RSA of"),
        ({**BASE, "client_secret": "s", "auth_url": "https://idp.example/a"}, "", "or none of them"),
        ({**EXPLICIT, "rp_initiated_logout": True}, "end_session_url", "is required: where the provider logs people"),
        ({**EXPLICIT, "rp_initiated_logout": False, "end_session_url": END}, "end_session_url", "is never used"),
    ],
)
def test_each_mistake_is_found_with_its_place(config: dict[str, Any], place: str, words: str) -> None:
    ((path, message),) = problems(config)
    assert path == (f"{AT}.config.{place}" if place else f"{AT}.config")
    assert words in message
    assert "hunter2" not in message


def test_a_redirect_uri_of_its_own_is_that_of_one_provider() -> None:
    config = {**EXPLICIT, "callback_name": "corp"}
    both = [{"name": name, "type": "oidc", "config": config} for name in ("Corp", "Other")]
    (finding,) = find_problems(AccessShapes.model_validate({"identity_providers": both}))
    place = "access.identity_providers[1].config.callback_name"
    assert (finding.path, finding.message) == (place, "is that of the provider 'Corp' too")


@pytest.mark.parametrize("name", ["", "a/b", "..", "Corp", "a" * 65, "a?b", "é"])
def test_a_callback_name_is_one_plain_segment_of_a_path(name: str) -> None:
    with pytest.raises(ValidationError):
        shapes({**EXPLICIT, "callback_name": name})


def test_a_provider_of_pins_has_no_settings() -> None:
    assert problems(BASE, "onetimepin")[0][0] == f"{AT}.config"


def test_the_settings_are_compiled() -> None:
    config = {**BY_KEY, "client_private_key": PEM, "client_key_id": "k1", "prompt": "select_account"}
    access = compile_access(shapes(config), account_id="0" * 32)
    openid = access.identity_providers[0].openid
    assert openid is not None
    assert (openid.client_authentication, openid.client_key_id) == (ClientAuthentication.PRIVATE_KEY, "k1")
    assert (openid.client_private_key.reveal(), openid.client_secret.reveal()) == (PEM, "")
    assert openid.prompt is Prompt.SELECT_ACCOUNT
    assert PEM not in repr(openid)


@pytest.mark.parametrize("url", ["end", "http://idp.example/end", "https://idp.example/end#x", "javascript:x", 7])
def test_where_people_are_logged_out_is_a_whole_url(url: object) -> None:
    with pytest.raises(ValidationError, match="end_session_url"):
        shapes({**BASE, "client_secret": "s", "end_session_url": url})


def test_logging_out_at_the_provider_is_asked_for_by_either_setting() -> None:
    for given, compiled in (
        ({}, (False, "")),
        ({"rp_initiated_logout": True}, (True, "")),
        ({"end_session_url": END}, (True, END)),
    ):
        access = compile_access(shapes({**BASE, "client_secret": "s", **given}), account_id="0" * 32)
        openid = access.identity_providers[0].openid
        assert openid is not None
        assert (openid.rp_initiated_logout, openid.end_session_url) == compiled


def test_the_organization_may_skip_its_login_page() -> None:
    for given, compiled in (({}, False), ({"auto_redirect_to_identity": True}, True)):
        access = compile_access(AccessShapes.model_validate({"organization": given}), account_id="0" * 32)
        assert access.rulebook.organization.auto_redirect_to_identity is compiled
