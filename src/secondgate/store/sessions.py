"""Live sessions as values: encodes `model.session` (and the flows' own ceremonies) into live records.

Records are JSON. A record that does not decode is treated as absent: it was written by another version,
and people then log in again.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from secondgate.model.organization import Method
from secondgate.model.session import ApplicationSession, Login, MfaSession
from secondgate.store.ports import Kind, LiveStore

T = TypeVar("T")

MFA_SESSION_TTL_S = 720 * 3600
"""The longest duration that settings allow; how old an MFA may be is decided when it is used."""


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(of: type[Any]) -> TypeAdapter[Any]:
    adapter = _ADAPTERS.get(of)
    if adapter is None:
        adapter = _ADAPTERS[of] = TypeAdapter(of)
    return adapter


def encode(value: object) -> bytes:
    """Encode a dataclass."""
    return _adapter(type(value)).dump_json(value)


def decode(of: type[T], value: bytes | None) -> T | None:
    """Decode a dataclass; None for nothing, and for what is no such dataclass."""
    if value is None:
        return None
    try:
        decoded: T = _adapter(of).validate_json(value)
    except ValidationError:
        return None
    return decoded


class Sessions:
    """Logins, MFA sessions and application sessions in a live store."""

    def __init__(self, live: LiveStore) -> None:
        self._live = live

    async def save_login(self, login: Login, *, now: int) -> None:
        """Write a login until it expires."""
        ttl_s = max(1, login.expires_at - now)
        await self._live.save(Kind.LOGIN, login.id, encode(login), ttl_s=ttl_s, owner=login.person_id)

    async def load_login(self, login_id: str) -> Login | None:
        """Load a login that has not ended."""
        return decode(Login, await self._live.load(Kind.LOGIN, login_id))

    async def list_logins(self, person_id: str) -> tuple[Login, ...]:
        """List a person's logins in all browsers."""
        records = await self._live.list_owned(Kind.LOGIN, person_id)
        return tuple(login for record in records if (login := decode(Login, record.value)))

    async def delete_login(self, login_id: str) -> bool:
        """End a login."""
        return await self._live.delete(Kind.LOGIN, login_id)

    async def save_mfa_session(self, session: MfaSession) -> None:
        """Write an MFA session; it replaces the one of the same person, device and method."""
        key = _mfa_key(session.person_id, session.device_id, session.method)
        await self._live.save(Kind.MFA_SESSION, key, encode(session), ttl_s=MFA_SESSION_TTL_S, owner=session.person_id)

    async def list_mfa_sessions(self, person_id: str) -> tuple[MfaSession, ...]:
        """List a person's MFA sessions in all browsers."""
        records = await self._live.list_owned(Kind.MFA_SESSION, person_id)
        return tuple(session for record in records if (session := decode(MfaSession, record.value)))

    async def delete_mfa_session(self, session: MfaSession) -> bool:
        """End an MFA session."""
        return await self._live.delete(Kind.MFA_SESSION, _mfa_key(session.person_id, session.device_id, session.method))

    async def save_application_session(self, session: ApplicationSession, *, now: int) -> None:
        """Write an application session until it expires."""
        ttl_s = max(1, session.expires_at - now)
        await self._live.save(
            Kind.APPLICATION_SESSION, session.id, encode(session), ttl_s=ttl_s, owner=session.person_id
        )

    async def load_application_session(self, session_id: str) -> ApplicationSession | None:
        """Load an application session that has not ended: one read of one key."""
        return decode(ApplicationSession, await self._live.load(Kind.APPLICATION_SESSION, session_id))

    async def list_application_sessions(self, person_id: str) -> tuple[ApplicationSession, ...]:
        """List a person's application sessions in all browsers."""
        records = await self._live.list_owned(Kind.APPLICATION_SESSION, person_id)
        return tuple(session for record in records if (session := decode(ApplicationSession, record.value)))

    async def delete_application_session(self, session_id: str) -> bool:
        """End an application session."""
        return await self._live.delete(Kind.APPLICATION_SESSION, session_id)


def _mfa_key(person_id: str, device_id: str, method: Method) -> str:
    return f"{person_id}:{device_id}:{method}"
