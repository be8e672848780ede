"""The API's description (OpenAPI 3.1.0), made of the table of calls: it never says anything else than they do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import secondgate
from secondgate.admin.calls import Call, Json

_ID: Json = {"type": "string", "minLength": 1}
_ERROR: Json = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "source": {"type": "object", "required": ["pointer"], "properties": {"pointer": {"type": "string"}}},
    },
    "additionalProperties": False,
}
_FAILURE: Json = {
    "type": "object",
    "required": ["success", "errors", "messages", "result"],
    "properties": {
        "success": {"const": False},
        "errors": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Error"}},
        "messages": {"type": "array"},
        "result": {"type": "null"},
    },
    "additionalProperties": False,
}
_INFO: Json = {
    "type": "object",
    "required": ["page", "per_page", "count", "total_count", "total_pages"],
    "properties": {
        name: {"type": "integer", "minimum": 0} for name in ("page", "per_page", "count", "total_count", "total_pages")
    },
}
_CURSOR_INFO: Json = {
    "type": "object",
    "required": ["count"],
    "properties": {
        "count": {"type": "integer", "minimum": 0},
        "cursor": {"type": "string"},
        "cursors": {"type": "object", "required": ["after"], "properties": {"after": {"type": "string"}}},
    },
}
_REFUSALS = {
    "400": "Something sent is not of the form asked for, or makes no sense",
    "403": "The token is not valid, lacks the permission, or is of another account",
    "404": "There is no such object",
    "409": "Something else stands in the way; nothing was changed",
    "429": "Too many attempts",
    "503": "It cannot be told or done now",
}
_PAGE: dict[str, Json] = {
    "page": {"type": "integer", "minimum": 1, "maximum": 10**6},
    "per_page": {"type": "integer", "minimum": 1, "maximum": 1000},
}


def describe(calls: Iterable[Call]) -> dict[str, Any]:
    """Give the description."""
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    refusals = {
        status: {"description": words, "content": _json({"$ref": "#/components/schemas/Failure"})}
        for status, words in _REFUSALS.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Secondgate's admin API",
            "version": secondgate.__version__,
            "description": "Cloudflare Access's shapes, for one account. Every answer stands in an envelope.",
        },
        "servers": [{"url": "/client/v4"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR, "Failure": _FAILURE},
            "responses": refusals,
        },
    }


def _operation(call: Call) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _ID} for name in re.findall(r"\{(\w+)\}", call.path)
    ]
    query = {**(_PAGE if call.is_list and not call.has_cursor else {}), **call.query}
    parameters += [
        {"name": name, "in": "query", "schema": schema, **({"required": True} if name in call.needed else {})}
        for name, schema in query.items()
    ]
    needed = " or ".join(f"`{one}`" for one in call.permissions)
    permission = f" Needs {needed}." if needed else " Any valid token will do."
    operation: dict[str, Any] = {
        "summary": call.summary,
        "description": f"{call.summary}.{permission}",
        "tags": [call.tag],
        "operationId": _operation_id(call),
        "parameters": parameters,
        "responses": {
            str(call.status): {"description": "Done", "content": _json(_success(call))},
            **{status: {"$ref": f"#/components/responses/{status}"} for status in _REFUSALS},
        },
    }
    if call.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(call.body)}
    return operation


def _operation_id(call: Call) -> str:
    words = re.findall(r"\w+", call.path)
    return "_".join([call.method.lower(), *words])


def _success(call: Call) -> Json:
    properties: dict[str, Any] = {
        "success": {"const": True},
        "errors": {"type": "array", "maxItems": 0},
        "messages": {"type": "array"},
        "result": {"type": "array", "items": call.result} if call.is_list else call.result,
    }
    if call.is_list:
        properties["result_info"] = _CURSOR_INFO if call.has_cursor else _INFO
    return {"type": "object", "required": ["success", "errors", "messages", "result"], "properties": properties}


def _json(schema: Json) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
