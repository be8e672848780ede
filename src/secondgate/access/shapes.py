"""The managed objects on the wire: organization, applications, policies, lists, groups, identity providers.

Field names and values are those of Cloudflare Access's API, so that its clients work unchanged. Only fields that
something honours are here; the documented rest is refused by name (`NOT_YET`). What makes no sense although each field
is well formed is found in `problems`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema, model_validator

from secondgate.access.fields import (
    Count,
    Duration,
    Flag,
    Id,
    LastingDuration,
    Name,
    Network,
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
    only,
)
from secondgate.access.login_design import LoginDesignShape
from secondgate.access.rules import CriteriaShape
from secondgate.model.application import MfaCheck
from secondgate.model.openid import AssertionAudience, ClientAuthentication, Prompt
from secondgate.model.organization import FirstEnrollment, Method
from secondgate.model.policy import PolicyAction

DEFAULT_AMR_DURATION = "24h"
MAX_PRECEDENCE = 2**31 - 1
_NOT_YET_SETTINGS = frozenset(("recovery_codes", "user_verification"))


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


class OrganizationCheckShape(CheckShape):
    """Our own settings of an organization. With `mfa_floor` applications and policies can only tighten its MFA.

    `first_enrollment` is what a first authenticator takes besides a login: nothing (`open`), a temporary pass (`pass`),
    or an address in `first_enrollment_networks`, else a temporary pass (`network`).
    """

    mfa_floor: Flag = False
    first_enrollment: FirstEnrollment = FirstEnrollment.OPEN
    first_enrollment_networks: tuple[Network, ...] = ()


class OrganizationShape(Shape):
    """The organization."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(
        (
            "auth_domain",
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
    deny_unmatched_requests: Annotated[
        Literal[True], only(value=True, reason="what no application has is refused, always")
    ] = True
    mfa_config: MfaConfigShape | None = None
    mfa_required_for_all_apps: Flag = False
    login_design: LoginDesignShape | None = None
    secondgate: OrganizationCheckShape | None = None

    @property
    def mfa_floor(self) -> bool:
        """Whether the MFA settings of others can only be tighter than these."""
        return self.secondgate is not None and self.secondgate.mfa_floor

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods that the organization allows; none: MFA is off."""
        return self.mfa_config.allowed_authenticators if self.mfa_config else ()


class PolicyShape(CriteriaShape):
    """A policy of an application, or one that several of them use."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(
        (
            "purpose_justification_prompt",
            "approval_groups",
            "connection_rules",
            "reusable",
            "secondgate",
        )
    )

    id: Id | None = None
    name: Name
    decision: PolicyAction
    precedence: Count | None = Field(default=None, ge=0, le=MAX_PRECEDENCE)
    session_duration: LastingDuration | None = None
    mfa_config: MfaOverrideShape | None = None
    purpose_justification_required: Annotated[
        Literal[False], only(value=False, reason="nothing here asks people why")
    ] = False
    approval_required: Annotated[Literal[False], only(value=False, reason="nothing here asks others to approve")] = (
        False
    )
    isolation_required: Annotated[Literal[False], only(value=False, reason="there is no isolated browser here")] = False


class PolicyReferenceShape(Shape):
    """A reusable policy in an application: its name or id alone, or with the precedence that it has there."""

    id: Reference
    precedence: Count | None = Field(default=None, ge=0, le=MAX_PRECEDENCE)

    @model_validator(mode="before")
    @classmethod
    def _may_be_text(cls, value: object) -> object:
        return {"id": value} if isinstance(value, str) else value


def _policy_reference_schema() -> dict[str, object]:
    """Give the JSON Schema of what is read: pydantic knows nothing of the text that stands for the whole."""
    return {"anyOf": [{"type": "string"}, PolicyReferenceShape.model_json_schema()]}


INLINE, REUSABLE = POLICY_TAGS = ("(inline)", "(reusable)")
"""What pydantic puts into the location of an error in an application's policy; no key of the document."""


def _policy_tag(value: object) -> str:
    is_reference = isinstance(value, (str, PolicyReferenceShape)) or (
        isinstance(value, dict) and "id" in value and value.keys() <= {"id", "precedence"}
    )
    return REUSABLE if is_reference else INLINE


ApplicationPolicy = Annotated[
    Annotated[PolicyShape, Tag(INLINE)]
    | Annotated[PolicyReferenceShape, Tag(REUSABLE), WithJsonSchema(_policy_reference_schema())],
    Discriminator(_policy_tag),
]


class PublicDestinationShape(Shape):
    """A public destination of an application."""

    type: Annotated[Literal["public"], later("private", "via_mcp_server_portal")] = "public"
    uri: PublicAddress


class ApplicationShape(Shape):
    """An application behind the gate."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(
        (
            "cors_headers",
            "custom_non_identity_deny_url",
            "custom_pages",
            "allow_iframe",
            "eager_redirect_cookie_setting",
            "oauth_configuration",
            "use_clientless_isolation_app_launcher_url",
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
    policies: tuple[ApplicationPolicy, ...] = ()
    allowed_idps: tuple[Reference, ...] = ()
    tags: tuple[Reference, ...] = ()
    auto_redirect_to_identity: Flag = False
    app_launcher_visible: Flag = True
    logo_url: Url | None = None
    custom_deny_message: Text | None = None
    custom_deny_url: Url | None = None
    options_preflight_bypass: Flag = False
    service_auth_401_redirect: Flag = False
    http_only_cookie_attribute: Annotated[Literal[True], only(value=True, reason="the cookie is HttpOnly, always")] = (
        True
    )
    same_site_cookie_attribute: Annotated[
        Literal["lax"], only(value="lax", reason="the cookie is SameSite=Lax, always")
    ] = "lax"
    path_cookie_attribute: Annotated[
        Literal[False], only(value=False, reason="the cookie is the whole host's, and holds a grant for each path")
    ] = False
    enable_binding_cookie: Annotated[Literal[False], only(value=False, reason="there is no second cookie")] = False
    skip_interstitial: Annotated[
        Literal[False], only(value=False, reason="nothing here logs in through cloudflared")
    ] = False
    allow_authenticate_via_warp: Annotated[Literal[False], only(value=False, reason="there is no WARP here")] = False
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

    id: Id | None = None
    name: Name
    is_default: Annotated[Literal[False], only(value=False, reason="no group is put into applications by itself")] = (
        False
    )


class ItemShape(Shape):
    """One item of a list; its list says what the value must be."""

    value: Text
    description: Text | None = None


class ListShape(Shape):
    """A list that rules refer to."""

    id: Id | None = None
    name: Name
    description: Text | None = None
    type: Annotated[Literal["EMAIL", "IP", "AAGUID", "DOMAIN"], later("URL", "SERIAL")]
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


class TagShape(Shape):
    """A word by which applications are grouped."""

    id: Text | None = None
    name: Name


class AccessShapes(Shape):
    """Everything that is managed: the `access` part of the configuration. `policies` are those that are reusable."""

    NOT_YET: ClassVar[frozenset[str]] = frozenset(("service_tokens",))

    organization: OrganizationShape = OrganizationShape()
    identity_providers: tuple[IdentityProviderShape, ...] = ()
    lists: tuple[ListShape, ...] = ()
    groups: tuple[GroupShape, ...] = ()
    policies: tuple[PolicyShape, ...] = ()
    applications: tuple[ApplicationShape, ...] = ()
    tags: tuple[TagShape, ...] = ()
    administrators: CriteriaShape | None = None
