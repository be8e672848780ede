"""Rules that name a service token, which stands in no document: who names it, and whether there is one of that name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from secondgate.administration.documents import Documents
from secondgate.administration.managed import Change, InvalidChange
from secondgate.errors import Problem
from secondgate.model.access_object import ObjectKind

_OWNERS = {ObjectKind.GROUP: "the group", ObjectKind.POLICY: "the policy", ObjectKind.APPLICATION: "the application"}
_LISTS = ("include", "exclude", "require")


def find_token_users(documents: Documents, references: AbstractSet[str]) -> tuple[str, ...]:
    """Name everything that has a rule for a token that is called one of these."""
    return tuple(
        f"{noun} {one.document.get('name', '')!r}"
        for kind, noun in _OWNERS.items()
        for one in documents.of(kind)
        if any(reference in references for _, reference in _token_rules(one.document))
    )


def verify_tokens_known(documents: Documents, change: Change, known: AbstractSet[str]) -> None:
    """Prove that every token that a changed object names is there. Raises InvalidChange: each rule that names none."""
    if change.saved is None or change.kind not in _OWNERS:
        return
    after = documents.saved(change.saved)
    number = [one.id for one in after.of(change.kind)].index(change.id)
    problems = tuple(
        Problem(
            f"access.{change.kind}[{number}].{place}.service_token.token_id",
            f"there is no service token {reference!r}",
        )
        for place, reference in _token_rules(change.saved.document)
        if reference not in known
    )
    if problems:
        raise InvalidChange(problems, after, change)


def _token_rules(document: Mapping[str, object], at: str = "") -> Iterator[tuple[str, str]]:
    """Give every token that a document's rules name with the rule's place; those of an application's policies too."""
    for name in _LISTS:
        for number, rule in enumerate(_items(document, name)):
            token = rule.get("service_token")
            reference = token.get("token_id") if isinstance(token, Mapping) else None
            if isinstance(reference, str):
                yield f"{at}{name}[{number}]", reference
    for number, policy in enumerate(_items(document, "policies")):
        yield from _token_rules(policy, f"{at}policies[{number}].")


def _items(document: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    """Give the objects of a list, each where it stands; what is no object has nothing in it."""
    items = document.get(name)
    return [item if isinstance(item, Mapping) else {} for item in items] if isinstance(items, (list, tuple)) else []
