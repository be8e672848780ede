"""Overrides from the environment: `SECONDGATE_STORAGE__REDIS=redis://…` sets `storage.redis`.

Two underscores go one level down. A value is read as YAML reads a plain word; a list is written `[a, b]`. An
override of a secret takes the place of its file, and the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from secondgate.access.introspection import FILE_SUFFIX, is_list_at, known_keys, model_at, secret_keys, suggestion
from secondgate.config.document import Document, Location, Place, Sequence, parse_scalar
from secondgate.config.settings import Settings

PREFIX = "SECONDGATE_"
CONFIG_VARIABLE = "SECONDGATE_CONFIG"
# Kubernetes tells every container about the services of its namespace. Beside one named secondgate, or
# secondgate-portal, a container would not start if these were taken for misspelt settings.
_SERVICE_LINK = re.compile(
    r"SECONDGATE_(?:[A-Z0-9]+_)*(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9]+)*|"
    r"PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)


def apply_environment(document: Document, environ: Mapping[str, str]) -> dict[Location, str]:
    """Write the overrides into a document, noting problems. Give their texts as they stood in the environment."""
    texts: dict[Location, str] = {}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE or _SERVICE_LINK.fullmatch(variable):
            continue
        place = Place(f"environment variable {variable}")
        location = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        unknown = _unknown(location)
        if unknown is not None:
            document.problems.append(place.problem("", unknown))
            continue
        texts[location] = environ[variable]
        if not _write(document, location, _value(location, environ[variable]), place):
            document.problems.append(place.problem("", "belongs into something that is no object in the file"))
    return texts


def _unknown(location: tuple[str, ...]) -> str | None:
    """Say what is wrong with the name of a variable."""
    model: type | None = Settings
    for depth, key in enumerate(location):
        model = model_at(Settings, location[:depth])
        if model is None or (depth and is_list_at(Settings, location[:depth])):
            return "sets one item of a list, or something below a value; set the whole instead"
        keys = known_keys(model)
        if key not in keys:
            meant = suggestion(key, keys)
            if meant is None:
                return f"is no setting; there {'is' if len(keys) == 1 else 'are'}: {', '.join(sorted(keys))}"
            name = PREFIX + "__".join((*location[:depth], meant, *location[depth + 1 :])).upper()
            return f"is no setting; did you mean {name}?"
    if model_at(Settings, location) is not None and not is_list_at(Settings, location):
        return "stands for an object; set its parts, each in a variable of its own"
    return None


def _value(location: tuple[str, ...], text: str) -> object:
    if is_list_at(Settings, location):
        try:
            items = yaml.safe_load(text)
        except yaml.YAMLError:
            return text
        return Sequence(items) if isinstance(items, list) else items
    return parse_scalar(text)


def _write(document: Document, location: tuple[str, ...], value: object, place: Place) -> bool:
    holder = document.data
    for key in location[:-1]:
        inner = holder.setdefault(key, {})
        if inner is None:
            holder[key] = inner = {}
        if not isinstance(inner, dict):
            return False
        holder = inner
    key = location[-1]
    model = model_at(Settings, location[:-1])
    secrets = () if model is None else secret_keys(model)
    for secret in secrets:
        if key == secret:
            holder.pop(secret + FILE_SUFFIX, None)
        elif key == secret + FILE_SUFFIX:
            holder.pop(secret, None)
    for known in [known for known in document.places if known[: len(location)] == location]:
        del document.places[known]
    holder[key] = value
    document.places[location] = place
    return True
