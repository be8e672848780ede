"""The API holds what it describes: schemathesis sends what the description allows, and what it does not.

Whatever is sent, the answer is one that is described, in status, content type and schema, and never a 5xx. What is
sent is the same in every run.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from secondgate.admin.resources import CALLS
from secondgate.admin.server import MAX_BODY_BYTES
from tests.web import api
from tests.web.api_objects import ApiObjects, bodies
from tests.web.conftest import StartSite

EXAMPLES = 25
CHECKS: list[Any] = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
ORDER = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""What is deleted is asked for no more."""
QUERIES = {"/accounts/{account_id}/logs/audit": {"since": "2026-01-01", "before": "2028-01-01T00:00:00Z"}}
"""What must be there, and no chance finds."""
_numbers = itertools.count()


@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")  # the site does, beside us
@pytest.mark.parametrize("tag", sorted({call.tag for call in CALLS}))
async def test_every_answer_is_one_that_is_described(tag: str, start_site: StartSite) -> None:
    site = await start_site(api.managed_by_the_api)
    client = await api.client(site)
    objects = ApiObjects(site, client)
    await objects.prepare()
    description = await asyncio.to_thread(
        schemathesis.openapi.from_url,
        f"http://127.0.0.1:{site.ports['admin']}/openapi.json",
        config=schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}}),
    )
    calls = [call for call in CALLS if call.tag == tag]
    for call in sorted(calls, key=lambda call: ORDER.index(call.method)):
        operation = description[call.path][call.method.lower()]
        wrong = await asyncio.to_thread(examine, operation, await objects.make_for(call.path), client.api_token)
        assert not wrong, wrong[0]


def examine(operation: Any, ids: dict[str, str], token: str) -> list[str]:  # noqa: ANN401 - schemathesis's own
    """Make one call in many ways: most of them about what is there, and half of them with a body that is nearly good.

    Gives what is wrong with the answers.
    """
    wrong: list[str] = []
    account_id, path = ids["account_id"], operation.path
    known: dict[str, Any] = {"query": QUERIES[path]} if path in QUERIES else {}
    parameters = re.findall(r"\{(\w+)\}", path)
    if parameters:
        known["path_parameters"] = {name: ids[name] for name in parameters}
    unknown = {"path_parameters": {"account_id": account_id}} if parameters else {}
    cases = [
        operation.as_strategy(generation_mode=mode, **fixed) for mode in MODES for fixed in (known, known, unknown)
    ]
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=st.one_of(cases), data=st.data())
        def send(case: schemathesis.Case[Any], data: st.DataObject) -> None:
            if isinstance(case.body, dict) and data.draw(st.booleans()):
                few = data.draw(st.sets(st.sampled_from(sorted(case.body)), max_size=1)) if case.body else ()
                good = bodies(account_id, f"new{next(_numbers)}").get(path.removeprefix("/accounts/{account_id}"), {})
                case.body = {**good, **{name: case.body[name] for name in few}}
            answer = case.call(session=session)
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as failures:
                wrong.append(str(failures))

        send()
    return wrong


async def test_a_body_that_is_too_large_is_refused_as_everything_else_is(start_site: StartSite) -> None:
    site = await start_site(api.managed_by_the_api)
    client = await api.client(site)
    path = f"/accounts/{site.settings.account_id}/access/groups"
    refused = await api.refused(client.post, path, cast_to=object, body={"name": "x" * MAX_BODY_BYTES})
    assert refused == {"/body": f"access.api.error.invalid_request: body: must have at most {MAX_BODY_BYTES} bytes"}
