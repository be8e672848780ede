"""The envelope of every answer of the API, and the one table from rejections to statuses and codes.

Cloudflare's (version 4): `success`, `errors`, `messages`, `result`, and `result_info` for lists. Clients look only at
the status, repeat 408, 409, 429 and 5xx unless `x-should-retry: false` is sent, and take a 404 for "deleted".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from secondgate.admin.bodies import InvalidBody
from secondgate.administration.managed import InvalidChange
from secondgate.errors import Conflict, Forbidden, Malformed, NotFound, Rejected, TooManyAttempts
from secondgate.model.access_object import ObjectKind

INVALID, NOT_FOUND, CONFLICT = 12130, 12135, 12132
AUTHENTICATION, ANOTHER_ACCOUNT, HEADERS, NO_ROUTE, UNAVAILABLE = 10000, 9109, 6003, 7003, 10001
PATHS = {
    ObjectKind.ORGANIZATION: "/access/organizations",
    ObjectKind.IDENTITY_PROVIDER: "/access/identity_providers",
    ObjectKind.LIST: "/gateway/lists",
    ObjectKind.GROUP: "/access/groups",
    ObjectKind.POLICY: "/access/policies",
    ObjectKind.APPLICATION: "/access/apps",
    ObjectKind.TAG: "/access/tags",
}
"""Where each kind of object is found, under an account."""

_INVALID = "access.api.error.invalid_request"
_PLACE = re.compile(r"access\.([a-z_]+)(?:\[(\d+)\])?\.?(.*)")


@dataclass(frozen=True, slots=True)
class ApiError:
    """One error: its code, what is wrong and what is allowed, and which field it is about (RFC 6901)."""

    code: int
    message: str
    pointer: str = ""

    def data(self) -> dict[str, object]:
        """Give it as JSON's values."""
        source = {"source": {"pointer": self.pointer}} if self.pointer else {}
        return {"code": self.code, "message": self.message, **source}


def success(result: object, *, info: Mapping[str, object] | None = None, status: int = 200) -> web.Response:
    """Answer with a result; `info` tells where a page stands in a list."""
    envelope = {"success": True, "errors": [], "messages": [], "result": result}
    return _answer(status, {**envelope, **({"result_info": info} if info else {})})


def failure(status: int, errors: Sequence[ApiError], *, headers: dict[str, str] | None = None) -> web.Response:
    """Answer that nothing was done, and why."""
    envelope = {"success": False, "errors": [error.data() for error in errors], "messages": [], "result": None}
    return _answer(status, envelope, headers or {})


def rejected(error: Rejected) -> web.Response:
    """Answer for a rejection."""
    match error:
        case Malformed(field=field, detail=detail):
            words = detail.removeprefix(f"{field}: ")
            return failure(400, [ApiError(INVALID, f"{_INVALID}: {field}: {words}", _pointer(field))])
        case Forbidden():
            return failure(403, [ApiError(AUTHENTICATION, _with("Authentication error", error.detail))])
        case NotFound():
            return failure(404, [ApiError(NOT_FOUND, _with("access.api.error.not_found", error.detail))])
        case Conflict():
            words = _with("access.api.error.conflict", error.detail)
            return failure(409, [ApiError(CONFLICT, words)], headers={"x-should-retry": "false"})
        case TooManyAttempts(resets_in_s=seconds):
            headers = {"Retry-After": str(seconds)} if seconds else {}
            return failure(429, [ApiError(INVALID, "too many attempts: try again later")], headers=headers)
        case _:
            return failure(400, [ApiError(INVALID, f"{_INVALID}: {error}")])


def invalid(error: InvalidChange) -> web.Response:
    """Answer for a change that would make no sense: one error for each problem, here or in another object."""
    return failure(400, [_problem(error, problem.path, problem.message) for problem in error.problems])


def invalid_body(error: InvalidBody) -> web.Response:
    """Answer for a body that is not of the form asked for: one error for each problem."""
    return failure(
        400,
        [ApiError(INVALID, f"{_INVALID}: {one.path}: {one.message}", _pointer(one.path)) for one in error.problems],
    )


def _with(message: str, detail: str) -> str:
    return f"{message}: {detail}" if detail else message


def _problem(error: InvalidChange, path: str, message: str) -> ApiError:
    """Word a problem: a field of the call's own object by its path in it, and others by where they are found."""
    match = _PLACE.fullmatch(path)
    if match is None:
        return ApiError(INVALID, f"{_INVALID}: {path}: {message}", _pointer(path))
    kind, number, rest = ObjectKind(match[1]), match[2], match[3]
    objects = error.documents.of(kind)
    found = objects[int(number)] if number is not None and int(number) < len(objects) else None
    if kind is error.change.kind and (found is None or found.id == error.change.id):
        if rest.startswith(f"{error.change.within}."):
            rest = rest.removeprefix(f"{error.change.within}.")
        return ApiError(INVALID, f"{_INVALID}: {rest}: {message}", _pointer(rest))
    base = PATHS[kind] + (f"/{found.id}" if found else "")
    return ApiError(INVALID, f"{_INVALID}: {message}", base + _pointer(rest))


def _pointer(path: str) -> str:
    parts = re.findall(r"[^.\[\]]+", path)
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def _answer(status: int, envelope: dict[str, object], headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        text=json.dumps(envelope),
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
