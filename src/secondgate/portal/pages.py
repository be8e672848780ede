"""The portal's pages: one typed value a page, and `render`, which turns it into HTML.

A template sees its page and nothing else, escapes everything, and fails on a name that does not exist.
Fields are what a handler knows; wording and markup stand in `templates/`. Field names of forms:
`csrf_token`, `request` (names the application's login that goes on afterwards), `purpose` and `ceremony`
everywhere they are set, besides those that a page's docstring names. The pages on which MFA devices are added stand in
`enrolment_pages`. Static files: see `assets`. Decides nothing, sets no header.

A page is rendered for the portal's own host, unless its frame holds the portal's origin (scheme, host and
port; what the Content-Security-Policy then names in `style-src`): then it loads its style sheet from there
and no script, as pages at an application's host do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from secondgate.model.organization import Method
from secondgate.portal.templating import in_words, load_template

AUTHENTICATOR_NAME_MAX = 64
"""Longest name of an authenticator that the forms take, in characters."""

_OWN_IMAGES = ("/", "data:image/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a handler knows before it knows which page comes: the same for every page of one request.

    `email` is of the person logged in, if any: with it the header offers to log out. What follows `static_origin` is
    the organization's login design, which pages of logging in alone show; `style_url` is of its colours.
    """

    organization: str
    email: str = ""
    csrf_token: str = ""
    request: str = ""
    static_origin: str = ""
    header_text: str = ""
    footer_text: str = ""
    logo: str = ""
    style_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What every page has. `error` is a sentence that takes the focus; `notice` one that says what was done."""

    template: ClassVar[str]
    heading: ClassVar[str]
    section: ClassVar[str] = ""
    is_of_login: ClassVar[bool] = False

    frame: Frame
    purpose: str = ""
    ceremony: str = ""
    error: str = ""
    notice: str = ""

    @property
    def title(self) -> str:
        """Name the page, as its heading and in the browser's title."""
        return self.heading


@dataclass(frozen=True, slots=True)
class Choice:
    """A way that somebody may take, as a link."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage(Page):
    """Choose how to log in. With `pin_action` the form for a one-time PIN stands here: posts `email`.

    `application` is the name of the one that asked; empty at the portal itself.
    """

    template: ClassVar[str] = "login.html"
    is_of_login: ClassVar[bool] = True

    application: str = ""
    pin_action: str = ""
    presented_email: str = ""
    providers: tuple[Choice, ...] = ()

    @property
    def title(self) -> str:
        """Name the page."""
        return f"Log in to continue to {self.application}" if self.application else "Log in"


@dataclass(frozen=True, slots=True, kw_only=True)
class PinPage(Page):
    """Enter the one-time PIN that was sent to `sent_to`: posts `pin`. Resending posts to `resend_action`."""

    template: ClassVar[str] = "pin.html"
    heading: ClassVar[str] = "Check your e-mail"
    is_of_login: ClassVar[bool] = True

    sent_to: str
    action: str
    resend_action: str
    restart_url: str


@dataclass(frozen=True, slots=True)
class MethodLink:
    """Another method that would do, and where it is asked for."""

    method: Method
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengePage(Page):
    """Prove one method. TOTP posts `method` and `code` to `action`; WebAuthn JSON to `options_url` and `finish_url`.

    `application` is the name of the one that asks; empty when the person wants to change authenticators. `provider` is
    the one whose own MFA would do too. `pass_url` is where somebody goes on who has lost them all.
    """

    template: ClassVar[str] = "challenge.html"
    is_of_login: ClassVar[bool] = True

    method: Method
    others: tuple[MethodLink, ...] = ()
    application: str = ""
    action: str = ""
    options_url: str = ""
    finish_url: str = ""
    provider: Choice | None = None
    pass_url: str = ""

    @property
    def title(self) -> str:
        """Name the page."""
        match self.method:
            case Method.TOTP:
                return "Enter the code from your app"
            case Method.SECURITY_KEY:
                return "Use your security key"
            case Method.BIOMETRICS:
                return "Use your biometrics"


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One authenticator of the person. Renaming posts `name` to `rename_action`."""

    name: str
    method: Method
    created_at: int
    last_used_at: int | None
    rename_action: str
    remove_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesPage(Page):
    """Account → MFA devices. `window_until` is when the verification ends, None when there is none now."""

    template: ClassVar[str] = "devices.html"
    heading: ClassVar[str] = "MFA devices"
    section: ClassVar[str] = "devices"

    devices: tuple[DeviceRow, ...]
    add_url: str
    window_until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveDevicePage(Page):
    """Confirm that an authenticator goes: posts to `action`. `is_last`: none would remain."""

    template: ClassVar[str] = "remove_device.html"

    name: str
    method: Method
    action: str
    cancel_url: str
    is_last: bool = False

    @property
    def title(self) -> str:
        """Name the page."""
        return f"Remove “{self.name}”?"


@dataclass(frozen=True, slots=True)
class Tile:
    """An application in the launcher. A logo that the browser would fetch elsewhere is not shown."""

    name: str
    url: str
    logo_url: str = ""

    @property
    def logo(self) -> str:
        """The logo's URL, where it is an image of ours or in the URL itself."""
        own = self.logo_url.startswith(_OWN_IMAGES) and not self.logo_url.startswith(("//", "/\\"))
        return self.logo_url if own else ""

    @property
    def place(self) -> str:
        """Where it is, without the scheme."""
        return self.url.partition("://")[2].rstrip("/")

    @property
    def initial(self) -> str:
        """The first letter of the name."""
        return self.name.strip()[:1].upper() or "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherPage(Page):
    """The App Launcher."""

    template: ClassVar[str] = "launcher.html"
    heading: ClassVar[str] = "Your applications"
    section: ClassVar[str] = "launcher"

    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One place where the person is logged in. `device` tells the browsers apart ("Firefox on Linux"); may be empty.

    `place` is an application's host, or empty for the portal. Ending it posts to `end_action`.
    """

    place: str
    at: int
    is_this_browser: bool
    end_action: str
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsPage(Page):
    """Account → Sessions. Ending all posts to `end_all_action`."""

    template: ClassVar[str] = "sessions.html"
    heading: ClassVar[str] = "Sessions"
    section: ClassVar[str] = "sessions"

    sessions: tuple[SessionRow, ...]
    end_all_action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutPage(Page):
    """Confirm logging out: posts `scope` (`browser` or `everywhere`) and maybe `forget_device` (`yes`) to `action`."""

    template: ClassVar[str] = "logout.html"
    heading: ClassVar[str] = "Log out"

    action: str
    cancel_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOutPage(Page):
    """Logged out; `everywhere` or here.

    `provider` is where the login came from, when logging out there belongs to it: the page goes on to `provider_url`,
    or says that it is done, or that its session may still be open.
    """

    template: ClassVar[str] = "logged_out.html"
    heading: ClassVar[str] = "You are logged out"

    login_url: str
    everywhere: bool = False
    provider: str = ""
    provider_url: str = ""
    provider_done: bool = False


class MessageKind(StrEnum):
    """What a message page is about; its value is its title."""

    REFUSED = "You may not open this"
    CROSS_SITE = "This form is no longer valid"
    NOT_FOUND = "There is nothing here"
    ERROR = "Something went wrong"
    TOO_MANY = "Too many attempts"
    COOKIES = "Your browser blocked our cookie"
    UNAVAILABLE = "We cannot check your login now"
    EXPIRED = "This login has expired"
    LOGIN_FAILED = "You could not be logged in"
    ONE_MORE_STEP = "One more step"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage(Page):
    """A dead end, in plain words, with one way on.

    `detail` replaces the words that `kind` would bring, such as an application's own message to those it refuses.
    `resets_in_s` is for TOO_MANY (None: an administrator must act). `reference` lets the operator find the event.
    """

    template: ClassVar[str] = "message.html"

    kind: MessageKind
    application: str = ""
    detail: str = ""
    resets_in_s: int | None = None
    way_on: Choice | None = None
    reference: str = ""

    @property
    def title(self) -> str:
        """Name the page."""
        if self.kind is MessageKind.REFUSED and self.application:
            return f"You may not open {self.application}"
        return self.kind.value

    @property
    def wait(self) -> str:
        """How long until another attempt counts, in words that never promise too early."""
        return in_words(self.resets_in_s) if self.resets_in_s is not None else ""


def render(page: Page) -> str:
    """Turn a page into an HTML document."""
    return load_template(page.template).render(page=page, MessageKind=MessageKind)
