"""One object of each kind that the API has, made by the API, with bodies that make more of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from secondgate.admin.permission_groups import ACCOUNT_SCOPE, GROUP_IDS
from secondgate.model.api_token import Permission
from tests.web import api
from tests.web.browser import Person
from tests.web.site import Site

Json = dict[str, Any]
EVERYONE: list[Json] = [{"everyone": {}}]
ANN = "ann@example.com"
_KINDS = {
    "application_id": "/access/apps",
    "group_id": "/access/groups",
    "identity_provider_id": "/access/identity_providers",
    "list_id": "/gateway/lists",
    "policy_id": "/access/policies",
    "policy_test_id": "/access/policy-tests",
    "service_token_id": "/access/service_tokens",
    "tag_id": "/access/tags",
    "token_id": "/tokens",
}


def bodies(account_id: str, name: str) -> dict[str, Json]:
    """Give a body that is good for each POST, by its path under the account; what must be unique follows the name."""
    policy = {"name": name, "decision": "allow", "include": EVERYONE}
    permitted = {
        "effect": "allow",
        "permission_groups": [{"id": GROUP_IDS[Permission.USERS_READ]}],
        "resources": {f"{ACCOUNT_SCOPE}.{account_id}": "*"},
    }
    return {
        "/access/organizations": api.ORGANIZATION,
        "/access/organizations/revoke_user": {"email": ANN},
        "/access/identity_providers": {"name": name, "type": "onetimepin"},
        "/access/groups": {"name": name, "include": EVERYONE},
        "/access/policies": policy,
        "/access/tags": {"name": name},
        "/access/apps": {"name": name, "domain": f"{name}.example.com", "policies": [policy]},
        "/access/apps/{application_id}/policies": policy,
        "/access/policy-tests": {"policies": [policy]},
        "/access/users": {"email": f"{name}@example.com", "name": name},
        "/access/service_tokens": {"name": name},
        "/gateway/lists": {"name": name, "type": "IP", "items": [{"value": "192.0.2.0/24"}]},
        "/tokens": {"name": name, "policies": [permitted]},
    }


class ApiObjects:
    """Makes objects, and tells their ids by the names that the paths of the API have for them."""

    def __init__(self, site: Site, client: Any) -> None:  # noqa: ANN401 - the official client
        self.site, self.client = site, client
        self.account_id = site.settings.account_id
        self.numbers = itertools.count(1)

    async def prepare(self) -> None:
        """Set up the organization, what people log in with and to, and Ann."""
        await self._send("put", "/access/organizations", api.ORGANIZATION)
        pin = await self._send("post", "/access/identity_providers", {"name": "PIN", "type": "onetimepin"})
        wiki = {**bodies(self.account_id, "wiki")["/access/apps"], "allowed_idps": [pin["id"]]}
        await self._send("post", "/access/apps", wiki)
        await self._send("post", "/access/users", {"email": ANN})

    async def make_for(self, path: str) -> dict[str, str]:
        """Make what a path of the API is about, and give the ids that stand in it."""
        new = bodies(self.account_id, f"made{next(self.numbers)}")
        ids = {"account_id": self.account_id}
        for parameter, kind in _KINDS.items():
            if f"{{{parameter}}}" in path:
                ids[parameter] = (await self._send("post", kind, new[kind]))["id"]
        if "{user_id}" in path:
            ids |= await self.make_person()
        if "{policy_id}" in path and "application_id" in ids:
            own = f"/access/apps/{ids['application_id']}/policies"
            ids["policy_id"] = (await self._get(own))[0]["id"]
        return ids

    async def make_person(self) -> dict[str, str]:
        """Let somebody new log in, with an authenticator, and issue a temporary pass."""
        self.site.clock.advance(601)  # one-time PINs are counted in windows of ten minutes
        person = Person(self.site, f"person{next(self.numbers)}@example.com")
        await person.log_in_with_totp()
        [user] = await self._get(f"/access/users?email={person.email}")
        path = f"/access/users/{user['id']}"
        [authenticator] = await self._get(f"{path}/mfa_authenticators")
        session, *_ = await self._get(f"{path}/active_sessions")
        issued = await self._send("post", f"{path}/temporary_passes", {})
        return {
            "user_id": user["id"],
            "authenticator_id": authenticator["id"],
            "nonce": session["metadata"]["nonce"],
            "pass_id": issued["id"],
        }

    async def _send(self, method: str, path: str, body: Mapping[str, object]) -> Json:
        path = f"/accounts/{self.account_id}{path}"
        answer: Any = await api.run(getattr(self.client, method), path, body=body, cast_to=object)
        return dict(answer["result"])

    async def _get(self, path: str) -> list[Json]:
        answer: Any = await api.run(self.client.get, f"/accounts/{self.account_id}{path}", cast_to=object)
        return list(answer["result"])
