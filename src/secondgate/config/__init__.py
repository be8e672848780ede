"""The configuration: one YAML file, overridden by the environment, every problem reported at once.

`settings` says what may be written, `load` reads it. The stages of reading are modules of their own: `document`
(YAML with places), `environment`, `secret_files`, `validation` (the form of fields), `problems` (what makes no sense).
"""

from __future__ import annotations

from secondgate.config.listen import ListenAddress
from secondgate.config.load import load
from secondgate.config.schema import json_schema
from secondgate.config.settings import Settings

__all__ = ["ListenAddress", "Settings", "json_schema", "load"]
