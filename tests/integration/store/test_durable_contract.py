"""What every durable store promises of people, authenticators and keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secondgate.errors import Conflict, Malformed, NotFound, Reason
from secondgate.model.audit import AuditEvent
from secondgate.model.keys import KeyRotation, SigningAlgorithm, SigningKey
from secondgate.model.organization import Method
from secondgate.model.person import Authenticator, Person
from secondgate.model.secret import Secret
from secondgate.store.ports import AttemptLimits, DurableStore

NOW = 1_800_000_000
SEED = Secret(b"a seed of 20 octets!")


def totp(authenticator_id: str = "t1", person_id: str = "ada") -> Authenticator:
    return Authenticator(authenticator_id, person_id, Method.TOTP, "phone", NOW)


def key(authenticator_id: str = "k1", person_id: str = "ada", credential_id: bytes = b"cred") -> Authenticator:
    return Authenticator(
        id=authenticator_id,
        person_id=person_id,
        method=Method.SECURITY_KEY,
        name="blue key",
        created_at=NOW + 1,
        credential_id=credential_id,
        public_key=b"\x00cose\xff",
        sign_count=2**32 - 2,
        backup_eligible=True,
        aaguid="0" * 32,
        transports=("usb", "nfc"),
    )


async def make(durable: DurableStore, *names: str) -> None:
    for name in names:
        await durable.find_or_create_person(new_id=name, email=f"{name}@example.com", name="", now=NOW)


async def known(durable: DurableStore, namespace: str, subject: str) -> str:
    """Give the id of whom a namespace knows by a subject; nothing for nobody."""
    person = await durable.load_person_by_subject(namespace, subject)
    return person.id if person else ""


async def add(durable: DurableStore, person_id: str, namespace: str, subject: str, *, first: bool = False) -> bool:
    return await durable.add_subject(person_id, namespace=namespace, subject=subject, only_as_first=first, now=NOW)


async def test_a_person_is_made_once_whatever_the_spelling(durable: DurableStore) -> None:
    made = await durable.find_or_create_person(new_id="1", email=" Ada@Example.com", name="Ada", now=NOW)
    assert made == Person("1", "ada@example.com", "Ada", NOW)
    again = await durable.find_or_create_person(new_id="2", email="ADA@example.COM", name="Eve", now=NOW + 5)
    assert again == made, "whoever is there stays as they are"
    assert await durable.load_person("1") == made
    assert await durable.load_person_by_email("aDa@example.com ") == made
    assert await durable.load_person("2") is None
    assert await durable.load_person_by_email("bob@example.com") is None


async def test_a_login_is_remembered_with_the_newest_name(durable: DurableStore) -> None:
    made = await durable.find_or_create_person(new_id="1", email="ada@example.com", name="Ada", now=NOW)
    await durable.save_last_login("1", name="", now=NOW + 5)
    assert await durable.load_person("1") == replace(made, last_login_at=NOW + 5)
    await durable.save_last_login("1", name="Ada L.", now=NOW + 6)
    assert await durable.load_person("1") == replace(made, last_login_at=NOW + 6, name="Ada L.", updated_at=NOW + 6)
    await durable.save_last_login("nobody", name="", now=NOW)
    assert len(await durable.list_people()) == 1


@pytest.mark.case(65)
async def test_a_subject_is_one_persons_and_goes_with_them(durable: DurableStore) -> None:
    await make(durable, "ada", "bob")
    assert await add(durable, "ada", "n", "s")
    assert not await add(durable, "bob", "n", "s")
    assert not await add(durable, "bob", "n", "s", first=True)
    assert not await add(durable, "ada", "n", "s"), "it is hers already"
    assert await add(durable, "ada", "m", "s")
    for first in (True, False):
        with pytest.raises(NotFound):
            await add(durable, "nobody", "n", "t", first=first)
    assert await durable.load_person_by_subject("n", "s") == await durable.load_person("ada")
    for namespace, subject in (("n", "S"), ("n", ""), ("o", "s"), ("n", "t")):
        assert await known(durable, namespace, subject) == ""
    assert await durable.delete_person("ada")
    assert await known(durable, "n", "s") == ""
    assert await add(durable, "bob", "n", "s")


@pytest.mark.case(65)
async def test_a_first_subject_is_only_for_whoever_has_neither_subject_nor_authenticator(durable: DurableStore) -> None:
    await make(durable, "ada", "bob", "eve")
    assert await add(durable, "ada", "n", "s", first=True)
    assert not await add(durable, "ada", "m", "s", first=True)
    assert await known(durable, "m", "s") == ""
    await durable.add_authenticator(replace(key(), id="k2", person_id="bob"), only_as_first=True)
    assert not await add(durable, "bob", "m", "s", first=True)
    assert await durable.delete_authenticator("bob", "k2")
    assert await add(durable, "bob", "m", "s", first=True)


@pytest.mark.case(65)
async def test_an_address_changes_to_one_that_nobody_has_and_takes_the_old_ones_subjects_along(
    durable: DurableStore,
) -> None:
    await make(durable, "ada", "bob")
    for namespace in ("onetimepin", "headers", "https://idp.example"):
        assert await add(durable, "ada", namespace, "ada@example.com")
    assert await add(durable, "bob", "onetimepin", "bob@example.com")
    assert not await durable.save_person_email("ada", "Bob@example.com", now=NOW)
    assert not await durable.save_person_email("nobody", "new@example.com", now=NOW)
    assert await known(durable, "headers", "ada@example.com") == "ada"
    assert await durable.save_person_email("ada", "ada@example.com", now=NOW)
    assert await known(durable, "headers", "ada@example.com") == "ada"
    assert await durable.save_person_email("ada", " Ada@New.example", now=NOW)
    person = await durable.load_person_by_email("ada@new.example")
    assert person == await durable.load_person("ada")
    assert await durable.load_person_by_email("ada@example.com") is None
    assert await known(durable, "https://idp.example", "ada@example.com") == "ada"
    for namespace in ("onetimepin", "headers"):
        assert await known(durable, namespace, "ada@example.com") == ""
    assert await known(durable, "onetimepin", "bob@example.com") == "bob"


async def test_people_are_listed_by_address(durable: DurableStore) -> None:
    for number, email in enumerate(("b@example.com", "_@example.com", "a@example.com", "é@example.com")):
        await durable.find_or_create_person(new_id=str(number), email=email, name="", now=NOW)
    emails = [person.email for person in await durable.list_people()]
    assert emails == ["_@example.com", "a@example.com", "b@example.com", "é@example.com"]


async def test_a_person_is_disabled_and_enabled_and_keeps_the_method_used_last(durable: DurableStore) -> None:
    await make(durable, "ada")
    assert await durable.change_person("ada", disabled=True, now=NOW)
    await durable.save_last_method("ada", Method.BIOMETRICS)
    await durable.save_last_method("nobody", Method.TOTP)
    person = await durable.find_or_create_person(new_id="x", email="ada@example.com", name="", now=NOW)
    assert person.disabled
    assert person.last_method is Method.BIOMETRICS
    assert await durable.change_person("ada", disabled=False, now=NOW)
    assert (await durable.list_people())[0].disabled is False
    assert not await durable.change_person("nobody", disabled=True, now=NOW)


async def test_authenticators_are_read_back_as_written_the_oldest_first(durable: DurableStore) -> None:
    await make(durable, "ada", "bob")
    await durable.add_authenticator(key(), only_as_first=True)
    await durable.add_authenticator(totp(), totp_seed=SEED, only_as_first=False)
    assert await durable.list_authenticators("ada") == (totp(), key())
    assert await durable.load_authenticator("ada", "k1") == key()
    assert await durable.list_authenticators("bob") == ()
    assert await durable.load_totp("bob") is None


@pytest.mark.case(73)
async def test_another_persons_authenticator_is_out_of_reach(durable: DurableStore) -> None:
    await make(durable, "ada", "bob")
    await durable.add_authenticator(key(), only_as_first=True)
    assert await durable.load_authenticator("bob", "k1") is None
    assert not await durable.save_authenticator_name("bob", "k1", "mine")
    assert not await durable.delete_authenticator("bob", "k1")
    assert await durable.list_authenticators("ada") == (key(),)


async def test_an_authenticator_is_renamed_and_deleted(durable: DurableStore) -> None:
    await make(durable, "ada")
    await durable.add_authenticator(key(), only_as_first=True)
    assert await durable.save_authenticator_name("ada", "k1", "Schlüssel 🔑 <b>")
    assert (await durable.list_authenticators("ada"))[0].name == "Schlüssel 🔑 <b>"
    assert await durable.delete_authenticator("ada", "k1")
    assert not await durable.delete_authenticator("ada", "k1")
    await durable.add_authenticator(key(), only_as_first=True)


@pytest.mark.case(77)
async def test_only_as_first_refuses_a_second_authenticator(durable: DurableStore) -> None:
    await make(durable, "ada")
    await durable.add_authenticator(key(), only_as_first=True)
    with pytest.raises(Conflict) as refused:
        await durable.add_authenticator(totp(), totp_seed=SEED, only_as_first=True)
    assert refused.value.reason is Reason.NOT_FIRST
    assert await durable.list_authenticators("ada") == (key(),)


@pytest.mark.case(40)
async def test_a_second_totp_is_refused_and_the_first_seed_stays(durable: DurableStore) -> None:
    await make(durable, "ada")
    await durable.add_authenticator(totp("t1"), totp_seed=SEED, only_as_first=True)
    with pytest.raises(Conflict) as refused:
        await durable.add_authenticator(totp("t2"), totp_seed=Secret(b"other"), only_as_first=False)
    assert refused.value.reason is Reason.ALREADY_ENROLLED
    loaded = await durable.load_totp("ada")
    assert loaded is not None
    assert (loaded[0].id, loaded[1].reveal()) == ("t1", SEED.reveal())


@pytest.mark.case(50)
async def test_a_credential_id_belongs_to_one_person(durable: DurableStore) -> None:
    await make(durable, "ada", "bob")
    await durable.add_authenticator(key("k1", "ada"), only_as_first=True)
    for person_id in ("ada", "bob"):
        with pytest.raises(Conflict) as refused:
            await durable.add_authenticator(key("k2", person_id), only_as_first=False)
        assert refused.value.reason is Reason.CREDENTIAL_TAKEN
    await durable.add_authenticator(key("k2", "bob", b"another"), only_as_first=True)


async def test_two_people_may_have_totp_each(durable: DurableStore) -> None:
    await make(durable, "ada", "bob")
    await durable.add_authenticator(totp("t1", "ada"), totp_seed=SEED, only_as_first=True)
    await durable.add_authenticator(totp("t2", "bob"), totp_seed=SEED, only_as_first=True)


async def test_nobody_has_no_authenticator(durable: DurableStore) -> None:
    with pytest.raises(NotFound):
        await durable.add_authenticator(key(person_id="nobody"), only_as_first=True)


@pytest.mark.case(34)
async def test_a_time_step_is_accepted_once_and_never_an_older_one(durable: DurableStore) -> None:
    await make(durable, "ada")
    await durable.add_authenticator(totp(), totp_seed=SEED, totp_step=99, only_as_first=True)
    assert not await durable.claim_totp_step("t1", step=99, now=NOW)
    assert await durable.claim_totp_step("t1", step=100, now=NOW + 7)
    assert not await durable.claim_totp_step("t1", step=100, now=NOW + 8)
    assert not await durable.claim_totp_step("t1", step=99, now=NOW + 8)
    assert await durable.claim_totp_step("t1", step=101, now=NOW + 30)
    assert (await durable.list_authenticators("ada"))[0].last_used_at == NOW + 30
    assert not await durable.claim_totp_step("unknown", step=1, now=NOW)


@pytest.mark.case(48)
async def test_a_signature_counter_must_grow_unless_both_are_zero(durable: DurableStore) -> None:
    await make(durable, "ada")
    await durable.add_authenticator(key(), only_as_first=True)
    await durable.add_authenticator(replace(key("k2", credential_id=b"2"), sign_count=0), only_as_first=False)
    top = 2**32 - 1
    assert not await durable.claim_sign_count("k1", presented=top - 1, now=NOW)
    assert not await durable.claim_sign_count("k1", presented=0, now=NOW)
    assert await durable.claim_sign_count("k1", presented=top, now=NOW + 3)
    assert not await durable.claim_sign_count("k1", presented=top, now=NOW + 4)
    stored = await durable.load_authenticator("ada", "k1")
    assert stored is not None
    assert (stored.sign_count, stored.last_used_at) == (top, NOW + 3)
    assert await durable.claim_sign_count("k2", presented=0, now=NOW)
    assert await durable.claim_sign_count("k2", presented=0, now=NOW)
    assert await durable.claim_sign_count("k2", presented=5, now=NOW)
    assert not await durable.claim_sign_count("k2", presented=0, now=NOW)
    assert not await durable.claim_sign_count("unknown", presented=1, now=NOW)


async def test_a_step_and_a_counter_are_claimed_of_their_own_method_only(durable: DurableStore) -> None:
    await make(durable, "ada")
    await durable.add_authenticator(key(), only_as_first=True)
    await durable.add_authenticator(totp(), totp_seed=SEED, only_as_first=False)
    assert not await durable.claim_totp_step("k1", step=100, now=NOW)
    assert not await durable.claim_sign_count("t1", presented=1, now=NOW)


@pytest.mark.case(100)
async def test_deleting_a_person_takes_everything_but_the_audit_log(durable: DurableStore) -> None:
    await make(durable, "ada", "bob")
    await durable.add_authenticator(totp(), totp_seed=SEED, only_as_first=True)
    await durable.add_authenticator(key(), only_as_first=False)
    await durable.add_authenticator(key("k2", "bob", b"bob's"), only_as_first=True)
    await durable.append_event(AuditEvent(NOW, "person.deleted", "root@example.com", "ada"))
    limits = AttemptLimits(per_person=((1, 300),), per_address=())
    await durable.claim_attempt(person_id="ada", address="192.0.2.1", limits=limits, now=NOW)
    assert await durable.delete_person("ada")
    assert not await durable.delete_person("ada")
    assert await durable.load_person("ada") is None
    assert await durable.list_authenticators("ada") == ()
    assert await durable.load_totp("ada") is None
    assert len(await durable.list_authenticators("bob")) == 1
    assert [event.person_id for event in await durable.list_events()] == ["ada"]
    await make(durable, "ada")
    await durable.add_authenticator(key(), only_as_first=True)
    await durable.claim_attempt(person_id="ada", address="192.0.2.1", limits=limits, now=NOW)


async def test_signing_keys_come_back_the_newest_first(durable: DurableStore) -> None:
    old = SigningKey("a", SigningAlgorithm.ES256, Secret(b"\x30old"), "-----BEGIN…", NOW)
    new = SigningKey("b", SigningAlgorithm.RS256, Secret(b"\x30new"), "-----BEGIN…", NOW + 1)
    assert await durable.list_signing_keys() == ()
    await durable.add_signing_key(old)
    await durable.add_signing_key(new)
    assert await durable.list_signing_keys() == (new, old)


async def test_of_two_that_rotate_keys_at_once_one_does_it(durable: DurableStore) -> None:
    keys = [SigningKey(kid, SigningAlgorithm.ES256, Secret(b"\x30"), "-----BEGIN…", NOW) for kid in ("a", "b", "c")]
    assert await durable.load_key_rotation() == KeyRotation()
    await durable.save_key_rotation_interval(30)
    assert await durable.add_signing_key(keys[0], expected_version=0)
    assert not await durable.add_signing_key(keys[1], expected_version=0)
    assert await durable.load_key_rotation() == KeyRotation(1, 30)
    assert await durable.add_signing_key(keys[2], expected_version=1, deleted=("a", "none"))
    assert await durable.list_signing_keys() == (keys[2],)


@pytest.mark.case(21)
@pytest.mark.parametrize("text", ["a\0b", "lone \ud800", "\udcff"])
async def test_text_that_one_database_refuses_is_refused_by_all(durable: DurableStore, text: str) -> None:
    await make(durable, "ada")
    await durable.add_authenticator(key(), only_as_first=True)
    for refused in (
        durable.load_person(text),
        durable.load_authenticator("ada", text),
        durable.save_authenticator_name("ada", "k1", text),
        durable.find_or_create_person(new_id="x", email="x@example.com", name=text, now=NOW),
        durable.load_person_by_subject("n", text),
        durable.add_subject("ada", namespace="n", subject=text, only_as_first=False, now=NOW),
        durable.save_last_login("ada", name=text, now=NOW),
        durable.save_person_email("ada", text, now=NOW),
    ):
        with pytest.raises(Malformed):
            await refused
    await durable.ping()


@pytest.mark.case(21)
@pytest.mark.parametrize("text", ["'; DROP TABLE persons; --", "%s%n", "\u202eevil", "<script>", "x" * 20_000])
async def test_hostile_text_is_kept_as_it_is(durable: DurableStore, text: str) -> None:
    made = await durable.find_or_create_person(new_id="1", email="ada@example.com", name=text, now=NOW)
    assert made.name == text
    assert await durable.list_people() == (made,)


async def test_the_number_of_metadata_only_rises(durable: DurableStore) -> None:
    assert [await durable.raise_metadata_number(number) for number in (7, 9, 8, 9, 10)] == [7, 9, 9, 9, 10]
