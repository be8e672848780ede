"""Attestation: real devices prove their own model and no other, and nobody proves one that is not theirs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from secondgate.errors import ProofRejected, Reason
from secondgate.protocol.attestation import BROKEN, _verify_leaf, verify_attestation
from secondgate.protocol.metadata import Metadata, Model, packaged_metadata
from secondgate.protocol.webauthn_wire import PresentedAttestation
from tests.fakes.authenticator import Key, Lies, SoftAuthenticator, sign, unb64
from tests.fakes.vendor import Attestation, Vendor, metadata

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "attestation.json").read_text("utf-8")
)["vectors"]
PROVEN = [vector for vector in VECTORS if vector["format"] in {"packed", "tpm", "android-key", "apple"}]
UNPROVEN = [vector for vector in VECTORS if vector not in PROVEN]
NOW = 1_900_000_000
A, B = bytes.fromhex("a" * 32), bytes.fromhex("b" * 32)
OPTIONS = {"rp": {"id": "mfa.example.com"}, "user": {"id": "YQ"}, "challenge": "YQ"}


@pytest.fixture(scope="module")
def acme() -> Vendor:
    return Vendor("Acme")


@pytest.fixture(scope="module")
def other() -> Vendor:
    return Vendor("Other")


def presented(vector: dict[str, Any]) -> PresentedAttestation:
    return PresentedAttestation(unb64(vector["attestationObject"]), unb64(vector["clientDataJSON"]))


def registered(aaguid: bytes, attestation: Attestation | None) -> PresentedAttestation:
    authenticator = SoftAuthenticator("mfa.example.com", "https://mfa.example.com", aaguid=aaguid)
    lies = Lies() if attestation is None else Lies(attestation=attestation)
    response = authenticator.register(OPTIONS, lies)["response"]
    return PresentedAttestation(unb64(response["attestationObject"]), unb64(response["clientDataJSON"]))


def refused(shown: PresentedAttestation, known: Metadata, *allowed: bytes, now: int = NOW) -> str:
    with pytest.raises(ProofRejected) as error:
        verify_attestation(
            shown, allowed_aaguids=frozenset(aaguid.hex() for aaguid in allowed), metadata=known, now=now
        )
    assert error.value.reason is Reason.ATTESTATION
    return error.value.detail


def device(vector: dict[str, Any]) -> str:
    return f"{vector['format']}, {vector['device']}"


@pytest.mark.parametrize("vector", PROVEN, ids=device)
def test_a_real_device_proves_its_own_model(vector: dict[str, Any]) -> None:
    model = verify_attestation(
        presented(vector),
        allowed_aaguids=frozenset((vector["aaguid"], "f" * 32)),
        metadata=packaged_metadata(),
        now=vector["at"],
    )
    assert model.aaguid == vector["aaguid"]


@pytest.mark.case(53)
@pytest.mark.parametrize("vector", PROVEN, ids=device)
def test_a_real_device_proves_no_other_model(vector: dict[str, Any]) -> None:
    everything_else = [bytes.fromhex(one) for one in packaged_metadata().models if one != vector["aaguid"]]
    assert "not in the list" in refused(presented(vector), packaged_metadata(), *everything_else, now=vector["at"])


@pytest.mark.case(55)
@pytest.mark.parametrize("vector", PROVEN, ids=device)
def test_a_real_device_proves_nothing_where_its_aaguid_is_written_over(vector: dict[str, Any]) -> None:
    attestation = cbor2.loads(unb64(vector["attestationObject"]))
    for other_aaguid in ("2fc0579f811347eab116bb5a8db9202a", "b93fd961f2e6462fb12282002247de78"):
        if other_aaguid == vector["aaguid"]:
            continue
        data = attestation["authData"]
        claimed = bytes.fromhex(other_aaguid)
        changed = cbor2.dumps({**attestation, "authData": data[:37] + claimed + data[53:]})
        shown = PresentedAttestation(changed, unb64(vector["clientDataJSON"]))
        refused(shown, packaged_metadata(), claimed, now=vector["at"])


@pytest.mark.parametrize("vector", PROVEN, ids=device)
def test_a_real_attestation_is_good_for_its_own_ceremony_alone(vector: dict[str, Any]) -> None:
    shown = replace(presented(vector), client_data_json=b'{"type":"webauthn.create"}')
    assert "is not good" in refused(shown, packaged_metadata(), bytes.fromhex(vector["aaguid"]), now=vector["at"])


@pytest.mark.case(56)
@pytest.mark.parametrize("vector", PROVEN, ids=device)
def test_a_real_attestation_is_refused_when_its_certificates_are_over(vector: dict[str, Any]) -> None:
    later = int(datetime(2051, 1, 1, tzinfo=UTC).timestamp())
    refused(presented(vector), packaged_metadata(), bytes.fromhex(vector["aaguid"]), now=later)


@pytest.mark.case(53)
@pytest.mark.parametrize("vector", UNPROVEN, ids=device)
def test_what_attests_no_model_is_refused_even_where_its_aaguid_is_listed(vector: dict[str, Any]) -> None:
    refused(presented(vector), packaged_metadata(), bytes.fromhex(vector["aaguid"]), now=vector["at"])


def test_an_authenticator_proves_its_model(acme: Vendor) -> None:
    model = verify_attestation(
        registered(A, acme.attestation(A)),
        allowed_aaguids=frozenset((A.hex(),)),
        metadata=metadata(acme.entry(A), acme.entry(B)),
        now=NOW,
    )
    assert (model.aaguid, model.description) == (A.hex(), "Acme key")


@pytest.mark.case(53)
def test_no_attestation_is_refused(acme: Vendor) -> None:
    assert "none" in refused(registered(A, None), metadata(acme.entry(A)), A)


@pytest.mark.case(53)
def test_an_authenticator_that_attests_itself_is_refused(acme: Vendor) -> None:
    def self_attested(data: bytes, client_data: bytes, key: Key) -> tuple[str, dict[str, object]]:
        return "packed", {"alg": -7, "sig": sign(key, data + hashlib.sha256(client_data).digest())}

    assert "attests itself" in refused(registered(A, self_attested), metadata(acme.entry(A)), A)


@pytest.mark.case(53)
def test_the_zero_aaguid_is_refused_whatever_the_list_says(acme: Vendor) -> None:
    zero = bytes(16)
    assert "without an AAGUID" in refused(registered(zero, acme.attestation(zero)), metadata(acme.entry(zero)), zero)


@pytest.mark.case(54)
@pytest.mark.parametrize("with_root", [False, True])
def test_a_self_signed_certificate_that_claims_a_listed_model_is_refused(acme: Vendor, *, with_root: bool) -> None:
    forged = acme.attestation(A, self_signed=True, with_root=with_root)
    assert "no path" in refused(registered(A, forged), metadata(acme.entry(A)), A)


@pytest.mark.case(54)
def test_a_root_that_comes_with_the_attestation_is_no_root(acme: Vendor) -> None:
    forger = Vendor("Acme")
    forged = forger.attestation(A, with_root=True)
    assert "no path" in refused(registered(A, forged), metadata(acme.entry(A)), A)


@pytest.mark.case(55)
@pytest.mark.parametrize("named", [A, B, None])
def test_the_chain_of_another_vendor_is_refused(acme: Vendor, other: Vendor, named: bytes | None) -> None:
    known = metadata(acme.entry(A), other.entry(B))
    foreign = other.attestation(A, named=named, with_root=True)
    refused(registered(A, foreign), known, A)


@pytest.mark.case(56)
def test_a_certificate_that_names_another_model_is_refused(acme: Vendor) -> None:
    known = metadata(acme.entry(A), acme.entry(B))
    refused(registered(A, acme.attestation(A, named=B)), known, A, B)


@pytest.mark.case(56)
def test_a_certificate_that_names_no_model_is_refused_where_the_root_has_several(acme: Vendor) -> None:
    unnamed = registered(A, acme.attestation(A, named=None))
    assert "names no AAGUID" in refused(unnamed, metadata(acme.entry(A), acme.entry(B)), A)
    alone = metadata(acme.entry(A))
    assert verify_attestation(unnamed, allowed_aaguids=frozenset((A.hex(),)), metadata=alone, now=NOW).aaguid == A.hex()


@pytest.mark.case(56)
def test_a_certificate_authority_is_no_authenticator(acme: Vendor) -> None:
    refused(registered(A, acme.attestation(A, is_ca=True)), metadata(acme.entry(A)), A)


@pytest.mark.case(56)
def test_an_expired_certificate_is_refused(acme: Vendor) -> None:
    expired = acme.attestation(A, until=datetime.fromtimestamp(NOW - 1, UTC))
    assert "expired" in refused(registered(A, expired), metadata(acme.entry(A)), A)
    assert "not yet valid" in refused(registered(A, acme.attestation(A)), metadata(acme.entry(A)), A, now=1_500_000_000)


@pytest.mark.case(56)
def test_a_certificate_without_the_standards_subject_is_refused(acme: Vendor) -> None:
    refused(registered(A, acme.attestation(A, unit="Web server")), metadata(acme.entry(A)), A)


def test_an_intermediate_authority_is_followed_and_may_itself_be_the_root_in_the_metadata(acme: Vendor) -> None:
    plant = Vendor("Acme Plant", acme)
    shown = registered(A, plant.attestation(A, with_root=True))
    for known in (metadata(acme.entry(A)), metadata(plant.entry(A))):
        model = verify_attestation(shown, allowed_aaguids=frozenset((A.hex(),)), metadata=known, now=NOW)
        assert model.aaguid == A.hex()


@pytest.mark.case(54, 56)
def test_an_authenticators_own_certificate_makes_no_others(acme: Vendor) -> None:
    broken_out = Vendor("Acme Key", acme, is_ca=False)
    assert "no path" in refused(registered(A, broken_out.attestation(A, with_root=True)), metadata(acme.entry(A)), A)


@pytest.mark.case(57)
@pytest.mark.parametrize("status", sorted(BROKEN))
def test_a_model_that_is_revoked_or_broken_is_refused_whatever_was_reported_since(acme: Vendor, status: str) -> None:
    known = metadata(acme.entry(A, "FIDO_CERTIFIED", status, "UPDATE_AVAILABLE"))
    assert status in refused(registered(A, acme.attestation(A)), known, A)


def test_a_model_that_the_metadata_does_not_know_is_refused(acme: Vendor) -> None:
    assert "not in the FIDO Metadata" in refused(registered(A, acme.attestation(A)), metadata(acme.entry(B)), A)


def test_a_model_without_usable_roots_is_refused(acme: Vendor) -> None:
    for roots in ((), (b"no certificate",)):
        known = Metadata(1, NOW, {A.hex(): Model(A.hex(), "Acme key", roots, frozenset())})
        assert "no path" in refused(registered(A, acme.attestation(A)), known, A)


def test_metadata_may_give_the_certificate_itself_as_the_root(acme: Vendor) -> None:
    attestation = acme.attestation(A, self_signed=True)
    shown = registered(A, attestation)
    leaf = cbor2.loads(shown.attestation_object)["attStmt"]["x5c"][0]
    assert x509.load_der_x509_certificate(leaf).public_bytes(Encoding.DER) == leaf
    known = Metadata(1, NOW, {A.hex(): Model(A.hex(), "Acme key", (leaf,), frozenset())})
    model = verify_attestation(shown, allowed_aaguids=frozenset((A.hex(),)), metadata=known, now=NOW)
    assert model.roots == (leaf,)


def test_an_empty_list_allows_nobody(acme: Vendor) -> None:
    refused(registered(A, acme.attestation(A)), metadata(acme.entry(A)))


ODD: dict[str, object] = {
    "no fields": {},
    "no signature": {"alg": -7, "x5c": [b""]},
    "no certificates": {"alg": -7, "sig": b"", "x5c": []},
    "certificates as text": {"alg": -7, "sig": b"", "x5c": ["a"]},
    "certificates that are none": {"alg": -7, "sig": b"", "x5c": [b"\x30\x00"]},
    "another algorithm": {"alg": -999, "sig": b"", "x5c": [b"\x30\x00"]},
    "a list": [],
    "ecdaa": {"alg": -7, "sig": b"", "ecdaaKeyId": b""},
}


@pytest.mark.parametrize("attestation_format", ["packed", "tpm", "android-key", "apple", "fido-u2f", "other"])
@pytest.mark.parametrize("fields", ODD.values(), ids=ODD)
def test_odd_statements_are_refused(acme: Vendor, attestation_format: str, fields: object) -> None:
    honest = registered(A, acme.attestation(A))
    attestation = {**cbor2.loads(honest.attestation_object), "fmt": attestation_format, "attStmt": fields}
    refused(replace(honest, attestation_object=cbor2.dumps(attestation)), metadata(acme.entry(A)), A)


@pytest.mark.parametrize("odd", [b"", b"\xff", b"\xa0", cbor2.dumps({"fmt": 1, "attStmt": {}, "authData": bytes(37)})])
def test_odd_attestation_objects_are_refused(acme: Vendor, odd: bytes) -> None:
    refused(PresentedAttestation(odd, b"{}"), metadata(acme.entry(A)), A, bytes(16))


def test_a_certificate_that_cannot_be_read_beside_a_good_one_is_refused(acme: Vendor) -> None:
    honest = registered(A, acme.attestation(A))
    attestation = cbor2.loads(honest.attestation_object)
    for extra in (b"\x30\x00", "text"):
        attestation["attStmt"]["x5c"] = [attestation["attStmt"]["x5c"][0], extra]
        shown = replace(honest, attestation_object=cbor2.dumps(attestation))
        assert "cannot be read" in refused(shown, metadata(acme.entry(A)), A)


@pytest.mark.case(56)
def test_the_certificate_is_judged_for_every_format_whatever_its_verifier_looks_at(acme: Vendor) -> None:
    def leaf(attestation: Attestation) -> bytes:
        statement = cbor2.loads(registered(A, attestation).attestation_object)["attStmt"]
        first: bytes = statement["x5c"][0]
        return first

    assert _verify_leaf(leaf(acme.attestation(A)), A)
    assert not _verify_leaf(leaf(acme.attestation(A, named=None)), A)
    for wrong in (leaf(acme.attestation(A, is_ca=True)), leaf(acme.attestation(A, named=B)), b"\x30\x00"):
        with pytest.raises(ProofRejected):
            _verify_leaf(wrong, A)
