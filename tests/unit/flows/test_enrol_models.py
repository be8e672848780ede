"""Enrolling where the organization requires models: proven ones alone, and nobody who is enrolled is asked again."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from secondgate.errors import ProofRejected, Reason
from secondgate.flows.enrol import begin_registration, complete_registration
from secondgate.flows.proof import Purpose
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator
from tests.fakes.authenticator import Key, Lies, SoftAuthenticator, sign
from tests.fakes.vendor import Attestation, Vendor, metadata
from tests.unit.flows.world import PORTAL, RP, Person, World

A, B = bytes.fromhex("a" * 32), bytes.fromhex("b" * 32)
ACME, OTHER = Vendor("Acme"), Vendor("Other")


def require(world: World, *aaguids: bytes) -> None:
    mfa = replace(world.organization.mfa, required_aaguids=frozenset(one.hex() for one in aaguids))
    world.organization = replace(world.organization, mfa=mfa)


@pytest.fixture
async def listed(world: World, ann: Person) -> Person:
    """Ann, logged in, with keys of the model A, where A is required."""
    world.metadata = metadata(ACME.entry(A), OTHER.entry(B))
    require(world, A)
    hold(ann, A)
    await ann.sign_in()
    return ann


def hold(person: Person, aaguid: bytes) -> None:
    person.key = SoftAuthenticator(RP.id, PORTAL, aaguid=aaguid)
    person.reader = SoftAuthenticator(RP.id, PORTAL, "platform", aaguid=aaguid)


async def enrol(person: Person, attestation: Attestation | None, method: Method = Method.SECURITY_KEY) -> None:
    login = await person.login()
    options, ceremony = await begin_registration(person.services, person.browser(), login, method=method)
    lies = Lies() if attestation is None else Lies(attestation=attestation)
    response = person.device(method).register(options, lies)
    browser = person.browser(login)
    person.take(
        await complete_registration(person.services, browser, login, ceremony=ceremony, response=response, name="Key")
    )


async def devices(person: Person) -> tuple[Authenticator, ...]:
    return await person.services.durable.list_authenticators((await person.login()).person_id)


def self_attested(data: bytes, client_data: bytes, key: Key) -> tuple[str, dict[str, object]]:
    return "packed", {"alg": -7, "sig": sign(key, data + hashlib.sha256(client_data).digest())}


async def test_attestation_is_asked_for_only_where_models_are_required(world: World, ann: Person) -> None:
    await ann.sign_in()
    for required, asked in (((), "none"), ((A,), "direct")):
        if required:
            require(world, *required)
        login = await ann.login()
        options, _ = await begin_registration(ann.services, ann.browser(), login, method=Method.SECURITY_KEY)
        assert options["attestation"] == asked


@pytest.mark.parametrize("method", [Method.SECURITY_KEY, Method.BIOMETRICS])
async def test_a_listed_model_is_enrolled_with_the_aaguid_that_it_proved(listed: Person, method: Method) -> None:
    await enrol(listed, ACME.attestation(A), method)
    [one] = await devices(listed)
    assert (one.method, one.aaguid) == (method, A.hex())


HOSTILE: dict[str, tuple[bytes, Attestation | None]] = {
    "no attestation": (A, None),
    "itself": (A, self_attested),
    "zero": (bytes(16), ACME.attestation(bytes(16))),
    "another model": (B, OTHER.attestation(B)),
    "a self-signed certificate": (A, ACME.attestation(A, self_signed=True)),
    "a root of its own": (A, Vendor("Acme").attestation(A, with_root=True)),
    "another vendor's chain": (A, OTHER.attestation(A)),
    "another vendor's chain that names its own": (A, OTHER.attestation(A, named=B)),
    "a certificate authority": (A, ACME.attestation(A, is_ca=True)),
    "an expired certificate": (A, ACME.attestation(A, until=datetime(2021, 1, 1, tzinfo=UTC))),
}


@pytest.mark.case(53, 54, 55, 56)
@pytest.mark.parametrize(("aaguid", "attestation"), HOSTILE.values(), ids=HOSTILE)
async def test_what_proves_no_listed_model_is_refused_and_the_reason_is_kept(
    world: World, listed: Person, aaguid: bytes, attestation: Attestation | None
) -> None:
    hold(listed, aaguid)
    with pytest.raises(ProofRejected) as refused:
        await enrol(listed, attestation)
    assert refused.value.reason is Reason.ATTESTATION
    assert await devices(listed) == ()
    event = world.durable.events[-1]
    assert (event.action, event.detail["reason"]) == ("authenticator.rejected", "attestation")
    assert event.detail["detail"] == refused.value.detail != ""


@pytest.mark.case(57)
async def test_a_model_that_was_revoked_meanwhile_is_refused(world: World, listed: Person) -> None:
    world.metadata = metadata(ACME.entry(A, "FIDO_CERTIFIED", "REVOKED"))
    with pytest.raises(ProofRejected, match="REVOKED"):
        await enrol(listed, ACME.attestation(A))


async def test_a_list_that_changed_between_beginning_and_end_counts_at_the_end(world: World, listed: Person) -> None:
    login = await listed.login()
    options, ceremony = await begin_registration(listed.services, listed.browser(), login, method=Method.SECURITY_KEY)
    response = listed.key.register(options, Lies(attestation=ACME.attestation(A)))
    require(world, B)
    with pytest.raises(ProofRejected, match="not in the list"):
        await complete_registration(
            listed.services, listed.browser(login), login, ceremony=ceremony, response=response, name=""
        )


@pytest.mark.case(59)
async def test_those_enrolled_before_go_on_and_enrol_no_second_of_their_kind(world: World, enrolled: Person) -> None:
    world.metadata = metadata(ACME.entry(A))
    require(world, A)
    await enrolled.sign_in()
    await enrolled.prove(Method.SECURITY_KEY)
    await enrolled.enter()
    await enrolled.prove(Method.SECURITY_KEY, Purpose.DEVICES)
    hold(enrolled, bytes(16))
    before = await devices(enrolled)
    with pytest.raises(ProofRejected):
        await enrol(enrolled, None)
    assert await devices(enrolled) == before
    hold(enrolled, A)
    await enrol(enrolled, ACME.attestation(A))
    assert len(await devices(enrolled)) == len(before) + 1


async def test_an_authenticator_app_is_enrolled_whatever_models_are_required(listed: Person) -> None:
    await listed.enrol_app()
    assert [one.method for one in await devices(listed)] == [Method.TOTP]
