"""Every page in every state: what holds for all of them, then what each says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest

from secondgate.model.organization import Method
from secondgate.portal import pages
from secondgate.portal.assets import STATIC_FILES, static_url
from tests.unit.portal.page_samples import SETUP_KEY, samples

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}{% x %}javascript:alert(1)\u202e&lt;"
VOID = {"input", "link", "meta", "img", "rect", "path", "circle", "br"}
OWN_ORIGIN = "https://mfa.example.com"

PAGES = samples()
HOSTILE_PAGES = samples(
    organization=HOSTILE, email=HOSTILE, application=HOSTILE, device=HOSTILE, words=f"Sentence {HOSTILE}"
)
every_page = pytest.mark.parametrize("name", PAGES)


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""
    path: tuple[Element, ...] = field(default=(), repr=False)


class Document(HTMLParser):
    """A page taken apart: its elements in order, with their text, and whether its tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {tag} {names}"
        element = Element(tag, {name: value or "" for name, value in attrs}, path=tuple(self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}, path=tuple(self.open)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, *tags: str) -> Iterator[Element]:
        return (element for element in self.elements if element.tag in tags)

    def one(self, tag: str) -> Element:
        (element,) = self.all(tag)
        return element

    def by_id(self, id_: str) -> Element:
        (element,) = (element for element in self.elements if element.attributes.get("id") == id_)
        return element


def opened(page: pages.Page) -> Document:
    return Document(pages.render(page))


def words(document: Document) -> str:
    return " ".join(document.one("main").text.split())


def subclasses(parent: type[pages.Page]) -> set[type[pages.Page]]:
    return {sub for child in parent.__subclasses__() for sub in {child, *subclasses(child)}}


def test_every_page_has_a_sample() -> None:
    # slots=True makes each class twice, so they are compared by name
    assert {cls.__name__ for cls in subclasses(pages.Page)} == {type(page).__name__ for page in PAGES.values()}


@every_page
def test_a_page_says_its_language_its_title_and_one_heading(name: str) -> None:
    document = opened(PAGES[name])
    assert document.one("html").attributes["lang"] == "en"
    assert document.one("h1").text.split()
    assert PAGES[name].title in document.one("title").text
    assert document.one("title").text.endswith("· Example")
    assert document.one("main").attributes["id"] == "main"


def test_titles_tell_the_pages_apart() -> None:
    titles: dict[str, set[str]] = {}
    for page in PAGES.values():
        titles.setdefault(page.title, set()).add(type(page).__name__)
    assert all(len(kinds) == 1 for kinds in titles.values())
    assert len({kind.value for kind in pages.MessageKind}) == len(pages.MessageKind)


@every_page
@pytest.mark.case(20)
def test_a_page_runs_under_a_policy_without_inline_code(name: str) -> None:
    for document in (opened(PAGES[name]), opened(HOSTILE_PAGES[name])):
        for element in document.elements:
            assert element.tag not in {"style", "iframe", "object", "embed", "base"}
            assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
            if element.tag == "script":
                assert not element.text
                assert element.attributes["src"].startswith("/static/")


@every_page
def test_a_page_loads_nothing_from_elsewhere(name: str) -> None:
    page = PAGES[name]
    own = (page.frame.static_origin or "/", "data:")
    for document in (opened(page), opened(HOSTILE_PAGES[name])):
        loaded = [
            element.attributes.get("src") or element.attributes["href"]
            for element in document.all("script", "img", "link")
        ]
        assert loaded
        assert all(url.startswith(own) and not url.startswith("//") for url in loaded)


@every_page
def test_a_page_names_only_static_files_that_exist(name: str) -> None:
    urls = re.findall(r'"(?:https://mfa\.example\.com)?(/static/[^"]+)"', pages.render(PAGES[name]))
    assert urls
    assert all(url in {static_url(file) for file in STATIC_FILES} for url in urls)


@every_page
@pytest.mark.case(21)
def test_hostile_names_and_messages_are_inert(name: str) -> None:
    html = pages.render(HOSTILE_PAGES[name])
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    harmless, hostile = opened(PAGES[name]), Document(html)
    assert HOSTILE in hostile.one("title").text
    assert [e.tag for e in hostile.all("script", "img")] == [e.tag for e in harmless.all("script", "img")]
    for element in hostile.all("a", "form", "button"):
        for attribute in ("href", "action", "formaction"):
            assert element.attributes.get(attribute, "/").startswith(("/", "#", "https://", "otpauth://"))


@every_page
def test_every_input_has_a_label_and_every_control_a_name(name: str) -> None:
    document = opened(PAGES[name])
    labels = {element.attributes["for"]: element.text.strip() for element in document.all("label")}
    for element in document.all("input"):
        if element.attributes["type"] != "hidden":
            assert labels[element.attributes["id"]]
    for element in document.all("a", "button", "summary", "label", "h1", "h2"):
        assert element.text.strip(), element
    for element in document.all("img"):
        assert "alt" in element.attributes
    for element in document.all("svg"):
        assert element.attributes.get("aria-hidden") == "true" or element.attributes.get("aria-label")


@every_page
def test_what_refers_to_an_id_finds_it_once(name: str) -> None:
    for page in (PAGES[name], replace(PAGES[name], error="It did not work.")):
        document = opened(page)
        ids = [element.attributes["id"] for element in document.elements if "id" in element.attributes]
        assert len(ids) == len(set(ids))
        for element in document.elements:
            for attribute in ("aria-describedby", "aria-labelledby", "for", "data-copy"):
                assert set(element.attributes.get(attribute, "").split()) <= set(ids)


@every_page
def test_at_most_one_thing_takes_the_focus(name: str) -> None:
    for page in (PAGES[name], HOSTILE_PAGES[name]):
        assert len([e for e in opened(page).elements if "autofocus" in e.attributes]) <= 1


@every_page
@pytest.mark.case(17)
def test_every_form_posts_with_the_token_and_the_login_that_goes_on(name: str) -> None:
    document = opened(replace(PAGES[name], purpose="devices", ceremony="7"))
    for form in document.all("form"):
        assert form.attributes["method"] == "post"
        if "data-webauthn" in form.attributes:
            assert form.attributes["data-csrf"] == "c" * 43
            assert form.attributes["data-request"] == "r" * 43
            assert form.attributes["data-purpose"] == "devices"
            continue
        assert form.attributes["action"].startswith("/")
        fields = {e.attributes["name"]: e.attributes.get("value") for e in document.all("input") if form in e.path}
        expected = {"csrf_token": "c" * 43, "request": "r" * 43, "purpose": "devices", "ceremony": "7"}
        assert {key: fields[key] for key in expected} == expected


def test_a_form_leaves_out_what_is_not_set() -> None:
    page = replace(PAGES["login-pin"], frame=pages.Frame(organization="Example", csrf_token="c"))
    assert [e.attributes["name"] for e in opened(page).all("input")] == ["csrf_token", "email"]


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if not name.startswith(("message", "logged"))])
def test_an_error_is_said_first_takes_the_focus_and_describes_the_field(name: str) -> None:
    document = opened(replace(PAGES[name], error="It did not work."))
    error = document.by_id("error")
    assert error.text == "It did not work."
    assert error.attributes["role"] == "alert"
    assert "autofocus" in error.attributes
    assert document.one("title").text.startswith("Error: ")
    for element in document.all("input"):
        if "aria-invalid" in element.attributes:
            assert "error" in element.attributes["aria-describedby"].split()


@every_page
def test_only_a_person_logged_in_is_offered_to_log_out(name: str) -> None:
    page = PAGES[name]
    links = [e.text for e in opened(page).all("a") if e.attributes["href"].endswith("/logout")]
    assert links == (["Log out"] if page.frame.email else [])


def test_a_page_elsewhere_loads_the_style_from_the_portal_and_no_script() -> None:
    document = opened(PAGES["message-elsewhere"])
    *sheets, icon = document.all("link")
    assert [e.attributes["href"] for e in sheets] == [
        OWN_ORIGIN + static_url(name) for name in ("frame.css", "controls.css", "views.css")
    ]
    assert icon.attributes["href"] == "data:,"
    assert not list(document.all("script"))
    assert "Ask #wiki-access to be let in." in words(document)


def test_login_shows_the_form_alone_when_there_is_only_the_one_time_pin() -> None:
    document = opened(PAGES["login-pin"])
    email = document.by_id("email")
    assert (email.attributes["name"], email.attributes["autocomplete"], email.attributes["type"]) == (
        "email",
        "email",
        "email",
    )
    assert words(document).startswith("Log in to continue to Wiki")
    assert "Log in with" not in words(document)


@pytest.mark.parametrize(("name", "field_name"), [("pin", "pin"), ("challenge-totp", "code"), ("enrol-totp", "code")])
def test_codes_are_asked_for_so_that_phones_and_browsers_can_fill_them_in(name: str, field_name: str) -> None:
    code = opened(PAGES[name]).by_id(field_name).attributes
    assert code["name"] == field_name
    assert (code["inputmode"], code["autocomplete"], code["pattern"]) == ("numeric", "one-time-code", "[0-9]{6}")


@pytest.mark.case(98)
def test_the_pin_page_does_not_say_whether_the_address_is_known() -> None:
    assert words(opened(PAGES["pin"])).count("If anna.lindqvist@example.com may log in here") == 1


def test_a_challenge_shows_one_method_and_links_to_the_others() -> None:
    document = opened(PAGES["challenge-totp"])
    assert "Wiki asks for a second proof" in words(document)
    assert [e.text for e in document.all("a") if e.attributes["href"].startswith("/challenge?")] == [
        "Use your security key instead",
        "Use your biometrics instead",
    ]
    assert "before changing your MFA devices" in words(opened(PAGES["challenge-biometrics"]))


@pytest.mark.parametrize("name", ["challenge-key", "challenge-biometrics", "enrol-key", "enrol-biometrics"])
def test_a_webauthn_page_tells_its_script_what_to_do_and_readers_without_scripts_why_not(name: str) -> None:
    document = opened(PAGES[name])
    (form,) = (e for e in document.all("form") if "data-webauthn" in e.attributes)
    assert form.attributes["data-webauthn"] == ("create" if name.startswith("enrol") else "get")
    assert form.attributes["data-method"] == ("security_key" if name.endswith("key") else "biometrics")
    assert form.attributes["data-options-url"] == "/challenge/options"
    assert form.attributes["data-finish-url"] == "/challenge/finish"
    assert "needs JavaScript" in document.one("noscript").text
    (button,) = document.all("button")
    assert "disabled" in button.attributes
    assert static_url("webauthn.js") in [e.attributes["src"] for e in document.all("script")]


def test_a_method_that_cannot_be_enrolled_says_why_and_is_no_button() -> None:
    document = opened(PAGES["add-device-another"])
    assert [e.attributes["value"] for e in document.all("button")] == ["biometrics", "security_key"]
    assert "You have set one up already" in words(document)
    assert "we will ask you to use it first" in words(document)


def test_the_setup_key_can_be_read_copied_and_opened_on_this_device() -> None:
    document = opened(PAGES["enrol-totp"])
    assert document.by_id("setup-key").text == "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"
    assert document.by_id("setup-key").attributes["data-value"] == SETUP_KEY
    assert [e for e in document.all("a") if e.attributes["href"].startswith("otpauth://totp/")]
    assert SETUP_KEY not in repr(PAGES["enrol-totp"])


def test_devices_are_listed_with_times_a_machine_can_read() -> None:
    document = opened(PAGES["devices"])
    assert "My phone Authenticator app Added 6 March 2025 · Last used 18 June 2025" in words(document)
    assert "Blue YubiKey Security key Added 18 June 2025 · Not used yet" in words(document)
    assert "Verified: you can change devices until 12:15 UTC." in words(document)
    assert document.elements[[e.tag for e in document.elements].index("time")].attributes["datetime"] == (
        "2025-06-18T12:15:00Z"
    )
    assert [" ".join(e.text.split()) for e in document.all("summary")] == [
        "Rename My phone",
        "Rename Blue YubiKey",
        "Rename Work laptop",
    ]


def test_without_a_window_devices_say_that_verification_comes_first() -> None:
    assert "we will ask you to verify" in words(opened(PAGES["devices-one"]))
    assert "Add a second device" in words(opened(PAGES["devices-one"]))
    assert "verify" not in words(opened(PAGES["devices-none"]))


def test_removing_the_last_device_is_said_to_be_that() -> None:
    page = PAGES["remove"]
    assert isinstance(page, pages.RemoveDevicePage)
    assert "your only MFA device" in words(opened(page))
    assert "your only MFA device" not in words(opened(replace(page, is_last=False)))
    assert "authenticator app" in words(opened(replace(page, method=Method.TOTP)))


def test_the_launcher_shows_only_logos_that_need_no_other_host() -> None:
    document = opened(PAGES["launcher"])
    assert [e.attributes["src"][:15] for e in document.all("img")] == ["data:image/gif;"]
    assert [e.text.strip() for e in document.elements if e.attributes.get("class") == "logo"] == ["W", "", "D", "M"]


@pytest.mark.parametrize(
    ("logo_url", "shown"),
    [
        ("/static/a.svg", True),
        ("data:image/png;base64,AA==", True),
        ("data:text/html,x", False),
        ("//evil.example/a.png", False),
        ("/\\evil.example/a.png", False),
        ("https://evil.example/a.png", False),
        ("", False),
    ],
)
def test_a_logo_is_ours_or_none(logo_url: str, shown: bool) -> None:  # noqa: FBT001 - a column of the table above
    assert pages.Tile("Wiki", "https://wiki.example.com/", logo_url).logo == (logo_url if shown else "")


def test_an_application_without_letters_still_has_an_initial() -> None:
    assert pages.Tile(" ", "https://wiki.example.com/").initial == "?"


def test_logging_out_offers_here_everywhere_and_to_forget_the_browser() -> None:
    document = opened(PAGES["logout"])
    assert [(e.attributes["name"], e.attributes["value"]) for e in document.all("button")] == [
        ("scope", "browser"),
        ("scope", "everywhere"),
    ]
    assert document.by_id("forget_device").attributes["value"] == "yes"


def test_too_many_attempts_say_how_long_to_wait_or_who_can_help() -> None:
    assert "Try again in 4 minutes" in words(opened(PAGES["message-too_many"]))
    assert "An administrator can unlock it" in words(opened(PAGES["message-locked"]))


@pytest.mark.parametrize("kind", pages.MessageKind)
def test_a_message_has_words_one_way_on_and_a_reference(kind: pages.MessageKind) -> None:
    document = opened(PAGES[f"message-{kind.name.lower()}"])
    assert [e.text for e in document.all("a") if document.one("main") in e.path] == ["Go on"]
    assert "Reference 8f2c-41d7" in words(document)
    assert len(words(document)) > 100
