"""A site that the API manages, and Cloudflare's official client for it, with only address and token changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import cloudflare
import pytest

from secondgate.flows.api_tokens import create_api_token
from secondgate.model.api_token import Permission
from tests.web.site import Site

T = TypeVar("T")
ORGANIZATION = {
    "name": "Example",
    "mfa_config": {"allowed_authenticators": ["totp", "security_key"], "session_duration": "12h"},
    "mfa_required_for_all_apps": True,
}
EVERYONE = {"name": "all", "decision": "allow", "include": [{"everyone": {}}]}


def managed_by_the_api(configuration: dict[str, Any]) -> None:
    """Change a configuration to one whose objects the API manages."""
    del configuration["access"]


async def client(site: Site, permissions: Iterable[Permission] = tuple(Permission)) -> Any:  # noqa: ANN401 - see below
    """Give the client, with a token of its own. Its models are untyped here: what it sends and reads is tested."""
    number = len(await site.services.durable.list_api_tokens())
    _, secret = await create_api_token(site.services, name=f"t{number}", permissions=permissions, actor="test")
    url = f"http://127.0.0.1:{site.ports['admin']}/client/v4"
    at_once = {"Connection": "close"}  # or a socket of a client that nobody closes would be left to the collector
    return cloudflare.Cloudflare(base_url=url, api_token=secret.reveal(), max_retries=0, default_headers=at_once)


async def run(work: Callable[..., T], *arguments: object, **fields: object) -> T:
    """Make a call of the client, while the site answers."""
    return await asyncio.to_thread(work, *arguments, **fields)


async def listed(work: Callable[..., Iterable[T]], *arguments: object, **fields: object) -> list[T]:
    """List to the end, page by page."""
    return await asyncio.to_thread(lambda: list(work(*arguments, **fields)))


def errors(caught: BaseException) -> dict[str, str]:
    """Give what the API found wrong: the pointer of each error, with its message."""
    assert isinstance(caught, cloudflare.APIStatusError)
    assert isinstance(caught.body, dict)
    return {one.get("source", {}).get("pointer", ""): one["message"] for one in caught.body["errors"]}


async def refused(
    work: Callable[..., object], *arguments: object, with_status: int = 400, **fields: object
) -> dict[str, str]:
    """Make a call that is refused with a status; gives the pointers of the errors with their messages."""
    with pytest.raises(cloudflare.APIStatusError) as caught:
        await run(work, *arguments, **fields)
    assert caught.value.status_code == with_status
    return errors(caught.value)
