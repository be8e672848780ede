"""Which application decides: never a weaker one than some upstream could take the URL for."""

from __future__ import annotations

import itertools

import pytest

from tests.web.browser import Person
from tests.web.conftest import StartSite
from tests.web.site import (
    DIALECTS,
    EVERYONE,
    EXT_AUTHZ,
    FORWARD_AUTH,
    NAVIGATION,
    NO_MFA,
    PORTAL,
    ROOT,
    STAFF,
    Site,
    application,
    question,
)

ADMIN = (
    "/admin",
    "/admin/",
    "/admin/x",
    "//admin",
    "///admin",
    "/./admin",
    "/public/../admin",
    "/x/y/../../admin",
    "/%2e/admin",
    "/public/%2e%2e/admin",
    "/public/%2E%2E%2Fadmin",
    "/%61dmin",
    "/%61%64%6d%69%6e",
    "/%2561dmin",
    "/x%2f..%2fadmin",
    "/%2fadmin",
    "/admin;a=b",
    "/admin;a=b/x",
    "/x;/../admin",
    "/ADMIN",
    "/Admin/x",
    "/\\admin",
    "/x\\..\\admin",
    "/%5cadmin",
    "/admin%00",
    "/admin%00.png",
    "/admin%23",
    "/admin%3fx",
    "/admin?x=/public",
    "/admin#/public",
    "/public/%252e%252e/admin",
    "/public/%252e%252e%252fadmin",
    "/%c0%afadmin",
    "/public/%c0%ae%c0%ae/admin",
    "/public/%e0%80%ae%e0%80%ae/admin",
)
BLANK = ("/public/../admin ", "/ad\tmin", " /admin")


@pytest.mark.case(12)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("path", [*ADMIN, *BLANK])
async def test_no_spelling_of_the_stronger_path_is_weaker(start_site: StartSite, dialect: str, path: str) -> None:
    def change(configuration: dict[str, dict[str, object]]) -> None:
        configuration["access"]["applications"] = [
            application("Site", "site.example.com", EVERYONE, mfa_config=NO_MFA),
            application("Administration", "site.example.com/admin", ROOT, mfa_config=NO_MFA),
        ]

    site = await start_site(change)
    assert (await site.check(dialect, "https://site.example.com/public")).status == 200
    assert (await site.check(dialect, f"https://site.example.com{path}")).status in {302, 400, 401, 403}


@pytest.mark.case(12)
async def test_a_totp_session_at_the_weaker_path_opens_no_spelling_of_the_stronger(site: Site, ann: Person) -> None:
    await ann.log_in_with_totp("https://wiki.example.com/page")
    cookie = ann.session("wiki.example.com")
    for dialect, path in itertools.product(DIALECTS, ADMIN):
        answer = await site.check(dialect, f"https://wiki.example.com{path}", cookie=cookie)
        assert answer.status in {302, 401, 403}, path


@pytest.mark.case(13)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_host_in_another_spelling_gets_the_same_decision(site: Site, ann: Person, dialect: str) -> None:
    await ann.log_in("https://menu.example.com/")
    cookie = ann.session("menu.example.com")
    for host in ("MENU.example.COM", "menu.example.com.", "menu.example.com:443", "Menu.Example.Com.:8443"):
        assert (await site.check(dialect, f"https://{host}/", cookie=cookie)).status == 200
        unknown = await site.check(dialect, f"https://{host}/")
        assert unknown.one("Location").startswith("https://menu.example.com/.secondgate/login")


@pytest.mark.case(13)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_host_that_is_none_or_several_is_refused(site: Site, dialect: str) -> None:
    for host in (
        "",
        ".",
        "open.example.com..",
        "open.example.com:",
        "open.example.com:99999",
        "user@open.example.com",
        "open.example.com,open.example.com",
        "open.example.com wiki.example.com",
        "[::1]",
        "öpen.example.com",
        "open。example。com",
        "open.example.com\\x",
        "xn--open-.example.com",
        "a" * 300 + ".example.com",
    ):
        assert (await site.check(dialect, f"https://{host}/")).status == 403, host


@pytest.mark.case(13)
async def test_a_name_in_other_letters_is_asked_for_by_its_a_labels(start_site: StartSite) -> None:
    site = await start_site(
        lambda configuration: configuration["access"]["applications"].append(
            application("Bücher", "bücher.example.com", EVERYONE)
        )
    )
    for dialect in DIALECTS:
        assert (await site.check(dialect, "https://xn--bcher-kva.example.com/")).status == 200
        assert (await site.check(dialect, "https://XN--BCHER-KVA.example.com/")).status == 200
        assert (await site.check(dialect, "https://bücher.example.com/")).status == 403


@pytest.mark.case(13)
async def test_a_question_asked_with_a_doubled_host_or_in_absolute_form_decides_by_the_proxys_fields(
    site: Site,
) -> None:
    for dialect in DIALECTS:
        asked = question(dialect, "https://menu.example.com/")
        fields = [*asked.fields, *NAVIGATION]
        open_host = ("Host", "open.example.com")
        for doubled in ([open_host, *fields], [*fields, open_host], [open_host, ("Host", "menu.example.com"), *fields]):
            assert (await site.send("gate", "GET", asked.target, doubled)).status in {302, 400, 401}
        absolute = await site.send("gate", "GET", f"http://open.example.com{asked.target}", fields)
        assert absolute.status in {302, 400, 401, 403, 404}


@pytest.mark.case(13)
@pytest.mark.parametrize(
    "target",
    [
        "/verify/ext-authz",
        "/verify/ext-authz?x=/",
        "/verify/ext-authz*",
        "/verify/ext-authzx/",
        "/verify/ext-authz%2f",
        "/verify/%65xt-authz/",
        "/verify/ext-authz#/",
        "http://open.example.com/verify/ext-authz/",
    ],
)
async def test_a_target_that_is_no_path_behind_the_prefix_is_refused(site: Site, target: str) -> None:
    assert (await site.check(EXT_AUTHZ, "https://open.example.com/")).status == 200
    assert (await site.send("gate", "GET", target, [("Host", "open.example.com")])).status == 403


@pytest.mark.case(12)
async def test_a_path_behind_the_prefix_is_judged_and_returned_to_as_it_was_sent(site: Site) -> None:
    for path, returned in (
        ("/a%2fb?c=%2f&d", "%2Fa%252fb%3Fc%3D%252f%26d"),
        ("/%0A", "%2F%250A"),
        ("/verify/ext-authz/", "%2Fverify%2Fext-authz%2F"),
    ):
        answer = await site.check(EXT_AUTHZ, f"https://menu.example.com{path}")
        assert answer.one("Location") == f"https://menu.example.com/.secondgate/login?return_to={returned}"


@pytest.mark.case(13)
async def test_the_portal_knows_its_hosts_in_every_spelling_and_no_other(site: Site) -> None:
    for host, status in (
        ("mfa.example.com", 200),
        ("MFA.example.com.", 200),
        ("mfa.example.com:443", 200),
        ("other.example.com", 404),
        ("mfa.example.com.evil.net", 404),
        ("mfa.example.com@evil.net", 404),
        ("127.0.0.1", 404),
        ("menu.example.com", 404),
    ):
        assert (await site.send("portal", "GET", "/login", [("Host", host)])).status == status, host
    doubled = [("Host", "mfa.example.com"), ("Host", "menu.example.com")]
    assert (await site.send("portal", "GET", "/login", doubled)).status in {400, 404}
    for path in ("login", "callback", "logout", "identity"):
        assert (await site.send("portal", "GET", f"/.secondgate/{path}", [("Host", "mfa.example.com")])).status == 404


@pytest.mark.case(14)
@pytest.mark.parametrize("order", [1, -1])
async def test_of_overlapping_applications_the_most_specific_decides_in_any_order(
    start_site: StartSite, order: int
) -> None:
    applications = [
        application("Any", "*.a.example.com", EVERYONE, mfa_config=NO_MFA),
        application("One", "one.a.example.com", ROOT, mfa_config=NO_MFA),
        application("Deeper", "*.b.a.example.com", ROOT, mfa_config=NO_MFA),
        application("Public", "one.a.example.com/public", EVERYONE, mfa_config=NO_MFA),
        application("Private", "one.a.example.com/public/private", STAFF, mfa_config=NO_MFA),
    ]

    def change(configuration: dict[str, dict[str, object]]) -> None:
        configuration["access"]["applications"] = applications[::order]

    site = await start_site(change)
    expected = {
        "https://two.a.example.com/": 200,
        "https://one.a.example.com/": 302,
        "https://one.a.example.com/public": 200,
        "https://one.a.example.com/public/x": 200,
        "https://one.a.example.com/publicly": 302,
        "https://one.a.example.com/public/private/x": 302,
        "https://x.b.a.example.com/": 302,
        "https://b.a.example.com/": 200,
        "https://a.example.com/": 403,
        "https://example.com/": 403,
        "https://none.example.com/": 403,
        f"{PORTAL}/": 403,
    }
    assert {url: (await site.check(FORWARD_AUTH, url)).status for url in expected} == expected
