from __future__ import annotations

import io
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog

from secondgate.logs import configure_logs
from tests.web.browser import Person
from tests.web.site import Site, open_site

StartSite = Callable[[Callable[[dict[str, Any]], None]], Awaitable[Site]]


@pytest.fixture
async def start_site(tmp_path: Path) -> AsyncIterator[StartSite]:
    """Starts a site whose configuration was changed."""
    async with AsyncExitStack() as stack:

        async def start(change: Callable[[dict[str, Any]], None]) -> Site:
            return await stack.enter_async_context(open_site(tmp_path, change))

        yield start


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    return await start_site(lambda _: None)


@pytest.fixture
def ann(site: Site) -> Person:
    return Person(site, "ann@example.com")


@pytest.fixture
def ben(site: Site) -> Person:
    return Person(site, "ben@example.com")


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """All that the program writes at level debug, as it configures its logs itself."""
    written = io.StringIO()
    root, configure = logging.getLogger(), structlog.configure
    handlers, level = list(root.handlers), root.level
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(structlog, "configure", lambda **how: configure(**{**how, "cache_logger_on_first_use": False}))
    _forget_cached_loggers()
    configure_logs("debug")
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _forget_cached_loggers() -> None:
    for name, module in list(sys.modules.items()):
        logger = getattr(module, "log", None) if name.startswith("secondgate") else None
        if hasattr(logger, "__dict__"):
            logger.__dict__.pop("bind", None)
