"""The calls of the API, one module a resource."""

from __future__ import annotations

from secondgate.admin.calls import Call
from secondgate.admin.resources import (
    application_policies,
    applications,
    authenticators,
    groups,
    identity_providers,
    known_authenticators,
    lists,
    logs,
    organizations,
    policies,
    policy_checks,
    policy_tests,
    temporary_passes,
    user_sessions,
    users,
)

CALLS: tuple[Call, ...] = (
    *organizations.CALLS,
    *identity_providers.CALLS,
    *groups.CALLS,
    *policies.CALLS,
    *applications.CALLS,
    *application_policies.CALLS,
    *policy_checks.CALLS,
    *policy_tests.CALLS,
    *lists.CALLS,
    *logs.CALLS,
    *known_authenticators.CALLS,
    *users.CALLS,
    *user_sessions.CALLS,
    *authenticators.CALLS,
    *temporary_passes.CALLS,
)
