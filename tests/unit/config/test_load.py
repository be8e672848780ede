"""The whole way: a file and an environment to settings, or to every problem at once."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from secondgate.config import ListenAddress, Settings, load
from secondgate.errors import InvalidConfiguration
from secondgate.model.keys import SigningAlgorithm

SOUND = """\
public_url: https://mfa.example.com
mail: {outbox: outbox, from: mfa@example.com}
access:
  organization: {name: Example, mfa_config: {allowed_authenticators: [totp]}, mfa_required_for_all_apps: true}
  identity_providers: [{name: PIN, type: onetimepin}]
  applications:
    - name: Wiki
      domain: wiki.example.com
      policies: [{name: all, decision: allow, include: [{everyone: {}}]}]
"""
EVERY_MISTAKE = """\
secondgate.yaml:1:1: public_url: must be https:// (http:// only for localhost and names ending in .localhost)
secondgate.yaml:2:1: worker: unknown key; did you mean workers?
secondgate.yaml:7:38: access.organization.mfa_config.allowed_authenticators[1]: \
'sms' is not known; it must be totp, biometrics or security_key
secondgate.yaml:8:7: access.organization.mfa_config.session_duration: \
must be a duration in hours and minutes, such as 30m, 24h or 1h30m
secondgate.yaml:11:7: access.applications[0].policies: \
the application 'Wiki' has no policy, so nobody could ever use it; give it one
secondgate.yaml:14:7: access.applications[1].domain: wiki.example.com belongs to the application 'Wiki' already
"""


def loaded(folder: Path, text: str, **environ: str) -> Settings:
    file = folder / "secondgate.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, environ)


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        loaded(folder, text, **environ)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_a_short_file_is_filled_with_the_documented_defaults(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "public_url: https://MFA.example.com/\n")
    assert settings.portal_origin == "https://mfa.example.com"
    assert settings.portal_host == "mfa.example.com"
    assert settings.secure
    assert settings.listen.gate == ListenAddress("127.0.0.1", 9180)
    assert settings.listen.portal == ListenAddress("127.0.0.1", 9181)
    assert settings.listen.admin == ListenAddress("127.0.0.1", 9182)
    assert settings.workers == 1
    assert settings.trusted_proxies == (ip_network("127.0.0.1/32"), ip_network("::1/128"))
    assert settings.proxy_secret is None
    assert settings.storage.data_dir == Path("/var/lib/secondgate")
    assert (settings.storage.database.reveal(), settings.storage.redis.reveal()) == ("", "")
    assert settings.mail is None
    assert settings.identity.headers == ()
    assert settings.identity_headers.user == "Remote-User"
    assert (settings.signing_algorithm, settings.log_level) == (SigningAlgorithm.ES256, "info")
    assert len(settings.account_id) == 32
    assert settings.account_id == loaded(tmp_path, "public_url: https://mfa.example.com\n").account_id
    assert settings.access.applications == ()


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text("0123456789abcdef\r\n")
    settings = loaded(
        tmp_path,
        """\
public_url: http://mfa.localhost:8080
account_id: 0123456789ABCDEF0123456789abcdef
listen: {gate: "unix:/run/secondgate/gate.sock", portal: "[::1]:9181", admin: "0.0.0.0:0"}
workers: 4
trusted_proxies: [10.0.0.0/8, 192.0.2.7]
proxy_secret_file: proxy
storage: {data_dir: data, database: "postgresql://user:hunter2@db/secondgate", redis: "redis://:hunter2@cache/0"}
mail: {smtp: "smtps://user:hunter2@mail.example.com", from: mfa@example.com}
identity: {headers: [{email: X-Auth-Request-Email, amr: X-Amr}]}
identity_headers: {user: X-User}
signing_algorithm: RS256
log_level: debug
access: {applications: [{name: W, domain: w.localhost, policies: [
  {name: p, decision: allow, include: [{everyone: {}}]}]}]}
""",
    )
    assert settings.account_id == "0123456789abcdef0123456789abcdef"
    assert not settings.secure
    assert settings.application_origin("w.localhost") == "http://w.localhost:8080"
    assert str(settings.listen.gate) == "unix:/run/secondgate/gate.sock"
    assert str(settings.listen.portal) == "[::1]:9181"
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"))
    assert settings.proxy_secret is not None
    assert settings.proxy_secret.reveal() == "0123456789abcdef"
    assert settings.storage.data_dir == tmp_path / "data"
    assert settings.identity.headers[0].email == "X-Auth-Request-Email"
    assert settings.identity_headers.user == "X-User"
    assert settings.signing_algorithm is SigningAlgorithm.RS256
    assert "hunter2" not in repr(settings)
    assert "0123456789abcdef'" not in repr(settings.proxy_secret)


def test_every_mistake_is_reported_in_one_run_with_its_place(tmp_path: Path) -> None:
    assert (
        problems(
            tmp_path,
            """\
public_url: http://mfa.example.com
worker: 2
mail: {outbox: outbox, from: mfa@example.com}
access:
  organization:
    mfa_config:
      allowed_authenticators: [totp, sms]
      session_duration: 1y
  identity_providers: [{name: PIN, type: onetimepin}]
  applications:
    - name: Wiki
      domain: wiki.example.com
    - name: Other
      domain: Wiki.example.com/
      policies: [{name: all, decision: allow, include: [{everyone: {}}]}]
""",
        )
        == EVERY_MISTAKE.splitlines()
    )


def test_places_keep_their_numbers_when_something_before_them_is_wrong(tmp_path: Path) -> None:
    text = (
        SOUND + "    - {nam: A}\n    - {name: B, domain: b.example.com}\n    - {name: C, domain: c.example.com, x: 1}\n"
    )
    found = problems(tmp_path, text)
    assert [line.split(": ")[1] for line in found] == [
        "access.applications[1].nam",
        "access.applications[2].policies",
        "access.applications[3].policies",
        "access.applications[3].x",
    ]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("access: {aplications: []}", "did you mean applications?"),
        (
            "access: {organization: {mfa_config: {allowed_authenticator: [totp]}, mfa_required_for_all_apps: true}}",
            "did",
        ),
        ("access: {groups: [{nmae: g, include: [{everyone: {}}]}]}", "did you mean name?"),
        ("access: {organization: {name: 7}}", "must be text; put it in quotes"),
        ("access: {organization: {name: '', mfa_required_for_all_apps: false}}", "must not be empty"),
        ("access: {service_tokens: []}", "is not supported by this version"),
        ("access: {identity_providers: {name: PIN}}", "must be a list"),
        ("access: {organization: []}", "must be an object"),
        ("access: 7", "must be an object"),
        ("identity: {headers: [{name: X-Name}]}", "is required"),
        ("identity: {headers: [{email: 'X Email'}]}", "name of a header field"),
        ("identity: {headers: [{email: X-Forwarded-For}]}", "means something else already"),
        ("identity: {headers: [{email: X-Email, name: x_email}]}", "identity.headers[0].email already"),
        ("identity_headers: {user: Remote-Email}", "identity_headers.user already"),
        ("identity_headers: {user: Cookie}", "means something else"),
        ("proxy_secret: short", "16 to 1024 visible ASCII characters"),
        ("proxy_secret: 12345678901234567890", "must be text; put it in quotes"),
        ("proxy-secret: 0123456789abcdef", "did you mean proxy_secret?"),
        ("proxy_secret_fil: a", "did you mean proxy_secret_file?"),
        ("proxy_secret_file: nowhere", "cannot be read: No such file"),
        ("proxy_secret_file: [a]", "must be the path of a file"),
        ("storage: {redis: 'http://x'}", "a URL that begins with redis://"),
        ("storage: {redis: 6379}", "must be text; put it in quotes"),
        ("storage: {redis: 'redis://one,two'}", "storage.redis: must name one server"),
        ("storage: {redis: 'redis+sentinel://one/gate/x'}", "storage.redis: must end with the name of the service"),
        ("storage: {redis: 'redis+cluster://one/1'}", "storage.redis: must not name a database"),
        ("storage: {redis: 'redis://one?socket_timeout=60'}", "may have these parameters, each once: db"),
        ("storage: {database: 'mysql://x'}", "postgresql://"),
        ("storage: {data_dir: 7}", "must be text"),
        ("storage: {data_dir: ''}", "must be a path"),
        ("mail: {from: mfa@example.com}", "either smtp or outbox"),
        ("mail: {from: mfa@example.com, outbox: o, smtp: 'smtp://m'}", "either smtp or outbox"),
        ("mail: {smtp: 'smtp://m'}", "is required"),
        ("mail: {smtp: mail.example.com, from: mfa@example.com}", "smtp://"),
        ("access: {identity_providers: [{name: PIN, type: onetimepin}]}", "set mail.smtp"),
        ("workers: 0", "at least 1"),
        ("workers: 257", "at most 256"),
        ("workers: true", "whole number"),
        ("workers: 2", "more than 1 needs storage.redis"),
        ("listen: {gate: 9180}", "must be host:port"),
        ("listen: {gate: ':9180'}", "must be host:port"),
        ("listen: {gate: 'localhost:99999'}", "must be host:port"),
        ("listen: {gate: 'unix:gate.sock'}", "must be unix:/path"),
        ("listen: {gate: 127.0.0.1:9181}", "is the address of"),
        ("trusted_proxies: [10.0.0.1/8]", "write 10.0.0.0/8"),
        ("trusted_proxies: [7]", "must be an address or a network"),
        ("trusted_proxies: [0.0.0.0/0]", "trusts everybody"),
        ("trusted_proxies: 10.0.0.0/8", "must be a list"),
        ("account_id: abc", "32 hexadecimal digits"),
        ("account_id: 01234567012345670123456701234567", "put it in quotes"),
        ("signing_algorithm: HS256", "ES256 or RS256"),
        ("log_level: 7", "debug, info, warning or error"),
        ("log_level: INFO", "did you mean info?"),
        ("nothing_like_it: 1", "unknown key; known here: access, account_id"),
        ("access: {administrators: {include: [{everyone: {a: 1}}]}}", "unknown key: nothing stands here"),
    ],
)
def test_one_mistake_is_one_problem_in_plain_words(tmp_path: Path, line: str, word: str) -> None:
    (found,) = problems(tmp_path, f"public_url: https://mfa.example.com\n{line}\n")
    assert word in found
    assert found.startswith("secondgate.yaml:2:")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "is required"),
        ("public_url: ''", "must be a URL"),
        ("public_url: 7", "must be a URL"),
        ("public_url: mfa.example.com", "must be a URL"),
        ("public_url: ftp://mfa.example.com", "must be a URL"),
        ("public_url: 'https://mfa.example.com:x'", "must be a URL"),
        ("public_url: 'https://mfa example.com'", "must be a URL"),
        ("public_url: https://", "must be a URL"),
        ("public_url: https://user:pw@mfa.example.com", "user name or password"),
        ("public_url: https://@mfa.example.com", "user name or password"),
        ("public_url: https://mfa.example.com/portal", "without a path"),
        ("public_url: https://mfa.example.com?a", "without a path"),
        ("public_url: 'https://mfa.example.com#'", "without a path"),
        ("public_url: https://192.0.2.7", "not an IP address"),
        ("public_url: 'https://[2001:db8::1]'", "not an IP address"),
        ("public_url: https://mfa..example.com", "must hold a host name"),
        ("public_url: http://mfa.example.com", "must be https://"),
        ("public_url: http://notlocalhost", "must be https://"),
        ("public_url: http://localhost.example.com", "must be https://"),
    ],
)
def test_a_public_url_that_nothing_could_rest_on_is_refused(tmp_path: Path, url: str, word: str) -> None:
    (found,) = problems(tmp_path, f"log_level: info\n{url}\n")
    assert word in found


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://mfa.example.com:443", "https://mfa.example.com"),
        ("https://mfa.example.com:8443", "https://mfa.example.com:8443"),
        ("http://localhost", "http://localhost"),
        ("http://localhost:80/", "http://localhost"),
        ("http://mfa.localhost:8080", "http://mfa.localhost:8080"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_a_public_url_is_one_origin(tmp_path: Path, url: str, origin: str) -> None:
    assert loaded(tmp_path, f"public_url: {url}\n").portal_origin == origin


@pytest.mark.parametrize(
    ("url", "domain", "word"),
    [
        ("https://mfa.example.com", "mfa.example.com/x", "the portal's own host"),
        ("http://mfa.localhost", "wiki.example.com", "end in .localhost"),
        ("http://mfa.localhost", "*.example.com", "end in .localhost"),
    ],
)
def test_an_application_must_fit_the_portal(tmp_path: Path, url: str, domain: str, word: str) -> None:
    text = SOUND.replace("https://mfa.example.com", url).replace("wiki.example.com", f"'{domain}'")
    (found,) = problems(tmp_path, text)
    assert word in found
    assert "access.applications[0].domain" in found


@pytest.mark.parametrize("domain", ["wiki.localhost", "*.localhost", "localhost"])
def test_on_plain_http_applications_are_below_localhost(tmp_path: Path, domain: str) -> None:
    text = SOUND.replace("https://mfa.example.com", "http://mfa.localhost").replace("wiki.example.com", f"'{domain}'")
    assert loaded(tmp_path, text).access.applications[0].domain == domain


def test_somebody_must_be_able_to_log_in(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, SOUND.replace("  identity_providers: [{name: PIN, type: onetimepin}]\n", ""))
    assert "nobody could log in" in found
    bypass = SOUND.replace("  identity_providers: [{name: PIN, type: onetimepin}]\n", "").replace("allow,", "bypass,")
    assert len(loaded(tmp_path, bypass).access.applications) == 1


def test_everybody_may_be_a_proxy_that_proves_itself(tmp_path: Path) -> None:
    text = (
        "public_url: https://mfa.example.com\nproxy_secret: 0123456789abcdef\ntrusted_proxies: ['0.0.0.0/0', '::/0']\n"
    )
    assert len(loaded(tmp_path, text).trusted_proxies) == 2


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("groups: [{name: g, include: [{emial: {}}]}]", "matches nobody"),
        ("groups: [{nam: g, include: [{everyone: {}}]}]", "is required"),
        ("organization: {mfa_config: {allowed_authenticators: [sms]}, mfa_required_for_all_apps: true}", "no method"),
        ("organization: {mfa_config: {session_duration: 1y}}", "inherit"),
        (
            "groups: [{name: g, x: 1, include: [{everyone: {}}, {oidc: {}}]}, {name: h, include: [{group: {id: g}}]}]",
            "no group",
        ),
        ("groups: [{name: 7, include: [{everyone: {}}]}, {name: h, include: [{group: {id: '7'}}]}]", "no group"),
        ("lists: [{name: l, type: EMAI}]\n  groups: [{name: g, include: [{email_list: {id: l}}]}]", "no list"),
    ],
)
def test_what_only_follows_from_a_mistake_is_no_second_mistake(tmp_path: Path, text: str, absent: str) -> None:
    assert not any(
        absent in line for line in problems(tmp_path, f"public_url: https://mfa.example.com\naccess:\n  {text}\n")
    )


def test_what_does_not_follow_from_a_mistake_is_reported_beside_it(tmp_path: Path) -> None:
    text = "groups: [{name: g, x: 1, include: [{everyone: {}}]}, {name: h, include: [{group: {id: nope}}]}]"
    found = problems(tmp_path, f"public_url: https://mfa.example.com\naccess:\n  {text}\n")
    assert len(found) == 2
    assert "no group named 'nope'; there is: g, h" in found[1]


@pytest.mark.case(97)
@pytest.mark.parametrize(
    "line",
    [
        "proxy_secret: hunter2",
        "proxy_secret: [hunter2]",
        "proxy_secret: {hunter2: 1}",
        "storage: {redis: hunter2, database: hunter2}",
        "storage: {redis: 'redis+cluster://:hunter2@one,two:port'}",
        "mail: {smtp: 'http://hunter2', from: a@example.com}",
        "proxy_secret: 'hunter2 0123456789abcdef'",
    ],
)
def test_no_problem_shows_a_secret(tmp_path: Path, line: str) -> None:
    assert "hunter2" not in " ".join(problems(tmp_path, f"public_url: https://mfa.example.com\n{line}\n"))


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@cache/0",
        "rediss://cache?ssl_ca_certs=/etc/ca.pem",
        "unix:///run/redis.sock",
        "redis+sentinel://one,two:26380/gate/1",
        "rediss+cluster://one,two:7000",
    ],
)
def test_redis_can_stand_alone_be_watched_or_be_a_cluster(tmp_path: Path, url: str) -> None:
    text = f"public_url: https://mfa.example.com\nstorage: {{data_dir: data, redis: '{url}'}}\n"
    assert loaded(tmp_path, text).storage.redis.reveal() == url


def test_settings_can_be_made_of_values_that_are_parsed_already(tmp_path: Path) -> None:
    text = "proxy_secret: 0123456789abcdef\n" + SOUND
    settings = loaded(tmp_path, text)
    again = Settings.model_validate(
        {key: getattr(settings, key) for key in ("public_url", "trusted_proxies", "listen")}
    )
    assert (again.public_url, again.listen) == (settings.public_url, settings.listen)
    assert Settings.model_validate({"public_url": settings.public_url, "proxy_secret": settings.proxy_secret}).secure
    assert (
        ListenAddress("::1", 1)
        == Settings.model_validate(
            {"public_url": settings.public_url, "listen": {"gate": ListenAddress("::1", 1)}}
        ).listen.gate
    )
    assert "0123456789abcdef" not in str(settings.model_dump(mode="json"))
