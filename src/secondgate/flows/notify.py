"""E-mail to people: what happened to their account, sent after the answer.

Where there is no mail, or the server is away, nobody is told: the log says so, and what was done stays done.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from secondgate.errors import Unavailable
from secondgate.flows.services import Services

log = structlog.get_logger("secondgate.flows.notify")


def tell_pass_created(services: Services, *, email: str, expires_at: int) -> None:
    """Tell a person that somebody issued a temporary pass for them. `expires_at` is Unix seconds."""
    name = services.access().rulebook.organization.name
    until = datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = (
        f"An administrator of {name} issued a temporary pass for your account. Whoever has it can log in as you "
        f"usually do, and then add and remove MFA devices, once, until {until}.\n\n"
        "If you asked for it, there is nothing to do: an administrator tells you the pass.\n"
        "If you did not, tell an administrator now.\n"
    )
    services.spawn(send_mail(services, to=email, subject=f"A temporary pass for your {name} account", text=text))


async def send_mail(services: Services, *, to: str, subject: str, text: str) -> None:
    """Send a message; that it cannot be sent is said in the log."""
    if services.mailer is None:
        log.warning("mail.not_configured", subject=subject)
        return
    try:
        await services.mailer.send(to=to, subject=subject, text=text)
    except Unavailable as error:
        log.error("mail.failed", reason=str(error))  # noqa: TRY400 - the cause is named; a trace adds nothing
