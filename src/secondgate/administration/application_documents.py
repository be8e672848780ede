"""Documents of applications: where they are reached, and their policies, their own and those that they refer to.

Where an application is reached is written in three fields, `domain`, `destinations` and `self_hosted_domains`, of which
clients send some and read all. What is stored is what was sent; a change of one of them never leaves another standing
as it was. An application's own policies stand in its document, each with an id and with the times of its making and
its last change, which no shape has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secondgate.access.destination import parse_destination
from secondgate.access.references import References
from secondgate.administration.documents import POLICY_TIMES, Documents
from secondgate.errors import Malformed
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.application import Destination

ADDRESSES = ("domain", "destinations", "self_hosted_domains")
_ADDED = frozenset(("app_count", "reusable", *POLICY_TIMES))
_REFERENCE = frozenset(("id", "precedence"))


@dataclass(frozen=True, slots=True)
class PlacedDocument:
    """A policy where it stands in an application; `document` is without id, precedence and times."""

    number: int
    id: str
    document: Mapping[str, Any]
    precedence: int
    is_reusable: bool
    created_at: int
    updated_at: int


def placed_documents(documents: Documents, application: AccessObject) -> Iterator[PlacedDocument]:
    """Give an application's policies in the order in which they were sent; precedence as it is judged."""
    keys = documents.once(_reusable)
    precedence = 0
    for number, given in enumerate(_listed(application.document.get("policies"))):
        entry = given if isinstance(given, Mapping) else {"id": given}
        said = entry.get("precedence")
        precedence = said if isinstance(said, int) else precedence + 1
        if not entry.keys() <= _REFERENCE:
            times = [entry.get(name) for name in POLICY_TIMES]
            made_at, changed_at = (at if isinstance(at, int) else application.created_at for at in times)
            own = _without(entry, {*_REFERENCE, *POLICY_TIMES})
            yield PlacedDocument(number, str(entry.get("id", "")), own, precedence, False, made_at, changed_at)  # noqa: FBT003 - a field
        elif str(entry["id"]) in keys and (one := documents.find(ObjectKind.POLICY, keys[str(entry["id"])])):
            shared = _without(one.document, _REFERENCE)
            yield PlacedDocument(number, one.id, shared, precedence, True, one.created_at, one.updated_at)  # noqa: FBT003 - a field


def settled_policies(
    documents: Documents, old: AccessObject | None, given: object, *, new_id: Callable[[], str], now: int
) -> object:
    """Give an application's policies as they are stored: references, and its own with ids and times.

    Clients send whole policies back as they read them: reusable ones become references again, and its own keep their
    ids, whether they are named by id or by name. Raises Malformed for a reusable policy that was sent changed.
    """
    if not isinstance(given, list):
        return given
    keys, shared = _reusable(documents), {one.id: one for one in documents.of(ObjectKind.POLICY)}
    own = [dict(one) for one in _listed(old.document.get("policies") if old else None) if _is_own(one)]
    settled: list[object] = []
    for number, one in enumerate(given):
        entry = {"id": one} if isinstance(one, str) else one
        if not isinstance(entry, Mapping):
            settled.append(entry)
            continue
        sent = {name: value for name, value in entry.items() if value is not None and name not in _ADDED}
        id_ = str(sent.get("id", ""))
        before = next((policy for policy in own if policy["id"] == id_.lower()), None)
        if before is None and id_ in keys:
            _verify_unchanged(sent, shared[keys[id_]], at=f"policies[{number}]")
            settled.append(one if isinstance(one, str) else _only(sent, _REFERENCE))
        elif before is not None and sent.keys() <= _REFERENCE:
            settled.append({**before, **_only(sent, {"precedence"})})
        elif sent.keys() <= _REFERENCE:
            settled.append(one if isinstance(one, str) else sent)
        else:
            before = before or next((policy for policy in own if policy.get("name") == sent.get("name")), None)
            settled.append(settled_policy(before, sent, new_id=new_id, now=now))
    return settled


def settled_policy(
    before: Mapping[str, object] | None, sent: Mapping[str, object], *, new_id: Callable[[], str], now: int
) -> dict[str, object]:
    """Give one of an application's own policies as it is stored; `before` is what it was."""
    document = _without(sent, {"id", *_ADDED})
    if before is None:
        return {"id": new_id(), **document, "created_at": now, "updated_at": now}
    is_same = document == _without(before, {"id", *POLICY_TIMES})
    made_at = before.get("created_at", now)
    return {
        "id": before["id"],
        **document,
        "created_at": made_at,
        "updated_at": before.get("updated_at", now) if is_same else now,
    }


def with_addresses(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give a document with all three fields that say where the application is reached."""
    destinations = {_place(one["uri"]): one for one in document.get("destinations") or ()}
    texts = [str(one["uri"]) for one in destinations.values()] + list(document.get("self_hosted_domains") or ())
    domain = document.get("domain") or (texts[0] if texts else None)
    if domain is None:
        return dict(document)
    if _place(domain) not in map(_place, texts):
        texts.insert(0, domain)
    unique = {_place(text): text for text in reversed(texts)}
    ordered = [unique[place] for place in dict.fromkeys(map(_place, texts))]
    return {
        **document,
        "domain": domain,
        "destinations": [{"type": "public", **destinations.get(_place(text), {"uri": text})} for text in ordered],
        "self_hosted_domains": ordered,
    }


def settled_addresses(old: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is stored of where an application is reached, after a PUT.

    Clients send back what they read, with one of the fields changed, or send one field alone. What says the same as
    before says nothing; what changed holds. A changed `domain` takes the place of the old one among the destinations.
    """
    base = {name: old[name] for name in ADDRESSES if name in old and body.get(name, old[name]) is not None}
    before = with_addresses(base)
    sent = {name: body[name] for name in ADDRESSES if body.get(name) is not None}
    changed = {name: value for name, value in sent.items() if _places(value) != _places(before.get(name))}
    lists = _only(changed, {"destinations", "self_hosted_domains"})
    if lists:
        places = [place for value in lists.values() for place in _places(value) or ()]
        domain = changed.get("domain", before.get("domain"))
        is_kept = "domain" in changed or (domain is not None and _place(domain) in places)
        return {**({"domain": domain} if is_kept else {}), **lists}
    if "domain" not in changed or not isinstance(changed["domain"], str):
        return {**base, **sent}
    if _places(changed["domain"]) is None:
        return {"domain": changed["domain"]}
    primary = _places(before.get("domain"))
    others = [
        {**one, "uri": changed["domain"]} if _places(one["uri"]) == primary else one
        for one in before.get("destinations", ())
    ]
    return {"domain": changed["domain"], **({"destinations": others} if len(others) > 1 else {})}


def addresses_in(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Give every address of an application as it was sent."""
    return tuple(with_addresses(document).get("self_hosted_domains", ()))


def _place(text: str) -> Destination:
    return parse_destination(text)


def _places(value: object) -> tuple[Destination, ...] | None:
    """Give the places of one of the three fields; None for what is not of its form, which is refused later."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)):
        return None
    try:
        return tuple(parse_destination(one["uri"] if isinstance(one, Mapping) else one) for one in texts)
    except (Malformed, KeyError, TypeError, AttributeError):
        return None


def _reusable(documents: Documents) -> References:
    return References((str(one.document.get("name", "")), one.id) for one in documents.of(ObjectKind.POLICY))


def _verify_unchanged(sent: Mapping[str, Any], shared: AccessObject, *, at: str) -> None:
    """Refuse to lose a change of a reusable policy that was sent within an application."""
    if sent.keys() <= _REFERENCE:
        return
    for name in sorted({*sent, *shared.document} - _REFERENCE):
        if sent.get(name, shared.document.get(name)) != shared.document.get(name):
            raise Malformed(f"{at}.{name}", f"is of a reusable policy: change it at /access/policies/{shared.id}")


def _is_own(policy: object) -> bool:
    return isinstance(policy, Mapping) and not policy.keys() <= _REFERENCE and "id" in policy


def _listed(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _only(document: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: document[name] for name in document if name in set(names)}


def _without(document: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in set(names)}
