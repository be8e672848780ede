"""The one spelling of an address."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.model.amr import AMR_OF_METHOD
from secondgate.model.organization import Method
from secondgate.model.person import Identity, IdentitySource, folded_email


def test_addresses_are_compared_without_case_and_blanks() -> None:
    assert folded_email("  Ann@Example.COM ") == "ann@example.com"


def test_no_foreign_character_becomes_an_ascii_letter() -> None:
    assert folded_email("\N{KELVIN SIGN}ate@example.com") == "\N{KELVIN SIGN}ate@example.com"
    assert folded_email("É@example.com") == "é@example.com"


@settings(deadline=None)
@given(st.text(max_size=40))
def test_folding_twice_changes_nothing_and_adds_no_ascii(email: str) -> None:
    folded = folded_email(email)
    assert folded_email(folded) == folded
    if folded.isascii():
        assert email.strip().isascii()


def test_every_method_has_an_amr_value() -> None:
    assert set(AMR_OF_METHOD) == set(Method)


def test_people_are_known_by_an_issuers_subject_or_by_their_address() -> None:
    def known(source: IdentitySource) -> tuple[str, str]:
        identity = Identity("Ann@example.com", source=source, subject="s", issuer="https://idp.example")
        return identity.namespace, identity.known_as

    for source in (IdentitySource.OIDC, IdentitySource.JWT):
        assert known(source) == ("https://idp.example", "s")
    for source in (IdentitySource.ONE_TIME_PIN, IdentitySource.HEADERS):
        assert known(source) == (source.value, "ann@example.com")
