"""What makes no sense in the settings of identity providers although each field is well formed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from secondgate.access.finding import Finding
from secondgate.access.shapes import IdentityProviderConfigShape, IdentityProviderShape
from secondgate.errors import Malformed
from secondgate.model.openid import ClientAuthentication
from secondgate.protocol.client_assertion import ALLOWED, verify_client_key

_OF_KEYS = ("client_private_key", "client_key_id", "client_assertion_audience")
_ENDPOINTS = ("auth_url", "token_url", "certs_url")


def find_provider_problems(providers: Iterable[IdentityProviderShape], *, at: str) -> Iterator[Finding]:
    """Find them; `at` is the path of the providers."""
    callbacks: dict[str, int] = {}
    providers = tuple(providers)
    names = [provider.name for provider in providers]
    for number, provider in enumerate(providers):
        here = f"{at}[{number}].config"
        config = provider.config or IdentityProviderConfigShape()
        if provider.type == "oidc":
            yield from _openid_problems(config, here, f"{at}[{number}].type")
            first = callbacks.setdefault(config.callback_name or "", number)
            if config.callback_name is not None and first != number:
                yield Finding(f"{here}.callback_name", f"is that of the provider {names[first]!r} too")
        elif config.model_fields_set:
            yield Finding(here, "must be empty: one-time PINs have no settings of their own", (f"{at}[{number}].type",))


def _openid_problems(config: IdentityProviderConfigShape, at: str, type_at: str) -> Iterator[Finding]:
    needs = (type_at, at, *(f"{at}.{field}" for field in type(config).model_fields))
    required = [
        ("issuer_url", "the provider's issuer, which its ID tokens must name"),
        ("client_id", "what the provider calls this portal"),
    ]
    by_key = config.token_endpoint_auth_method is ClientAuthentication.PRIVATE_KEY
    if by_key:
        required.append(("client_private_key", f"{ALLOWED}; client_private_key_file names a file with it"))
    else:
        required.append(("client_secret", "the provider's secret for this portal; client_secret_file names a file"))
    for field, meaning in required:
        if getattr(config, field) is None:
            yield Finding(f"{at}.{field}", f"is required: {meaning}", needs)
    for field in ("client_secret",) if by_key else _OF_KEYS:
        if getattr(config, field) is not None:
            method = config.token_endpoint_auth_method
            yield Finding(f"{at}.{field}", f"is never used: token_endpoint_auth_method is {method}", needs)
    if config.client_private_key is not None:
        try:
            verify_client_key(config.client_private_key)
        except Malformed as error:
            yield Finding(f"{at}.client_private_key", error.detail.removeprefix(f"{error.field}: "))
    yield from _logout_problems(config, at, needs)
    given = [field for field in _ENDPOINTS if getattr(config, field) is not None]
    if given and len(given) < len(_ENDPOINTS):
        yield Finding(at, "must have all of auth_url, token_url and certs_url, or none of them to discover them", needs)
    if config.userinfo_url is not None and not given:
        yield Finding(f"{at}.userinfo_url", "is never used: without auth_url it is discovered", needs)


def _logout_problems(config: IdentityProviderConfigShape, at: str, needs: tuple[str, ...]) -> Iterator[Finding]:
    is_switched_off = "rp_initiated_logout" in config.model_fields_set and not config.rp_initiated_logout
    if config.end_session_url is not None and is_switched_off:
        yield Finding(f"{at}.end_session_url", "is never used: rp_initiated_logout is false", needs)
    if config.rp_initiated_logout and config.auth_url is not None and config.end_session_url is None:
        meaning = "where the provider logs people out; beside auth_url it is not discovered"
        yield Finding(f"{at}.end_session_url", f"is required: {meaning}", needs)
