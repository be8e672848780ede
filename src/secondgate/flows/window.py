"""The device window: for ten minutes after a verification this browser may change the person's authenticators.

It is opened by a verification with an existing authenticator made for that very purpose, or by a temporary pass:
neither an identity provider's login, nor its AMR, nor an MFA session opens it, and activity never extends it. The first
authenticator needs none, except where the organization guards it.
"""

from __future__ import annotations

from dataclasses import dataclass

from secondgate.errors import Forbidden, Reason
from secondgate.flows.browser import Browser
from secondgate.flows.services import Services
from secondgate.model.session import Login
from secondgate.store.ports import Kind
from secondgate.store.sessions import decode, encode

WINDOW_S = 600


@dataclass(frozen=True, slots=True)
class DeviceWindow:
    """An open window; it belongs to one login in one browser. `by_pass`: no authenticator was verified for it."""

    person_id: str
    device_id: str
    opened_at: int
    by_pass: bool = False

    @property
    def closes_at(self) -> int:
        """Give the second from which the window is closed."""
        return self.opened_at + WINDOW_S


async def open_window(services: Services, login: Login, *, by_pass: bool = False) -> DeviceWindow:
    """Open the window of a login."""
    window = DeviceWindow(login.person_id, login.device_id, services.now(), by_pass)
    await _save(services, login, window)
    return window


async def load_window(services: Services, login: Login) -> DeviceWindow | None:
    """Give the open window of a login, or None."""
    window = decode(DeviceWindow, await services.live.load(Kind.DEVICE_WINDOW, login.id))
    if window is None or (window.person_id, window.device_id) != (login.person_id, login.device_id):
        return None
    return window if services.now() < window.closes_at else None


async def load_verified_window(services: Services, login: Login) -> DeviceWindow | None:
    """Give the open window of a login that verified an existing authenticator: what a pass opened is none."""
    window = await load_window(services, login)
    return None if window is None or window.by_pass else window


async def move_window(services: Services, *, old: Login, new: Login) -> None:
    """Keep a window over the renewal of a login's token; it closes when it would have closed."""
    window = await load_window(services, old)
    if window is not None:
        await _save(services, new, window)
    await services.live.delete(Kind.DEVICE_WINDOW, old.id)


async def close_window(services: Services, login: Login) -> None:
    """Close the window of a login."""
    await services.live.delete(Kind.DEVICE_WINDOW, login.id)


async def close_other_windows(services: Services, login: Login) -> None:
    """Close the person's windows in all logins but this one."""
    for record in await services.live.list_owned(Kind.DEVICE_WINDOW, login.person_id):
        if record.key != login.id:
            await services.live.delete(Kind.DEVICE_WINDOW, record.key)


async def close_windows_of_passes(services: Services, person_id: str) -> None:
    """Close the windows that a person's temporary pass opened, in all browsers."""
    for record in await services.live.list_owned(Kind.DEVICE_WINDOW, person_id):
        window = decode(DeviceWindow, record.value)
        if window is None or window.by_pass:
            await services.live.delete(Kind.DEVICE_WINDOW, record.key)


async def verify_may_change_authenticators(services: Services, login: Login) -> bool:
    """Prove that this login may change authenticators now; gives whether the person has none yet.

    Raises Forbidden(WINDOW_CLOSED) when there is an authenticator and no open window.
    """
    authenticators = await services.durable.list_authenticators(login.person_id)
    if not authenticators:
        return True
    if await load_window(services, login) is None:
        raise Forbidden(Reason.WINDOW_CLOSED, "verify with an existing authenticator first")
    return False


async def may_enrol_first(services: Services, browser: Browser, login: Login) -> bool:
    """Whether the organization's guard of first authenticators lets this login enrol one, from this address.

    A login alone is enough where there is no guard, and from the networks that it names; else the device window must
    be open, which somebody without an authenticator can only do with a temporary pass.
    """
    if services.access().rulebook.organization.is_first_enrollment_open_at(browser.address):
        return True
    return await load_window(services, login) is not None


async def _save(services: Services, login: Login, window: DeviceWindow) -> None:
    ttl_s = max(1, window.closes_at - services.now())
    await services.live.save(Kind.DEVICE_WINDOW, login.id, encode(window), ttl_s=ttl_s, owner=login.person_id)
