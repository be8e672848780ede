"""The identity provider's own MFA: which of our methods its `amr` stands for (RFC 8176, section 2), and since when.

Whether that counts, and for how long, is the organization's setting and decided in `decision`. Values that name no
method of ours (`pwd`, `sms`, `mfa`, `sc`, `pin`…) say nothing here: they do not tell what was proved.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from secondgate.model.organization import Method
from secondgate.model.person import Identity
from secondgate.model.session import Login, MfaSession

CLOCK_SKEW_S = 60
METHOD_OF_AMR: dict[str, Method] = {
    "hwk": Method.SECURITY_KEY,
    "swk": Method.SECURITY_KEY,
    "otp": Method.TOTP,
    "face": Method.BIOMETRICS,
    "fpt": Method.BIOMETRICS,
    "iris": Method.BIOMETRICS,
    "retina": Method.BIOMETRICS,
    "vbm": Method.BIOMETRICS,
}

AMR_OF_METHOD: dict[Method, str] = {Method.TOTP: "otp", Method.SECURITY_KEY: "hwk", Method.BIOMETRICS: "fpt"}


def told_amr_values(identity: Identity, mfa: Iterable[MfaSession]) -> list[str]:
    """Give the values by which an application is told how somebody logged in and what was proved.

    Of the identity provider's values those that stand for a method are told only where that proof was accepted, and
    `mfa` only where any was, there or here; the others (`pwd`, `sms`…) as they are.
    """
    proofs = tuple(mfa)
    accepted = {session.method for session in proofs if session.is_from_identity_provider}
    theirs = [
        value
        for value in identity.amr
        if (METHOD_OF_AMR[value] in accepted if value in METHOD_OF_AMR else value != "mfa" or accepted)
    ]
    own = [AMR_OF_METHOD[session.method] for session in proofs if not session.is_from_identity_provider]
    return list(dict.fromkeys([*theirs, *own, *(["mfa"] if own else [])]))


class AmrIgnored(StrEnum):
    """Why nothing is taken from a login's `amr`."""

    NO_METHOD = "no_method"
    NO_AUTH_TIME = "no_auth_time"
    IN_FUTURE = "in_future"


def why_amr_is_ignored(login: Login) -> AmrIgnored | None:
    """Give why a login's identity provider vouches for no MFA; None when it vouches for one.

    Without an `auth_time` nobody knows how old it is: the provider's own session may be weeks old, so nothing is taken
    from it. Nor is it where `auth_time` is after the login by more than clocks differ: that is a mistake or a lie.
    """
    identity = login.identity
    if METHOD_OF_AMR.keys().isdisjoint(identity.amr):
        return AmrIgnored.NO_METHOD
    if identity.auth_time is None:
        return AmrIgnored.NO_AUTH_TIME
    return AmrIgnored.IN_FUTURE if identity.auth_time > login.at + CLOCK_SKEW_S else None


def known_auth_time(auth_time: int | None, *, demanded_at: int | None, is_trusted: bool) -> int | None:
    """Give when somebody logged in at the provider, in Unix seconds; None where nobody knows.

    `demanded_at` is when a new login was demanded there, None where it was not. One that is older by no more than
    clocks differ was made since; one that is older still is what it says: the provider did not do as it was told.
    One that is not dated was made since only where the operator trusts that it was (`is_trusted`): the demand goes
    through the browser, and whoever sits there can take it out.
    """
    if demanded_at is None:
        return auth_time
    if auth_time is None:
        return demanded_at if is_trusted else None
    if demanded_at - CLOCK_SKEW_S <= auth_time < demanded_at:
        return demanded_at
    return auth_time


def identity_provider_mfa(login: Login) -> tuple[MfaSession, ...]:
    """Give the proofs that a login's identity provider vouches for.

    They are as old as its `auth_time`.
    """
    auth_time = login.identity.auth_time
    if auth_time is None or why_amr_is_ignored(login) is not None:
        return ()
    at = min(auth_time, login.at)
    methods = dict.fromkeys(METHOD_OF_AMR[value] for value in login.identity.amr if value in METHOD_OF_AMR)
    return tuple(MfaSession(login.person_id, login.device_id, method, "", at) for method in methods)
