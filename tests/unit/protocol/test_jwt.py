"""Our tokens: what we sign we accept, once for its kind, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from secondgate.errors import Reason, TokenRejected
from secondgate.model.keys import SigningAlgorithm, SigningKey
from secondgate.model.secret import Secret
from secondgate.protocol.jwt import RULES, SPREAD_S, KeyRing, TokenKind, new_signing_key

NOW = 1_700_000_000
ISSUER = "https://mfa.example.com"
AUDIENCE = "wiki.example.com"


def new_key(algorithm: SigningAlgorithm = SigningAlgorithm.ES256, *, now: int = NOW) -> SigningKey:
    return new_signing_key(algorithm, now=now, name="mfa.example.com", random_bytes=os.urandom)


ES256, OTHER, RS256 = new_key(), new_key(), new_key(SigningAlgorithm.RS256)
RINGS = {"ES256": KeyRing([ES256]), "RS256": KeyRing([RS256])}
RING = RINGS["ES256"]


def claims_of(**changes: object) -> dict[str, object]:
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": NOW,
        "exp": NOW + 60,
        "sid": "s",
        "sub": "p",
        "jti": "j",
        "nonce": "n",
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not ...}


def verify(
    token: str, kind: TokenKind = TokenKind.SESSION, *, ring: KeyRing = RING, now: int = NOW
) -> dict[str, object]:
    return ring.verify(kind, token, issuer=ISSUER, audience=AUDIENCE, now=now)


def reason_of(token: str, kind: TokenKind = TokenKind.SESSION, *, ring: KeyRing = RING, now: int = NOW) -> Reason:
    with pytest.raises(TokenRejected) as refused:
        verify(token, kind, ring=ring, now=now)
    return refused.value.reason


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def forged(claims: Mapping[str, object] | bytes, *, key: SigningKey = ES256, **header: object) -> str:
    """Sign with a key of ours whatever is given, under any header."""
    full = {"alg": key.algorithm.value, "kid": key.kid, "typ": "secondgate-session+jwt", **header}
    full = {name: value for name, value in full.items() if value is not ...}
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signing_input = f"{b64(json.dumps(full).encode())}.{b64(payload)}".encode()
    algorithm = jwt.get_algorithm_by_name(key.algorithm.value)
    private = algorithm.prepare_key(pem(key))
    return f"{signing_input.decode()}.{b64(algorithm.sign(signing_input, private))}"


def pem(key: SigningKey) -> bytes:
    return private_key_of(key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def private_key_of(key: SigningKey) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    private = load_der_private_key(key.private_key.reveal(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return private


@pytest.mark.parametrize("ring", RINGS.values(), ids=RINGS)
@pytest.mark.parametrize("kind", TokenKind)
def test_what_is_signed_verifies_and_gives_its_claims(ring: KeyRing, kind: TokenKind) -> None:
    claims = claims_of(nbf=NOW, mfa={"totp": NOW}, amr=["otp", "mfa"])
    assert verify(ring.sign(kind, claims), kind, ring=ring) == claims


def test_an_audience_may_stand_in_a_list() -> None:
    token = RING.sign(TokenKind.ASSERTION, claims_of(aud=["a", AUDIENCE]))
    assert verify(token, TokenKind.ASSERTION)["aud"] == ["a", AUDIENCE]


@pytest.mark.parametrize("kind", TokenKind)
def test_the_header_names_kind_key_and_algorithm_and_nothing_else(kind: TokenKind) -> None:
    header = jwt.get_unverified_header(RING.sign(kind, claims_of()))
    assert header == {"alg": "ES256", "kid": ES256.kid, "typ": RULES[kind].typ}


@pytest.mark.case(69)
@pytest.mark.parametrize("signed_as", TokenKind)
@pytest.mark.parametrize("used_as", TokenKind)
def test_no_kind_passes_for_another(signed_as: TokenKind, used_as: TokenKind) -> None:
    token = RING.sign(signed_as, claims_of())
    if signed_as is used_as:
        assert verify(token, used_as)
    else:
        assert reason_of(token, used_as) is Reason.TOKEN_HEADER


@pytest.mark.case(69)
def test_the_types_of_the_kinds_differ() -> None:
    assert len({rules.typ for rules in RULES.values()}) == len(TokenKind) == len(RULES)
    assert RULES[TokenKind.ASSERTION].typ == "JWT"


@pytest.mark.case(69)
@pytest.mark.parametrize(
    "typ", [..., None, "", "jwt", "JWT", "SECONDGATE-SESSION+JWT", "application/secondgate-session+jwt", 1]
)
def test_a_type_in_any_other_spelling_is_refused(typ: object) -> None:
    assert reason_of(forged(claims_of(), typ=typ)) is Reason.TOKEN_HEADER


@pytest.mark.case(68)
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, ..., [], 1])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_an_unsigned_token_is_refused(alg: object, signature: str) -> None:
    signing_input = forged(claims_of(), alg=alg).rpartition(".")[0]
    assert reason_of(f"{signing_input}.{signature}") is Reason.TOKEN_HEADER


@pytest.mark.case(68)
@pytest.mark.parametrize("key", [ES256, RS256], ids=["ES256", "RS256"])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_public_key_is_no_shared_secret(key: SigningKey, encoding: Encoding) -> None:
    secret = private_key_of(key).public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    signing_input = forged(claims_of(), key=key, alg="HS256").rpartition(".")[0]
    token = f"{signing_input}.{b64(hmac.new(secret, signing_input.encode(), hashlib.sha256).digest())}"
    assert reason_of(token, ring=RINGS[key.algorithm]) is Reason.TOKEN_HEADER


@pytest.mark.case(68)
@pytest.mark.parametrize(
    ("key", "alg"),
    [(ES256, "RS256"), (ES256, "ES384"), (ES256, "ES256K"), (RS256, "PS256"), (RS256, "RS512"), (RS256, "ES256")],
)
def test_the_algorithm_belongs_to_the_key(key: SigningKey, alg: str) -> None:
    assert reason_of(forged(claims_of(), key=key, alg=alg), ring=RINGS[key.algorithm]) is Reason.TOKEN_HEADER


@pytest.mark.case(68)
@pytest.mark.parametrize("kid", [..., None, "", "x", OTHER.kid, "../../etc/passwd", "' OR 1=1 --", 1, [], {}, "\x00"])
def test_a_key_that_is_not_ours_is_refused(kid: object) -> None:
    assert reason_of(forged(claims_of(), kid=kid)) is Reason.TOKEN_KEY


@pytest.mark.case(68)
def test_a_token_of_another_key_under_our_keys_id_is_refused() -> None:
    assert reason_of(forged(claims_of(), key=OTHER, kid=ES256.kid)) is Reason.TOKEN_SIGNATURE


@pytest.mark.case(68)
@pytest.mark.parametrize(
    "header",
    [
        {"jwk": {"kty": "EC"}},
        {"jku": "https://evil.example"},
        {"x5u": "https://evil.example"},
        {"x5c": ["AA"]},
        {"x5t": "AA"},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"unknown": 1},
    ],
    ids=min,
)
def test_a_header_that_we_do_not_write_is_refused_even_with_our_signature(header: dict[str, object]) -> None:
    assert reason_of(forged(claims_of(), key=ES256, **header)) is Reason.TOKEN_HEADER


@pytest.mark.case(68)
def test_a_million_bytes_are_refused_by_their_size() -> None:
    assert reason_of(RING.sign(TokenKind.SESSION, claims_of()) + "A" * 1_000_000) is Reason.TOKEN_SIZE


@pytest.mark.case(68)
@pytest.mark.parametrize("part", [0, 1, 2])
def test_one_changed_bit_anywhere_is_refused(part: int) -> None:
    parts = RING.sign(TokenKind.SESSION, claims_of()).split(".")
    changed = bytearray(unb64(parts[part]))
    changed[len(changed) // 2] ^= 1
    parts[part] = b64(bytes(changed))
    assert reason_of(".".join(parts)) in {
        Reason.TOKEN_SIGNATURE,
        Reason.TOKEN_HEADER,
        Reason.TOKEN_KEY,
        Reason.TOKEN_CLAIMS,
    }


@pytest.mark.case(68)
def test_odd_signatures_are_refused() -> None:
    signing_input, _, signature = RING.sign(TokenKind.SESSION, claims_of()).rpartition(".")
    raw = unb64(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    assert decode_dss_signature(der)
    for odd in (b"", raw[:-1], raw + b"\x00", raw[32:] + raw[:32], bytes(64), b"\xff" * 64, der):
        assert reason_of(f"{signing_input}.{b64(odd)}") is Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize(
    "changes",
    [
        *({"iss": "https://evil.example"}, {"iss": ISSUER + "/"}, {"iss": ...}, {"iss": None}, {"iss": [ISSUER]}),
        *({"aud": "other"}, {"aud": ...}, {"aud": None}, {"aud": []}, {"aud": ["other"]}, {"aud": [AUDIENCE, 1]}),
        *({"aud": {AUDIENCE: 1}}, {"aud": AUDIENCE.upper()}, {"sid": ...}, {"sid": None}, {"sid": 1}, {"sid": ["s"]}),
    ],
    ids=str,
)
def test_claims_that_do_not_fit_are_refused(changes: dict[str, object]) -> None:
    assert reason_of(forged(claims_of(**changes))) is Reason.TOKEN_CLAIMS


@pytest.mark.case(70)
@pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
@pytest.mark.parametrize("value", ["1700000000", 1.7e9, 1e308, True, -1, None, [NOW], 10**400])
def test_odd_times_are_refused_even_with_our_signature(name: str, value: object) -> None:
    assert reason_of(forged(claims_of(**{name: value}))) is Reason.TOKEN_CLAIMS


@pytest.mark.case(70)
@pytest.mark.parametrize("name", ["iat", "exp"])
def test_a_missing_time_is_refused_even_with_our_signature(name: str) -> None:
    assert reason_of(forged(claims_of(**{name: ...}))) is Reason.TOKEN_CLAIMS


@pytest.mark.case(70)
def test_a_token_lives_until_its_last_second_by_the_given_clock() -> None:
    token = RING.sign(TokenKind.SESSION, claims_of())
    assert verify(token, now=NOW + 59)
    assert reason_of(token, now=NOW + 60) is Reason.TOKEN_EXPIRED
    assert verify(token, now=NOW - 60)
    assert reason_of(token, now=NOW - 61) is Reason.TOKEN_CLAIMS


@pytest.mark.case(70)
@pytest.mark.parametrize("kind", TokenKind)
def test_no_kind_lives_longer_than_it_may(kind: TokenKind) -> None:
    life_s = RULES[kind].max_life_s
    assert verify(RING.sign(kind, claims_of(exp=NOW + life_s)), kind, now=NOW + life_s - 1)
    longer = forged(claims_of(exp=NOW + life_s + 1), typ=RULES[kind].typ)
    assert reason_of(longer, kind) is Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("payload", [b"[]", b"", b'{"sub":1,"sub":2}', b"\xff", b'{"exp":NaN}', b"[" * 5000])
def test_a_payload_that_is_no_object_is_refused_even_with_our_signature(payload: bytes) -> None:
    assert reason_of(forged(payload)) is Reason.TOKEN_CLAIMS


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *((kind, {name: ...}) for kind in TokenKind for name in ("iss", "aud", "iat", "exp", *RULES[kind].required)),
        (TokenKind.LOGIN_REQUEST, {"exp": NOW + 601}),
        (TokenKind.SESSION, {"exp": NOW}),
        (TokenKind.SESSION, {"iat": float(NOW)}),
        (TokenKind.SESSION, {"iat": True}),
        (TokenKind.SESSION, {"note": "a" * 16_384}),
    ],
    ids=str,
)
def test_what_would_be_refused_is_not_signed(kind: TokenKind, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="cannot say this"):
        RING.sign(kind, claims_of(**changes))


@pytest.mark.case(90)
def test_keys_are_replaced_whole_or_not_at_all() -> None:
    ring = KeyRing([ES256])
    token = ring.sign(TokenKind.SESSION, claims_of())
    with pytest.raises(ValueError, match="each of them once"):
        ring.replace([RS256, RS256])
    assert verify(token, ring=ring) == claims_of()
    ring.replace([RS256, ES256])
    assert ring.kids == (RS256.kid, ES256.kid)
    later = claims_of(iat=NOW + SPREAD_S)
    assert jwt.get_unverified_header(ring.sign(TokenKind.SESSION, later))["kid"] == RS256.kid
    assert verify(token, ring=ring) == claims_of()


@pytest.mark.case(90)
def test_the_newest_key_signs_and_the_older_ones_still_verify() -> None:
    old_token = KeyRing([ES256]).sign(TokenKind.SESSION, claims_of())
    ring = KeyRing([replace(RS256, created_at=NOW - SPREAD_S), ES256])
    new_token = ring.sign(TokenKind.SESSION, claims_of())
    assert jwt.get_unverified_header(new_token)["kid"] == RS256.kid
    assert verify(old_token, ring=ring) == verify(new_token, ring=ring) == claims_of()
    assert reason_of(new_token) is Reason.TOKEN_KEY


@pytest.mark.parametrize("key", [ES256, RS256], ids=["ES256", "RS256"])
def test_a_stranger_verifies_an_assertion_with_the_published_keys(key: SigningKey) -> None:
    ring = KeyRing([OTHER, key])
    token = KeyRing([key]).sign(TokenKind.ASSERTION, claims_of())
    published = jwt.PyJWKSet.from_dict(ring.jwks())[key.kid]
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, published, algorithms=[key.algorithm], audience=AUDIENCE, options=options)  # type: ignore[arg-type] # a dict is what it takes
    assert claims == claims_of()


def test_the_published_keys_are_public_and_say_what_they_are_for() -> None:
    published = KeyRing([ES256, RS256]).jwks()["keys"]
    assert isinstance(published, list)
    assert [key["kid"] for key in published] == [ES256.kid, RS256.kid]
    assert set(published[0]) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert set(published[1]) == {"kty", "n", "e", "kid", "alg", "use"}
    assert [(key["alg"], key["use"]) for key in published] == [("ES256", "sig"), ("RS256", "sig")]


@pytest.mark.parametrize("key", [ES256, RS256], ids=["ES256", "RS256"])
def test_the_certificate_holds_the_public_key_for_ten_years(key: SigningKey) -> None:
    [entry] = KeyRing([key]).certificates()
    assert entry == {"kid": key.kid, "cert": key.certificate}
    certificate = x509.load_pem_x509_certificate(key.certificate.encode())
    assert certificate.public_key() == private_key_of(key).public_key()
    assert certificate.subject == certificate.issuer
    assert certificate.subject.rfc4514_string() == "CN=mfa.example.com"
    begin = datetime.fromtimestamp(NOW, UTC)
    assert certificate.not_valid_before_utc == begin
    assert certificate.not_valid_after_utc == begin + timedelta(days=3650)
    certificate.verify_directly_issued_by(certificate)


@pytest.mark.parametrize("byte", [b"\x00", b"\xff"])
def test_a_new_key_takes_its_id_and_serial_number_from_the_given_randomness(byte: bytes) -> None:
    key = new_signing_key(SigningAlgorithm.ES256, now=NOW, name="m" * 100, random_bytes=lambda count: byte * count)
    assert key.kid == (byte * 16).hex()
    assert key.created_at == NOW
    assert "PRIVATE" not in repr(key)
    certificate = x509.load_pem_x509_certificate(key.certificate.encode())
    assert 0 < certificate.serial_number.bit_length() <= 159
    assert certificate.subject.rfc4514_string() == "CN=" + "m" * 64


def stored(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Secret[bytes]:
    return Secret(private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.case(68)
@pytest.mark.parametrize(
    ("key", "private_key"),
    [
        (ES256, RS256.private_key),
        (RS256, ES256.private_key),
        (ES256, stored(ec.generate_private_key(ec.SECP384R1()))),
        (RS256, stored(rsa.generate_private_key(public_exponent=65537, key_size=1024))),  # noqa: S505 - it is refused for that
    ],
    ids=["RSA as ES256", "P-256 as RS256", "P-384 as ES256", "RSA of 1024 bits"],
)
def test_a_key_that_does_not_fit_its_algorithm_is_not_loaded(key: SigningKey, private_key: Secret[bytes]) -> None:
    with pytest.raises(ValueError, match="not fit for"):
        KeyRing([replace(key, private_key=private_key)])


@pytest.mark.parametrize("keys", [[], [ES256, ES256]], ids=["none", "twice"])
def test_a_ring_needs_keys_and_each_once(keys: list[SigningKey]) -> None:
    with pytest.raises(ValueError, match="at least one key"):
        KeyRing(keys)
