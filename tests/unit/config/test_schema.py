"""The JSON Schema knows the same keys as the loader."""

from __future__ import annotations

import json

from secondgate.config import json_schema


def test_the_schema_is_json_and_names_every_setting() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["public_url"]
    assert set(schema["properties"]) == {
        "public_url",
        "account_id",
        "listen",
        "workers",
        "trusted_proxies",
        "proxy_secret",
        "proxy_secret_file",
        "storage",
        "mail",
        "identity",
        "identity_headers",
        "webauthn",
        "audit",
        "signing_algorithm",
        "log_level",
        "access",
    }


def test_every_object_is_closed_and_every_secret_may_be_a_file() -> None:
    schema = json_schema()
    objects = [definition for definition in schema["$defs"].values() if definition["type"] == "object"]
    assert len(objects) > 20
    assert all(definition["additionalProperties"] is False for definition in (schema, *objects))
    storage, mail = schema["$defs"]["StorageSettings"]["properties"], schema["$defs"]["MailSettings"]["properties"]
    assert {"database_file", "redis_file"} < set(storage)
    assert {"smtp_file", "from", "outbox"} < set(mail)
    provider = schema["$defs"]["IdentityProviderConfigShape"]["properties"]
    assert {"client_secret_file", "client_private_key_file", "client_key_id", "prompt"} < set(provider)
    assert "***" not in json.dumps(schema)
