"""JSON Schemas of what calls take and give, made of the shapes that they are validated by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondgate.access.fields import Shape
from secondgate.admin.calls import Json

TIMES: Mapping[str, Json] = {
    "created_at": {"type": "string", "format": "date-time"},
    "updated_at": {"type": "string", "format": "date-time"},
}


def request_schema(shape: type[Shape], *, is_partial: bool = False) -> Json:
    """Give the schema of a body; of a partial one nothing is required, and `null` clears a field."""
    schema = _flat(shape)
    properties = {name: dict(one) for name, one in schema["properties"].items() if name != "id"}
    for one in properties.values():
        one.pop("default", None)
    if not is_partial:
        required = [name for name in schema.get("required", ()) if name in properties]
        return {**schema, "properties": properties, "required": required}
    nullable = {name: {"anyOf": [one, {"type": "null"}]} for name, one in properties.items()}
    return {**schema, "properties": nullable, "required": []}


def result_schema(shape: type[Shape], extra: Mapping[str, Json]) -> Json:
    """Give the schema of an answer: the fields that were sent, and what is added."""
    schema = _flat(shape)
    properties = {**schema["properties"], "id": {"type": "string"}, **TIMES, **extra}
    return {**schema, "properties": properties, "required": ["id"], "additionalProperties": False}


def _flat(shape: type[Shape]) -> dict[str, Any]:
    """Give a schema without references: each call's stands for itself."""
    schema = shape.model_json_schema(by_alias=True)
    definitions = schema.pop("$defs", {})
    flat: dict[str, Any] = _resolved(schema, definitions)
    return flat


def _resolved(value: Any, definitions: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [_resolved(one, definitions) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        name = value["$ref"].removeprefix("#/$defs/")
        rest = {key: one for key, one in value.items() if key != "$ref"}
        return {**_resolved(definitions[name], definitions), **rest}
    kept = {key: one for key, one in value.items() if key not in {"title", "discriminator"}}
    return {key: _resolved(one, definitions) for key, one in kept.items()}
