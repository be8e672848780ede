"""What browsers send: every odd shape is refused by name, and none with a stack trace."""

from __future__ import annotations

import json
import time
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.errors import Malformed, ProofRejected
from secondgate.model.organization import Method
from secondgate.protocol.webauthn import (
    RegisteredCredential,
    RelyingParty,
    parse_credential_id,
    registration_options,
    verify_registration,
)
from tests.fakes.authenticator import TRUTH, Lies, SoftAuthenticator, b64, unb64

RP = RelyingParty("mfa.example.com", "Example", "https://mfa.example.com")
CHALLENGE = bytes(range(32))
OPTIONS: dict[str, Any] = registration_options(
    RP, person_id="p-1", email="ada@example.com", challenge=CHALLENGE, method=Method.SECURITY_KEY, enrolled=()
)
ODD: list[object] = [..., None, 1, [], {}]
ODD_LISTS: list[object] = [[1], [[]], [None]]


def answer(lies: Lies = TRUTH) -> dict[str, Any]:
    return SoftAuthenticator(RP.id, RP.origin).register(OPTIONS, lies)


def verify(response: object) -> RegisteredCredential:
    return verify_registration(response, rp=RP, expected_challenge=CHALLENGE, expected_method=Method.SECURITY_KEY)


@pytest.mark.parametrize(
    "attestation_object",
    [
        *(
            b"",
            b"\xff",
            cbor2.dumps([]),
            cbor2.dumps({}),
            cbor2.dumps({"fmt": "none"}),
            cbor2.dumps("none"),
            b"\xbf" * 30_000,
        ),
        *(cbor2.dumps({"fmt": "none", "authData": value}) for value in ("text", 1, None, b"", b"short", bytes(36))),
        cbor2.dumps({"fmt": [], "authData": bytes(37)}),
        cbor2.dumps({"fmt": "none", "authData": bytes(32) + b"\x41" + bytes(4)}),
        cbor2.dumps({"fmt": "none", "authData": bytes(32) + b"\x41" + bytes(4) + bytes(16) + b"\xff\xff"}),
    ],
    ids=lambda data: data.hex()[:40],
)
def test_odd_attestation_objects_are_malformed(attestation_object: bytes) -> None:
    response = answer()
    response["response"]["attestationObject"] = b64(attestation_object)
    with pytest.raises(Malformed):
        verify(response)


@pytest.mark.parametrize(
    "client_data_json",
    [
        *(b"", b"[]", b"null", b"{", b"\xff", b"\xef\xbb\xbf{}", b'{"type":NaN}', b"[" * 4000),
        json.dumps({"type": "webauthn.create", "challenge": "AB", "origin": RP.origin}).encode(),
        json.dumps({"type": "webauthn.create", "challenge": 1, "origin": RP.origin}).encode(),
        json.dumps({"type": "webauthn.create", "origin": RP.origin}).encode(),
        b'{"type":"webauthn.get","type":"webauthn.create"}',
    ],
)
def test_odd_client_data_is_malformed(client_data_json: bytes) -> None:
    with pytest.raises(Malformed):
        verify(answer(Lies(client_data_json=client_data_json)))


def changed(path: str, value: object) -> dict[str, Any]:
    response = answer()
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
        *(("id", value) for value in (*ODD, "A", "AB", "A+/A", "AAAA=", "\u00e4", "\ud800")),
        *(("rawId", value) for value in (*ODD, "AAAA")),
        *(("type", value) for value in (*ODD, "password")),
        *(("authenticatorAttachment", value) for value in (*ODD[2:], "", "both")),
        *(("response", value) for value in (*ODD, "x")),
        *(("response.clientDataJSON", value) for value in (*ODD, "A", "=", "A" * 1_000_000)),
        *(("response.attestationObject", value) for value in (*ODD, "A", "=", "A" * 1_000_000)),
        *(("response.transports", value) for value in (*ODD_LISTS, "usb", {}, ["usb"] * 17)),
    ],
)
def test_odd_shapes_are_malformed(path: str, value: object) -> None:
    with pytest.raises(Malformed):
        verify(changed(path, value))


@pytest.mark.parametrize("value", [None, 1, "text", b"bytes", [], [{}], {}])
def test_what_is_no_credential_is_malformed(value: object) -> None:
    with pytest.raises(Malformed):
        verify(value)
    with pytest.raises(Malformed):
        parse_credential_id(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PATHS = ["id", "rawId", "type", "authenticatorAttachment", "response", "response.clientDataJSON"]
PATHS += ["response.attestationObject", "response.transports"]


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(PATHS), value=JSON)
def test_no_json_makes_verification_fail_otherwise(path: str, value: object) -> None:
    response = changed(path, value)
    try:
        verify(response)
    except (Malformed, ProofRejected):
        return
    assert path in {"authenticatorAttachment", "response.transports"}


@settings(max_examples=150, deadline=None)
@given(position=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_no_flipped_bit_makes_verification_fail_otherwise(position: int, bit: int) -> None:
    response = answer()
    data = bytearray(unb64(response["response"]["attestationObject"]))
    data[position % len(data)] ^= 1 << bit
    response["response"]["attestationObject"] = b64(bytes(data))
    try:
        verify(response)
    except (Malformed, ProofRejected):
        return


def test_megabytes_are_refused_quickly() -> None:
    begin = time.perf_counter()
    for path in ("id", "response.clientDataJSON", "response.attestationObject"):
        with pytest.raises((Malformed, ProofRejected)):
            verify(changed(path, "A" * 10_000_000))
    assert time.perf_counter() - begin < 1
