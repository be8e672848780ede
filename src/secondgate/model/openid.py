"""What the operator decided about one OpenID Connect provider."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secondgate.model.secret import Secret

_NO_SECRET = Secret("")


class ClientAuthentication(StrEnum):
    """How we prove ourselves at the token endpoint (OpenID Connect Core 1.0, section 9)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY = "private_key_jwt"


class AssertionAudience(StrEnum):
    """Whom a client assertion names as its reader. Some providers know themselves by their token endpoint alone."""

    ISSUER = "issuer"
    TOKEN_ENDPOINT = "token_endpoint"  # noqa: S105 - the name of an endpoint, not a secret


class Prompt(StrEnum):
    """What a provider shall ask at each login (Core 1.0, section 3.1.2.1)."""

    LOGIN = "login"
    SELECT_ACCOUNT = "select_account"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdSettings:
    """One provider: `issuer_url` for discovery, or the three endpoints; `claims` are kept with the identity.

    `issuer_url` is what ID tokens must name as `iss`. `trust_email` believes addresses that the provider does not call
    verified. We prove ourselves with `client_secret`, or with `client_private_key` (PEM). With `rp_initiated_logout`
    logging out here logs out at the provider too, at `end_session_url` or at the one that is discovered. With a
    `callback_name` the provider has a redirect URI of its own, so that its answers pass for no other provider's.
    """

    issuer_url: str
    client_id: str
    client_secret: Secret[str] = _NO_SECRET
    client_private_key: Secret[str] = _NO_SECRET
    client_key_id: str = ""
    client_assertion_audience: AssertionAudience = AssertionAudience.ISSUER
    auth_url: str = ""
    token_url: str = ""
    certs_url: str = ""
    userinfo_url: str = ""
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    claims: tuple[str, ...] = ()
    email_claim_name: str = "email"
    pkce_enabled: bool = True
    trust_email: bool = False
    client_authentication: ClientAuthentication = ClientAuthentication.BASIC
    prompt: Prompt | None = None
    rp_initiated_logout: bool = False
    end_session_url: str = ""
    callback_name: str = ""

    @property
    def is_discovered(self) -> bool:
        """Whether the endpoints are read from the issuer's document."""
        return not self.auth_url

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs that the operator named: these alone may lie in private networks."""
        return tuple(url for url in (self.issuer_url, self.auth_url, self.token_url, self.certs_url) if url)
