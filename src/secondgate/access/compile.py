"""Compiles the wire shapes into the values that the gate and the portal decide by.

Ids that are not given are made from the account and the names, so that the same file always makes the same ids:
a person's sessions and an application's tokens survive a restart. References by name become ids here, durations
seconds, and addresses places that can be looked up. What makes no sense is found by `problems`, which is asked first.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from secondgate.access.application_policies import PlacedPolicy, placed_policies
from secondgate.access.destination import parse_destination, parse_host
from secondgate.access.fields import parse_aaguid
from secondgate.access.inheritance import (
    DEFAULT_DURATION_S,
    compile_organization,
    compile_override,
    effective_check,
    optional_seconds,
    seconds,
)
from secondgate.access.problems import find_problems
from secondgate.access.references import Named, References
from secondgate.access.rules import CriteriaShape, RuleShape
from secondgate.access.shapes import (
    AccessShapes,
    ApplicationShape,
    IdentityProviderConfigShape,
)
from secondgate.errors import InvalidConfiguration
from secondgate.model.access import Access, IdentityProvider
from secondgate.model.application import Application
from secondgate.model.decision import Rulebook
from secondgate.model.network_set import NetworkSet
from secondgate.model.openid import AssertionAudience, OpenIdSettings
from secondgate.model.person import IdentitySource
from secondgate.model.policy import (
    AnyServiceToken,
    AuthMethod,
    Criteria,
    Email,
    EmailDomain,
    EmailList,
    Everyone,
    ExternalEvaluation,
    Group,
    InGroup,
    Ip,
    IpList,
    LoginMethod,
    OidcClaim,
    OneServiceToken,
    Policy,
    PolicyAction,
    Preflight,
    Rule,
)
from secondgate.model.secret import Secret
from secondgate.protocol.email_address import parse_email


def compile_access(
    shapes: AccessShapes, *, account_id: str, is_whole: bool = True, revocations: Mapping[str, int] | None = None
) -> Access:
    """Make the values of one version of all settings.

    `account_id` is 32 hexadecimal digits; `is_whole` as in `find_problems`; `revocations` tells by application id how
    often all grants were revoked. Raises InvalidConfiguration with every
    problem of `find_problems`, so that no settings that have one are ever decided by.
    """
    findings = find_problems(shapes, is_whole=is_whole)
    if findings:
        raise InvalidConfiguration(tuple(finding.problem() for finding in findings))
    return _Compiler(shapes, account_id, revocations or {}).access()


def made_id(account_id: str, kind: str, name: str) -> str:
    """Make the id of an object that was given none: a UUID (RFC 9562, version 5) of account, kind and name."""
    return str(uuid.uuid5(uuid.UUID(hex=account_id), f"{kind}/{name}"))


def application_aud(application_id: str) -> str:
    """Give the audience of an application's tokens: 64 hexadecimal digits."""
    return hashlib.sha256(application_id.encode()).hexdigest()


def _openid(config: IdentityProviderConfigShape | None) -> OpenIdSettings | None:
    """Give the settings of an OpenID Connect provider; None for another kind, which has none of these."""
    if config is None or config.issuer_url is None or config.client_id is None:
        return None
    return OpenIdSettings(
        issuer_url=config.issuer_url,
        client_id=config.client_id,
        client_secret=config.client_secret or Secret(""),
        client_private_key=config.client_private_key or Secret(""),
        client_key_id=config.client_key_id or "",
        client_assertion_audience=config.client_assertion_audience or AssertionAudience.ISSUER,
        auth_url=config.auth_url or "",
        token_url=config.token_url or "",
        certs_url=config.certs_url or "",
        userinfo_url=config.userinfo_url or "",
        scopes=config.scopes,
        claims=config.claims,
        email_claim_name=config.email_claim_name,
        pkce_enabled=config.pkce_enabled,
        trust_email=config.trust_email,
        client_authentication=config.token_endpoint_auth_method,
        prompt=config.prompt,
        rp_initiated_logout=config.rp_initiated_logout or config.end_session_url is not None,
        end_session_url=config.end_session_url or "",
        callback_name=config.callback_name or "",
    )


class _Compiler:
    """One compilation: the account, and what names stand for."""

    def __init__(self, shapes: AccessShapes, account_id: str, revocations: Mapping[str, int]) -> None:
        self._shapes = shapes
        self._account_id = account_id
        self._revocations = revocations
        self._groups = self._references("group", shapes.groups)
        self._lists = self._references("list", shapes.lists)
        self._providers = self._references("identity_provider", shapes.identity_providers)
        self._emails = {
            self._id("list", shape): frozenset(parse_email(item.value) for item in shape.items)
            for shape in shapes.lists
            if shape.type == "EMAIL"
        }
        self._networks = {
            self._id("list", shape): NetworkSet.of(ip_network(item.value) for item in shape.items)
            for shape in shapes.lists
            if shape.type == "IP"
        }
        self._aaguids = {
            self._id("list", shape): frozenset(parse_aaguid(item.value) for item in shape.items)
            for shape in shapes.lists
            if shape.type == "AAGUID"
        }

    def access(self) -> Access:
        shapes = self._shapes
        groups = [Group(self._id("group", shape), shape.name, self._criteria(shape)) for shape in shapes.groups]
        return Access(
            version=self._version(),
            rulebook=Rulebook(
                compile_organization(shapes.organization, required_aaguids=self._required_aaguids()),
                {group.id: group for group in groups},
            ),
            applications=tuple(map(self._application, shapes.applications)),
            identity_providers=tuple(
                IdentityProvider(
                    self._id("identity_provider", shape), shape.name, IdentitySource(shape.type), _openid(shape.config)
                )
                for shape in shapes.identity_providers
            ),
            administrators=None if shapes.administrators is None else self._criteria(shapes.administrators),
        )

    def _required_aaguids(self) -> frozenset[str] | None:
        config = self._shapes.organization.mfa_config
        if config is None or config.required_aaguids is None:
            return None
        return self._aaguids[self._lists[config.required_aaguids]]

    def _version(self) -> str:
        canonical = json.dumps(
            [self._account_id, self._shapes.model_dump(mode="json"), dict(self._revocations)],
            sort_keys=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def _id(self, kind: str, shape: Named) -> str:
        return shape.id or made_id(self._account_id, kind, shape.name)

    def _references(self, kind: str, shapes: Iterable[Named]) -> References:
        return References((shape.name, self._id(kind, shape)) for shape in shapes)

    def _application(self, shape: ApplicationShape) -> Application:
        application_id = self._id("application", shape)
        return Application(
            id=application_id,
            aud=application_aud(application_id),
            name=shape.name,
            destinations=tuple(dict.fromkeys(parse_destination(address) for _, address in shape.addresses())),
            policies=(
                *((self._preflight_policy(application_id),) if shape.options_preflight_bypass else ()),
                *(self._policy(application_id, placed) for placed in placed_policies(self._shapes, shape)),
            ),
            session_duration_s=seconds(shape.session_duration, DEFAULT_DURATION_S),
            mfa=compile_override(shape.mfa_config),
            mfa_check=effective_check(self._shapes.organization, shape),
            allowed_idps=tuple(self._providers[reference] for reference in shape.allowed_idps),
            auto_redirect_to_identity=shape.auto_redirect_to_identity,
            app_launcher_visible=shape.app_launcher_visible,
            logo_url=shape.logo_url or "",
            custom_deny_message=shape.custom_deny_message or "",
            custom_deny_url=shape.custom_deny_url or "",
            service_auth_401_redirect=shape.service_auth_401_redirect,
            revocation=self._revocations.get(application_id, 0),
        )

    def _preflight_policy(self, application_id: str) -> Policy:
        """Give the policy that `options_preflight_bypass` is: it stands first, and lets every CORS preflight pass."""
        id_ = made_id(self._account_id, "preflight", application_id)
        return Policy(id_, "options_preflight_bypass", PolicyAction.BYPASS, Criteria((Preflight(),)), 0)

    def _policy(self, application_id: str, placed: PlacedPolicy) -> Policy:
        shape = placed.shape
        owner = "reusable" if placed.is_reusable else application_id
        return Policy(
            id=shape.id or made_id(self._account_id, "policy", f"{owner}/{shape.name}"),
            name=shape.name,
            action=shape.decision,
            criteria=self._criteria(shape),
            precedence=placed.precedence,
            session_duration_s=optional_seconds(shape.session_duration),
            mfa=compile_override(shape.mfa_config),
        )

    def _criteria(self, shape: CriteriaShape) -> Criteria:
        include, exclude, require = (
            tuple(map(self._rule, rules)) for rules in (shape.include, shape.exclude, shape.require)
        )
        return Criteria(include, exclude, require)

    def _rule(self, shape: RuleShape) -> Rule:
        if shape.reference is not None:
            return self._reference_rule(shape.kind, shape.reference)
        match shape:
            case RuleShape(email=email) if email:
                return Email(parse_email(email.email))
            case RuleShape(email_domain=domain) if domain:
                return EmailDomain(parse_host(domain.domain))
            case RuleShape(ip=ip) if ip:
                return Ip(ip_network(ip.ip))
            case RuleShape(auth_method=method) if method:
                return AuthMethod(method.auth_method)
            case RuleShape(oidc=claim) if claim:
                provider_id = self._providers[claim.identity_provider_id]
                return OidcClaim(provider_id, claim.claim_name, claim.claim_value)
            case RuleShape(service_token=token) if token:
                return OneServiceToken(token.token_id)
            case RuleShape(any_valid_service_token=any_token) if any_token:
                return AnyServiceToken()
            case RuleShape(external_evaluation=evaluation) if evaluation:
                return ExternalEvaluation(evaluation.evaluate_url, evaluation.keys_url)
            case _:
                return Everyone()

    def _reference_rule(self, kind: str, reference: str) -> Rule:
        match kind:
            case "email_list":
                list_id = self._lists[reference]
                return EmailList(list_id, self._emails[list_id])
            case "ip_list":
                list_id = self._lists[reference]
                return IpList(list_id, self._networks[list_id])
            case "group":
                return InGroup(self._groups[reference])
            case _:
                return LoginMethod(self._providers[reference])
