"""What the gate's modules work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import Counter

from secondgate.flows.services import Services
from secondgate.gate.machine_log import MachineLog
from secondgate.model.application import Application
from secondgate.model.decision import Decision, SignIn
from secondgate.proxied import ProxyTrust

CHECKS = Counter("secondgate_checks_total", "Checks that proxies asked for", ["dialect", "outcome"])


@dataclass(frozen=True, slots=True)
class IdentityHeaderNames:
    """The header fields in which the application is told who the person is."""

    user: str = "Remote-User"
    email: str = "Remote-Email"
    name: str = "Remote-Name"
    groups: str = "Remote-Groups"


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate's handlers work with. `refusal_page` renders the page for somebody who may not enter."""

    services: Services
    trust: ProxyTrust
    names: IdentityHeaderNames
    secure: bool
    refusal_page: Callable[[Application | None], str]
    machine_log: MachineLog = field(default_factory=MachineLog)

    @property
    def scheme(self) -> str:
        """The portal's scheme, for a proxy that says none."""
        return "https" if self.secure else "http"


def outcome_of(decision: Decision) -> str:
    """Give the label under which a decision is counted; a machine that proved nothing has one of its own."""
    if isinstance(decision, SignIn) and decision.is_machine:
        return "unauthenticated"
    return type(decision).__name__.lower()
