"""Debian's Chromium, driven by Playwright, with virtual authenticators (Chrome DevTools Protocol, WebAuthn domain)."""

from __future__ import annotations

import os
import shutil
from typing import Literal

from playwright.sync_api import Browser, CDPSession, Page, Playwright

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP *.example.test 127.0.0.1",
]


def launch_chromium(playwright: Playwright, *, trusted_key_hash: str) -> Browser:
    """Start Chromium, trusting the one key with this hash; every `*.example.test` is this machine."""
    return playwright.chromium.launch(
        executable_path=os.environ.get("SECONDGATE_TEST_CHROMIUM") or shutil.which("chromium"),
        args=[*_ARGUMENTS, f"--ignore-certificate-errors-spki-list={trusted_key_hash}"],
    )


class VirtualAuthenticator:
    """An authenticator plugged into one page: `usb` is a security key, `internal` the device's own biometrics."""

    def __init__(self, page: Page, transport: Literal["usb", "internal"]) -> None:
        self.devtools: CDPSession = page.context.new_cdp_session(page)
        self.devtools.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": transport,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.id: str = added["authenticatorId"]

    def credentials(self) -> list[dict[str, object]]:
        """List what is registered in it."""
        found: list[dict[str, object]] = self.devtools.send("WebAuthn.getCredentials", {"authenticatorId": self.id})[
            "credentials"
        ]
        return found

    def plug_out(self) -> None:
        """Take it away."""
        self.devtools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self.id})
        self.devtools.detach()
