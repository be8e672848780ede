"""Tokens of other login systems: where they stand, every claim that must fit, and what a forger tries."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe
from joserfc.jwk import ECKey
from jwt.algorithms import ECAlgorithm

from secondgate.errors import Malformed, Reason, TokenRejected
from secondgate.model.keys import SigningAlgorithm
from secondgate.model.presented_jwt import JwtSource
from secondgate.protocol.jwks import parse_jwks
from secondgate.protocol.jwt import RULES, KeyRing, TokenKind, new_signing_key
from secondgate.protocol.presented_jwt import JwtFacts, PresentedJwt, find_presented_jwts, verify_presented_jwt

NOW = 1_800_000_000
DAY_S = 86400
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
JWK = {**ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "k1", "alg": "ES256"}
KEYS = parse_jwks(json.dumps({"keys": [JWK]}).encode())
SOURCE = JwtSource("https://idp.example", ("wiki", "vault"), header="Authorization")
CLAIMS: dict[str, Any] = {
    "iss": "https://idp.example",
    "aud": "wiki",
    "sub": "s-1",
    "iat": NOW,
    "exp": NOW + 300,
    "email": "Ann@Example.com",
    "email_verified": True,
}
ABSENT = object()


def signed(
    claims: dict[str, Any] | bytes, *, key: ec.EllipticCurvePrivateKey = KEY, header: dict[str, Any] | None = None
) -> str:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, key, algorithm="ES256", headers={"kid": "k1", **(header or {})})


def token(*, header: dict[str, Any] | None = None, **changes: object) -> str:
    said = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ABSENT}
    return signed(said, header=header)


def verify(text: str, *, source: JwtSource = SOURCE, now: int = NOW) -> JwtFacts:
    return verify_presented_jwt(text, keys=KEYS, source=source, now=now)


def reason(text: str, *, source: JwtSource = SOURCE, now: int = NOW) -> Reason:
    with pytest.raises(TokenRejected) as caught:
        verify(text, source=source, now=now)
    return caught.value.reason


def encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_sound_token_gives_its_facts() -> None:
    found = verify(token(name="Ann", groups=["staff", "ops"], amr=["otp", "pwd"], auth_time=NOW - 9, x=1))
    assert (found.subject, found.email, found.name, found.groups) == ("s-1", "ann@example.com", "Ann", ("staff", "ops"))
    assert (found.amr, found.auth_time) == (("otp", "pwd"), NOW - 9)
    assert (found.issued_at, found.expires_at, found.claims["x"]) == (NOW, NOW + 300, 1)
    bare = verify(token())
    assert (bare.name, bare.groups, bare.amr, bare.auth_time) == ("", (), (), None)


def test_claims_may_have_other_names() -> None:
    source = replace(SOURCE, email_claim="upn", name_claim="cn", groups_claim="roles", trust_email=True)
    found = verify(token(upn="ben@example.com", cn="Ben", roles="staff"), source=source)
    assert (found.email, found.name, found.groups) == ("ben@example.com", "Ben", ("staff",))


@pytest.mark.parametrize("name", ["a\nb", 7, ["Ann"], None])
def test_a_name_that_is_no_line_of_text_is_left_out(name: object) -> None:
    assert verify(token(name=name)).name == ""


def test_groups_that_could_be_read_as_two_are_left_out() -> None:
    groups = ["staff", "a,b", "", 7, None, ["x"], "x\ny", "g" * 257]
    assert verify(token(groups=groups)).groups == ("staff",)
    assert len(verify(token(groups=["g"] * 600)).groups) == 500


@pytest.mark.case(65)
@pytest.mark.parametrize("verified", [ABSENT, False, None, "true", 1])
def test_the_address_must_be_verified_or_trusted(verified: object) -> None:
    assert reason(token(email_verified=verified)) is Reason.EMAIL_NOT_VERIFIED
    trusting = replace(SOURCE, trust_email=True)
    assert verify(token(email_verified=verified), source=trusting).email == "ann@example.com"


@pytest.mark.case(65)
def test_a_verified_email_speaks_of_no_other_claim() -> None:
    assert reason(token(upn="root@example.com"), source=replace(SOURCE, email_claim="upn")) is Reason.EMAIL_NOT_VERIFIED


@pytest.mark.case(65)
@pytest.mark.parametrize(
    "email", [ABSENT, None, "", "ann", "a@b@example.com", 7, ["ann@example.com"], "ann@exämple.com"]
)
def test_an_address_that_is_none_is_refused(email: object) -> None:
    assert reason(token(email=email)) is Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp"])
@pytest.mark.parametrize("value", [ABSENT, None, 7.5, [], {}, "", True])
def test_a_claim_that_is_missing_or_of_another_type_is_refused(name: str, value: object) -> None:
    change: dict[str, Any] = {name: value}
    assert reason(token(**change)) is Reason.TOKEN_CLAIMS


def test_issuer_and_audience_must_be_those_that_are_configured() -> None:
    for iss in ("https://idp.example/", "https://IDP.example", "https://evil.example"):
        assert reason(token(iss=iss)) is Reason.TOKEN_CLAIMS
    for aud in ("vault", ["wiki"], ["other", "vault"]):
        assert verify(token(aud=aud)).subject == "s-1"
    for wrong in ("other", ["other"], ["wiki", 7], "wiki vault", ["wiki"] * 101):
        assert reason(token(aud=wrong)) is Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("sub", ["x" * 256, "a\nb", "\ud800"])
def test_a_subject_is_one_line_of_text(sub: str) -> None:
    assert reason(token(sub=sub)) is Reason.TOKEN_CLAIMS


@pytest.mark.case(69)
@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", ABSENT])
def test_identity_and_access_tokens_are_of_a_kind_that_counts(typ: object) -> None:
    assert verify(token(header={"typ": typ} if typ is not ABSENT else {"typ": None})).subject == "s-1"


@pytest.mark.case(69)
@pytest.mark.parametrize(
    "typ",
    ["secondgate-session+jwt", "secondgate-login+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "JOSE", "", 7, []],
)
def test_a_token_of_another_kind_is_refused(typ: object) -> None:
    text = f"{encoded({'alg': 'ES256', 'kid': 'k1', 'typ': typ})}.{encoded(CLAIMS)}"
    signature = base64.urlsafe_b64encode(ECAlgorithm(ECAlgorithm.SHA256).sign(text.encode(), KEY)).rstrip(b"=").decode()
    assert reason(f"{text}.{signature}") in {Reason.TOKEN_HEADER, Reason.TOKEN_SIGNATURE}


@pytest.mark.case(69)
def test_our_own_tokens_are_no_identity_even_where_our_keys_are_configured() -> None:
    ring = KeyRing([new_signing_key(SigningAlgorithm.ES256, now=NOW, name="x", random_bytes=bytes)])
    keys = parse_jwks(json.dumps(ring.jwks()).encode())
    texts = {name: "x" for rules in RULES.values() for name in rules.required}
    ours = {**texts, "iss": "https://mfa.example.com", "iat": NOW, "exp": NOW + 60}
    source = JwtSource("https://idp.example", ("wiki",), header="Authorization", trust_email=True)
    for kind in TokenKind:
        text = ring.sign(kind, {**ours, "aud": "wiki", "email": "ann@example.com"})
        with pytest.raises(TokenRejected):
            verify_presented_jwt(text, keys=keys, source=source, now=NOW)
    for kind in (kind for kind in TokenKind if RULES[kind].typ != "JWT"):
        text = ring.sign(kind, {**ours, "aud": "wiki", "email": "ann@example.com"})
        with pytest.raises(TokenRejected):
            verify_presented_jwt(text, keys=keys, source=replace(source, issuer=str(ours["iss"])), now=NOW)


@pytest.mark.case(68)
def test_what_is_not_signed_with_the_issuers_key_is_refused() -> None:
    sound = token()
    head, payload, signature = sound.split(".")
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    hmac_header = encoded({"alg": "HS256", "kid": "k1"})
    embedded = {"jwk": ECAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True)}
    forged = {
        "none": (f"{encoded({'alg': 'none', 'kid': 'k1'})}.{payload}.", Reason.TOKEN_HEADER),
        "None": (f"{encoded({'alg': 'None'})}.{payload}.", Reason.TOKEN_HEADER),
        "no signature": (f"{head}.{payload}.", Reason.TOKEN_SIGNATURE),
        "another key": (signed(CLAIMS, key=OTHER_KEY), Reason.TOKEN_SIGNATURE),
        "another payload": (
            f"{head}.{encoded({**CLAIMS, 'email': 'root@example.com'})}.{signature}",
            Reason.TOKEN_SIGNATURE,
        ),
        "a signature of zeros": (f"{head}.{payload}.{'A' * 86}", Reason.TOKEN_SIGNATURE),
        "HS256 with the public key": (
            jwt.api_jws.PyJWS().encode(json.dumps(CLAIMS).encode(), pem.hex(), "HS256", headers={"kid": "k1"}),
            Reason.TOKEN_HEADER,
        ),
        "HS256 header alone": (f"{hmac_header}.{payload}.{signature}", Reason.TOKEN_HEADER),
        "an embedded key": (signed(CLAIMS, key=OTHER_KEY, header=embedded), Reason.TOKEN_HEADER),
        "a key's URL": (signed(CLAIMS, key=OTHER_KEY, header={"jku": "https://evil.example"}), Reason.TOKEN_HEADER),
        "a certificate": (signed(CLAIMS, key=OTHER_KEY, header={"x5c": ["MII"]}), Reason.TOKEN_HEADER),
        "a certificate's URL": (
            signed(CLAIMS, key=OTHER_KEY, header={"x5u": "https://evil.example"}),
            Reason.TOKEN_HEADER,
        ),
        "an unknown crit": (token(header={"crit": ["exp"]}), Reason.TOKEN_HEADER),
    }
    for what, (text, expected) in forged.items():
        assert reason(text) is expected, what


@pytest.mark.case(68)
@pytest.mark.parametrize(
    "kid", ["../../dev/null", "k1' or '1'='1", "k2", "", "k1\0", 7, ["k1"], {"k": 1}, "k" * 10_000]
)
def test_a_kid_names_one_of_the_keys_or_nothing(kid: object) -> None:
    text = f"{encoded({'alg': 'ES256', 'kid': kid})}.{encoded(CLAIMS)}.{'A' * 86}"
    assert reason(text) is Reason.TOKEN_KEY


@pytest.mark.case(68)
def test_an_encrypted_token_is_refused() -> None:
    key = ECKey.import_key({name: value for name, value in JWK.items() if name != "alg"})
    text = jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A128GCM"}, token().encode(), key)
    assert reason(text) is Reason.TOKEN_HEADER


@pytest.mark.case(68)
def test_what_is_too_long_is_refused_before_it_is_looked_at() -> None:
    began = time.perf_counter()
    for text in ("A" * 1024 * 1024, "." * 1024 * 1024, token(pad="x" * 16_384), token() + "A" * 2**20):
        assert reason(text) is Reason.TOKEN_SIZE
    for text in ("", ".", "..", "a.b.c", "a.b", "ä.b.c", f"{encoded({})}.{encoded({})}."):
        assert reason(text) in {Reason.TOKEN_HEADER, Reason.TOKEN_CLAIMS}
    assert time.perf_counter() - began < 2


@pytest.mark.case(70)
def test_times_hold_at_their_edges() -> None:
    assert verify(token(), now=NOW + 299).expires_at == NOW + 300
    assert reason(token(), now=NOW + 300) is Reason.TOKEN_EXPIRED
    assert verify(token(), now=NOW - 60).issued_at == NOW
    assert reason(token(), now=NOW - 61) is Reason.TOKEN_CLAIMS
    assert verify(token(nbf=NOW + 60)).subject == "s-1"
    assert reason(token(nbf=NOW + 61)) is Reason.TOKEN_CLAIMS
    assert verify(token(exp=NOW + DAY_S)).subject == "s-1"
    assert reason(token(exp=NOW + DAY_S + 1)) is Reason.TOKEN_CLAIMS, "no token lives longer than a day"
    assert reason(token(exp=NOW)) is Reason.TOKEN_CLAIMS


@pytest.mark.case(70)
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "text", ['"1800000000"', "1e308", "1e400", "-1", "1.8e9", "NaN", "true", "null", "9" * 400, "[1]"]
)
def test_a_time_that_is_no_whole_number_of_seconds_is_refused(name: str, text: str) -> None:
    claims = {key: value for key, value in CLAIMS.items() if key != name}
    payload = json.dumps(claims)[:-1] + f', "{name}": {text}}}'
    assert reason(signed(payload.encode())) is Reason.TOKEN_CLAIMS


@pytest.mark.case(61)
@pytest.mark.parametrize("value", [None, "1800000000", 1e9, -1, True, 2**60])
def test_a_time_of_login_that_is_none_is_never_taken_for_a_missing_one(value: object) -> None:
    assert reason(token(auth_time=value)) is Reason.TOKEN_CLAIMS


@pytest.mark.case(60)
@pytest.mark.parametrize("value", [None, "otp", {"otp": 1}, [["otp"]], ["otp", 7], ["x" * 65], ["otp"] * 33])
def test_methods_that_are_no_list_of_words_say_nothing(value: object) -> None:
    assert verify(token(amr=value)).amr == ()


HEADER = replace(SOURCE, header="X-Jwt")
COOKIE = replace(SOURCE, header="", cookie="id")


def test_each_source_has_its_place() -> None:
    headers = [("authorization", "BEARER  a.b.c "), ("x-jwt", "d.e.f"), ("Cookie", "unused")]
    found = find_presented_jwts(headers, "x=1; id=g.h.i", [SOURCE, HEADER, COOKIE])
    assert found == (PresentedJwt(SOURCE, "a.b.c"), PresentedJwt(HEADER, "d.e.f"), PresentedJwt(COOKIE, "g.h.i"))
    assert find_presented_jwts([], "", [SOURCE, HEADER, COOKIE]) == ()


@pytest.mark.parametrize(
    "headers",
    [
        [("Authorization", "Basic YTpi")],
        [("Authorization", "a.b.c")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer a.b.c, Bearer d.e.f")],
        [("Authorization", "Bearer\ta.b.c")],
        [("Authorization", "Bearer a.b.c"), ("Authorization", "Bearer a.b.c")],
        [("Proxy-Authorization", "Bearer a.b.c")],
        [("X-Jwt", "")],
    ],
)
def test_what_is_no_bearer_token_is_somebody_elses(headers: list[tuple[str, str]]) -> None:
    assert find_presented_jwts(headers, "id=a; id=b", [SOURCE, HEADER, COOKIE]) == ()


@pytest.mark.case(3)
@pytest.mark.parametrize("twin", ["X-Jwt", "x_jwt"])
def test_twins_of_a_header_are_refused(twin: str) -> None:
    with pytest.raises(Malformed) as caught:
        find_presented_jwts([("X-Jwt", "a.b.c"), (twin, "a.b.c")], "", [HEADER])
    assert caught.value.reason is Reason.AMBIGUOUS_HEADER
