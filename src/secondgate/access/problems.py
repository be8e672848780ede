"""What makes no sense in the managed objects although each field is well formed.

Every check gives findings with their places, as `access.applications[1].domain`, so that all can be shown at once.
MFA settings have a module of their own, `mfa_problems`. The form of fields is checked by `shapes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from secondgate.access.application_policies import PlacedPolicy, placed_policies
from secondgate.access.destination import parse_destination
from secondgate.access.fields import parse_aaguid, parse_email_domain, parse_network
from secondgate.access.finding import Finding, names_in
from secondgate.access.login_design import find_login_design_problems
from secondgate.access.mfa_problems import find_mfa_problems
from secondgate.access.provider_problems import find_provider_problems
from secondgate.access.references import Named, References
from secondgate.access.rules import CriteriaShape, OidcClaimShape, RuleShape
from secondgate.access.shapes import (
    AccessShapes,
    ApplicationShape,
    GroupShape,
    ListShape,
    PolicyReferenceShape,
    PolicyShape,
)
from secondgate.errors import Malformed
from secondgate.model.policy import PolicyAction
from secondgate.protocol.email_address import parse_email

__all__ = ["Finding", "find_problems"]

MAX_LEVELS, MAX_RULES = 50, 100_000
"""So many rules are judged for one group: ten lists of ten thousand addresses, written out."""
_SECTIONS = ("identity_providers", "lists", "groups", "policies", "applications", "tags")
_WITHOUT_IDENTITY = {
    PolicyAction.BYPASS: frozenset(("everyone", "ip", "ip_list")),
    PolicyAction.SERVICE_AUTH: frozenset(("everyone", "ip", "ip_list", "service_token", "any_valid_service_token")),
}
_MACHINE_KINDS = frozenset(("service_token", "any_valid_service_token"))
_REFERS_TO = {
    "group": ("groups", "group", None),
    "login_method": ("identity_providers", "identity provider", None),
    "oidc": ("identity_providers", "identity provider of type oidc", "oidc"),
    "policy": ("policies", "reusable policy", None),
    "tag": ("tags", "tag", None),
    "email_list": ("lists", "list of type EMAIL", "EMAIL"),
    "ip_list": ("lists", "list of type IP", "IP"),
    "required_aaguids": ("lists", "list of type AAGUID", "AAGUID"),
}


def find_problems(shapes: AccessShapes, *, at: str = "access", is_whole: bool = True) -> tuple[Finding, ...]:
    """Find everything that makes no sense. `at` is the path of the whole, before every finding's path.

    What is made a call at a time is not whole yet: an application may get its policies later, and lets nobody in
    until then.
    """
    return tuple(_Search(shapes, at, is_whole=is_whole).findings())


class _Search:
    """One search: the shapes, where they stand, and which criteria look at identity."""

    def __init__(self, shapes: AccessShapes, at: str, *, is_whole: bool) -> None:
        self._shapes = shapes
        self._is_whole = is_whole
        self._at = at
        self._group_keys = _references(shapes.groups)
        self._sizes: dict[str, tuple[int, int]] = {}
        self._groups = {group.id or group.name: group for group in shapes.groups}

    def findings(self) -> Iterator[Finding]:
        """Give every finding."""
        shapes, at = self._shapes, self._at
        for section in _SECTIONS:
            yield from _doubled(getattr(shapes, section), f"{at}.{section}")
        for number, list_ in enumerate(shapes.lists):
            yield from _list_problems(list_, f"{at}.lists[{number}]")
        for number, group in enumerate(shapes.groups):
            yield from self._criteria_problems(group, f"{at}.groups[{number}]")
            yield from self._cycle(group, f"{at}.groups[{number}]")
            yield from self._too_many_rules(group, f"{at}.groups[{number}]")
        for number, policy in enumerate(shapes.policies):
            yield from self._policy_problems(policy, f"{at}.policies[{number}]")
        yield from _taken_places(shapes.applications, f"{at}.applications")
        for number, application in enumerate(shapes.applications):
            yield from self._application_problems(application, f"{at}.applications[{number}]")
        if shapes.administrators is not None:
            yield from self._criteria_problems(shapes.administrators, f"{at}.administrators")
        yield from find_provider_problems(shapes.identity_providers, at=f"{at}.identity_providers")
        yield from find_mfa_problems(shapes, at=at)
        yield from find_login_design_problems(shapes.organization.login_design, at=f"{at}.organization.login_design")
        yield from self._model_problems()

    def _model_problems(self) -> Iterator[Finding]:
        config = self._shapes.organization.mfa_config
        if config is None or config.required_aaguids is None:
            return
        at = f"{self._at}.organization.mfa_config.required_aaguids"
        yield from self._reference_problems("required_aaguids", config.required_aaguids, at)
        for number, list_ in enumerate(self._shapes.lists):
            if list_.type == "AAGUID" and not list_.items and config.required_aaguids in _references([list_]):
                items = f"{self._at}.lists[{number}].items"
                yield Finding(at, f"the list {list_.name!r} is empty, so nobody could enrol", (items, f"{items}[*]"))

    def _application_problems(self, application: ApplicationShape, at: str) -> Iterator[Finding]:
        if not application.addresses():
            yield Finding(
                f"{at}.domain",
                "is required, as wiki.example.com or wiki.example.com/admin",
                (f"{at}.destinations[*].uri", f"{at}.self_hosted_domains[*]", f"{at}.destinations[*]"),
            )
        if not application.policies and self._is_whole:
            yield Finding(
                f"{at}.policies",
                f"the application {application.name!r} has no policy, so nobody could ever use it; give it one",
            )
        for number, reference in enumerate(application.allowed_idps):
            yield from self._reference_problems("login_method", reference, f"{at}.allowed_idps[{number}]")
        for number, reference in enumerate(application.tags):
            yield from self._reference_problems("tag", reference, f"{at}.tags[{number}]")
        placed = list(placed_policies(self._shapes, application))
        yield from _doubled([one.shape for one in placed], f"{at}.policies")
        yield from _doubled_precedences(placed, f"{at}.policies")
        for number, policy in enumerate(application.policies):
            if isinstance(policy, PolicyReferenceShape):
                yield from self._reference_problems("policy", policy.id, f"{at}.policies[{number}]")
            else:
                yield from self._policy_problems(policy, f"{at}.policies[{number}]")

    def _policy_problems(self, policy: PolicyShape, at: str) -> Iterator[Finding]:
        yield from self._criteria_problems(policy, at)
        yield from self._action_problems(policy, at)

    def _criteria_problems(self, criteria: CriteriaShape, at: str) -> Iterator[Finding]:
        if not criteria.include:
            yield Finding(f"{at}.include", "is empty, so it matches nobody; everyone is [{everyone: {}}]")
        for place, rule in criteria.rules():
            if rule.reference is not None:
                yield from self._reference_problems(rule.kind, rule.reference, f"{at}.{place}.{rule.kind}.id")
            elif rule.oidc is not None:
                yield from self._claim_problems(rule.oidc, f"{at}.{place}.oidc")

    def _claim_problems(self, claim: OidcClaimShape, at: str) -> Iterator[Finding]:
        """A claim that its provider's settings do not keep would never match."""
        reference = claim.identity_provider_id
        yield from self._reference_problems("oidc", reference, f"{at}.identity_provider_id")
        for provider in self._shapes.identity_providers:
            if provider.type == "oidc" and reference in _references([provider]):
                kept = provider.config.claims if provider.config else ()
                if claim.claim_name not in kept:
                    yield Finding(
                        f"{at}.claim_name",
                        f"the identity provider {provider.name!r} does not keep {claim.claim_name!r}: add it to its "
                        f"config.claims, which are: {', '.join(kept) or 'none'}",
                        (f"{self._at}.identity_providers[*].config.claims",),
                    )

    def _reference_problems(self, kind: str, reference: str, at: str) -> Iterator[Finding]:
        section, noun, type_ = _REFERS_TO[kind]
        candidates: Sequence[Named] = getattr(self._shapes, section)
        usable = [c for c in candidates if type_ is None or getattr(c, "type", None) == type_]
        if reference in _references(usable):
            return
        if reference in _references(candidates):
            yield Finding(at, f"{reference!r} is no {noun}", names_in(f"{self._at}.{section}", "type"))
            return
        names = ", ".join(c.name for c in usable) or "none"
        yield Finding(
            at,
            f"there is no {noun} named {reference!r}; there is: {names}",
            names_in(f"{self._at}.{section}", "type"),
        )

    def _action_problems(self, policy: PolicyShape, at: str) -> Iterator[Finding]:
        """Rules that the policy's decision never looks at.

        Bypass and machines' policies are judged before anybody is known: an `exclude` by e-mail would let everyone in.
        Whoever has to log in brings no service token.
        """
        kinds = _WITHOUT_IDENTITY.get(policy.decision)
        if kinds is None:
            if policy.include and all(rule.kind in _MACHINE_KINDS for rule in policy.include):
                yield Finding(
                    f"{at}.include",
                    f"a policy with the decision {policy.decision} asks people to log in; for machines alone write "
                    "decision: non_identity",
                )
            return
        for place, rule in policy.rules():
            if not self._is_of_kinds(rule, kinds, set()):
                yield Finding(
                    f"{at}.{place}",
                    f"a {policy.decision} policy never looks at who somebody is, and {rule.kind!r} asks for that; "
                    f"use {', '.join(sorted(kinds)[:-1])} or {max(kinds)}",
                )

    def _is_of_kinds(self, rule: RuleShape, kinds: frozenset[str], seen: set[str]) -> bool:
        """Whether all rules are of these kinds; a group is looked into once, however often it is met."""
        if rule.group is None:
            return rule.kind in kinds
        group = self._group(rule)
        if group is None or group.name in seen:
            return True
        seen.add(group.name)
        return all(self._is_of_kinds(inner, kinds, seen) for _, inner in group.rules())

    def _group(self, rule: RuleShape) -> GroupShape | None:
        """Give the group that a rule means, by the very look-up that compiles it."""
        if rule.group is None or rule.group.id not in self._group_keys:
            return None
        return self._groups[self._group_keys[rule.group.id]]

    def _cycle(self, group: GroupShape, at: str) -> Iterator[Finding]:
        """Report a cycle at each group in it, once."""
        for place, rule in group.rules():
            way = self._way_back(rule, group.name, set())
            if way is not None:
                names = " -> ".join((group.name, *way))
                yield Finding(f"{at}.{place}.group.id", f"the group contains itself: {names}")

    def _way_back(self, rule: RuleShape, name: str, seen: set[str]) -> tuple[str, ...] | None:
        """Give the names from this rule's group to the one named; a group is looked into once, from where it is met."""
        group = self._group(rule)
        if group is None or group.name in seen:
            return None
        if group.name == name:
            return (name,)
        seen.add(group.name)
        for _, inner in group.rules():
            way = self._way_back(inner, name, seen)
            if way is not None:
                return (group.name, *way)
        return None

    def _too_many_rules(self, group: GroupShape, at: str) -> Iterator[Finding]:
        """Refuse what would keep the gate busy: groups in groups in groups multiply."""
        count, levels = self._size(group, ())
        if levels > MAX_LEVELS:
            words = f"the group {group.name!r} has groups in groups, {levels} deep"
            yield Finding(f"{at}.include", f"{words}; at most {MAX_LEVELS} are judged")
        elif count > MAX_RULES:
            words = f"the group {group.name!r} comes to {count} rules with those of the groups in it"
            yield Finding(f"{at}.include", f"{words}; at most {MAX_RULES} are judged")

    def _size(self, group: GroupShape, within: tuple[str, ...]) -> tuple[int, int]:
        """Give how many rules are judged for a group in the end, and how deep; one in itself is found elsewhere."""
        if group.name in within:
            return 0, 0
        if group.name not in self._sizes:
            inner = [self._group(rule) for _, rule in group.rules()]
            sizes = [(1, 0) if other is None else self._size(other, (*within, group.name)) for other in inner]
            depth = 1 + max((levels for _, levels in sizes), default=0)
            self._sizes[group.name] = sum(count for count, _ in sizes), depth
        return self._sizes[group.name]


def _references(shapes: Iterable[Named]) -> References:
    """Give a look-up to names and given ids; what has no id is known by its name."""
    return References((shape.name, shape.id or shape.name) for shape in shapes)


def _doubled(shapes: Sequence[Named], at: str) -> Iterator[Finding]:
    """A name or an id stands for one object: two with the same would be told apart by their order alone.

    A name that is the id of another one would take over what refers to that by its id.
    """
    names: dict[str, int] = {}
    ids: dict[str, int] = {}
    owners = {shape.id: number for number, shape in enumerate(shapes) if shape.id is not None}
    for number, shape in enumerate(shapes):
        first = names.setdefault(shape.name, number)
        if first != number:
            yield Finding(f"{at}[{number}].name", f"{shape.name!r} is the name of another one already")
        if owners.get(shape.name.lower(), number) != number:
            yield Finding(f"{at}[{number}].name", f"{shape.name!r} is the id of another one: rules would mix them up")
        if shape.id is not None and (first := ids.setdefault(shape.id, number)) != number:
            yield Finding(f"{at}[{number}].id", "is the id of another one already")


def _doubled_precedences(policies: Iterable[PlacedPolicy], at: str) -> Iterator[Finding]:
    taken: dict[int, str] = {}
    for placed in policies:
        first = taken.setdefault(placed.precedence, placed.shape.name)
        if first != placed.shape.name:
            yield Finding(
                f"{at}[{placed.number}].precedence",
                f"the policy {first!r} has the precedence {placed.precedence} too; which is judged first must be clear",
                (f"{at}[*].precedence",),
            )


def _taken_places(applications: Iterable[ApplicationShape], at: str) -> Iterator[Finding]:
    """Two applications at one place; paths are compared without case, as some upstreams do."""
    taken: dict[tuple[str, str], tuple[int, str]] = {}
    for number, application in enumerate(applications):
        for place, address in application.addresses():
            destination = parse_destination(address)
            first, name = taken.setdefault((destination.host, destination.path.lower()), (number, application.name))
            if first != number:
                yield Finding(
                    f"{at}[{number}].{place}",
                    f"{destination} belongs to the application {name!r} already",
                )


_PARSERS: Mapping[str, Callable[[str], str]] = {
    "AAGUID": parse_aaguid,
    "DOMAIN": parse_email_domain,
    "EMAIL": parse_email,
    "IP": lambda text: str(parse_network(text)),
}


def in_one_form(list_type: str, value: str) -> str:
    """Give the value of a list's item as items are compared; as it is where it is none of that type."""
    try:
        return _PARSERS[list_type](value)
    except (KeyError, Malformed):
        return value


def _list_problems(list_: ListShape, at: str) -> Iterator[Finding]:
    taken: dict[str, int] = {}
    for number, item in enumerate(list_.items):
        place = f"{at}.items[{number}].value"
        try:
            value = _PARSERS[list_.type](item.value)
        except Malformed as error:
            yield Finding(place, error.detail.removeprefix(f"{error.field}: "), (f"{at}.type",))
            continue
        first = taken.setdefault(value, number)
        if first != number:
            yield Finding(place, f"{item.value} is in the list already")
