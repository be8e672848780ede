"""What commands about people share: the stores opened without serving, and the person that an address names."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

from secondgate.app import open_services
from secondgate.config import Settings, load
from secondgate.errors import Malformed, NotFound, Reason
from secondgate.flows.services import Services
from secondgate.model.audit import Actor, ActorKind
from secondgate.model.person import Person
from secondgate.protocol.email_address import parse_email

ACTOR = Actor(ActorKind.COMMAND_LINE, "command-line")
"""Who the audit log says it was."""


def run_with_services(arguments: argparse.Namespace, work: Callable[[Services, Settings], Awaitable[int]]) -> int:
    """Open the stores that the configuration names, do `work`, close them, and give its exit code.

    Raises InvalidConfiguration, StartRefused, Unavailable, and what `work` raises.
    """
    settings = load(arguments.config, os.environ)

    async def run() -> int:
        async with open_services(settings) as services:
            return await work(services, settings)

    with _warnings_alone():
        return asyncio.run(run())


async def load_person(services: Services, email: str) -> Person:
    """Load the person with this address. Raises NotFound, naming it."""
    person = await services.durable.load_person_by_email(email)
    if person is None:
        raise NotFound(Reason.NOT_FOUND, f"nobody with the address {email} has ever logged in")
    return person


def email_argument(text: str) -> str:
    """Read an address of the command line. Raises argparse's own error, which is bad usage."""
    try:
        return parse_email(text)
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.detail) from None


@contextmanager
def _warnings_alone() -> Iterator[None]:
    """Keep log lines out of the output: warnings go to standard error, the rest is in the audit log."""
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
