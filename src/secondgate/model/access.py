"""Everything an administrator decides, as one immutable value: what the gate and the portal read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secondgate.model.application import Application, ApplicationIndex
from secondgate.model.decision import Rulebook
from secondgate.model.openid import OpenIdSettings
from secondgate.model.person import IdentitySource
from secondgate.model.policy import Criteria


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Where people log in. `openid` is set where the type is OIDC."""

    id: str
    name: str
    type: IdentitySource
    openid: OpenIdSettings | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """One version of all settings. `version` differs whenever anything else does."""

    version: str
    rulebook: Rulebook
    applications: tuple[Application, ...]
    identity_providers: tuple[IdentityProvider, ...]
    administrators: Criteria | None = None
    index: ApplicationIndex = field(init=False, compare=False)
    by_id: Mapping[str, Application] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the lookups."""
        object.__setattr__(self, "index", ApplicationIndex(self.applications))
        object.__setattr__(self, "by_id", {application.id: application for application in self.applications})
