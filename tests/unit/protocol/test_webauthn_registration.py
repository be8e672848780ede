"""Registering security keys and biometrics: real bytes from a software authenticator, honest and lying."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from secondgate.errors import Malformed, ProofRejected, Reason
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.protocol.webauthn import (
    RegisteredCredential,
    RelyingParty,
    parse_credential_id,
    registration_options,
    verify_registration,
)
from secondgate.protocol.webauthn_wire import PresentedAttestation
from tests.fakes.authenticator import Key, Lies, SoftAuthenticator, b64, cose_key, new_key, sign, unb64

RP = RelyingParty("mfa.example.com", "Example", "https://mfa.example.com")
CHALLENGE = bytes(range(32))
AAGUID = bytes.fromhex("cb69481e8ff7403993ec0a2729a154a8")


def options_for(method: Method = Method.SECURITY_KEY, enrolled: tuple[Authenticator, ...] = ()) -> dict[str, Any]:
    return registration_options(
        RP, person_id="p-1", email="ada@example.com", challenge=CHALLENGE, method=method, enrolled=enrolled
    )


def authenticator(**facts: Any) -> SoftAuthenticator:  # noqa: ANN401 - handed on
    return SoftAuthenticator(RP.id, RP.origin, **facts)


def verify(response: object, method: Method = Method.SECURITY_KEY) -> RegisteredCredential:
    return verify_registration(response, rp=RP, expected_challenge=CHALLENGE, expected_method=method)


def reason_of(response: object, method: Method = Method.SECURITY_KEY) -> Reason:
    with pytest.raises(ProofRejected) as refused:
        verify(response, method)
    return refused.value.reason


def lying(method: Method = Method.SECURITY_KEY, **lies: Any) -> dict[str, Any]:  # noqa: ANN401 - handed on
    attachment = "platform" if method is Method.BIOMETRICS else "cross-platform"
    return authenticator(attachment=attachment).register(options_for(method), Lies(**lies))


@pytest.mark.parametrize(
    ("method", "attachment", "verification", "hint"),
    [
        (Method.SECURITY_KEY, "cross-platform", "preferred", "security-key"),
        (Method.BIOMETRICS, "platform", "required", "client-device"),
    ],
)
def test_the_options_ask_for_what_the_method_is(method: Method, attachment: str, verification: str, hint: str) -> None:
    enrolled = (
        Authenticator("1", "p-1", Method.SECURITY_KEY, "Key", 0, credential_id=b"\x01\x02", transports=("usb", "nfc")),
        Authenticator("2", "p-1", Method.BIOMETRICS, "Laptop", 0, credential_id=b"\x03"),
        Authenticator("3", "p-1", Method.TOTP, "Phone", 0),
    )
    options = options_for(method, enrolled)
    assert json.loads(json.dumps(options)) == {
        "rp": {"id": "mfa.example.com", "name": "Example"},
        "user": {"id": b64(b"p-1"), "name": "ada@example.com", "displayName": "ada@example.com"},
        "challenge": b64(CHALLENGE),
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-7, -8, -257)],
        "timeout": 300_000,
        "excludeCredentials": [
            {"id": b64(b"\x01\x02"), "type": "public-key", "transports": ["usb", "nfc"]},
            {"id": b64(b"\x03"), "type": "public-key"},
        ],
        "authenticatorSelection": {
            "authenticatorAttachment": attachment,
            "residentKey": "discouraged",
            "requireResidentKey": False,
            "userVerification": verification,
        },
        "attestation": "none",
        "hints": [hint],
    }


@pytest.mark.parametrize(("person_id", "method"), [("p" * 65, Method.SECURITY_KEY), ("p", Method.TOTP)])
def test_options_for_what_is_no_registration_are_a_mistake(person_id: str, method: Method) -> None:
    with pytest.raises(ValueError, match="at most 64 bytes"):
        registration_options(RP, person_id=person_id, email="a@b", challenge=CHALLENGE, method=method, enrolled=())


@pytest.mark.parametrize("algorithm", [-7, -8, -257])
@pytest.mark.parametrize(
    ("method", "attachment", "transports"),
    [(Method.SECURITY_KEY, "cross-platform", ("usb",)), (Method.BIOMETRICS, "platform", ("internal",))],
)
def test_an_honest_authenticator_is_registered(
    algorithm: int, method: Method, attachment: str, transports: tuple[str, ...]
) -> None:
    device = authenticator(attachment=attachment, algorithm=algorithm, aaguid=AAGUID)
    response = device.register(options_for(method))
    [passkey] = device.passkeys.values()
    assert verify(response, method) == RegisteredCredential(
        credential_id=passkey.id,
        public_key=cose_key(passkey.key),
        sign_count=0,
        aaguid="cb69481e8ff7403993ec0a2729a154a8",
        backup_eligible=False,
        transports=transports,
        attestation=PresentedAttestation(
            unb64(response["response"]["attestationObject"]), unb64(response["response"]["clientDataJSON"])
        ),
    )
    assert parse_credential_id(response) == passkey.id


def test_a_synced_passkey_is_marked_as_eligible_for_backup() -> None:
    response = lying(Method.BIOMETRICS, backup_eligible=True, backup_state=True, sign_count=7)
    registered = verify(response, Method.BIOMETRICS)
    assert (registered.backup_eligible, registered.sign_count) == (True, 7)


def test_extension_outputs_are_accepted() -> None:
    verify(lying(extensions=cbor2.dumps({"credProtect": 2})))


def test_a_security_key_without_a_pin_need_not_verify_its_user() -> None:
    verify(lying(user_verified=False))


@pytest.mark.case(44, 46, 47)
@pytest.mark.parametrize(
    ("lies", "reason"),
    [
        ({"type": "webauthn.get"}, Reason.WRONG_CEREMONY),
        ({"type": "payment.get"}, Reason.WRONG_CEREMONY),
        ({"challenge": b"another"}, Reason.WRONG_CHALLENGE),
        ({"challenge": b""}, Reason.WRONG_CHALLENGE),
        ({"challenge": CHALLENGE + b"\x00"}, Reason.WRONG_CHALLENGE),
        ({"origin": "https://evil.example"}, Reason.WRONG_ORIGIN),
        ({"origin": "http://mfa.example.com"}, Reason.WRONG_ORIGIN),
        ({"origin": "https://mfa.example.com:8443"}, Reason.WRONG_ORIGIN),
        ({"origin": "https://mfa.example.com/"}, Reason.WRONG_ORIGIN),
        ({"origin": "https://MFA.example.com"}, Reason.WRONG_ORIGIN),
        ({"origin": "https://mfa.example.com.evil.example"}, Reason.WRONG_ORIGIN),
        ({"origin": "null"}, Reason.WRONG_ORIGIN),
        ({"origin": ""}, Reason.WRONG_ORIGIN),
        ({"client_data": {"origin": ["https://mfa.example.com"]}}, Reason.WRONG_ORIGIN),
        ({"cross_origin": True}, Reason.CROSS_ORIGIN),
        ({"cross_origin": "false"}, Reason.CROSS_ORIGIN),
        ({"cross_origin": 0}, Reason.CROSS_ORIGIN),
        ({"cross_origin": None}, Reason.CROSS_ORIGIN),
        ({"client_data": {"topOrigin": "https://evil.example"}}, Reason.CROSS_ORIGIN),
        ({"rp_id": "evil.example"}, Reason.WRONG_RP_ID),
        ({"rp_id": "example.com"}, Reason.WRONG_RP_ID),
        ({"rp_id": "https://mfa.example.com"}, Reason.WRONG_RP_ID),
        ({"user_present": False}, Reason.USER_PRESENCE),
        ({"user_present": False, "user_verified": True}, Reason.USER_PRESENCE),
        ({"backup_state": True}, Reason.BACKUP_FLAGS),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", [Method.SECURITY_KEY, Method.BIOMETRICS])
def test_a_lie_is_refused_with_its_reason(lies: dict[str, Any], reason: Reason, method: Method) -> None:
    assert reason_of(lying(method, **lies), method) is reason


def test_a_client_that_says_nothing_of_cross_origin_is_accepted() -> None:
    client_data = {"type": "webauthn.create", "challenge": b64(CHALLENGE), "origin": RP.origin, "other": [1]}
    verify(lying(client_data_json=json.dumps(client_data).encode()))


@pytest.mark.case(47)
def test_biometrics_must_verify_their_user() -> None:
    assert reason_of(lying(Method.BIOMETRICS, user_verified=False), Method.BIOMETRICS) is Reason.USER_VERIFICATION


@pytest.mark.case(47)
@pytest.mark.parametrize(
    "lies",
    [
        {"trailing": b"\x00"},
        {"trailing": cbor2.dumps({})},
        {"extensions": cbor2.dumps({"a": 1}), "trailing": b"\x00"},
        # The library advances by its own longer encoding of the number, over what trails behind it.
        {"extensions": b"\xa1\x61a\xf9\x3e\x01", "trailing": b"\x00" * 6},
        {"extensions": b"\xa1\x61a\x18\x01"},
        {"extensions": b"\xff"},
        {"attested": False},
    ],
    ids=str,
)
def test_authenticator_data_must_be_canonical_and_whole(lies: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        verify(lying(**lies))


@pytest.mark.case(50)
@pytest.mark.parametrize("length", [0, 1024, 2000, 60_000])
def test_a_credential_id_that_is_empty_or_too_long_is_refused(length: int) -> None:
    response = lying(attested_credential_id=b"a" * length)
    assert reason_of(response) is Reason.CREDENTIAL_ID
    with pytest.raises(ProofRejected) as refused:
        parse_credential_id(response)
    assert refused.value.reason is Reason.CREDENTIAL_ID


@pytest.mark.case(50)
def test_a_credential_id_that_only_the_authenticator_makes_too_long_is_refused() -> None:
    for length in (0, 1024, 5):
        assert reason_of(lying(attested_credential_id=b"a" * length, credential_id=b"b" * 32)) is Reason.CREDENTIAL_ID


def test_a_credential_id_of_1023_bytes_is_registered() -> None:
    assert len(verify(lying(credential_id=os.urandom(1023))).credential_id) == 1023


@pytest.mark.case(52)
@pytest.mark.parametrize(
    ("method", "lies"),
    [
        (Method.SECURITY_KEY, {"attachment": "platform"}),
        (Method.BIOMETRICS, {"attachment": "cross-platform"}),
        (Method.SECURITY_KEY, {"transports": ["internal"]}),
        (Method.BIOMETRICS, {"transports": ["usb"]}),
        (Method.BIOMETRICS, {"transports": ["hybrid"]}),
        (Method.SECURITY_KEY, {"attachment": None, "transports": ["internal", "hybrid"]}),
        (Method.BIOMETRICS, {"attachment": None, "transports": ["usb", "nfc"]}),
        (Method.SECURITY_KEY, {"attachment": None, "transports": []}),
        (Method.BIOMETRICS, {"attachment": None, "transports": None}),
        (Method.BIOMETRICS, {"attachment": None, "transports": ["unheard-of"]}),
    ],
    ids=str,
)
def test_an_attachment_that_contradicts_the_method_is_refused(method: Method, lies: dict[str, Any]) -> None:
    assert reason_of(lying(method, **lies), method) is Reason.ATTACHMENT


@pytest.mark.case(52)
def test_biometrics_are_not_registered_as_a_security_key_by_the_other_ceremonys_answer() -> None:
    biometrics = authenticator(attachment="platform").register(options_for(Method.BIOMETRICS))
    assert reason_of(biometrics, Method.SECURITY_KEY) is Reason.ATTACHMENT
    forged = {**biometrics, "authenticatorAttachment": "cross-platform"}
    assert reason_of(forged, Method.SECURITY_KEY) is Reason.ATTACHMENT


@pytest.mark.parametrize(
    ("method", "lies", "transports"),
    [
        (Method.SECURITY_KEY, {"transports": []}, ()),
        (Method.SECURITY_KEY, {"transports": None}, ()),
        (Method.SECURITY_KEY, {"transports": ["nfc", "usb", "usb", "unheard-of"]}, ("usb", "nfc")),
        (Method.SECURITY_KEY, {"transports": ["hybrid", "internal"]}, ("hybrid", "internal")),
        (Method.SECURITY_KEY, {"attachment": None, "transports": ["usb"]}, ("usb",)),
        (Method.BIOMETRICS, {"attachment": None, "transports": ["internal"]}, ("internal",)),
        (Method.BIOMETRICS, {"transports": ["hybrid", "internal"]}, ("hybrid", "internal")),
        (Method.BIOMETRICS, {"transports": []}, ()),
    ],
    ids=str,
)
def test_the_transports_that_we_know_are_kept(
    method: Method, lies: dict[str, Any], transports: tuple[str, ...]
) -> None:
    assert verify(lying(method, **lies), method).transports == transports


EC_KEY = new_key(-7)
ED_KEY = new_key(-8)


def changed_key(key: Key, **changes: object) -> bytes:
    fields = cbor2.loads(cose_key(key))
    fields.update({int(name.replace("m", "-").strip("_")): value for name, value in changes.items()})
    return cbor2.dumps({name: value for name, value in fields.items() if value is not None})


@pytest.mark.parametrize(
    "public_key",
    [
        *(
            changed_key(EC_KEY, _3=-35),
            changed_key(EC_KEY, _3=-8),
            changed_key(EC_KEY, _3=-257),
            changed_key(EC_KEY, _3=-65535),
        ),
        *(
            changed_key(EC_KEY, _1=9),
            changed_key(EC_KEY, _1=1),
            changed_key(EC_KEY, m1=2),
            changed_key(EC_KEY, m2=b"\x01" * 32),
        ),
        *(
            changed_key(EC_KEY, m2=None),
            changed_key(EC_KEY, _3=None),
            changed_key(EC_KEY, m2=""),
            changed_key(EC_KEY, m3=1),
        ),
        *(changed_key(ED_KEY, m2=b"\x01" * 31), changed_key(ED_KEY, _3=-7), changed_key(ED_KEY, m1=7)),
        *(cbor2.dumps({}), cbor2.dumps([]), cbor2.dumps(4), cbor2.dumps(None), cbor2.dumps("\x04" * 65)),
    ],
    ids=lambda key: key.hex()[:40],
)
def test_a_public_key_of_another_kind_or_none_is_refused(public_key: bytes) -> None:
    assert reason_of(lying(public_key=public_key)) is Reason.PUBLIC_KEY


def test_a_weak_or_unasked_public_key_is_refused() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - it is refused for that
    assert reason_of(lying(public_key=cose_key(weak))) is Reason.PUBLIC_KEY
    point = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    p384 = {1: 2, 3: -7, -1: 2, -2: point.x.to_bytes(48, "big"), -3: point.y.to_bytes(48, "big")}
    assert reason_of(lying(public_key=cbor2.dumps(p384))) is Reason.PUBLIC_KEY


def self_attested(data: bytes, client_data: bytes, key: Key) -> tuple[str, dict[str, object]]:
    from hashlib import sha256  # noqa: PLC0415 - used here alone

    return "packed", {"alg": -7, "sig": sign(key, data + sha256(client_data).digest())}


def test_a_sound_attestation_that_nobody_asked_for_is_accepted() -> None:
    verify(lying(attestation=self_attested))


@pytest.mark.parametrize(
    "statement",
    [
        ("packed", {"alg": -7, "sig": b"wrong"}),
        ("packed", {"alg": -7}),
        ("packed", {}),
        ("packed", {"alg": -7, "sig": b"a", "x5c": [b"no certificate"]}),
        ("none", {"sig": b"a"}),
        ("fido-u2f", {"sig": b"a", "x5c": [b""]}),
        ("tpm", {"ver": "2.0"}),
        ("apple", {"x5c": 1}),
        ("android-key", {"x5c": []}),
    ],
    ids=str,
)
def test_an_unsound_attestation_is_refused(statement: tuple[str, dict[str, object]]) -> None:
    assert reason_of(lying(attestation=lambda *_: statement)) is Reason.ATTESTATION


@pytest.mark.parametrize("attestation_format", ["android-safetynet", "compound", "", "NONE"])
def test_formats_that_cannot_be_verified_are_malformed(attestation_format: str) -> None:
    with pytest.raises(Malformed):
        verify(lying(attestation=lambda *_: (attestation_format, {})))


def test_the_relying_party_is_compared_as_a_whole() -> None:
    response = lying()
    other = replace(RP, origin="https://mfa.example.com:8443")
    with pytest.raises(ProofRejected):
        verify_registration(response, rp=other, expected_challenge=CHALLENGE, expected_method=Method.SECURITY_KEY)
