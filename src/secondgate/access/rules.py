"""Rules on the wire: objects of one key, and the three lists of them that a policy, a group and administrators have.

A kind of rule that nothing honours yet is refused by name, never stored and never ignored.
"""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import model_validator

from secondgate.access.fields import (
    Amr,
    EmailAddress,
    MailDomain,
    Name,
    Network,
    OutgoingUrl,
    Reference,
    Shape,
    Text,
    refusal,
)


class EveryoneShape(Shape):
    """`everyone {}`."""


class EmailShape(Shape):
    """`email {email}`."""

    email: EmailAddress


class EmailDomainShape(Shape):
    """`email_domain {domain}`."""

    domain: MailDomain


class ReferenceShape(Shape):
    """`email_list {id}`, `group {id}`, `ip_list {id}`, `login_method {id}`."""

    id: Reference


class IpShape(Shape):
    """`ip {ip}`."""

    ip: Network


class AuthMethodShape(Shape):
    """`auth_method {auth_method}`."""

    auth_method: Amr


class OidcClaimShape(Shape):
    """`oidc {claim_name, claim_value, identity_provider_id}`."""

    claim_name: Name
    claim_value: Text
    identity_provider_id: Reference


class ServiceTokenShape(Shape):
    """`service_token {token_id}`: the id or the name of a token."""

    token_id: Reference


class AnyServiceTokenShape(Shape):
    """`any_valid_service_token {}`."""


class ExternalEvaluationShape(Shape):
    """`external_evaluation {evaluate_url, keys_url}`."""

    evaluate_url: OutgoingUrl
    keys_url: OutgoingUrl


class RuleShape(Shape):
    """One rule: exactly one of these keys."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(
        (
            "azureAD",
            "azure_ad",
            "certificate",
            "common_name",
            "auth_context",
            "device_posture",
            "geo",
            "github-organization",
            "gsuite",
            "okta",
            "saml",
            "linked_app_token",
            "user_risk_score",
        )
    )

    everyone: EveryoneShape | None = None
    email: EmailShape | None = None
    email_domain: EmailDomainShape | None = None
    email_list: ReferenceShape | None = None
    group: ReferenceShape | None = None
    ip: IpShape | None = None
    ip_list: ReferenceShape | None = None
    login_method: ReferenceShape | None = None
    auth_method: AuthMethodShape | None = None
    oidc: OidcClaimShape | None = None
    service_token: ServiceTokenShape | None = None
    any_valid_service_token: AnyServiceTokenShape | None = None
    external_evaluation: ExternalEvaluationShape | None = None

    @model_validator(mode="after")
    def _has_one_kind(self) -> Self:
        kinds = [kind for kind in type(self).model_fields if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise refusal(
                "is a rule of exactly one kind, as {email: {email: ann@example.com}} or {everyone: {}}"
                + (f"; here are {' and '.join(kinds)}" if kinds else "")
            )
        return self

    @property
    def kind(self) -> str:
        """The rule's one key."""
        return next(kind for kind in type(self).model_fields if getattr(self, kind) is not None)

    @property
    def reference(self) -> str | None:
        """What the rule refers to by name or id, if it refers to anything."""
        value = getattr(self, self.kind)
        return value.id if isinstance(value, ReferenceShape) else None


class CriteriaShape(Shape):
    """Three lists of rules: any of `include`, all of `require`, none of `exclude`."""

    include: tuple[RuleShape, ...] = ()
    exclude: tuple[RuleShape, ...] = ()
    require: tuple[RuleShape, ...] = ()

    def rules(self) -> tuple[tuple[str, RuleShape], ...]:
        """Give every rule with its place in the object, as `include[0]`."""
        return tuple(
            (f"{part}[{number}]", rule)
            for part in ("include", "exclude", "require")
            for number, rule in enumerate(getattr(self, part))
        )
