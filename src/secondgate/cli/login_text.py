"""The newest login in an explanation: where it was made, what its provider vouches for, and whether that counts.

Says what `model.amr` and `model.decision` conclude; concludes nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from secondgate.cli.tables import time_text
from secondgate.model.amr import METHOD_OF_AMR, AmrIgnored, identity_provider_mfa, why_amr_is_ignored
from secondgate.model.decision import Evidence, mfa_young_enough
from secondgate.model.organization import MfaConfig, MfaRequirement
from secondgate.model.session import Login
from secondgate.protocol.duration import format_duration

_IGNORED = {
    AmrIgnored.NO_METHOD: "no value stands for a method",
    AmrIgnored.NO_AUTH_TIME: "the identity provider does not say when it was (auth_time)",
    AmrIgnored.IN_FUTURE: "its auth_time lies in the future",
}


def login_lines(login: Login | None, provider: str) -> Iterator[str]:
    """Give the login in words."""
    if login is None:
        yield "login        none now"
        return
    identity = login.identity
    there = f"; there since {time_text(identity.auth_time)} (auth_time)" if identity.auth_time is not None else ""
    yield f"login        by {provider}, {time_text(login.at)}{there}"
    yield f"     amr: {', '.join(identity.amr) or 'none'}"


def amr_lines(login: Login | None, requirement: MfaRequirement, mfa: MfaConfig, *, now: int) -> Iterator[str]:
    """Give whether MFA at the identity provider counts, and why not."""
    if mfa.amr_matching_session_duration_s is None:
        yield "AMR matching off: MFA at the identity provider counts for nothing"
        return
    if requirement.amr_max_age_s is None:
        yield "AMR matching off while required_aaguids is set: MFA at the identity provider counts for nothing"
        return
    duration = format_duration(requirement.amr_max_age_s)
    age = "0m: a new one at every login" if requirement.amr_max_age_s == 0 else f"at most {duration} old"
    yield f"AMR matching on, from the organization: {age}"
    if login is not None:
        yield from _value_lines(login, requirement, now=now)


def _value_lines(login: Login, requirement: MfaRequirement, *, now: int) -> Iterator[str]:
    ignored = why_amr_is_ignored(login)
    if ignored is not None:
        yield f"     nothing counts: {_IGNORED[ignored]}"
        return
    young = mfa_young_enough(requirement, Evidence(identity_provider_mfa(login), now), now=now)
    for session in identity_provider_mfa(login):
        values = ", ".join(value for value in login.identity.amr if METHOD_OF_AMR.get(value) is session.method)
        if session.method not in requirement.methods:
            words = "does not count: the method is not allowed here"
        elif session not in young:
            words = f"does not count: it is of {time_text(session.at)}"
        else:
            words = f"counts until {time_text(session.at + (requirement.amr_max_age_s or 0))}"
        yield f"     {values} is {session.method}: {words}"


def login_data(login: Login | None, provider: str) -> Mapping[str, object] | None:
    """Give the login as JSON's values; times in Unix seconds."""
    if login is None:
        return None
    ignored = why_amr_is_ignored(login)
    return {
        "identity_provider": provider,
        "at": login.at,
        "auth_time": login.identity.auth_time,
        "amr": list(login.identity.amr),
        "amr_methods": [session.method for session in identity_provider_mfa(login)],
        "amr_ignored_because": ignored,
    }
