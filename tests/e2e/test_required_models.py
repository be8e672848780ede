"""A browser's own authenticator where the organization requires models: what it sends proves none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.certificate import Certificate
from tests.e2e.person import Person
from tests.e2e.sites import LABELS, Site, access_by_pin, choose_place, running_site

CHROMIUM = "01020304-0506-0708-0102-030405060708"
"""The AAGUID of Chromium's virtual authenticator."""


@pytest.fixture(scope="module")
def strict_site(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate, echo_port: int) -> Iterator[Site]:
    place = choose_place("nginx", tmp_path_factory.mktemp("models"))
    access: dict[str, Any] = access_by_pin(place.domain)
    access["organization"]["mfa_config"]["required_aaguids"] = "Company keys"
    access["lists"] = [{"name": "Company keys", "type": "AAGUID", "items": [{"value": CHROMIUM}]}]
    with running_site(place, labels=LABELS, access=access, application=echo_port, certificate=certificate) as site:
        yield site


@pytest.fixture
def guest(strict_site: Site, chromium: Browser, address: str) -> Iterator[Person]:
    strict_site.clock.advance(601)
    somebody = Person(strict_site, chromium, address)
    yield somebody
    somebody.close()


@pytest.mark.case(53, 54)
@pytest.mark.parametrize(("transport", "method"), [("usb", "security_key"), ("internal", "biometrics")])
def test_an_authenticator_of_software_is_refused_even_where_its_aaguid_is_listed(
    guest: Person, transport: Literal["usb", "internal"], method: Literal["security_key", "biometrics"]
) -> None:
    guest.plug_in(transport)
    guest.open("app", "/wanted")
    guest.log_in()
    guest.choose_to_add(method)
    expect(guest.page.get_by_text("of models that your organization lists")).to_be_visible()
    guest.set_up_webauthn("Mine")
    expect(guest.page.get_by_role("alert")).to_contain_text("of a model that your organization lists")
    guest.page.goto(guest.site.url("mfa", "/account/devices"))
    expect(guest.page.get_by_text("You have no MFA device yet")).to_be_visible()


def test_an_authenticator_app_is_set_up_as_ever(guest: Person) -> None:
    guest.enrol_totp_at_first_login()
