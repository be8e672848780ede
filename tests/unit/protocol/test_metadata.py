"""FIDO Metadata: the edition that is installed, and BLOBs that only the FIDO Alliance can have signed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from secondgate.errors import Malformed
from secondgate.protocol.metadata import (
    APPLE_AAGUID,
    FIDO_ROOT,
    Metadata,
    _certificates,
    _verify_signer,
    packaged_metadata,
    parse_metadata,
    verify_metadata_blob,
)
from tests.fakes.authenticator import b64
from tests.fakes.vendor import SIGNER, UNTIL, Vendor, blob, builder, payload

REAL = json.loads((Path(__file__).parents[2] / "vectors" / "metadata_signer.json").read_text("utf-8"))
NOW = 1_900_000_000
A, B = bytes.fromhex("a" * 32), bytes.fromhex("b" * 32)


@pytest.fixture(scope="module")
def fido() -> Vendor:
    return Vendor("FIDO")


def verified(text: bytes, by: Vendor, *, now: int = NOW, least_number: int = 1) -> Metadata:
    root = by.root.public_bytes(Encoding.PEM)
    return verify_metadata_blob(text, now=now, least_number=least_number, expected_root=root)


def refused(text: bytes, by: Vendor, *, now: int = NOW, least_number: int = 1) -> str:
    with pytest.raises(Malformed) as error:
        verified(text, by, now=now, least_number=least_number)
    return error.value.detail


def test_the_installed_edition_knows_models_and_their_roots() -> None:
    known = packaged_metadata()
    yubikey = known.models["2fc0579f811347eab116bb5a8db9202a"]
    assert yubikey.description == "YubiKey 5 Series with NFC"
    assert yubikey.roots
    assert known.has_shared_root(yubikey)
    assert known.number >= 291
    assert known.next_update_at >= datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    assert known.models[APPLE_AAGUID].roots
    assert "REVOKED" in known.models["ba86dc56635f4141aef600227b1b9af6"].statuses


def test_the_fido_root_is_the_one_that_the_alliance_names() -> None:
    root = x509.load_pem_x509_certificate(FIDO_ROOT)
    fingerprint = "cbb522d7b7f127ad6a0113865bdf1cd4102e7d0759af635a7cf4720dc963c53b"
    assert root.fingerprint(hashes.SHA256()).hex() == fingerprint


def test_the_certificates_of_a_real_blob_lead_to_the_fido_root_while_they_are_valid() -> None:
    path = _certificates(REAL["x5c"])
    _verify_signer(path, FIDO_ROOT, at=REAL["good_at"])
    with pytest.raises(Malformed):
        _verify_signer(path, FIDO_ROOT, at=REAL["expired_at"])
    with pytest.raises(Malformed):
        _verify_signer(path[:1], FIDO_ROOT, at=REAL["good_at"])


def test_a_signed_blob_is_read(fido: Vendor) -> None:
    content = payload(fido.entry(A, "FIDO_CERTIFIED", "REVOKED"), number=7)
    known = verified(blob(content, fido.signer()) + b"\n", fido, least_number=7)
    assert (known.number, known.next_update_at) == (7, int(datetime(2044, 1, 1, tzinfo=UTC).timestamp()))
    assert known.models[A.hex()].statuses == {"FIDO_CERTIFIED", "REVOKED"}


def test_a_blob_of_another_root_is_refused(fido: Vendor) -> None:
    text = blob(payload(fido.entry(A)), Vendor("FIDO").signer())
    assert "do not lead to the FIDO root" in refused(text, fido)
    with pytest.raises(Malformed, match="do not lead to the FIDO root"):
        verify_metadata_blob(blob(payload(), fido.signer()), now=NOW, least_number=1)


def test_a_certificate_for_another_name_under_the_same_root_signs_no_metadata(fido: Vendor) -> None:
    assert "do not lead" in refused(blob(payload(), fido.signer(name="www.example.com")), fido)


def test_a_changed_blob_is_refused(fido: Vendor) -> None:
    header, _, signature = blob(payload(), fido.signer()).split(b".")
    changed = b64(json.dumps(payload(fido.entry(A))).encode()).encode()
    assert "signature" in refused(b".".join((header, changed, signature)), fido)


def test_an_older_number_is_refused(fido: Vendor) -> None:
    text = blob(payload(number=6), fido.signer())
    assert "older" in refused(text, fido, least_number=7)


def test_the_signers_certificate_must_have_been_good_when_the_edition_was_due(fido: Vendor) -> None:
    over = datetime(2029, 1, 1, tzinfo=UTC)
    signer = fido.signer(until=over)
    assert verified(blob(payload(next_update="2028-12-01"), signer), fido).number == 1
    assert "do not lead" in refused(blob(payload(next_update="2029-02-01"), signer), fido)
    early = int(datetime(2019, 1, 1, tzinfo=UTC).timestamp())
    assert "do not lead" in refused(blob(payload(), fido.signer()), fido, now=early)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "PS256", "EdDSA"])
def test_another_algorithm_is_refused(fido: Vendor, algorithm: str) -> None:
    refused(blob(payload(), fido.signer(), algorithm=algorithm), fido)


def test_a_key_of_another_kind_is_refused(fido: Vendor) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, SIGNER)])
    key = ed25519.Ed25519PrivateKey.generate()
    certificate = builder(name, name, key.public_key(), until=UNTIL).sign(fido.key, hashes.SHA256())
    signing_key, _ = fido.signer()
    assert "another kind" in refused(blob(payload(), (signing_key, certificate)), fido)


ODD = [b"", b"a.b.c", b"....", b"\xff.\xff.\xff", b64(b"{}").encode() + b".e30.YQ"]
ODD += [b64(json.dumps({"alg": "ES256", "x5c": x5c}).encode()).encode() + b".e30.YQ" for x5c in ([], "a", ["a"], [1])]


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_blob_is_refused(fido: Vendor, odd: bytes) -> None:
    assert "no signed BLOB" in refused(odd, fido)


@pytest.mark.parametrize(
    "odd",
    [
        [],
        {},
        {"entries": {}},
        {"entries": [], "no": "1", "nextUpdate": "2030-01-01"},
        {"entries": [], "no": True, "nextUpdate": "2030-01-01"},
        {"entries": [], "no": 1, "nextUpdate": "soon"},
        {"entries": [], "no": 1},
    ],
)
def test_a_payload_of_another_shape_is_refused(odd: object) -> None:
    with pytest.raises(Malformed):
        parse_metadata(odd)


def test_entries_that_cannot_be_read_and_those_without_an_aaguid_are_left_out(fido: Vendor) -> None:
    odd: list[dict[str, object]] = [
        {},
        {"aaid": "1234#5678"},
        {"aaguid": 7},
        {"aaguid": "zz"},
        {"aaguid": A.hex()},
        {"aaguid": A.hex(), "metadataStatement": {"description": "x", "attestationRootCertificates": [7]}},
    ]
    known = parse_metadata({**payload(*odd, fido.entry(B)), "entries": [7, *odd, fido.entry(B)]})
    assert set(known.models) == {APPLE_AAGUID, B.hex()}
