"""Policies and their rules: who matches, and why.

Semantics are those of Cloudflare Access: `include` needs one match, `require` all, `exclude` none.
Rules about addresses are judged at every request like all others, since deciding is cheap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from secondgate.model.network_set import NetworkSet
from secondgate.model.organization import MfaOverride
from secondgate.model.person import Identity
from secondgate.model.service_token import ServiceToken

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class PolicyAction(StrEnum):
    """What a policy does with those who match (`decision` on the wire)."""

    ALLOW = "allow"
    DENY = "deny"
    BYPASS = "bypass"
    SERVICE_AUTH = "non_identity"

    @property
    def needs_identity(self) -> bool:
        """Whether it is judged of somebody who is known. The others are judged first, of everybody and everything."""
        return self not in {PolicyAction.BYPASS, PolicyAction.SERVICE_AUTH}


@dataclass(frozen=True, slots=True)
class Everyone:
    """`everyone {}`: matches always."""


@dataclass(frozen=True, slots=True)
class Email:
    """`email {email}`, in lower case."""

    email: str


@dataclass(frozen=True, slots=True)
class EmailDomain:
    """`email_domain {domain}`, in lower case: the part after the `@`, whole."""

    domain: str


@dataclass(frozen=True, slots=True)
class EmailList:
    """`email_list {id}`: the addresses of a list of type EMAIL."""

    list_id: str
    emails: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ip:
    """`ip {ip}`: an address or a network."""

    network: Network


@dataclass(frozen=True, slots=True)
class IpList:
    """`ip_list {id}`: the networks of a list of type IP."""

    list_id: str
    networks: NetworkSet


@dataclass(frozen=True, slots=True)
class InGroup:
    """`group {id}`: whoever matches the Access group."""

    group_id: str


@dataclass(frozen=True, slots=True)
class LoginMethod:
    """`login_method {id}`: came in by this identity provider."""

    identity_provider_id: str


@dataclass(frozen=True, slots=True)
class AuthMethod:
    """`auth_method {auth_method}`: the identity provider's `amr` holds this value (RFC 8176)."""

    amr: str


@dataclass(frozen=True, slots=True)
class OidcClaim:
    """`oidc {claim_name, claim_value, identity_provider_id}`: that provider's claim has this value, or holds it."""

    identity_provider_id: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class OneServiceToken:
    """`service_token {token_id}`: this token, by its id or its name."""

    reference: str


@dataclass(frozen=True, slots=True)
class AnyServiceToken:
    """`any_valid_service_token {}`."""


@dataclass(frozen=True, slots=True)
class ExternalEvaluation:
    """`external_evaluation {evaluate_url, keys_url}`: a service of the operator's says yes, asked at login."""

    evaluate_url: str
    keys_url: str


@dataclass(frozen=True, slots=True)
class Preflight:
    """Made of an application's `options_preflight_bypass`: a CORS preflight, which never carries cookies."""


IdentityRule = Email | EmailDomain | EmailList | LoginMethod | AuthMethod | OidcClaim
MachineRule = OneServiceToken | AnyServiceToken
Rule = Everyone | Ip | IpList | InGroup | ExternalEvaluation | Preflight | IdentityRule | MachineRule

ADDRESS_RULES = (Ip, IpList)


@dataclass(frozen=True, slots=True)
class Criteria:
    """Three lists of rules, as a group and a policy have them."""

    include: tuple[Rule, ...]
    exclude: tuple[Rule, ...] = ()
    require: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """An Access group: a name for criteria that several policies use."""

    id: str
    name: str
    criteria: Criteria


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of one application, its lists and groups resolved. Smaller precedence is judged first."""

    id: str
    name: str
    action: PolicyAction
    criteria: Criteria
    precedence: int
    session_duration_s: int | None = None
    mfa: MfaOverride | None = None


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, as far as is known. `identity` is None for somebody who has not logged in.

    `service_token` is one that was proved; `presents_service_token` also holds for one that is none of ours.
    `evaluations` are those that said yes at the login. `is_preflight` is a CORS preflight (Fetch, section 4.8).

    An IPv4 address mapped into IPv6, as dual-stack sockets give it, is the IPv4 address (RFC 4291, section 2.5.5.2):
    a rule for `10.0.0.0/8` means both spellings.
    """

    address: Address
    identity: Identity | None = None
    service_token: ServiceToken | None = None
    presents_service_token: bool = False
    evaluations: frozenset[ExternalEvaluation] = frozenset()
    is_preflight: bool = False

    def __post_init__(self) -> None:
        """Give the address its one spelling."""
        if isinstance(self.address, IPv6Address) and self.address.ipv4_mapped is not None:
            object.__setattr__(self, "address", self.address.ipv4_mapped)


def is_match(criteria: Criteria, visitor: Visitor, groups: Mapping[str, Group]) -> bool:
    """Whether a visitor meets criteria: any include, every require, no exclude."""
    return (
        any(is_rule_match(rule, visitor, groups) for rule in criteria.include)
        and all(is_rule_match(rule, visitor, groups) for rule in criteria.require)
        and not any(is_rule_match(rule, visitor, groups) for rule in criteria.exclude)
    )


def is_rule_match(rule: Rule, visitor: Visitor, groups: Mapping[str, Group]) -> bool:
    """Whether one rule matches. A rule about identity never matches somebody who has none."""
    match rule:
        case Everyone():
            return True
        case Ip(network):
            return visitor.address in network
        case IpList(networks=networks):
            return visitor.address in networks
        case InGroup(group_id):
            return is_match(groups[group_id].criteria, visitor, groups)
        case ExternalEvaluation():
            return rule in visitor.evaluations
        case Preflight():
            return visitor.is_preflight
        case AnyServiceToken():
            return visitor.service_token is not None
        case OneServiceToken(reference):
            token = visitor.service_token
            return token is not None and reference in {token.id, token.name}
        case _:
            return visitor.identity is not None and is_identity_match(rule, visitor.identity)


def is_identity_match(rule: IdentityRule, identity: Identity) -> bool:
    """Whether a rule about identity matches one."""
    match rule:
        case Email(email):
            return identity.email == email
        case EmailDomain(domain):
            # From the first @: an address with two of them has no domain that anybody could own.
            local, _, rest = identity.email.partition("@")
            return bool(local and rest) and rest == domain
        case EmailList(emails=emails):
            return identity.email in emails
        case LoginMethod(identity_provider_id):
            return identity.identity_provider_id == identity_provider_id
        case AuthMethod(amr):
            return amr in identity.amr
        case _:
            values = dict(identity.claims).get(rule.name, ())
            return identity.identity_provider_id == rule.identity_provider_id and rule.value in values


def rules_in(criteria: Criteria, groups: Mapping[str, Group]) -> Iterator[Rule]:
    """Give every rule of criteria, those of its groups too; the rules that name groups are not given."""
    for rule in (*criteria.include, *criteria.exclude, *criteria.require):
        if isinstance(rule, InGroup):
            yield from rules_in(groups[rule.group_id].criteria, groups)
        else:
            yield rule
