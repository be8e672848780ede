"""Cloudflare's official client for Node.js, with only its address and its token changed: what the mission asks for."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api_site import ACCOUNT_ID, ApiSite
from tests.e2e.processes import own_environment
from tests.e2e.proxies import ROOT

MODULES = ROOT / ".tests/npm_client/node_modules"
SCRIPT = Path(__file__).with_name("npm_client") / "mission.mjs"
ANN = "ann@people.test"
KEY = "CB69481E-8FF7-4039-93EC-0A2729A154A8"
ON = {"allowed_authenticators": ["totp", "security_key"], "session_duration": "24h"}


@pytest.fixture(scope="module")
def given(api_site: ApiSite) -> Any:  # noqa: ANN401 - JSON
    """What the client was given, step by step; Ann had an authenticator before."""
    with api_site.client() as client:
        people = [{"name": "all", "decision": "allow", "include": [{"everyone": {}}]}]
        client.zero_trust.identity_providers.create(account_id=ACCOUNT_ID, name="PIN", type="onetimepin", config={})
        client.zero_trust.organizations.update(account_id=ACCOUNT_ID, name="Example", mfa_config=ON)
        client.zero_trust.access.applications.create(
            account_id=ACCOUNT_ID,
            type="self_hosted",
            name="Wiki",
            domain=api_site.site.host("wiki"),
            policies=people,
        )
    api_site.enrol(ANN)
    settings = {
        "modules": str(MODULES),
        "base_url": api_site.base_url,
        "token": api_site.token,
        "account_id": ACCOUNT_ID,
        "email": ANN,
        "aaguid": KEY,
    }
    path = api_site.site.folder / "npm-client.json"
    path.write_text(json.dumps(settings))
    node = shutil.which("node")
    if node is None or not MODULES.is_dir():
        raise RuntimeError("Node.js or the client is missing: run ./tests/run e2e once")
    done = subprocess.run(  # noqa: S603 - the tests' own script
        [node, str(SCRIPT), str(path)], env=own_environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_mfa_is_turned_on_for_the_organization_and_all_applications(given: Any) -> None:  # noqa: ANN401 - JSON
    assert (given["on"]["mfa_config"], given["on"]["mfa_required_for_all_apps"]) == (ON, True)


def test_an_application_and_policies_have_mfa_settings_of_their_own(given: Any) -> None:  # noqa: ANN401 - JSON
    vault = given["vault"]
    assert vault["mfa_config"] == {"allowed_authenticators": ["security_key"]}
    assert [(one["name"], one["mfa_config"]) for one in vault["policies"]] == [("shared", {"session_duration": "30m"})]
    assert given["kiosk"]["mfa_config"] == {"mfa_disabled": True}
    assert given["applications"] == ["Wiki", "Vault"]


@pytest.mark.case(72)
def test_mfa_is_turned_off_only_when_nothing_has_settings_of_its_own_and_the_error_names_what_has(
    given: Any,  # noqa: ANN401 - JSON
) -> None:
    refused = given["not_off"]
    assert (refused["kind"], refused["status"]) == ("BadRequestError", 400)
    told = " ".join(error["message"] for error in refused["errors"])
    assert all(name in told for name in ("Vault", "kiosk", "shared")), told
    assert given["off"]["mfa_config"] == {"allowed_authenticators": []}


def test_models_are_listed_and_required_and_a_used_list_stays(given: Any) -> None:  # noqa: ANN401 - JSON
    assert [item["value"] for item in given["items"]] == [KEY]
    required = given["restricted"]["mfa_config"]["required_aaguids"]
    assert (given["kept"]["kind"], given["kept"]["status"], bool(required)) == ("ConflictError", 409, True)
    assert given["free"]["mfa_config"] == ON


def test_an_authenticator_is_deleted(given: Any) -> None:  # noqa: ANN401 - JSON
    [authenticator] = given["authenticators"]
    assert (authenticator["type"], given["deleted"]) == ("totp", {"id": authenticator["id"]})
    assert given["user"]["active_device_count"] == 0
    assert (given["gone"]["kind"], given["gone"]["status"]) == ("NotFoundError", 404)
    assert (given["forbidden"]["kind"], given["forbidden"]["status"]) == ("PermissionDeniedError", 403)
