"""Identity providers: `/access/identity_providers`. Their secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secondgate.access.introspection import secret_keys
from secondgate.access.shapes import IdentityProviderConfigShape, IdentityProviderShape
from secondgate.admin.calls import Json
from secondgate.admin.objects import Resource, base_answer, replaced
from secondgate.admin.schemas import request_schema
from secondgate.administration.documents import Documents
from secondgate.errors import Malformed
from secondgate.model.access_object import AccessObject, ObjectKind
from secondgate.model.api_token import Permission

_SECRETS = frozenset(secret_keys(IdentityProviderConfigShape))
_PLACES = ("issuer_url", "token_url", "client_assertion_audience")
"""What says to whom the secrets are shown."""


def _answer(documents: Documents, one: AccessObject) -> dict[str, Any]:
    answer = base_answer(documents, one)
    config = answer.get("config")
    shown = config if isinstance(config, Mapping) else {}
    return {**answer, "config": {name: value for name, value in shown.items() if name not in _SECRETS}}


def _merged(old: Mapping[str, object], body: Mapping[str, object]) -> dict[str, object]:
    """Give a provider after a PUT: a `config` without its secrets, as it was read, keeps them.

    Raises Malformed where they would be sent to another server than they were given for: whoever may change a provider
    could have them sent home.
    """
    merged = replaced(old, body)
    before, after = old.get("config"), merged.get("config")
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        kept = {name: value for name, value in before.items() if name in _SECRETS and name not in after}
        changed = [name for name in _PLACES if before.get(name) != after.get(name)]
        if kept and changed:
            name = min(kept)
            raise Malformed(f"config.{name}", f"must be given anew, because {', '.join(changed)} changed")
        merged["config"] = {**kept, **after}
    return merged


def _shown_config() -> Json:
    schema = request_schema(IdentityProviderConfigShape)
    properties = {name: one for name, one in schema["properties"].items() if name not in _SECRETS}
    return {**schema, "properties": properties}


IDENTITY_PROVIDERS = Resource(
    kind=ObjectKind.IDENTITY_PROVIDER,
    path="/accounts/{account_id}/access/identity_providers",
    noun="identity provider",
    shape=IdentityProviderShape,
    reading=Permission.ORGANIZATIONS_READ,
    writing=Permission.ORGANIZATIONS_WRITE,
    answer=_answer,
    extra={"config": _shown_config()},
    merge=_merged,
)
CALLS = IDENTITY_PROVIDERS.calls()
