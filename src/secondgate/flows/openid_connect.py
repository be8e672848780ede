"""Login at an OpenID Connect provider: the code flow with PKCE, state and nonce, in the browser that began it.

`begin_` remembers what the answer must fit, under the hash of `state`, for ten minutes and one use; `complete_` takes
it, whatever comes of it. Makes an identity of the provider's claims; who that is here is decided in `sign_in`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from secondgate.errors import (
    Forbidden,
    Malformed,
    ProofRejected,
    Reason,
    Rejected,
    TokenRejected,
    TooManyAttempts,
    Unavailable,
)
from secondgate.flows.browser import Browser
from secondgate.flows.services import Services
from secondgate.model.access import IdentityProvider
from secondgate.model.amr import identity_provider_mfa, known_auth_time, why_amr_is_ignored
from secondgate.model.openid import AssertionAudience, ClientAuthentication, OpenIdSettings, Prompt
from secondgate.model.person import Identity, IdentitySource
from secondgate.model.session import Login
from secondgate.protocol.client_assertion import client_assertion
from secondgate.protocol.email_address import parse_email
from secondgate.protocol.id_token import IdToken, verify_id_token
from secondgate.protocol.oidc import (
    ProviderMetadata,
    authorization_url,
    parse_token_response,
    parse_userinfo,
    token_request,
    verify_response_issuer,
)
from secondgate.protocol.opaque_token import new_token, token_hash
from secondgate.store.ports import Kind
from secondgate.store.sessions import decode, encode

log = structlog.get_logger("secondgate.flows.openid_connect")

LOGIN_STATE_TTL_S = 600
LOGINS_PER_ADDRESS = (300, 600)
CALLBACK_PATH = "/login/callback"
HTTP_OK = 200
REFUSALS = frozenset((400, 401, 403))  # RFC 6749, section 5.2, and who refuses in general; all else is an outage
MAX_CODE_CHARS = 4096
MAX_NAME_CHARS = 350
MAX_GROUPS = 500
MAX_VALUES = 500
MAX_VALUE_CHARS = 256


@dataclass(frozen=True, slots=True)
class LoginState:
    """What an answer must fit: the browser, the provider and its issuer, nonce and verifier; and what goes on then.

    `demanded_at` is when a new login at the provider was demanded, in Unix seconds; None where an old one would do.
    """

    browser_id: str
    provider_id: str
    issuer: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    request_token: str = ""
    purpose: str = ""
    demanded_at: int | None = None


@dataclass(frozen=True, slots=True)
class _Freshness:
    """How new a login at the provider must be: what is asked of it, and whether that demands a new login."""

    prompt: str
    max_age_s: int | None

    @property
    def is_demanded(self) -> bool:
        return self.prompt == Prompt.LOGIN


async def begin_openid_login(
    services: Services,
    browser: Browser,
    provider: IdentityProvider,
    *,
    request_token: str,
    purpose: str,
    fresh: bool = False,
) -> str:
    """Remember a login under way and give the provider's URL for it. Raises TooManyAttempts, Unavailable.

    `fresh` demands that the person logs in there anew.
    """
    settings = _settings(provider)
    count, window_s = LOGINS_PER_ADDRESS
    if await services.live.increment(Kind.COUNTER, f"oidc-address:{browser.network}", ttl_s=window_s) > count:
        raise TooManyAttempts(window_s, "too many logins were begun")
    metadata = await services.documents.load_metadata(settings)
    _warn_of_mix_up(services, provider, settings, metadata)
    state, nonce = new_token(services.random_bytes), new_token(services.random_bytes)
    verifier = new_token(services.random_bytes) if settings.pkce_enabled else ""
    freshness = _freshness(services, settings, fresh=fresh)
    remembered = LoginState(
        browser.state_id,
        provider.id,
        settings.issuer_url,
        nonce,
        verifier,
        request_token,
        purpose,
        services.now() if freshness.is_demanded else None,
    )
    await services.live.save(Kind.LOGIN_STATE, token_hash(state), encode(remembered), ttl_s=LOGIN_STATE_TTL_S)
    return authorization_url(
        settings,
        metadata,
        redirect_uri=_redirect_uri(services, settings),
        state=state,
        nonce=nonce,
        verifier=verifier,
        prompt=freshness.prompt,
        max_age_s=freshness.max_age_s,
    )


def _warn_of_mix_up(
    services: Services, provider: IdentityProvider, settings: OpenIdSettings, metadata: ProviderMetadata
) -> None:
    """Tell the operator where another provider could take this one's answers for its own (RFC 9207, section 1)."""
    others = any(one.openid and one.id != provider.id for one in services.access().identity_providers)
    if others and not metadata.sends_iss and not settings.callback_name:
        log.warning(
            "provider.mix_up_possible",
            provider=provider.name,
            hint="it sends no iss: give it a callback_name, so that it has a redirect URI of its own",
        )


def _freshness(services: Services, settings: OpenIdSettings, *, fresh: bool) -> _Freshness:
    """Ask for a login that is as new as the provider's MFA must be, where that counts."""
    max_age_s = services.access().rulebook.organization.mfa.amr_max_age_s
    if fresh or max_age_s == 0:
        return _Freshness(Prompt.LOGIN, 0)
    return _Freshness(settings.prompt or "", max_age_s)


async def claim_login_state(services: Services, browser: Browser, state: str | None) -> LoginState:
    """Take what was remembered under a `state`, once. Raises ProofRejected(UNKNOWN_OR_USED, OTHER_BROWSER)."""
    claimed = await services.live.claim(Kind.LOGIN_STATE, token_hash(state)) if state else None
    remembered = decode(LoginState, claimed)
    if remembered is None:
        raise ProofRejected(Reason.UNKNOWN_OR_USED, "no login of this state is under way")
    if not hmac.compare_digest(remembered.browser_id, browser.state_id):
        raise ProofRejected(Reason.OTHER_BROWSER, "the login was begun in another browser")
    return remembered


async def complete_openid_login(
    services: Services,
    remembered: LoginState,
    provider: IdentityProvider,
    presented: Mapping[str, str],
    *,
    callback_name: str = "",
) -> tuple[Identity, IdToken]:
    """Prove an answer of the provider and give the identity that it vouches for, with the ID token.

    `presented` are the query parameters of the callback, `callback_name` says at which redirect URI they arrived: at
    another's they are another's answer (RFC 9700, section 4.4.2).

    Raises Forbidden: PROVIDER_REFUSED, EMAIL_NOT_VERIFIED; TokenRejected; Malformed; Unavailable.
    """
    settings = _settings(provider)
    if (remembered.provider_id, remembered.issuer) != (provider.id, settings.issuer_url):
        raise ProofRejected(Reason.UNKNOWN_OR_USED, "the provider's settings changed meanwhile")
    if callback_name != settings.callback_name:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "the response arrived at the redirect URI of another provider")
    metadata = await services.documents.load_metadata(settings)
    verify_response_issuer(metadata, presented.get("iss"))
    if "error" in presented:
        raise Forbidden(Reason.PROVIDER_REFUSED, f"the provider answered {presented['error'][:100]!r}")
    code = presented.get("code", "")
    if not 0 < len(code) <= MAX_CODE_CHARS:
        raise Malformed("code", "is missing or too long")
    token, access_token = await _redeem(services, settings, metadata, remembered, code)
    claims = await _all_claims(services, settings, metadata, token, access_token)
    identity = identity_of(provider, settings, token, claims)
    auth_time = known_auth_time(
        token.auth_time, demanded_at=remembered.demanded_at, is_trusted=settings.prompt is Prompt.LOGIN
    )
    return replace(identity, auth_time=auth_time), token


def log_amr(services: Services, login: Login) -> None:
    """Write down, where AMR matching is on, which MFA of the identity provider a login brought, or why none.

    Reasons: no_method, no_auth_time, in_future, too_old, required_aaguids.
    """
    config = services.access().rulebook.organization.mfa
    if config.amr_matching_session_duration_s is None:
        return
    facts = {"person_id": login.person_id, "provider": login.identity.identity_provider_id}
    mfa = identity_provider_mfa(login)
    reason: str | None = why_amr_is_ignored(login)
    if reason is None and config.amr_max_age_s is None:
        reason = "required_aaguids"
    elif reason is None and 0 < config.amr_matching_session_duration_s <= login.at - mfa[0].at:
        reason = "too_old"
    if reason is None:
        log.info("amr.accepted", methods=[one.method for one in mfa], at=mfa[0].at, **facts)
    else:
        log.info("amr.ignored", reason=reason, amr=list(login.identity.amr), **facts)


def identity_of(
    provider: IdentityProvider, settings: OpenIdSettings, token: IdToken, claims: Mapping[str, object]
) -> Identity:
    """Make an identity of claims. Raises Forbidden(EMAIL_NOT_VERIFIED), Malformed for what is no address."""
    address = claims.get(settings.email_claim_name)
    if address is None:
        raise Forbidden(Reason.EMAIL_NOT_VERIFIED, f"the provider sends no claim {settings.email_claim_name!r}")
    # `email_verified` speaks of the claim `email` and of no other (Core, section 5.1)
    is_verified = settings.email_claim_name == "email" and claims.get("email_verified") is True
    if not is_verified and not settings.trust_email:
        raise Forbidden(Reason.EMAIL_NOT_VERIFIED, "the provider does not call the address verified")
    name = claims.get("name")
    return Identity(
        email=parse_email(address),
        name=name[:MAX_NAME_CHARS] if isinstance(name, str) and name.isprintable() else "",
        groups=tuple(group for group in _texts(claims.get("groups"))[:MAX_GROUPS] if "," not in group),
        amr=token.amr,
        auth_time=token.auth_time,
        source=IdentitySource.OIDC,
        identity_provider_id=provider.id,
        subject=token.subject,
        issuer=settings.issuer_url,
        claims=tuple((name, _texts(claims[name]) if name in claims else ()) for name in settings.claims),
        provider_session_id=token.session_id,
    )


async def refuse_openid_login(services: Services, browser: Browser, provider_name: str, error: Rejected) -> None:
    """Write down why a login failed: always in the log, and in the audit log what does not repeat itself."""
    address = str(browser.address)
    is_written = await services.audit_seldom(
        "login.failed",
        of=f"{address}:{provider_name}:{error.reason}",
        actor="",
        address=address,
        provider=provider_name,
        reason=error.reason,
        detail=error.detail,
    )
    if not is_written:
        log.info("login.failed", address=address, provider=provider_name, reason=error.reason, detail=error.detail)


async def _redeem(
    services: Services, settings: OpenIdSettings, metadata: ProviderMetadata, remembered: LoginState, code: str
) -> tuple[IdToken, str]:
    """Turn the code into a proven ID token and an access token."""
    form, headers = token_request(
        settings,
        code=code,
        redirect_uri=_redirect_uri(services, settings),
        verifier=remembered.verifier,
        assertion=_assertion(services, settings, metadata),
    )
    answer = await services.outgoing.post_form(
        metadata.token_endpoint, form, configured_urls=settings.urls, headers=headers
    )
    if answer.status in REFUSALS:
        raise Forbidden(Reason.PROVIDER_REFUSED, f"the token endpoint answered {answer.status}{_error(answer.body)}")
    if answer.status != HTTP_OK:
        raise Unavailable(f"the token endpoint of {settings.issuer_url} answered {answer.status}")
    response = parse_token_response(answer.body)
    keys = await services.documents.load_keys(settings, metadata, token=response.id_token)
    token = verify_id_token(
        response.id_token,
        keys=keys,
        expected_issuer=settings.issuer_url,
        expected_client_id=settings.client_id,
        expected_nonce=remembered.nonce,
        access_token=response.access_token,
        now=services.now(),
    )
    return token, response.access_token


def _assertion(services: Services, settings: OpenIdSettings, metadata: ProviderMetadata) -> str:
    """Prove ourselves with a key, where that is how this provider knows us."""
    if settings.client_authentication is not ClientAuthentication.PRIVATE_KEY:
        return ""
    to_endpoint = settings.client_assertion_audience is AssertionAudience.TOKEN_ENDPOINT
    return client_assertion(
        settings.client_private_key,
        client_id=settings.client_id,
        key_id=settings.client_key_id,
        audience=metadata.token_endpoint if to_endpoint else settings.issuer_url,
        token_id=services.new_id(),
        now=services.now(),
    )


async def _all_claims(
    services: Services, settings: OpenIdSettings, metadata: ProviderMetadata, token: IdToken, access_token: str
) -> Mapping[str, object]:
    """Give the ID token's claims, and userinfo's where something that we want is missing; the token's go first."""
    wanted = {settings.email_claim_name, "name", "groups", *settings.claims}
    if settings.email_claim_name == "email" and not settings.trust_email:
        wanted.add("email_verified")
    if wanted <= token.claims.keys() or not metadata.userinfo_endpoint:
        return token.claims
    answer = await services.outgoing.get(
        metadata.userinfo_endpoint,
        configured_urls=settings.urls,
        headers={"Authorization": f"Bearer {access_token}"},
    )
    if answer.status != HTTP_OK:
        raise Unavailable(f"the userinfo endpoint of {settings.issuer_url} answered {answer.status}")
    userinfo = dict(parse_userinfo(answer.body, expected_sub=token.subject))
    claims = {**userinfo, **token.claims}
    # Each `email_verified` speaks of the address that stands beside it
    if "email" not in token.claims:
        claims["email_verified"] = userinfo.get("email_verified")
    elif token.claims["email"] != userinfo.get("email"):
        claims["email_verified"] = token.claims.get("email_verified")
    return claims


def _texts(value: object) -> tuple[str, ...]:
    """Give a claim's values as texts: one, or those of an array; objects and odd texts are left out."""
    values = value if isinstance(value, list) else [value]
    texts = []
    for one in values[:MAX_VALUES]:
        if isinstance(one, str) and one and len(one) <= MAX_VALUE_CHARS and one.isprintable():
            texts.append(one)
        elif isinstance(one, (bool, int)) and abs(one) < 2**63:
            texts.append(json.dumps(one))
    return tuple(texts)


def _error(body: bytes) -> str:
    """Give the error code of a token endpoint's answer (RFC 6749, section 5.2), for operators."""
    try:
        code = json.loads(body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return f" {code[:100]!r}" if isinstance(code, str) else ""


def _redirect_uri(services: Services, settings: OpenIdSettings) -> str:
    own = f"/{settings.callback_name}" if settings.callback_name else ""
    return services.portal_origin + CALLBACK_PATH + own


def _settings(provider: IdentityProvider) -> OpenIdSettings:
    if provider.openid is None:
        raise Unavailable(f"the identity provider {provider.name} is none of OpenID Connect")
    return provider.openid
