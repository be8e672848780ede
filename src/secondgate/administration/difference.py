"""What a change of an object was, for the audit log: each field that differs, before and after, without secrets.

Only what differs is told, field by field and item by item, and never more than a few thousand characters: of a list
of ten thousand items that gets one more, that one is told, and how many there were.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping

MAX_VALUE_CHARS = 2000
MAX_ITEMS, MAX_ITEMS_CHARS = 10, 5000
MAX_CHARS = 16_000
HIDDEN = "***"
_SECRET_NAME = re.compile(r"secret|private_key|password|passphrase|api_key|authorization", re.IGNORECASE)
_NO_SECRET = frozenset(("secondgate",))
_USER_OF_URL = re.compile(r"(?<=://)[^/?#\s@]*@")

Difference = tuple[str, str]


def describe_difference(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, str]:
    """Give the fields that differ as `before.PATH` and `after.PATH`; what was or is not there is left out.

    Of a list there are `removed.PATH` and `added.PATH`. Past the bound, `more` says how many differences are not told.
    """
    told: dict[str, str] = {}
    room, left_out = MAX_CHARS, 0
    for name, text in _differences("", before, after):
        room -= len(name) + len(text)
        if room < 0:
            left_out += 1
        else:
            told[name] = text
    return {**told, **({"more": str(left_out)} if left_out else {})}


def _differences(path: str, before: object, after: object) -> Iterator[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            inner = f"{path}.{name}" if path else str(name)
            yield from _differences(inner, before.get(name, _ABSENT), after.get(name, _ABSENT))
    elif isinstance(before, list) and isinstance(after, list) and not _is_secret(path):
        yield from _of_lists(path, before, after)
    elif before != after or type(before) is not type(after):
        for side, value in (("before", before), ("after", after)):
            if value is not _ABSENT:
                yield f"{side}.{path}", _shown(path, value)


def _of_lists(path: str, before: list[object], after: list[object]) -> Iterator[Difference]:
    """Tell how many there were, and which came and went; where none did, they stand in another order."""
    if json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True):
        return
    old, new = (
        [json.dumps(_without_secrets(path, item), sort_keys=True) for item in items] for items in (before, after)
    )
    yield f"before.{path}", f"{len(before)} items"
    yield f"after.{path}", f"{len(after)} items"
    removed, added = list((Counter(old) - Counter(new)).elements()), list((Counter(new) - Counter(old)).elements())
    for side, items in (("removed", removed), ("added", added)):
        if items:
            yield f"{side}.{path}", _few(items)
    if not removed and not added:
        kept = "in another order" if sorted(old) == sorted(new) and old != new else "with other secrets"
        yield f"changed.{path}", kept


def _shown(path: str, value: object) -> str:
    if isinstance(value, list) and not _is_secret(path):
        few = _few([json.dumps(_without_secrets(path, item)) for item in value])
        return f"{len(value)} items: {few}" if few else "0 items"
    shown = _without_secrets(path, value)
    return _cut(shown if isinstance(shown, str) else json.dumps(shown))


def _few(items: list[str]) -> str:
    """Give the first of them, as many as there is room for, and how many more there are."""
    told, room = [], MAX_ITEMS_CHARS
    for item in map(_cut, items[:MAX_ITEMS]):
        room -= len(item)
        if room < 0:
            break
        told.append(item)
    more = f" and {len(items) - len(told)} more" if len(items) > len(told) else ""
    return ", ".join(told) + more


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}…"


def _is_secret(path: str) -> bool:
    names = (name for name in path.split(".") if name not in _NO_SECRET)
    return any(_SECRET_NAME.search(name) for name in names)


def _without_secrets(path: str, value: object) -> object:
    if _is_secret(path) and value is not None:
        return HIDDEN
    if isinstance(value, Mapping):
        return {name: _without_secrets(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets("", inner) for inner in value]
    return _USER_OF_URL.sub(f"{HIDDEN}@", value) if isinstance(value, str) else value


class _Absent:
    """That there is no such field."""


_ABSENT = _Absent()
