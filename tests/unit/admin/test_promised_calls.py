"""The calls that were promised to Cloudflare's clients are all there, and what is there besides is known to be ours."""

from __future__ import annotations

import re

from secondgate.admin.resources import CALLS

ACCOUNT = "/accounts/{}"
PROMISED = """
GET PUT PATCH POST  /access/organizations
POST                /access/organizations/revoke_user
GET POST            /access/apps
GET PUT DELETE      /access/apps/{}
POST                /access/apps/{}/revoke_tokens
GET                 /access/apps/{}/user_policy_checks
GET POST            /access/apps/{}/policies
GET PUT DELETE      /access/apps/{}/policies/{}
GET POST            /access/policies
GET PUT DELETE      /access/policies/{}
POST                /access/policy-tests
GET                 /access/policy-tests/{}
GET                 /access/policy-tests/{}/users
GET POST            /access/groups
GET PUT DELETE      /access/groups/{}
GET POST            /access/users
GET PUT DELETE      /access/users/{}
GET                 /access/users/{}/active_sessions
GET                 /access/users/{}/active_sessions/{}
GET                 /access/users/{}/failed_logins
GET                 /access/users/{}/last_seen_identity
DELETE              /access/users/{}/mfa_authenticators/{}
GET POST            /gateway/lists
GET PUT PATCH DELETE /gateway/lists/{}
GET                 /gateway/lists/{}/items
GET POST            /access/identity_providers
GET PUT DELETE      /access/identity_providers/{}
GET PUT             /access/keys
POST                /access/keys/rotate
GET POST            /access/service_tokens
GET PUT DELETE      /access/service_tokens/{}
POST                /access/service_tokens/{}/refresh
POST                /access/service_tokens/{}/rotate
GET POST            /access/tags
GET PUT DELETE      /access/tags/{}
GET                 /access/logs/access_requests
GET                 /logs/audit
GET                 /tokens/verify
GET POST            /tokens
GET PUT DELETE      /tokens/{}
"""
"""Under the account."""
ELSEWHERE = {("GET", "/user/tokens/verify"), ("GET", "/accounts"), ("GET", ACCOUNT)}
OURS = """
GET             /access/users/{}/mfa_authenticators
GET POST        /access/users/{}/temporary_passes
DELETE          /access/users/{}/temporary_passes/{}
DELETE          /access/users/{}/active_sessions/{}
GET             /access/known_authenticators
GET             /tokens/permission_groups
PUT             /tokens/{}/value
"""
"""What is there besides, under the account."""


def table(text: str) -> set[tuple[str, str]]:
    rows = [line.split() for line in text.strip().splitlines()]
    return {(method, ACCOUNT + path) for *methods, path in rows for method in methods}


def there() -> set[tuple[str, str]]:
    return {(call.method, re.sub(r"\{\w+\}", "{}", call.path)) for call in CALLS}


def test_every_call_that_was_promised_is_there() -> None:
    assert table(PROMISED) | ELSEWHERE <= there()


def test_what_is_there_besides_is_ours_and_known() -> None:
    assert there() - table(PROMISED) - ELSEWHERE == table(OURS)


def test_no_call_is_there_twice() -> None:
    assert len(there()) == len(CALLS)
