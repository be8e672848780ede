"""Which identity providers somebody can choose from, for one application, and which may be asked for its own MFA."""

from __future__ import annotations

from secondgate.errors import NotFound, Reason
from secondgate.flows.login_request import LoginRequest
from secondgate.model.access import IdentityProvider
from secondgate.model.organization import MfaRequirement
from secondgate.model.session import Login
from secondgate.portal.context import Context
from secondgate.portal.journey import path
from secondgate.portal.pages import Choice


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


def provider_to_ask_again(
    context: Context, login: Login, request: LoginRequest, requirement: MfaRequirement
) -> Choice | None:
    """Give the way to a new login at the provider that this one came by, where its own MFA would do."""
    if requirement.amr_max_age_s is None:
        return None
    for provider in providers_of(context, request):
        if provider.openid and provider.id == login.identity.identity_provider_id:
            return Choice(provider.name, path(f"/login/{provider.id}", request, fresh="1"))
    return None
