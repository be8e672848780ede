"""Somebody who lost every device, in Chromium: a pass from an administrator, a new device, and the page they wanted."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import expect

from secondgate.app import open_services
from secondgate.config import load
from secondgate.flows.passes import create_pass
from secondgate.protocol.temporary_pass import format_pass_code
from tests.e2e.person import Person


def issue(person: Person) -> str:
    """Issue a pass as another process does on the same database, and give the code as it is told."""

    async def work() -> str:
        settings = load(person.site.folder / "secondgate.yaml", {})
        async with open_services(settings, clock=person.site.clock.now) as services:
            known = await services.durable.load_person_by_email(person.address)
            assert known
            _, code = await create_pass(services, known.id, ttl_s=600, actor="root@people.test")
            return format_pass_code(code)

    with ThreadPoolExecutor(1) as pool:  # the browser's own loop runs in this thread
        return pool.submit(asyncio.run, work()).result()


def test_who_lost_the_phone_sets_up_another_with_a_pass_and_goes_on(person: Person) -> None:
    person.enrol_totp_at_first_login()
    page = person.another_browser()
    person.open("app", "/wanted")
    person.log_in()
    person.expect_challenge("totp")
    page.get_by_role("link", name="Lost your devices? Use a temporary pass").click()
    code = page.get_by_label("Temporary pass")
    expect(code).to_be_focused()
    code.fill("0000-0000-0000")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("not right, or it is no longer valid")
    code.fill(issue(person).lower())
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("status")).to_contain_text("Your pass was accepted")
    page.get_by_role("link", name="Remove it first").click()
    page.get_by_role("button", name="Remove it").click()
    person.choose_to_add("totp")
    person.set_up_totp()
    person.expect_application("app", "/wanted")
