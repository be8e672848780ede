"""Other servers, in memory: what stands at a URL, and what was asked."""

from __future__ import annotations

from collections.abc import Mapping

from secondgate.errors import Unavailable
from secondgate.store.ports import OutgoingAnswer


class MemoryOutgoing:
    """Answers from `answers`; there is no server at any other URL."""

    def __init__(self) -> None:
        self.answers: dict[str, OutgoingAnswer] = {}
        self.asked: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.sent: list[dict[str, object]] = []

    async def get(
        self,
        url: str,
        *,
        configured_urls: tuple[str, ...],  # noqa: ARG002 - there are no networks here
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 - nor anybody to read them
    ) -> OutgoingAnswer:
        self.asked.append(url)
        if url not in self.answers:
            raise Unavailable(f"{url} gave no answer")
        return self.answers[url]

    async def post_form(
        self, url: str, form: Mapping[str, str], *, configured_urls: tuple[str, ...], headers: Mapping[str, str]
    ) -> OutgoingAnswer:
        self.forms.append(dict(form))
        return await self.get(url, configured_urls=configured_urls, headers=headers)

    async def post_json(
        self, url: str, value: Mapping[str, object], *, configured_urls: tuple[str, ...]
    ) -> OutgoingAnswer:
        self.sent.append(dict(value))
        return await self.get(url, configured_urls=configured_urls)

    async def close(self) -> None:
        self.answers.clear()
