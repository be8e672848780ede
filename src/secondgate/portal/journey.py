"""Where a person goes next: the portal's paths with what they carry (a login request, a purpose)."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from secondgate.flows.login_request import LoginRequest
from secondgate.flows.proof import Purpose

ADD_DEVICE = "/AddMfaDevice"
DEVICES = "/account/devices"
PASS = "/pass"  # noqa: S105 - a path
JOIN = "/account/join"
JOIN_HEADERS = "join-headers"
_PURPOSE = re.compile(
    r"devices|pass|add(?:-(?:security_key|biometrics))?|remove-[0-9a-f-]{36}|join-(?:headers|[0-9a-f-]{36})"
)


def path(target: str, request: LoginRequest | None = None, *, purpose: str = "", **more: str) -> str:
    """Give a path that carries on a login request and a purpose."""
    query = {"request": request.token if request else "", "purpose": purpose, **more}
    text = urlencode({name: value for name, value in query.items() if value})
    return f"{target}?{text}" if text else target


def parse_purpose(text: object) -> str:
    """Read what a page was opened for; nothing for anything else.

    `devices`; `pass`, to use one; `add`, or `add-METHOD` when the method was chosen already; `remove-ID`; `join-WAY`,
    one more way of logging in: an identity provider's id, or `headers`.
    """
    return text if isinstance(text, str) and _PURPOSE.fullmatch(text) else ""


def purpose_of_proof(purpose: str) -> Purpose:
    """Give what a proof made on such a page is for."""
    return Purpose.DEVICES if purpose else Purpose.APPLICATION


def after_identity(request: LoginRequest | None, purpose: str) -> str:
    """Give the page that follows a login or a proof."""
    what, _, which = purpose.partition("-")
    if what == "add":
        return path(f"{ADD_DEVICE}/{which}" if which else ADD_DEVICE, request)
    if what == "remove":
        return f"{DEVICES}/{which}/remove"
    if what == "join":
        return f"{JOIN}/{which}"
    if what == "pass":
        return path(PASS, request)
    if what == "devices":
        return DEVICES
    return path("/login", request) if request else "/"


def after_enrolment(request: LoginRequest | None) -> str:
    """Give the page that follows an enrolment: the application that asked for it, or the list."""
    return path("/login", request) if request else DEVICES


def after_removal(request: LoginRequest | None) -> str:
    """Give the page that follows a removal: whoever is on the way to an application needs another device first."""
    return path(ADD_DEVICE, request) if request else DEVICES


def after_pass(request: LoginRequest | None, purpose: str) -> str:
    """Give the page that follows a temporary pass: where a device is added, of the kind that was chosen."""
    return after_identity(request, purpose) if purpose.startswith("add-") else path(ADD_DEVICE, request)
