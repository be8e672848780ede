"""The README's section about the admin API does what it says: its commands, run in their order, and its clients."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.api_site import ACCOUNT_ID, ApiSite
from tests.e2e.processes import own_environment
from tests.e2e.proxies import ROOT

SECTION = (ROOT / "README.md").read_text().partition("\n## Admin API\n")[2].partition("\n## ")[0]
DEFAULT = "http://127.0.0.1:9182/client/v4"
CURLRC = 'silent\nshow-error\nnoproxy = "*"\nwrite-out = "\\n%{http_code}"\n'
"""What curl does besides: it says the status on a line after the body."""


def blocks(language: str) -> str:
    """Give the section's code in a language."""
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL))


@dataclass(frozen=True, slots=True)
class Step:
    """One command, what its comment promises, and what came."""

    comment: str
    command: str
    status: int
    answer: Any


@dataclass(slots=True)
class Shell:
    """Runs commands with the variables that the comments speak of."""

    site: ApiSite
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, block: str) -> Step:
        """Run one command with bash, and keep the id in its answer where its comment names a variable for it."""
        lines = block.strip().splitlines()
        comment = "\n".join(line for line in lines if line.startswith("#"))
        command = "\n".join(line for line in lines if not line.startswith("#"))
        done = subprocess.run(  # noqa: S603 - the README's own lines
            ["bash", "-euo", "pipefail", "-c", command],  # noqa: S607 - as people run it
            env={**own_environment(), **self.variables, "CURL_HOME": str(self.site.site.folder)},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        body, _, status = done.stdout.rpartition("\n")
        step = Step(comment, command, int(status), json.loads(body))
        if (named := re.search(r"\$([A-Z]+) is the id in the answer", comment)) is not None:
            result = step.answer["result"]
            self.variables[named[1]] = (result[0] if isinstance(result, list) else result)["id"]
        return step


@pytest.fixture(scope="module")
def steps(api_site: ApiSite) -> list[Step]:
    """Run all commands in their order; Ann sets up an authenticator app before she is looked for."""
    (api_site.site.folder / ".curlrc").write_text(CURLRC)
    shell = Shell(api_site, {"API": api_site.base_url, "TOKEN": api_site.token})
    done = []
    for block in blocks("bash").strip().split("\n\n"):
        if "/access/users?" in block:
            api_site.enrol("ann@example.com")
        done.append(shell.run(block))
    return done


def test_every_command_ends_as_its_comment_says(steps: list[Step]) -> None:
    assert len(steps) > 12
    for step in steps:
        refused = re.search(r"\((4\d\d)\)", step.comment)
        assert step.comment, step.command
        if refused is None:
            assert (step.status // 100, step.answer["success"]) == (2, True), step
        else:
            assert (step.status, step.answer["success"]) == (int(refused[1]), False), step


def test_they_leave_what_they_promise(steps: list[Step], api_site: ApiSite) -> None:
    refusal = next(step for step in steps if step.status == 400)
    assert "Vault" in refusal.answer["errors"][0]["message"]
    models = next(step for step in steps if "known_authenticators" in step.command).answer["result"]
    assert models
    assert all("YubiKey 5" in model["name"] for model in models)
    with api_site.client() as client:
        organization = client.zero_trust.organizations.list(account_id=ACCOUNT_ID)
        assert organization.mfa_required_for_all_apps
        config = organization.mfa_config
        assert config.allowed_authenticators == ["totp", "security_key", "biometrics"]
        [keys] = client.zero_trust.gateway.lists.list(account_id=ACCOUNT_ID)
        assert config.required_aaguids == keys.id
        [ann] = client.zero_trust.access.users.list(account_id=ACCOUNT_ID)
        assert ann.active_device_count == 0
        assert list(client.zero_trust.access.users.active_sessions.list(ann.id, account_id=ACCOUNT_ID)) == []
    events = {event["action"]["description"] for event in steps[-1].answer["result"]}
    assert {"organization.updated", "authenticator.deleted", "pass.created", "sessions.ended"} <= events


def test_the_clients_of_the_section_list_the_applications(
    steps: list[Step], api_site: ApiSite, capsys: pytest.CaptureFixture[str]
) -> None:
    assert steps
    code = blocks("python").replace(DEFAULT, api_site.base_url)
    names: dict[str, Any] = {"TOKEN": api_site.token, "ACCOUNT": ACCOUNT_ID}
    exec(code, names)  # noqa: S102 - the README's own lines
    names["client"].close()
    assert capsys.readouterr().out == "['Vault']\n"
    node = shutil.which("node")
    assert node
    code = blocks("js").replace(DEFAULT, api_site.base_url)
    constants = f"const [TOKEN, ACCOUNT] = {json.dumps([api_site.token, ACCOUNT_ID])};\n"
    done = subprocess.run(  # noqa: S603 - the README's own lines
        [node, "--input-type=module", "--eval", constants + code],
        cwd=ROOT / ".tests/npm_client",
        env=own_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "Vault\n"
