"""What is logged of machines that are refused: enough to find the one that is set up wrong, whatever is tried.

Guessing a secret of 256 bits is hopeless, so guesses are neither counted nor delayed; but a line for each would fill
the disk. The client id is public; a secret is never written, nor anything that may be one in the wrong field.
"""

from __future__ import annotations

import structlog

from secondgate.errors import Reason
from secondgate.protocol.service_token import PresentedServiceToken

log = structlog.get_logger("secondgate.gate")

WINDOW_S = 60
MAX_LINES = 100


class MachineLog:
    """Writes one line a minute for each host, client id and reason, and at most a hundred a minute."""

    def __init__(self) -> None:
        self._began_at = 0
        self._written: set[tuple[str, str, str]] = set()
        self._left_out = 0

    def refused(
        self, presented: PresentedServiceToken | None, *, dialect: str, host: str, reason: Reason, now: int
    ) -> None:
        """Log a refusal, or count it. `left_out` is how many were only counted since the last line."""
        if not self._began_at <= now < self._began_at + WINDOW_S:
            self._began_at = now
            self._written.clear()
        client_id = presented.public_id if presented else ""
        key = (host, client_id, reason.value)
        if key in self._written or len(self._written) >= MAX_LINES:
            self._left_out += 1
            return
        self._written.add(key)
        write = log.warning if presented else log.info
        write(
            "machine.refused",
            dialect=dialect,
            reason=reason,
            host=host,
            client_id=client_id,
            left_out=self._left_out,
        )
        self._left_out = 0
