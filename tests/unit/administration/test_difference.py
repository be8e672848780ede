"""What the audit log says of a change: what differs, without secrets, and never much."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondgate.administration.difference import MAX_CHARS, describe_difference

PROVIDER: dict[str, Any] = {
    "name": "Corp",
    "config": {"client_id": "a", "client_secret": "hunter2", "client_private_key": {"kty": "EC", "d": "hunter3"}},
}


def test_only_what_differs_is_told_field_by_field() -> None:
    before = {"name": "Wiki", "session_duration": "24h", "mfa_config": {"mfa_disabled": True, "x": 1}, "tags": ["a"]}
    after = {"name": "Wiki", "session_duration": "1h", "mfa_config": {"mfa_disabled": False, "x": 1}, "logo_url": ""}
    assert describe_difference(before, after) == {
        "before.session_duration": "24h",
        "after.session_duration": "1h",
        "before.mfa_config.mfa_disabled": "true",
        "after.mfa_config.mfa_disabled": "false",
        "before.tags": '1 items: "a"',
        "after.logo_url": "",
    }
    assert describe_difference(before, before) == {}
    assert describe_difference({"n": 1}, {"n": True}) == {"before.n": "1", "after.n": "true"}


@pytest.mark.case(76)
def test_of_a_secret_only_is_told_that_it_changed() -> None:
    changed = {**PROVIDER, "config": {**PROVIDER["config"], "client_secret": "hunter4"}}
    assert describe_difference(PROVIDER, changed) == {
        "before.config.client_secret": "***",
        "after.config.client_secret": "***",
    }
    for before, after in (({}, PROVIDER), (PROVIDER, {}), ({"all": [PROVIDER]}, {"all": [changed]})):
        told = json.dumps(describe_difference(before, after))
        assert told != "{}"
        assert "hunter" not in told


@pytest.mark.case(76)
@pytest.mark.parametrize(
    "document",
    [
        {"SECRET": "hunter"},
        {"a": {"api_key": ["hunter"]}},
        {"client_secret": ["hunter"]},
        {"jwk": [{"client_private_key": {"d": "hunter"}}]},
        {"headers": {"Authorization": "hunter"}},
        {"url": "https://user:hunter@example.com/x"},
        {"urls": ["https://hunter@example.com/x"]},
        {"secondgate": {"secret": "hunter"}},
    ],
)
def test_secrets_are_hidden_under_any_name_and_at_any_depth(document: dict[str, Any]) -> None:
    for before, after in (({}, document), (document, {}), (document, dict.fromkeys(document, "x"))):
        assert "hunter" not in json.dumps(describe_difference(before, after))


def test_our_own_settings_are_no_secret() -> None:
    before, after = {"secondgate": {"mfa_floor": True}}, {"secondgate": {"mfa_floor": False}}
    assert describe_difference(before, after)["after.secondgate.mfa_floor"] == "false"


def test_of_a_long_list_the_items_that_came_and_went_are_told() -> None:
    items = [{"value": f"{number}@example.com"} for number in range(10_000)]
    told = describe_difference({"items": items}, {"items": [*items[1:], {"value": "new@example.com"}]})
    assert told == {
        "before.items": "10000 items",
        "after.items": "10000 items",
        "removed.items": '{"value": "0@example.com"}',
        "added.items": '{"value": "new@example.com"}',
    }
    added = describe_difference({"items": []}, {"items": items})["added.items"]
    assert added.endswith(" and 9990 more")
    long = describe_difference({"a": []}, {"a": ["x" * 3000] * 9})["added.a"]
    assert (len(long) < 6000, long.endswith("… and 7 more")) == (True, True)
    assert describe_difference({}, {"a": []}) == {"after.a": "0 items"}
    assert len(json.dumps(describe_difference({}, {"items": items}))) < 1000


def test_another_order_is_told_and_so_is_one_item_more_of_the_same() -> None:
    assert describe_difference({"a": [1, 2]}, {"a": [2, 1]})["changed.a"] == "in another order"
    assert describe_difference({"a": [1]}, {"a": [1, 1]})["added.a"] == "1"
    hidden = describe_difference({"a": [{"secret": "x"}]}, {"a": [{"secret": "y"}]})
    assert hidden["changed.a"] == "with other secrets"


def test_an_event_never_grows_without_bound() -> None:
    after = {f"field{number}": "x" * 10_000 for number in range(1000)}
    told = describe_difference({}, after)
    assert sum(len(name) + len(text) for name, text in told.items()) < MAX_CHARS + 100
    assert int(told["more"]) == 1000 - (len(told) - 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
DOCUMENTS = st.dictionaries(st.text(max_size=5), JSON, max_size=4)


@given(DOCUMENTS, DOCUMENTS)
def test_any_two_documents_that_differ_have_a_difference(before: dict[str, Any], after: dict[str, Any]) -> None:
    told = describe_difference(before, after)
    assert bool(told) == (json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True))
    assert all(isinstance(text, str) for text in told.values())
