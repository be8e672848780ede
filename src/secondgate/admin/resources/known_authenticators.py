"""Models of authenticators by name and AAGUID, for making lists of them: those that FIDO Metadata in use describes.

No other model could be proved to be what it says, so no other is named here.
"""

from __future__ import annotations

import asyncio
from typing import Any

from secondgate.admin.calls import ApiRequest, Call, Json, Listed
from secondgate.model.api_token import Permission
from secondgate.protocol.metadata import Model

MIN_DIGITS = 4


async def list_(request: ApiRequest) -> Listed:
    """List them, by name."""
    # read from a file when it is first asked for
    metadata = await asyncio.to_thread(request.services.authenticator_metadata)
    words = request.one("search").casefold().split()
    models = [model for model in metadata.models.values() if _fits(model, words)]
    models.sort(key=lambda model: (model.description.casefold(), model.aaguid))
    return Listed([_answer(model) for model in models])


def _fits(model: Model, words: list[str]) -> bool:
    """Whether each word is a part of the name, or the beginning of the AAGUID in either spelling."""
    name = model.description.casefold()
    return all(word in name or _begins(model.aaguid, word.replace("-", "")) for word in words)


def _begins(aaguid: str, digits: str) -> bool:
    """Whether it is a beginning long enough to be meant as one: the 5 of "YubiKey 5" is not."""
    return len(digits) >= MIN_DIGITS and aaguid.startswith(digits)


def _answer(model: Model) -> dict[str, Any]:
    return {"name": model.description, "aaguid": model.aaguid, "statuses": sorted(model.statuses)}


_RESULT: Json = {
    "type": "object",
    "required": ["name", "aaguid", "statuses"],
    "properties": {
        "name": {"type": "string"},
        "aaguid": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "statuses": {
            "type": "array",
            "items": {"type": "string"},
            "description": "what was ever reported of it: certifications, and weaknesses as REVOKED",
        },
    },
    "additionalProperties": False,
}
CALLS = (
    Call(
        method="GET",
        path="/accounts/{account_id}/access/known_authenticators",
        summary="List known models of authenticators",
        handler=list_,
        tag="lists",
        permission=Permission.ZERO_TRUST_READ,
        result=_RESULT,
        query={
            "search": {"type": "string", "description": "parts of the name, or how the AAGUID begins; all must fit"}
        },
        is_list=True,
    ),
)
