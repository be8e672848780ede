"""The calls of the API, one module a resource."""

from __future__ import annotations

from secondgate.admin.calls import Call
from secondgate.admin.resources import (
    accounts,
    api_tokens,
    application_policies,
    applications,
    authenticators,
    groups,
    identity_providers,
    keys,
    known_authenticators,
    lists,
    logs,
    organizations,
    policies,
    policy_checks,
    policy_tests,
    service_tokens,
    tags,
    temporary_passes,
    user_sessions,
    users,
)

CALLS: tuple[Call, ...] = (
    *accounts.CALLS,
    *api_tokens.CALLS,
    *organizations.CALLS,
    *identity_providers.CALLS,
    *groups.CALLS,
    *policies.CALLS,
    *applications.CALLS,
    *application_policies.CALLS,
    *policy_checks.CALLS,
    *policy_tests.CALLS,
    *service_tokens.CALLS,
    *tags.CALLS,
    *keys.CALLS,
    *lists.CALLS,
    *logs.CALLS,
    *known_authenticators.CALLS,
    *users.CALLS,
    *user_sessions.CALLS,
    *authenticators.CALLS,
    *temporary_passes.CALLS,
)
