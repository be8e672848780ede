"""What makes no sense in the settings of identity providers although each field is well formed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from secondgate.access.finding import Finding
from secondgate.access.shapes import IdentityProviderConfigShape, IdentityProviderShape

_ENDPOINTS = ("auth_url", "token_url", "certs_url")


def find_provider_problems(providers: Iterable[IdentityProviderShape], *, at: str) -> Iterator[Finding]:
    """Find them; `at` is the path of the providers."""
    for number, provider in enumerate(providers):
        here = f"{at}[{number}].config"
        config = provider.config or IdentityProviderConfigShape()
        if provider.type == "oidc":
            yield from _openid_problems(config, here, f"{at}[{number}].type")
        elif config.model_fields_set:
            yield Finding(here, "must be empty: one-time PINs have no settings of their own", (f"{at}[{number}].type",))


def _openid_problems(config: IdentityProviderConfigShape, at: str, type_at: str) -> Iterator[Finding]:
    needs = (type_at, at, *(f"{at}.{field}" for field in type(config).model_fields))
    for field, meaning in (
        ("issuer_url", "the provider's issuer, which its ID tokens must name"),
        ("client_id", "what the provider calls this portal"),
        ("client_secret", "the provider's secret for this portal; client_secret_file names a file with it"),
    ):
        if getattr(config, field) is None:
            yield Finding(f"{at}.{field}", f"is required: {meaning}", needs)
    given = [field for field in _ENDPOINTS if getattr(config, field) is not None]
    if given and len(given) < len(_ENDPOINTS):
        yield Finding(at, "must have all of auth_url, token_url and certs_url, or none of them to discover them", needs)
