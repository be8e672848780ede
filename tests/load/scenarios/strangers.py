"""Nobody is logged in: whoever has no cookie is told to log in, and an application that is open lets everybody pass."""

from __future__ import annotations

from tests.load.lab import Lab, measured_load, say
from tests.load.programs import OPEN
from tests.load.requests import Check
from tests.load.wrk import Asked

ANONYMOUS, ANONYMOUS_SCRIPT, BYPASS = "anonymous, navigation", "anonymous, forward-auth script", "bypass application"


def run(lab: Lab) -> None:
    """Measure refusals of strangers, and permissions for everybody."""
    say("anonymous and bypass")
    gate = lab.secondgate.gate
    stranger: dict[Check, str | None] = {Check("/page", is_navigation=True): None}
    lab.add(measured_load(lab, gate, Asked(is_navigation=True), checks=stranger, name=ANONYMOUS, expected=401))
    script: dict[Check, str | None] = {Check("/page", dialect="forward-auth"): None}
    lab.add(measured_load(lab, gate, Asked("forward-auth"), checks=script, name=ANONYMOUS_SCRIPT, expected=401))
    visitor: dict[Check, str | None] = {Check("/page", host=OPEN): ""}
    lab.add(measured_load(lab, gate, Asked(host=OPEN), checks=visitor, name=BYPASS))
