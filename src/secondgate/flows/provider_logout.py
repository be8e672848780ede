"""Logging out together with an OpenID provider.

It ends our sessions by a logout token (OpenID Connect Back-Channel Logout 1.0): those of one of its sessions (`sid`),
or all that it vouched for of one person (`sub`). And we send the browser to it after a logout here (OpenID Connect
RP-Initiated Logout 1.0), where its settings say so: ours has ended by then, whatever becomes of the provider's.

Which person a provider's session belongs to is kept in the live store, beside the sessions themselves, and longer than
any of them lives.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import structlog

from secondgate.errors import Forbidden, Reason, Rejected, TokenRejected, TooManyAttempts, Unavailable
from secondgate.flows.browser import Browser
from secondgate.flows.services import Services
from secondgate.flows.sessions import log_out
from secondgate.model.access import IdentityProvider
from secondgate.model.audit import Actor, ActorKind
from secondgate.model.openid import OpenIdSettings
from secondgate.model.person import Identity
from secondgate.model.session import ApplicationSession, Login
from secondgate.protocol.end_session import logout_url
from secondgate.protocol.id_token import IdToken
from secondgate.protocol.logout_token import LogoutToken, read_addressee, verify_logout_token
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.store.ports import Kind

RETURN_PATH = "/logout/callback"
LOGOUT_STATE_TTL_S = 600
ENDED_TTL_S = 600
"""How long a login may be under way after its ID token was issued."""
LONGEST_SESSION_S = 720 * 3600
"""The longest that an application's session may outlive the login that it came from."""
FAILURES_PER_ADDRESS = (100, 600)
MAX_RENEWALS_MEANWHILE = 10

log = structlog.get_logger("secondgate.flows.provider_logout")


@dataclass(frozen=True, slots=True)
class ProviderLogout:
    """What comes after a logout here: the provider's URL; empty where its session cannot be ended from here."""

    provider_name: str
    url: str = field(repr=False)


def id_token_to_keep(provider: IdentityProvider, id_token: IdToken) -> str:
    """Give what a login must keep so that the provider can be told whose session ends; mostly nothing."""
    return id_token.text if provider.openid is not None and provider.openid.rp_initiated_logout else ""


def seal_id_token(services: Services, login: Login, id_token: str) -> str:
    """Seal an ID token for this login, under whatever cookie it goes on."""
    return base64.b64encode(services.sealer.seal(id_token.encode(), place=_place(login))).decode()


async def remember_provider_session(
    services: Services, login: Login, provider: IdentityProvider, id_token: IdToken
) -> None:
    """Make a login, which was written, findable by what the provider calls its session and its subject.

    Raises Forbidden(SESSION_ENDED), and the login is over, when the provider logged the person out since it issued the
    ID token: it writes that down before it looks for logins, so one of the two sees the other.
    """
    settings = _settings(provider)
    ttl_s = max(1, login.expires_at - services.now()) + LONGEST_SESSION_S
    keys = _keys(settings.issuer_url, subject=id_token.subject, session_id=id_token.session_id)
    for key in keys:
        await services.live.save(Kind.PROVIDER_SESSION, key, login.person_id.encode(), ttl_s=ttl_s)
    issued_at = id_token.claims["iat"]
    for key in keys:
        ended_at = await services.live.load(Kind.PROVIDER_SESSION, _ended(key))
        if ended_at is not None and isinstance(issued_at, int) and issued_at <= int(ended_at):
            await services.sessions.delete_login(login.id)
            raise Forbidden(Reason.SESSION_ENDED, "the provider ended its session meanwhile")


async def end_by_logout_token(services: Services, browser: Browser, presented: str) -> None:
    """End what a provider's logout token names, once.

    Raises TokenRejected (counted by address) with one log line, TooManyAttempts after too many of those, and
    Unavailable: then nothing is used up, and the provider may send the token again.
    """
    limit, window_s = FAILURES_PER_ADDRESS
    counter = f"logout-token-address:{browser.network}"
    failed = await services.live.load(Kind.COUNTER, counter)
    if failed is not None and int(failed) >= limit:
        raise TooManyAttempts(window_s, "too many logout tokens that prove nothing")
    try:
        providers, token = await _verify(services, presented)
        await _end_once(services, browser, providers, token)
    except Rejected as error:
        await services.live.increment(Kind.COUNTER, counter, ttl_s=window_s)
        log.info("logout.backchannel_refused", reason=error.reason, detail=error.detail, address=str(browser.address))
        raise


async def log_out_with_provider(
    services: Services, session: Login | ApplicationSession, *, everywhere: bool, forget_device: bool, address: str
) -> ProviderLogout | None:
    """Log out here as `log_out`, and give where the browser goes to log out at the provider too.

    None where the provider is not asked to. Once our sessions have ended nothing fails any more.
    """
    current = await _login_of(services, session)
    provider = _provider_to_tell(services, current.identity)
    id_token_hint = _kept_id_token(services, current) if provider is not None else ""
    await log_out(services, session, everywhere=everywhere, forget_device=forget_device, address=address)
    if provider is None:
        return None
    try:
        url = await _provider_url(services, provider, id_token_hint)
    except Unavailable as error:
        log.warning("logout.provider_unavailable", provider=provider.name, reason=str(error))
        url = ""
    return ProviderLogout(provider.name, url)


async def load_logout_state(services: Services, state: str) -> str | None:
    """Give the name of the provider that a browser comes back from; None for what nobody was sent with."""
    name = await services.live.load(Kind.LOGOUT_STATE, token_hash(state))
    return None if name is None else name.decode()


async def _verify(services: Services, presented: str) -> tuple[list[IdentityProvider], LogoutToken]:
    """Prove a token; gives the providers that it is of (the same issuer and client may be configured twice)."""
    issuer, client_ids = read_addressee(presented)
    ours = services.access().identity_providers
    meant = [one for one in ours if one.openid and one.openid.issuer_url == issuer]
    meant = [one for one in meant if _settings(one).client_id in client_ids]
    if not meant:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "no identity provider has this iss and aud")
    settings = _settings(meant[0])
    metadata = await services.documents.load_metadata(settings)
    token = verify_logout_token(
        presented,
        keys=await services.documents.load_keys(settings, metadata, token=presented),
        expected_issuer=settings.issuer_url,
        expected_client_id=settings.client_id,
        now=services.now(),
    )
    return [one for one in meant if _settings(one).client_id == settings.client_id], token


async def _end_once(
    services: Services, browser: Browser, providers: list[IdentityProvider], token: LogoutToken
) -> None:
    """End what a proven token names, and use it up last: a token that was cut short by an outage works again."""
    settings = _settings(providers[0])
    used = token_hash(f"logout-token\n{settings.issuer_url}\n{token.token_id}")
    if await services.live.load(Kind.USED, used) is not None:
        raise TokenRejected(Reason.UNKNOWN_OR_USED, "the logout token was used already")
    keys = _keys(settings.issuer_url, subject=token.subject, session_id=token.session_id)
    ended = _ended(keys[0])  # with both, the session alone ended: others of the subject may go on, and begin
    await services.live.save(Kind.PROVIDER_SESSION, ended, str(token.issued_at).encode(), ttl_s=ENDED_TTL_S)
    found = [await services.live.load(Kind.PROVIDER_SESSION, key) for key in keys]
    person_ids = dict.fromkeys(value.decode() for value in found if value is not None)
    counts = {person_id: await _end_of_person(services, person_id, providers, token) for person_id in person_ids}
    if not await services.live.claim_once(Kind.USED, used, ttl_s=max(1, token.expires_at - services.now())):
        raise TokenRejected(Reason.UNKNOWN_OR_USED, "the logout token was used already")
    for person_id, count in (counts or {"": 0}).items():
        await services.audit(
            "logout.backchannel",
            actor=Actor(ActorKind.SYSTEM, providers[0].name, providers[0].id),
            person_id=person_id,
            address=str(browser.address),
            scope="session" if token.session_id else "person",
            count=str(count),
        )


async def _end_of_person(
    services: Services, person_id: str, providers: list[IdentityProvider], token: LogoutToken
) -> int:
    """End the logins that are meant with all sessions of their browsers, and what outlived such a login."""
    provider_ids = {provider.id for provider in providers}

    def is_meant(identity: Identity) -> bool:
        if identity.identity_provider_id not in provider_ids or token.subject not in {"", identity.subject}:
            return False
        # Without `sid` in its ID token nobody knows which session of the subject a login came from
        own = {token.session_id, ""} if token.subject else {token.session_id}
        return not token.session_id or identity.provider_session_id in own

    await services.live.delete_owned(person_id, kinds=(Kind.HAND_OVER,))
    devices: set[str] = set()
    count = 0
    for _ in range(MAX_RENEWALS_MEANWHILE):
        logins = [one for one in await services.sessions.list_logins(person_id) if is_meant(one.identity)]
        devices |= {login.device_id for login in logins}
        ended = [await services.sessions.delete_login(login.id) for login in logins]
        for login in logins:
            await services.live.delete(Kind.DEVICE_WINDOW, login.id)
        count += sum(ended)
        if all(ended):  # one that was gone may go on under a new token
            break
    for session in await services.sessions.list_application_sessions(person_id):
        if session.device_id in devices or is_meant(session.identity):
            count += await services.sessions.delete_application_session(session.id)
    return count


async def _login_of(services: Services, session: Login | ApplicationSession) -> Login | ApplicationSession:
    """Give the login of the browser that a session stands for, where it has one still."""
    if isinstance(session, Login):
        return session
    logins = await services.sessions.list_logins(session.person_id)
    return next((login for login in logins if login.device_id == session.device_id), session)


def _provider_to_tell(services: Services, identity: Identity) -> IdentityProvider | None:
    for provider in services.access().identity_providers:
        if provider.id == identity.identity_provider_id and provider.openid and provider.openid.rp_initiated_logout:
            return provider
    return None


def _kept_id_token(services: Services, session: Login | ApplicationSession) -> str:
    """Give the ID token that a login kept; nothing where there is none, and the provider then asks the person."""
    if not isinstance(session, Login) or not session.sealed_id_token:
        return ""
    try:
        return services.sealer.unseal(base64.b64decode(session.sealed_id_token), place=_place(session)).decode()
    except Unavailable as error:
        log.warning("logout.hint_lost", reason=str(error))
        return ""


async def _provider_url(services: Services, provider: IdentityProvider, id_token_hint: str) -> str:
    settings = _settings(provider)
    endpoint = settings.end_session_url or (await services.documents.load_metadata(settings)).end_session_endpoint
    if not endpoint:
        raise Unavailable("the provider names no end_session_endpoint")
    state = new_token(services.random_bytes)
    await services.live.save(Kind.LOGOUT_STATE, token_hash(state), provider.name.encode(), ttl_s=LOGOUT_STATE_TTL_S)
    return logout_url(
        endpoint,
        client_id=settings.client_id,
        id_token_hint=id_token_hint,
        post_logout_redirect_uri=services.portal_origin + RETURN_PATH,
        state=state,
    )


def _keys(issuer: str, *, subject: str, session_id: str) -> list[str]:
    """Give the keys under which the person is found, for each of the names that is said."""
    names = (("sid", session_id), ("sub", subject))
    return [token_hash(f"{name}\n{issuer}\n{value}") for name, value in names if value]


def _ended(key: str) -> str:
    return f"ended:{key}"


def _place(login: Login) -> str:
    return f"login/id_token/{login.person_id}:{login.device_id}:{login.at}"


def _settings(provider: IdentityProvider) -> OpenIdSettings:
    if provider.openid is None:
        raise Unavailable(f"the identity provider {provider.name} is none of OpenID Connect")
    return provider.openid
