"""Whatever stands in a file, loading it gives settings or problems with places, and nothing else."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from secondgate.access import compile_access
from secondgate.access.introspection import known_keys
from secondgate.config import load
from secondgate.config.settings import Settings
from secondgate.errors import InvalidConfiguration, Problem

Path_ = tuple[str | int, ...]
WHOLE: dict[str, Any] = {
    "public_url": "https://mfa.example.com",
    "listen": {"gate": "127.0.0.1:9180"},
    "workers": 1,
    "trusted_proxies": ["10.0.0.0/8"],
    "proxy_secret": "0123456789abcdef",
    "storage": {"data_dir": "data", "redis": "redis://cache"},
    "mail": {"outbox": "o", "from": "a@example.com"},
    "identity": {"headers": [{"email": "X-Email"}]},
    "identity_headers": {"user": "X-User"},
    "access": {
        "organization": {
            "name": "E",
            "mfa_config": {"allowed_authenticators": ["totp"], "session_duration": "1h"},
            "mfa_required_for_all_apps": True,
            "secondgate": {"mfa_check": "login"},
        },
        "identity_providers": [{"name": "PIN", "type": "onetimepin"}],
        "lists": [{"name": "l", "type": "IP", "items": [{"value": "10.0.0.0/8"}]}],
        "groups": [{"name": "g", "include": [{"ip_list": {"id": "l"}}]}],
        "applications": [
            {
                "name": "W",
                "domain": "w.example.com",
                "destinations": [{"type": "public", "uri": "w.example.com/a"}],
                "mfa_config": {"session_duration": "30m"},
                "policies": [{"name": "p", "decision": "allow", "include": [{"group": {"id": "g"}}, {"everyone": {}}]}],
            }
        ],
        "administrators": {"include": [{"email": {"email": "root@example.com"}}]},
    },
}


def locations(data: object, at: Path_ = ()) -> list[Path_]:
    items: list[tuple[str | int, object]] = []
    if isinstance(data, dict):
        items = list(data.items())
    elif isinstance(data, list):
        items = list(enumerate(data))
    return [at, *(inner for key, value in items for inner in locations(value, (*at, key)))]


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["0m", "g", "a@b.c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "id", "x", "include"]), inner, max_size=3)
    ),
    max_leaves=5,
)
edits = st.lists(
    st.tuples(st.sampled_from(locations(WHOLE)[1:]), st.sampled_from(["set", "drop", "add"]), junk), max_size=5
)


def spoil(data: Any, location: Path_, how: str, value: object) -> None:  # noqa: ANN401 - any JSON
    try:
        for part in location[:-1]:
            data = data[part]
        if how == "drop":
            del data[location[-1]]
        elif how == "set":
            data[location[-1]] = value
        else:
            data[f"{location[-1]}s"] = value
    except (KeyError, IndexError, TypeError):
        return


def loaded_or_problems(raw: bytes, environ: dict[str, str]) -> Settings | tuple[Problem, ...]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "secondgate.yaml"
        file.write_bytes(raw)
        try:
            return load(file, environ)
        except InvalidConfiguration as error:
            return error.problems


@settings(deadline=None)
@given(edits)
def test_a_spoilt_file_gives_problems_with_places_or_settings_that_compile(
    edits: list[tuple[Path_, str, object]],
) -> None:
    data = copy.deepcopy(WHOLE)
    for edit in edits:
        spoil(data, *edit)
    result = loaded_or_problems(yaml.safe_dump(data, allow_unicode=True).encode(), {})
    if isinstance(result, Settings):
        compile_access(result.access, account_id=result.account_id)
        return
    assert result
    for problem in result:
        assert problem.file.endswith("secondgate.yaml")
        assert "pydantic" not in problem.message
        assert "is not of the form asked for" not in problem.message


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_make_loading_fail_in_another_way(raw: bytes) -> None:
    assert loaded_or_problems(raw, {})


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([f"SECONDGATE_{key.upper()}" for key in known_keys(Settings)]), st.text(max_size=9))
)
def test_no_environment_makes_loading_fail_in_another_way(environ: dict[str, str]) -> None:
    result = loaded_or_problems(yaml.safe_dump(WHOLE).encode(), environ)
    assert isinstance(result, Settings) or result
