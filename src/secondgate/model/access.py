"""Everything an administrator decides, as one immutable value: what the gate and the portal read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secondgate.model.application import Application, ApplicationIndex
from secondgate.model.decision import Rulebook, external_evaluations, oidc_claims
from secondgate.model.openid import OpenIdSettings
from secondgate.model.person import IdentitySource
from secondgate.model.policy import Criteria, ExternalEvaluation


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Where people log in. `openid` is set where the type is OIDC."""

    id: str
    name: str
    type: IdentitySource
    openid: OpenIdSettings | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """One version of all settings. `version` differs whenever anything else does.

    `evaluations` and `claims` (of which provider, and how it is called) are those that each application, by its id,
    depends on.
    """

    version: str
    rulebook: Rulebook
    applications: tuple[Application, ...]
    identity_providers: tuple[IdentityProvider, ...]
    administrators: Criteria | None = None
    index: ApplicationIndex = field(init=False, compare=False)
    by_id: Mapping[str, Application] = field(init=False, compare=False)
    evaluations: Mapping[str, frozenset[ExternalEvaluation]] = field(init=False, compare=False)
    claims: Mapping[str, frozenset[tuple[str, str]]] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the lookups."""
        object.__setattr__(self, "index", ApplicationIndex(self.applications))
        object.__setattr__(self, "by_id", {application.id: application for application in self.applications})
        evaluations = {one.id: external_evaluations(self.rulebook, one) for one in self.applications}
        object.__setattr__(self, "evaluations", evaluations)
        claims = {one.id: oidc_claims(self.rulebook, one) for one in self.applications}
        object.__setattr__(self, "claims", claims)
