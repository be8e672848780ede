"""A whole site: an echo application behind a real proxy, and Secondgate beside it, with a clock that can be moved."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.certificate import Certificate
from tests.e2e.processes import Running, free_port, start
from tests.e2e.proxies import PROXY_SECRET, ROOT, Upstreams, start_envoy, start_nginx, start_traefik

PROXIES = ("nginx", "traefik", "envoy")
"""What a file of tests that needs no browser runs behind: it names these for the fixture `site`."""
LABELS = ("app", "key", "staff", "open", "plain", "other", "hook", "both")
"""The applications' host labels; what each asks for stands in `access_by_pin`."""


@dataclass(frozen=True, slots=True)
class MovableClock:
    """Secondgate's clock: the real one and an offset that a file holds. It only goes forward."""

    file: Path

    def now(self) -> float:
        """Tell Secondgate's time."""
        return time.time() + self._offset_s()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.file.write_text(str(self._offset_s() + seconds))

    def _offset_s(self) -> float:
        return float(self.file.read_text() or 0)


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything is."""

    name: str
    scheme: str
    domain: str
    port: int
    folder: Path
    clock: MovableClock
    upstreams: Upstreams
    secondgate: Running
    ca_file: Path

    def host(self, label: str) -> str:
        """Give a host by its first label."""
        return f"{label}.{self.domain}"

    def url(self, label: str, path: str = "/") -> str:
        """Give a URL at a host."""
        return f"{self.scheme}://{self.host(label)}:{self.port}{path}"

    @property
    def cookie(self) -> str:
        """The name of the application's cookie."""
        return "__Host-secondgate" if self.scheme == "https" else "secondgate"

    @property
    def config_file(self) -> Path:
        """Secondgate's configuration."""
        return self.folder / "secondgate.yaml"

    @property
    def admin(self) -> str:
        """Where Secondgate's admin listener is: address and port."""
        return str(json.loads(self.config_file.read_text())["listen"]["admin"])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a site will be: known before anything runs, for whoever must be told beforehand."""

    proxy: str
    folder: Path
    port: int

    @property
    def scheme(self) -> str:
        """HTTPS behind nginx and Envoy, plain HTTP behind Traefik."""
        return "http" if self.proxy == "traefik" else "https"

    @property
    def domain(self) -> str:
        """The domain of all hosts."""
        return "localhost" if self.proxy == "traefik" else "example.test"

    @property
    def public_url(self) -> str:
        """The portal's URL."""
        return f"{self.scheme}://mfa.{self.domain}:{self.port}"


def choose_place(proxy: str, folder: Path) -> Place:
    """Choose where a site will be: its files in `folder`, on a free port."""
    folder.chmod(0o755)  # nginx's workers are another user
    return Place(proxy, folder, free_port())


@contextmanager
def running_site(
    place: Place,
    *,
    labels: tuple[str, ...],
    access: Mapping[str, object] | None,
    application: int,
    certificate: Certificate,
    settings: Mapping[str, object] | None = None,
    login_proxy: int = 0,
) -> Iterator[Site]:
    """Run Secondgate and the proxy before the application that listens on the port `application`.

    `access` None leaves it to the API; `settings` are further ones of Secondgate; `login_proxy` is the port of one that
    the proxy asks first.
    """
    folder, port, domain = place.folder, place.port, place.domain
    upstreams = Upstreams(gate=free_port(), portal=free_port(), application=application)
    hosts = [f"{label}.{domain}" for label in labels]
    with ExitStack() as running:
        secondgate = _start_secondgate(place, upstreams, access, settings or {})
        running.callback(secondgate.stop)
        if place.proxy == "nginx":
            proxy = start_nginx(
                folder, port=port, hosts=hosts, upstreams=upstreams, certificate=certificate, login_proxy=login_proxy
            )
        elif place.proxy == "envoy":
            proxy = start_envoy(folder, port=port, hosts=hosts, upstreams=upstreams, certificate=certificate)
        else:
            proxy = start_traefik(
                folder, port=port, domain=domain, hosts=hosts, upstreams=upstreams, login_proxy=login_proxy
            )
        running.callback(proxy.stop)
        clock = MovableClock(folder / "clock")
        yield Site(
            place.proxy, place.scheme, domain, port, folder, clock, upstreams, secondgate, certificate.certificate
        )


def _start_secondgate(
    place: Place, upstreams: Upstreams, access: Mapping[str, object] | None, settings: Mapping[str, object]
) -> Running:
    """Start Secondgate on SQLite in the place's folder, with the clock `clock` and mail into `outbox` there."""
    folder = place.folder
    (folder / "outbox").mkdir(exist_ok=True)
    (folder / "clock").write_text("0")
    (folder / "proxy-secret").write_text(PROXY_SECRET)
    configuration = {  # JSON is YAML
        "public_url": place.public_url,
        "listen": {
            "gate": f"127.0.0.1:{upstreams.gate}",
            "portal": f"127.0.0.1:{upstreams.portal}",
            "admin": f"127.0.0.1:{free_port()}",
        },
        "proxy_secret_file": str(folder / "proxy-secret"),
        "log_level": "debug",
        "storage": {"data_dir": str(folder / "data")},
        "mail": {"outbox": str(folder / "outbox"), "from": "mfa@people.test"},
        **({} if access is None else {"access": access}),
        **settings,
    }
    path = folder / "secondgate.yaml"
    path.write_text(json.dumps(configuration, indent=2))
    command = [sys.executable, "-m", "tests.e2e.serve_with_clock", path, folder / "clock"]
    ports = [upstreams.gate, upstreams.portal]
    return start("secondgate", command, folder=folder, ports=ports, env={"PYTHONPATH": f"{ROOT}/src:{ROOT}"})


def access_by_pin(domain: str) -> dict[str, object]:
    """Give what is managed at the site where people log in with one-time PINs."""
    people = [{"email_domain": {"domain": "people.test"}}]
    allow = [{"name": "people", "decision": "allow", "include": people}]
    staff = [{"name": "staff", "decision": "allow", "include": [{"email": {"email": "root@people.test"}}]}]
    bypass = [{"name": "all", "decision": "bypass", "include": [{"everyone": {}}]}]
    hook = [{"name": "hook", "decision": "non_identity", "include": [{"service_token": {"token_id": "hook"}}]}]
    machines = [{"name": "machines", "decision": "non_identity", "include": [{"any_valid_service_token": {}}]}]
    key_only = {"allowed_authenticators": ["security_key"]}
    return {
        "organization": {
            "name": "Example",
            "mfa_config": {
                "allowed_authenticators": ["totp", "security_key", "biometrics"],
                "session_duration": "24h",
            },
            "mfa_required_for_all_apps": True,
        },
        "identity_providers": [{"name": "PIN", "type": "onetimepin"}],
        "applications": [
            {"name": "App", "domain": f"app.{domain}", "policies": allow},
            {"name": "Admin area", "domain": f"app.{domain}/admin", "policies": allow, "mfa_config": key_only},
            {"name": "Keys only", "domain": f"key.{domain}", "policies": allow, "mfa_config": key_only},
            {"name": "Staff", "domain": f"staff.{domain}", "policies": staff},
            {"name": "Open", "domain": f"open.{domain}", "policies": bypass},
            {"name": "Hook", "domain": f"hook.{domain}", "policies": hook},
            {"name": "Both", "domain": f"both.{domain}", "policies": [*allow, *machines]},
            {
                "name": "Plain",
                "domain": f"plain.{domain}",
                "policies": allow,
                "mfa_config": {"mfa_disabled": True},
            },
        ],
    }
