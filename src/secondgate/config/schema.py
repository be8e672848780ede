"""The JSON Schema of the configuration (draft 2020-12), for editors and for `secondgate schema`.

It knows the form of fields, and that every secret may be a file instead. What does not fit together is found by
`secondgate check` alone.
"""

from __future__ import annotations

from typing import Any

from secondgate.access.fields import Shape
from secondgate.access.introspection import FILE_SUFFIX, secret_keys
from secondgate.access.shapes import IdentityProviderConfigShape
from secondgate.config.settings import MailSettings, Settings, StorageSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Give the schema."""
    schema = Settings.model_json_schema(by_alias=True)
    for part in (schema, *schema["$defs"].values()):
        for field in part.get("properties", {}).values():
            # What a whole object defaults to is said by its own fields; repeated here it would show secrets as ***.
            if isinstance(field.get("default"), dict):
                del field["default"]
    schema["title"] = "Secondgate's configuration"
    holders: tuple[tuple[type[Shape], dict[str, Any]], ...] = (
        (Settings, schema),
        (StorageSettings, schema["$defs"]["StorageSettings"]),
        (MailSettings, schema["$defs"]["MailSettings"]),
        (IdentityProviderConfigShape, schema["$defs"]["IdentityProviderConfigShape"]),
    )
    for model, holder in holders:
        for key in secret_keys(model):
            holder["properties"][key].pop("default", None)
            holder["properties"][key + FILE_SUFFIX] = {
                "type": "string",
                "description": f"a file that holds {key}; one of the two",
            }
    return {"$schema": DIALECT, **schema}
