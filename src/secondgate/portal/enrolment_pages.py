"""The pages on which MFA devices are added, and the one that takes a temporary pass. See `pages`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from markupsafe import Markup

from secondgate.model.organization import Method
from secondgate.model.secret import Secret
from secondgate.portal.pages import Choice, Page
from secondgate.portal.qr import qr_svg


@dataclass(frozen=True, slots=True)
class MethodOffer:
    """A method that may be enrolled. `unavailable` says why not here and now, and `way` what makes it possible."""

    method: Method
    unavailable: str = ""
    way: Choice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddDevicePage(Page):
    """Choose a method to enrol: posts `method` (`totp`, `security_key` or `biometrics`) to `action`.

    `application` is the name of the one that led here. `verify_first`: an authenticator enrolled before
    will be asked for. `pass_until` is when the window closes that a temporary pass opened. `provider` is the one whose
    own MFA would do too.
    """

    template: ClassVar[str] = "add_device.html"
    heading: ClassVar[str] = "Add an MFA device"

    action: str
    offers: tuple[MethodOffer, ...]
    application: str = ""
    verify_first: bool = False
    pass_until: int | None = None
    cancel_url: str = ""
    provider: Choice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolTotpPage(Page):
    """Set up an authenticator app: posts `code` and `name` (may be empty) to `action`.

    `uri` is the `otpauth://` URI that the QR code holds, `setup_key` the seed in base 32.
    """

    template: ClassVar[str] = "enrol_totp.html"
    heading: ClassVar[str] = "Set up your authenticator app"

    action: str
    uri: Secret[str]
    setup_key: Secret[str]
    presented_name: str = ""
    back_url: str = ""

    @property
    def qr(self) -> Markup:
        """The QR code."""
        return qr_svg(self.uri.reveal(), label="QR code to scan with your authenticator app")

    @property
    def setup_key_groups(self) -> list[str]:
        """The setup key in groups of four, to be read and typed."""
        key = self.setup_key.reveal().replace(" ", "")
        return [key[start : start + 4] for start in range(0, len(key), 4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolWebauthnPage(Page):
    """Enrol a security key or biometrics: JSON to `options_url` and `finish_url`, with the `name` given here."""

    template: ClassVar[str] = "enrol_webauthn.html"

    method: Method
    options_url: str
    finish_url: str
    back_url: str = ""
    listed_only: bool = False  # the organization requires models

    @property
    def title(self) -> str:
        """Name the page."""
        return "Set up your biometrics" if self.method is Method.BIOMETRICS else "Set up your security key"


class PassReason(StrEnum):
    """Why somebody is asked for a temporary pass."""

    LOST = "lost"
    FIRST = "first"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPage(Page):
    """Enter a temporary pass: posts `code` to `action`. `back_url` is for who has an MFA device at hand after all."""

    template: ClassVar[str] = "pass.html"
    heading: ClassVar[str] = "Use a temporary pass"

    action: str
    reason: PassReason
    application: str = ""
    back_url: str = ""
