"""`identity.jwt`: its defaults, and every mistake with its place and what would be right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from secondgate.config import Settings, load
from secondgate.config.schema import json_schema
from secondgate.errors import InvalidConfiguration
from secondgate.model.presented_jwt import JwtSource

KEY = json.dumps({"keys": [ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)]})
SOUND: dict[str, object] = {
    "header": "Authorization",
    "jwks_url": "https://idp.example/jwks",
    "issuer": "https://idp.example",
    "audience": "wiki",
}


def loaded(folder: Path, *sources: dict[str, object], **more: object) -> Settings:
    file = folder / "secondgate.yaml"
    file.write_text(json.dumps({"public_url": "https://mfa.example.com", "identity": {"jwt": list(sources)}, **more}))
    return load(file, {})


def changed(**change: object) -> dict[str, object]:
    """Give the sound source with changes; None takes a setting out."""
    return {name: value for name, value in {**SOUND, **change}.items() if value is not None}


def test_a_source_has_the_documented_defaults(tmp_path: Path) -> None:
    (source,) = loaded(tmp_path, SOUND).identity.jwt
    assert source.source() == JwtSource(
        "https://idp.example", ("wiki",), header="Authorization", jwks_url="https://idp.example/jwks"
    )


def test_several_audiences_a_cookie_and_other_claims(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(KEY)
    source = changed(
        header=None,
        cookie="id_token",
        jwks_url=None,
        jwks_file="keys.json",
        audience=["wiki", "vault"],
        email_claim="https://example.com/mail",
        trust_email=True,
    )
    found = loaded(tmp_path, source).identity.jwt[0].source()
    assert (found.header, found.cookie, found.audiences) == ("", "id_token", ("wiki", "vault"))
    assert found.jwks_file == tmp_path / "keys.json"
    assert (found.email_claim, found.trust_email) == ("https://example.com/mail", True)


def test_a_jwt_alone_is_a_way_to_log_in(tmp_path: Path) -> None:
    policy = {"name": "all", "decision": "allow", "include": [{"everyone": {}}]}
    application = {"name": "Wiki", "domain": "wiki.example.com", "policies": [policy]}
    access = {
        "organization": {"name": "Example", "mfa_config": {"allowed_authenticators": ["totp"]}},
        "applications": [application],
    }
    assert loaded(tmp_path, SOUND, access=access).access.applications
    with pytest.raises(InvalidConfiguration, match=r"nobody could log in.* identity\.jwt"):
        loaded(tmp_path, access=access)


@pytest.mark.parametrize(
    ("change", "place", "word"),
    [
        ({"cookie": "id_token"}, "", "either header or cookie: where the token stands"),
        ({"header": None}, "", "either header or cookie"),
        ({"jwks_url": None}, "", "either jwks_url or jwks_file: where the issuer's keys are"),
        ({"jwks_file": "keys.json"}, "", "either jwks_url or jwks_file"),
        ({"issuer": None}, "", "is required"),
        ({"audience": None}, "", "is required"),
        ({"audience": []}, ".audience", "a text that the tokens name as aud, or a list"),
        ({"audience": ["a", 7]}, ".audience", "a text that the tokens name as aud, or a list"),
        ({"audience": ""}, ".audience", "a text that the tokens name as aud, or a list"),
        ({"issuer": ""}, ".issuer", "one word of visible ASCII"),
        ({"issuer": "https://MFA.example.com/"}, ".issuer", "must be another login system"),
        ({"issuer": "onetimepin"}, ".issuer", "stands for people known by their address"),
        ({"header": "X-Forwarded-User Name"}, ".header", "name of a header field"),
        ({"header": "Cookie"}, ".header", "means something else already"),
        ({"header": "X-Forwarded-Host"}, ".header", "means something else already"),
        ({"header": None, "cookie": "a b"}, ".cookie", "name of a cookie"),
        ({"header": None, "cookie": "__Host-secondgate"}, ".cookie", "Secondgate's own"),
        ({"jwks_url": "http://idp.example/jwks"}, ".jwks_url", "must begin with https://"),
        ({"jwks_url": "nowhere"}, ".jwks_url", "must be a whole URL"),
        ({"jwks_url": None, "jwks_file": "nowhere.json"}, ".jwks_file", "cannot be read: No such file"),
        ({"trust_email": "yes"}, ".trust_email", "must be true or false"),
        ({"jwk_url": "x"}, ".jwk_url", "did you mean jwks_url?"),
    ],
)
def test_every_mistake_is_named_with_its_place(
    tmp_path: Path, change: dict[str, object], place: str, word: str
) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        loaded(tmp_path, changed(**change))
    found = [problem for problem in caught.value.problems if word in problem.message]
    assert found, caught.value
    assert found[0].path.startswith(f"identity.jwt[0]{place}")
    assert found[0].line


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no JWK set: must be a JSON object"),
        ("[]", "no JWK set"),
        ('{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "holds no public key"),
        ('{"keys": []}' + " " * 1024 * 1024, "at most 1048576 bytes"),
    ],
)
def test_a_file_without_keys_is_a_problem(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(InvalidConfiguration, match=word):
        loaded(tmp_path, changed(jwks_url=None, jwks_file="keys.json"))


def test_one_place_has_one_entry_an_issuer(tmp_path: Path) -> None:
    loaded(tmp_path, SOUND, changed(issuer="https://other.example"), changed(header="X-Token"))
    with pytest.raises(InvalidConfiguration, match=r"identity\.jwt\[1\]: has the issuer and the place"):
        loaded(tmp_path, SOUND, changed(header="authorization"))


def test_the_schema_knows_the_source() -> None:
    source = json_schema()["$defs"]["JwtIdentitySettings"]
    assert sorted(source["required"]) == ["audience", "issuer"]
    assert {one["type"] for one in source["properties"]["audience"]["anyOf"]} == {"string", "array"}
