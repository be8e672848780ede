"""The managed objects on the wire: organization, applications, policies, lists, groups, identity providers.

Field names and values are those of Cloudflare Access's API, so that its clients work unchanged. Only fields that
something honours are here; the documented rest is refused by name (`NOT_YET`). What makes no sense although each field
is well formed is found in `problems`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from secondgate.access.fields import (
    Count,
    Duration,
    Flag,
    Id,
    LastingDuration,
    Name,
    OutgoingUrl,
    PublicAddress,
    Reference,
    Scope,
    SecretText,
    Segment,
    Shape,
    Text,
    Url,
    later,
)
from secondgate.access.rules import CriteriaShape
from secondgate.model.application import MfaCheck
from secondgate.model.openid import AssertionAudience, ClientAuthentication, Prompt
from secondgate.model.organization import Method
from secondgate.model.policy import PolicyAction

DEFAULT_AMR_DURATION = "24h"
_NOT_YET_SETTINGS = frozenset(
    ("mfa_floor", "recovery_codes", "first_enrollment", "first_enrollment_networks", "user_verification")
)


class MfaConfigShape(Shape):
    """The organization's `mfa_config`. `allowed_authenticators: []` turns MFA off.

    AMR matching has two spellings: `amr_matching_session_duration` (absent: off), and `amr_matching_enabled` with
    `amr_session_duration`. `required_aaguids` is the name or id of a list of type AAGUID; null: none is required.
    """

    allowed_authenticators: tuple[Method, ...] = ()
    session_duration: Duration | None = None
    amr_matching_session_duration: Duration | None = None
    amr_matching_enabled: Flag | None = None
    amr_session_duration: Duration | None = None
    required_aaguids: Reference | None = None

    @property
    def amr_duration(self) -> str | None:
        """For how long the identity provider's MFA counts, as it was written; None: AMR matching is off."""
        if self.amr_matching_session_duration is not None:
            return self.amr_matching_session_duration
        return (self.amr_session_duration or DEFAULT_AMR_DURATION) if self.amr_matching_enabled else None


class MfaOverrideShape(Shape):
    """The `mfa_config` of an application or a policy; what is absent is inherited. `{}` is no override."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(
        ("amr_matching_session_duration", "amr_matching_enabled", "amr_session_duration", "required_aaguids")
    )

    allowed_authenticators: tuple[Method, ...] | None = None
    session_duration: Duration | None = None
    mfa_disabled: Flag | None = None

    @property
    def is_set(self) -> bool:
        """Whether anything is overridden."""
        return any(getattr(self, field) is not None for field in type(self).model_fields)


class CheckShape(Shape):
    """Our own settings of an organization or an application."""

    NOT_YET: ClassVar[frozenset[str]] = _NOT_YET_SETTINGS

    mfa_check: MfaCheck | None = None


class OrganizationShape(Shape):
    """The organization."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(
        (
            "auth_domain",
            "login_design",
            "deny_unmatched_requests",
            "deny_unmatched_requests_exempted_zone_names",
            "custom_pages",
            "allow_authenticate_via_warp",
            "is_ui_read_only",
            "ui_read_only_toggle_reason",
            "user_seat_expiration_inactive_time",
            "warp_auth_session_duration",
        )
    )

    name: Name = "Secondgate"
    session_duration: LastingDuration | None = None
    auto_redirect_to_identity: Flag = False
    mfa_config: MfaConfigShape | None = None
    mfa_required_for_all_apps: Flag = False
    secondgate: CheckShape | None = None

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods that the organization allows; none: MFA is off."""
        return self.mfa_config.allowed_authenticators if self.mfa_config else ()


class PolicyShape(CriteriaShape):
    """A policy of an application."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(
        (
            "purpose_justification_required",
            "purpose_justification_prompt",
            "approval_required",
            "approval_groups",
            "isolation_required",
            "connection_rules",
            "reusable",
            "secondgate",
        )
    )

    id: Id | None = None
    name: Name
    decision: PolicyAction
    precedence: Count | None = Field(default=None, ge=0)
    session_duration: LastingDuration | None = None
    mfa_config: MfaOverrideShape | None = None


class PublicDestinationShape(Shape):
    """A public destination of an application."""

    type: Annotated[Literal["public"], later("private", "via_mcp_server_portal")] = "public"
    uri: PublicAddress


class ApplicationShape(Shape):
    """An application behind the gate."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(
        (
            "tags",
            "http_only_cookie_attribute",
            "same_site_cookie_attribute",
            "path_cookie_attribute",
            "enable_binding_cookie",
            "skip_interstitial",
            "cors_headers",
            "custom_non_identity_deny_url",
            "custom_pages",
            "allow_authenticate_via_warp",
            "allow_iframe",
            "read_service_tokens_from_header",
            "scim_config",
            "saas_app",
            "target_criteria",
            "landing_page_design",
        )
    )

    id: Id | None = None
    name: Name
    type: Annotated[
        Literal["self_hosted"],
        later(
            "saas", "ssh", "vnc", "app_launcher", "warp", "biso", "bookmark", "dash_sso", "infrastructure", "rdp", "mcp"
        ),
    ] = "self_hosted"
    domain: PublicAddress | None = None
    destinations: tuple[PublicDestinationShape, ...] = ()
    self_hosted_domains: tuple[PublicAddress, ...] = ()
    session_duration: LastingDuration | None = None
    policies: tuple[PolicyShape, ...] = ()
    allowed_idps: tuple[Reference, ...] = ()
    auto_redirect_to_identity: Flag = False
    app_launcher_visible: Flag = True
    logo_url: Url | None = None
    custom_deny_message: Text | None = None
    custom_deny_url: Url | None = None
    options_preflight_bypass: Flag = False
    service_auth_401_redirect: Flag = False
    mfa_config: MfaOverrideShape | None = None
    secondgate: CheckShape | None = None

    def addresses(self) -> tuple[tuple[str, str], ...]:
        """Give every address it is reached at with its place, as `destinations[0].uri`; `domain` first."""
        return (
            *((("domain", self.domain),) if self.domain is not None else ()),
            *((f"destinations[{n}].uri", destination.uri) for n, destination in enumerate(self.destinations)),
            *((f"self_hosted_domains[{n}]", domain) for n, domain in enumerate(self.self_hosted_domains)),
        )


class GroupShape(CriteriaShape):
    """An Access group."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(("is_default",))

    id: Id | None = None
    name: Name


class ItemShape(Shape):
    """One item of a list; its list says what the value must be."""

    value: Text
    description: Text | None = None


class ListShape(Shape):
    """A list that rules refer to."""

    id: Id | None = None
    name: Name
    description: Text | None = None
    type: Annotated[Literal["EMAIL", "IP", "AAGUID"], later("DOMAIN", "URL", "SERIAL")]
    items: tuple[ItemShape, ...] = ()


class IdentityProviderConfigShape(Shape):
    """What a provider of OpenID Connect needs to be told; one of one-time PINs needs nothing.

    With `issuer_url` alone everything else is discovered; with the three URLs besides nothing is.
    """

    issuer_url: OutgoingUrl | None = None
    auth_url: OutgoingUrl | None = None
    token_url: OutgoingUrl | None = None
    certs_url: OutgoingUrl | None = None
    userinfo_url: OutgoingUrl | None = None
    client_id: Scope | None = None
    client_secret: SecretText | None = None
    client_private_key: SecretText | None = None
    client_key_id: Scope | None = None
    client_assertion_audience: AssertionAudience | None = None
    scopes: tuple[Scope, ...] = ("openid", "email", "profile")
    claims: tuple[Name, ...] = ()
    email_claim_name: Name = "email"
    pkce_enabled: Flag = True
    trust_email: Flag = False
    token_endpoint_auth_method: ClientAuthentication = ClientAuthentication.BASIC
    prompt: Prompt | None = None
    rp_initiated_logout: Flag = False
    end_session_url: OutgoingUrl | None = None
    callback_name: Segment | None = None


class IdentityProviderShape(Shape):
    """Where people log in."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(("scim_config",))

    id: Id | None = None
    name: Name
    type: Annotated[
        Literal["onetimepin", "oidc"],
        later(
            "saml",
            "azureAD",
            "google",
            "google-apps",
            "github",
            "okta",
            "onelogin",
            "pingone",
            "centrify",
            "facebook",
            "linkedin",
            "yandex",
        ),
    ]
    config: IdentityProviderConfigShape | None = None


class AccessShapes(Shape):
    """Everything that is managed: the `access` part of the configuration."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(("policies", "service_tokens", "tags"))

    organization: OrganizationShape = OrganizationShape()
    identity_providers: tuple[IdentityProviderShape, ...] = ()
    lists: tuple[ListShape, ...] = ()
    groups: tuple[GroupShape, ...] = ()
    applications: tuple[ApplicationShape, ...] = ()
    administrators: CriteriaShape | None = None
