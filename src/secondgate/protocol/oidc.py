"""OpenID Connect as a relying party: documents, URLs and responses of the code flow.

OpenID Connect Discovery 1.0 (section 4), Core 1.0 (sections 3.1.2, 3.1.3 and 5.3), PKCE with S256 (RFC 7636), the
`iss` response parameter (RFC 9207), client authentication (RFC 6749, section 2.3.1). ID tokens are in `id_token`.
Fetches nothing, remembers nothing: state, nonce and verifier are the caller's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from secondgate.errors import Malformed, Reason, TokenRejected
from secondgate.model.openid import ClientAuthentication, OpenIdSettings
from secondgate.protocol.client_assertion import ASSERTION_TYPE
from secondgate.protocol.jws import parse_json_object

MAX_URL_CHARS = 2048
WELL_KNOWN = "/.well-known/openid-configuration"
_ACCESS_TOKEN = re.compile(r"[\x20-\x7e]{1,16384}")  # RFC 6749, appendix A.12
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """What a provider says of itself. `issuer` is empty where endpoints were configured without one."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    sends_iss: bool = False
    end_session_endpoint: str = ""


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What the token endpoint gave."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)


def discovery_url(issuer: str) -> str:
    """Give where an issuer's document stands (Discovery, section 4)."""
    return issuer.removesuffix("/") + WELL_KNOWN


def parse_discovery(body: bytes, *, expected_issuer: str) -> ProviderMetadata:
    """Read a discovery document. Raises Malformed: no JSON object, another issuer (section 4.3), a bad endpoint."""
    try:
        document = parse_json_object(body)
    except ValueError as error:
        raise Malformed("discovery", f"must be a JSON object: {error}") from None
    if document.get("issuer") != expected_issuer:
        raise Malformed("issuer", f"the document is of another issuer than {expected_issuer}")
    plain = expected_issuer.startswith("http://")
    authorization, token, jwks = (_endpoint(name, document.get(name), plain=plain) for name in ENDPOINTS)
    userinfo = document.get("userinfo_endpoint")
    return ProviderMetadata(
        expected_issuer,
        authorization,
        token,
        jwks,
        userinfo_endpoint="" if userinfo is None else _endpoint("userinfo_endpoint", userinfo, plain=plain),
        sends_iss=document.get("authorization_response_iss_parameter_supported") is True,
        end_session_endpoint=_optional_endpoint(document.get("end_session_endpoint"), plain=plain),
    )


def code_challenge(verifier: str) -> str:
    """Give the S256 challenge of a verifier (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def authorization_url(
    settings: OpenIdSettings,
    metadata: ProviderMetadata,
    *,
    redirect_uri: str,
    state: str,
    nonce: str,
    verifier: str,
    prompt: str = "",
    max_age_s: int | None = None,
) -> str:
    """Give the URL that begins a login (Core, section 3.1.2.1). An empty `verifier` uses no PKCE.

    `max_age_s` is how old the login at the provider may be, in seconds; `prompt` what it shall ask.
    """
    query = {
        "response_type": "code",
        "client_id": settings.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(dict.fromkeys(("openid", *settings.scopes))),
        "state": state,
        "nonce": nonce,
    }
    if verifier:
        query |= {"code_challenge": code_challenge(verifier), "code_challenge_method": "S256"}
    if prompt:
        query["prompt"] = prompt
    if max_age_s is not None:
        query["max_age"] = str(max_age_s)
    parts = urlsplit(metadata.authorization_endpoint)
    given = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in query]
    return urlunsplit(parts._replace(query=urlencode([*given, *query.items()]), fragment=""))


def verify_response_issuer(metadata: ProviderMetadata, presented: str | None) -> None:
    """Prove that a response comes from this provider and no other (RFC 9207, section 2.4). Raises TokenRejected."""
    if presented is None:
        if metadata.sends_iss:
            raise TokenRejected(Reason.TOKEN_CLAIMS, "iss is missing in the response although the provider sends it")
    elif metadata.issuer and presented != metadata.issuer:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "the response is of another issuer")


def token_request(
    settings: OpenIdSettings, *, code: str, redirect_uri: str, verifier: str, assertion: str = ""
) -> tuple[dict[str, str], dict[str, str]]:
    """Give the form and the header fields that redeem a code (Core, section 3.1.3.1).

    `assertion` is what proves us where the provider takes no secret (`client_assertion`).
    """
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if verifier:
        form["code_verifier"] = verifier
    if settings.client_authentication is ClientAuthentication.PRIVATE_KEY:
        proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        return {**form, "client_id": settings.client_id, **proof}, {}
    secret = settings.client_secret.reveal()
    if settings.client_authentication is ClientAuthentication.POST:
        return {**form, "client_id": settings.client_id, "client_secret": secret}, {}
    pair = f"{quote(settings.client_id, safe='')}:{quote(secret, safe='')}"
    return form, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def parse_token_response(body: bytes) -> TokenResponse:
    """Read the token endpoint's answer (Core, section 3.1.3.3). Raises TokenRejected."""
    try:
        answer = parse_json_object(body)
    except ValueError as error:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "the token response is no JSON object") from error
    id_token, access_token, kind = answer.get("id_token"), answer.get("access_token"), answer.get("token_type")
    if not isinstance(id_token, str) or not isinstance(access_token, str):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "the token response has no id_token or no access_token")
    if not _ACCESS_TOKEN.fullmatch(access_token):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "the access_token is of characters that no header can carry")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenRejected(Reason.TOKEN_CLAIMS, "the token_type is not Bearer")
    return TokenResponse(id_token, access_token)


def parse_userinfo(body: bytes, *, expected_sub: str) -> Mapping[str, object]:
    """Read the userinfo answer, which must be about the same subject (Core, section 5.3.2). Raises TokenRejected."""
    try:
        claims = parse_json_object(body)
    except ValueError as error:
        raise TokenRejected(Reason.TOKEN_CLAIMS, "userinfo is no JSON object") from error
    sub = claims.get("sub")
    if not isinstance(sub, str) or not hmac.compare_digest(
        sub.encode("utf-8", "surrogatepass"), expected_sub.encode("utf-8", "surrogatepass")
    ):
        raise TokenRejected(Reason.TOKEN_CLAIMS, "userinfo is about another subject")
    return claims


def _optional_endpoint(value: object, *, plain: bool) -> str:
    """Read an endpoint that no login needs: one that cannot be used keeps nobody out."""
    try:
        return _endpoint("endpoint", value, plain=plain)
    except Malformed:
        return ""


def _endpoint(name: str, value: object, *, plain: bool) -> str:
    """Read an endpoint: HTTPS, unless the issuer itself was configured with plain HTTP. Raises Malformed."""
    if isinstance(value, str) and len(value) <= MAX_URL_CHARS and value.isascii() and value.isprintable():
        try:
            parts = urlsplit(value)
            usable = bool(parts.hostname) and parts.username is None and " " not in value and not parts.fragment
        except ValueError:
            usable, parts = False, urlsplit("")
        if usable and (parts.scheme == "https" or (plain and parts.scheme == "http")):
            return value
    raise Malformed(name, "must be a whole https:// URL")
