"""Which identity providers somebody can choose from, for one application."""

from __future__ import annotations

from secondgate.errors import NotFound, Reason
from secondgate.flows.login_request import LoginRequest
from secondgate.model.access import IdentityProvider
from secondgate.portal.context import Context


def providers_of(context: Context, request: LoginRequest | None) -> list[IdentityProvider]:
    """Give the identity providers that the application allows."""
    application = context.application(request)
    allowed = application.allowed_idps if application else ()
    providers = context.services.access().identity_providers
    return [provider for provider in providers if not allowed or provider.id in allowed]


def provider_of(context: Context, request: LoginRequest | None, provider_id: str) -> IdentityProvider:
    """Give one of them. Raises NotFound."""
    for provider in providers_of(context, request):
        if provider.id == provider_id:
            return provider
    raise NotFound(Reason.NOT_FOUND, "no identity provider that may be used here")
