"""Assertions: the possession of an enrolled authenticator, proven here and now or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.errors import Malformed, ProofRejected, Reason
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from secondgate.protocol.webauthn import (
    AssertionFacts,
    RelyingParty,
    assertion_options,
    registration_options,
    verify_assertion,
    verify_registration,
)
from tests.fakes.authenticator import Lies, SoftAuthenticator, b64, new_key, unb64

RP = RelyingParty("mfa.example.com", "Example", "https://mfa.example.com")
CHALLENGE = bytes(range(32))


def enrol(method: Method = Method.SECURITY_KEY, **facts: Any) -> tuple[SoftAuthenticator, Authenticator]:  # noqa: ANN401 - handed on
    attachment = "platform" if method is Method.BIOMETRICS else "cross-platform"
    device = SoftAuthenticator(RP.id, RP.origin, attachment, **facts)
    options = registration_options(
        RP, person_id="p-1", email="ada@example.com", challenge=b"first", method=method, enrolled=()
    )
    registered = verify_registration(
        device.register(options), rp=RP, expected_challenge=b"first", expected_method=method
    )
    return device, Authenticator(
        id="a-1",
        person_id="p-1",
        method=method,
        name="Mine",
        created_at=0,
        credential_id=registered.credential_id,
        public_key=registered.public_key,
        sign_count=registered.sign_count,
        backup_eligible=registered.backup_eligible,
        aaguid=registered.aaguid,
        transports=registered.transports,
    )


def options_for(authenticator: Authenticator) -> dict[str, Any]:
    return assertion_options(RP, challenge=CHALLENGE, allowed=[authenticator], method=authenticator.method)


def verify(response: object, authenticator: Authenticator, challenge: bytes = CHALLENGE) -> AssertionFacts:
    return verify_assertion(response, rp=RP, expected_challenge=challenge, authenticator=authenticator)


def reason_of(response: object, authenticator: Authenticator, challenge: bytes = CHALLENGE) -> Reason:
    with pytest.raises(ProofRejected) as refused:
        verify(response, authenticator, challenge)
    return refused.value.reason


ODD: list[object] = [..., None, 1, [], {}]
KEYS = {method: enrol(method) for method in (Method.SECURITY_KEY, Method.BIOMETRICS)}
DEVICE, KEY = KEYS[Method.SECURITY_KEY]


def lying(method: Method = Method.SECURITY_KEY, **lies: Any) -> dict[str, Any]:  # noqa: ANN401 - handed on
    device, authenticator = KEYS[method]
    return device.authenticate(options_for(authenticator), Lies(**lies))


@pytest.mark.parametrize(
    ("method", "verification", "hint", "transport"),
    [
        (Method.SECURITY_KEY, "preferred", "security-key", "usb"),
        (Method.BIOMETRICS, "required", "client-device", "internal"),
    ],
)
def test_the_options_allow_the_authenticators_of_the_method(
    method: Method, verification: str, hint: str, transport: str
) -> None:
    allowed = [authenticator for _, authenticator in KEYS.values()]
    allowed.append(Authenticator("3", "p-1", Method.TOTP, "Phone", 0))
    options = assertion_options(RP, challenge=CHALLENGE, allowed=allowed, method=method)
    credential_id = b64(KEYS[method][1].credential_id)
    assert json.loads(json.dumps(options)) == {
        "challenge": b64(CHALLENGE),
        "timeout": 300_000,
        "rpId": "mfa.example.com",
        "allowCredentials": [{"id": credential_id, "type": "public-key", "transports": [transport]}],
        "userVerification": verification,
        "hints": [hint],
    }


@pytest.mark.parametrize("method", Method)
def test_options_that_would_allow_any_credential_are_a_mistake(method: Method) -> None:
    totp = Authenticator("3", "p-1", Method.TOTP, "Phone", 0, credential_id=b"x")
    with pytest.raises(ValueError, match="at least one authenticator"):
        assertion_options(RP, challenge=CHALLENGE, allowed=[totp], method=method)


@pytest.mark.parametrize("algorithm", [-7, -8, -257])
@pytest.mark.parametrize("method", [Method.SECURITY_KEY, Method.BIOMETRICS])
def test_an_enrolled_authenticator_proves_itself(algorithm: int, method: Method) -> None:
    device, authenticator = enrol(method, algorithm=algorithm)
    for count in (1, 2):
        assert verify(device.authenticate(options_for(authenticator)), authenticator) == AssertionFacts(
            sign_count=count, user_verified=True, backup_state=False
        )


def test_facts_that_are_no_refusals_are_given() -> None:
    device, authenticator = enrol(backup_eligible=True)
    response = device.authenticate(
        options_for(authenticator), Lies(user_verified=False, backup_state=True, sign_count=9)
    )
    assert verify(response, authenticator) == AssertionFacts(sign_count=9, user_verified=False, backup_state=True)


@pytest.mark.case(48)
@pytest.mark.parametrize("count", [0, 1, 2**32 - 1])
def test_the_counter_is_given_as_it_is_for_the_store_to_compare(count: int) -> None:
    authenticator = replace(KEY, sign_count=5)
    assert verify(lying(sign_count=count), authenticator).sign_count == count


@pytest.mark.parametrize("user_handle", [None, b"p-1"])
def test_the_user_handle_may_be_left_out_or_right(user_handle: bytes | None) -> None:
    verify(lying(user_handle=user_handle), KEY)


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_user_handle_is_none(value: object) -> None:
    response = lying()
    response["response"]["userHandle"] = value
    verify(response, KEY)


def test_extension_outputs_are_accepted() -> None:
    verify(lying(extensions=cbor2.dumps({"appid": True})), KEY)


@pytest.mark.case(44, 46, 47)
@pytest.mark.parametrize(
    ("lies", "reason"),
    [
        ({"type": "webauthn.create"}, Reason.WRONG_CEREMONY),
        ({"challenge": b"another"}, Reason.WRONG_CHALLENGE),
        ({"challenge": b""}, Reason.WRONG_CHALLENGE),
        ({"origin": "https://evil.example"}, Reason.WRONG_ORIGIN),
        ({"origin": "https://wiki.example.com"}, Reason.WRONG_ORIGIN),
        ({"origin": "http://mfa.example.com"}, Reason.WRONG_ORIGIN),
        ({"cross_origin": True}, Reason.CROSS_ORIGIN),
        ({"client_data": {"topOrigin": "https://evil.example"}}, Reason.CROSS_ORIGIN),
        ({"rp_id": "evil.example"}, Reason.WRONG_RP_ID),
        ({"rp_id": ""}, Reason.WRONG_RP_ID),
        ({"user_present": False}, Reason.USER_PRESENCE),
        ({"backup_state": True}, Reason.BACKUP_FLAGS),
        ({"backup_eligible": True}, Reason.BACKUP_FLAGS),
        ({"backup_eligible": True, "backup_state": True}, Reason.BACKUP_FLAGS),
        ({"signature": b""}, Reason.SIGNATURE),
        ({"signature": bytes(64)}, Reason.SIGNATURE),
        ({"signature": b"\x30\x80\x80"}, Reason.SIGNATURE),
        ({"signed_by": new_key(-7)}, Reason.SIGNATURE),
        ({"signed_by": new_key(-8)}, Reason.SIGNATURE),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", [Method.SECURITY_KEY, Method.BIOMETRICS])
def test_a_lie_is_refused_with_its_reason(lies: dict[str, Any], reason: Reason, method: Method) -> None:
    assert reason_of(lying(method, **lies), KEYS[method][1]) is reason


@pytest.mark.case(44)
def test_an_answer_to_an_earlier_challenge_is_refused() -> None:
    response = lying()
    verify(response, KEY)
    assert reason_of(response, KEY, b"the next challenge") is Reason.WRONG_CHALLENGE


@pytest.mark.case(47)
def test_a_backup_eligibility_that_was_there_and_is_gone_is_refused() -> None:
    assert reason_of(lying(), replace(KEY, backup_eligible=True)) is Reason.BACKUP_FLAGS


@pytest.mark.case(47)
def test_biometrics_must_verify_their_user() -> None:
    _, authenticator = KEYS[Method.BIOMETRICS]
    assert reason_of(lying(Method.BIOMETRICS, user_verified=False), authenticator) is Reason.USER_VERIFICATION


@pytest.mark.case(47)
@pytest.mark.parametrize(
    "lies",
    [
        {"trailing": b"\x00"},
        {"extensions": cbor2.dumps({}), "trailing": b"\x00"},
        {"extensions": b"\xa1\x61a\xf9\x3e\x01", "trailing": b"\x00" * 6},
        {"extensions": b"\xff"},
        {"attested": True},
    ],
    ids=str,
)
def test_authenticator_data_must_be_whole_and_hold_no_credential(lies: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        verify(lying(**lies), KEY)


@pytest.mark.case(49)
def test_another_credential_than_the_one_looked_up_is_refused() -> None:
    _, other = enrol()
    assert reason_of(lying(), other) is Reason.UNKNOWN_CREDENTIAL
    assert reason_of(lying(credential_id=other.credential_id), KEY) is Reason.UNKNOWN_CREDENTIAL
    assert reason_of(lying(credential_id=other.credential_id), other) is Reason.SIGNATURE


@pytest.mark.case(49)
def test_a_totp_authenticator_is_never_proven_by_an_assertion() -> None:
    totp = replace(KEY, method=Method.TOTP)
    assert reason_of(lying(), totp) is Reason.UNKNOWN_CREDENTIAL


@pytest.mark.case(49)
@pytest.mark.parametrize("user_handle", [b"p-2", b"P-1", b"p-1\x00", b"p" * 64, b"\xff"])
def test_another_persons_user_handle_is_refused(user_handle: bytes) -> None:
    assert reason_of(lying(user_handle=user_handle), KEY) is Reason.USER_HANDLE


@pytest.mark.case(50)
@pytest.mark.parametrize("credential_id", [b"", b"a" * 1024])
def test_a_credential_id_that_is_empty_or_too_long_is_refused(credential_id: bytes) -> None:
    assert reason_of(lying(credential_id=credential_id), KEY) is Reason.CREDENTIAL_ID


@pytest.mark.case(52)
@pytest.mark.parametrize("method", [Method.SECURITY_KEY, Method.BIOMETRICS])
@pytest.mark.parametrize("attachment", ["platform", "cross-platform", None])
def test_the_claimed_attachment_changes_nothing_at_an_assertion(method: Method, attachment: str | None) -> None:
    _, authenticator = KEYS[method]
    verify(lying(method, attachment=attachment), authenticator)
    unverified = lying(method, attachment=attachment, user_verified=False)
    if method is Method.BIOMETRICS:
        assert reason_of(unverified, authenticator) is Reason.USER_VERIFICATION
    else:
        verify(unverified, authenticator)


@pytest.mark.parametrize("public_key", [b"", b"\xff", cbor2.dumps({}), cbor2.dumps({1: 2, 3: -7})])
def test_a_stored_key_that_cannot_be_read_proves_nothing(public_key: bytes) -> None:
    assert reason_of(lying(), replace(KEY, public_key=public_key)) is Reason.SIGNATURE


def changed(path: str, value: object) -> dict[str, Any]:
    response = lying()
    *parents, name = path.split(".")
    target = response
    for parent in parents:
        target = target[parent]
    if value is ...:
        del target[name]
    else:
        target[name] = value
    return response


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(("response.clientDataJSON", value) for value in (*ODD, "A", "=", "A" * 100_000)),
        *(("response.authenticatorData", value) for value in (*ODD, "A", "=", "A" * 100_000, "", b64(bytes(36)))),
        *(("response.signature", value) for value in (*ODD, "A", "=", "A" * 100_000)),
        *(("response.userHandle", value) for value in (*ODD[2:], "A", "=", "A" * 1000, False)),
        *(("type", value) for value in (*ODD, "password")),
        *(("response", value) for value in ODD),
    ],
)
def test_odd_shapes_are_malformed(path: str, value: object) -> None:
    with pytest.raises(Malformed):
        verify(changed(path, value), KEY)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PATHS = [
    "id",
    "rawId",
    "type",
    "response",
    "response.clientDataJSON",
    "response.authenticatorData",
    "response.signature",
]
PATHS += ["response.userHandle", "authenticatorAttachment"]


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(PATHS), value=JSON)
def test_no_json_makes_verification_fail_otherwise(path: str, value: object) -> None:
    try:
        verify(changed(path, value), KEY)
    except (Malformed, ProofRejected):
        return
    assert path == "authenticatorAttachment" or value in {None, ""}


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]),
    position=st.integers(min_value=0),
    bit=st.integers(min_value=0, max_value=7),
)
def test_one_flipped_bit_anywhere_is_refused(name: str, position: int, bit: int) -> None:
    response = lying()
    data = bytearray(unb64(response["response"][name]))
    data[position % len(data)] ^= 1 << bit
    response["response"][name] = b64(bytes(data))
    with pytest.raises((Malformed, ProofRejected)):
        verify(response, KEY)
