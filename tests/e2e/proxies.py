"""nginx, Traefik and Envoy with the files that people include; only ports, host names and paths are changed in them."""

from __future__ import annotations

import http.client
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.certificate import Certificate
from tests.e2e.processes import Running, free_port, start

ROOT = Path(__file__).parents[2]
ROUTES_S = 15.0
PROXY_SECRET = "a-secret-between-proxy-and-gate"


@dataclass(frozen=True, slots=True)
class Upstreams:
    """Where the proxy passes requests to."""

    gate: int
    portal: int
    application: int


def _rendered(path: Path, changes: dict[str, str]) -> str:
    text = path.read_text()
    for old in changes:
        if old not in text:
            raise AssertionError(f"{path.name} no longer holds {old!r}")
    # In one go, the longest first: what was put in for one may look like another.
    olds = sorted(changes, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, olds)), lambda found: changes[found[0]], text)


def start_nginx(
    folder: Path,
    *,
    port: int,
    hosts: list[str],
    upstreams: Upstreams,
    certificate: Certificate,
    http: str = "",
    login_proxy: int = 0,
) -> Running:
    """Start nginx with `nginx/example.conf`, and `nginx/identity-headers.conf` where `login_proxy` is a port.

    `http` is put before it, as somebody else's settings would be.
    """
    included = folder / "secondgate"
    included.mkdir()
    for path in (ROOT / "nginx").glob("secondgate*.conf"):
        shutil.copy(path, included)
    itself = {"127.0.0.1:9180": f"127.0.0.1:{upstreams.gate}", "127.0.0.1:9181": f"127.0.0.1:{upstreams.portal}"}
    ports, further = itself, ""
    if login_proxy:
        before = {"9190": free_port(), "9191": free_port()}
        ports = dict(zip(itself, (f"127.0.0.1:{one}" for one in before.values()), strict=True))
        changes = {
            **itself,
            **{f"listen 127.0.0.1:{old};": f"listen 127.0.0.1:{new};" for old, new in before.items()},
            "server 127.0.0.1:4180": f"server 127.0.0.1:{login_proxy}",
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "https://login.example.test/": f"https://login.example.test:{port}/",
        }
        further = "include identity-headers.conf;"
        (folder / "identity-headers.conf").write_text(_rendered(ROOT / "nginx/identity-headers.conf", changes))
    (included / "secondgate.conf").write_text(_rendered(ROOT / "nginx/secondgate.conf", ports))
    (included / "proxy-secret.map").write_text(f'default "{PROXY_SECRET}";\n')
    example = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "listen 80": f"listen 127.0.0.1:{free_port()}",
        "/etc/nginx/tls/example.test.pem": str(certificate.certificate),
        "/etc/nginx/tls/example.test.key": str(certificate.key),
        "server 127.0.0.1:8080": f"server 127.0.0.1:{upstreams.application}",
        "app.example.test key.example.test": " ".join(hosts),
    }
    (folder / "example.conf").write_text(_rendered(ROOT / "nginx/example.conf", example))
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nuser root;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr notice;\n"
        "events { worker_connections 4096; }\n"
        f"http {{\naccess_log off;\n{temporary}\n{http}\ninclude example.conf;\n{further}\n}}\n"
    )
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or "nginx"
    command = [nginx, "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf"]
    return start("nginx", command, folder=folder, ports=[port])


def start_traefik(
    folder: Path,
    *,
    port: int,
    domain: str,
    hosts: list[str],
    upstreams: Upstreams,
    login_proxy: int = 0,
) -> Running:
    """Start Traefik with `traefik/`, with `identity-headers.yaml` where `login_proxy` is a port."""
    dynamic = folder / "dynamic"
    dynamic.mkdir()
    static = {'":80"': f'"127.0.0.1:{port}"', "/etc/traefik/dynamic": str(dynamic)}
    (folder / "traefik.yaml").write_text(_rendered(ROOT / "traefik/traefik.yaml", static))
    secondgate = {
        "127.0.0.1:9180": f"127.0.0.1:{upstreams.gate}",
        "127.0.0.1:9181": f"127.0.0.1:{upstreams.portal}",
        "mfa.example.test": f"mfa.{domain}",
    }
    (dynamic / "secondgate.yaml").write_text(_rendered(ROOT / "traefik/secondgate.yaml", secondgate))
    example = {
        "127.0.0.1:8080": f"127.0.0.1:{upstreams.application}",
        "[secondgate]": "[secondgate-after-login]" if login_proxy else "[secondgate]",
        "Host(`app.example.test`) || Host(`key.example.test`)": " || ".join(f"Host(`{host}`)" for host in hosts),
    }
    (dynamic / "example.yaml").write_text(_rendered(ROOT / "traefik/example.yaml", example))
    if login_proxy:
        changes = {
            "127.0.0.1:4180": f"127.0.0.1:{login_proxy}",
            "mfa.example.test": f"mfa.{domain}",
            "login.example.test": f"login.{domain}",
        }
        (dynamic / "identity-headers.yaml").write_text(_rendered(ROOT / "traefik/identity-headers.yaml", changes))
    traefik = shutil.which("traefik", path=str(Path(sys.executable).parent)) or "traefik"
    command = [traefik, f"--configFile={folder}/traefik.yaml", "--global.checkNewVersion=false"]
    running = start("traefik", command, folder=folder, ports=[port], env={"SECONDGATE_PROXY_SECRET": PROXY_SECRET})
    _wait_for_routes(running, port, hosts[0])
    return running


def start_envoy(
    folder: Path, *, port: int, hosts: list[str], upstreams: Upstreams, certificate: Certificate
) -> Running:
    """Start Envoy with `deploy/envoy/envoy.yaml`."""
    changes = {
        "address: 0.0.0.0, port_value: 443": f"address: 127.0.0.1, port_value: {port}",
        "/etc/envoy/tls/example.test.pem": str(certificate.certificate),
        "/etc/envoy/tls/example.test.key": str(certificate.key),
        "[app.example.test, key.example.test]": f"[{', '.join(hosts)}]",
        "port_value: 9180": f"port_value: {upstreams.gate}",
        "port_value: 9181": f"port_value: {upstreams.portal}",
        "port_value: 8080": f"port_value: {upstreams.application}",
    }
    (folder / "envoy.yaml").write_text(_rendered(ROOT / "deploy/envoy/envoy.yaml", changes))
    envoy = shutil.which("envoy", path=str(Path(sys.executable).parent)) or "envoy"
    command = [
        envoy,
        "-c",
        folder / "envoy.yaml",
        "--concurrency",
        1,
        "--use-dynamic-base-id",
        "--log-level",
        "warning",
    ]
    return start("envoy", command, folder=folder, ports=[port], env={"SECONDGATE_PROXY_SECRET": PROXY_SECRET})


def _wait_for_routes(running: Running, port: int, host: str) -> None:
    """Wait until Traefik has read its dynamic configuration: it listens before, and has no page then."""
    deadline = time.monotonic() + ROUTES_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/", headers={"Host": f"{host}:{port}"})
        answer = connection.getresponse().read()
        connection.close()
        if answer != b"404 page not found\n":
            return
        time.sleep(0.05)
    running.stop()
    raise RuntimeError(f"Traefik has no route for {host}:\n{running.output()}")
