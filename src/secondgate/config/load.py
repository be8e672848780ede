"""Loads the configuration: reads, overrides, validates, judges, and reports every problem at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from secondgate.config.document import Document, read_document
from secondgate.config.environment import apply_environment
from secondgate.config.jwt_problems import find_key_file_problems
from secondgate.config.problems import find_setting_problems
from secondgate.config.secret_files import read_secret_files
from secondgate.config.settings import Settings
from secondgate.config.validation import Validation, original_path, validate
from secondgate.errors import InvalidConfiguration, Problem


def load(path: str | Path, environ: Mapping[str, str]) -> Settings:
    """Give the settings of a file with the overrides of an environment.

    Relative paths in it start at the file's folder. Raises InvalidConfiguration with every problem, each with its
    file, line and column, in the order of the file.
    """
    file = Path(path)
    folder = file.absolute().parent
    document = read_document(file)
    if not document.is_readable:
        raise InvalidConfiguration(tuple(document.problems))
    overrides = apply_environment(document, environ)
    lost = read_secret_files(document, folder)
    result = validate(document, overrides=overrides, lost=lost)
    _report_findings(document, result, folder)
    if document.problems or result.settings is None:
        raise InvalidConfiguration(tuple(sorted(dict.fromkeys(document.problems), key=_in_file_order)))
    return _with_absolute_paths(result.settings, folder)


def _report_findings(document: Document, result: Validation, folder: Path) -> None:
    if result.settings is None:
        return
    for finding in (*find_setting_problems(result.settings), *find_key_file_problems(result.settings, folder)):
        path = original_path(document.data, finding.path)
        if not result.is_consequence(path, [original_path(document.data, need) for need in finding.needs]):
            document.problems.append(document.place_of(path).problem(path, finding.message))


def _in_file_order(problem: Problem) -> tuple[bool, int, int]:
    return (not problem.line, problem.line, problem.column)


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    storage = settings.storage.model_copy(update={"data_dir": folder / settings.storage.data_dir})
    mail = settings.mail
    if mail is not None and mail.outbox is not None:
        mail = mail.model_copy(update={"outbox": folder / mail.outbox})
    jwt = tuple(
        one if one.jwks_file is None else one.model_copy(update={"jwks_file": folder / one.jwks_file})
        for one in settings.identity.jwt
    )
    identity = settings.identity.model_copy(update={"jwt": jwt})
    webauthn = settings.webauthn
    if webauthn.metadata_file is not None:
        webauthn = webauthn.model_copy(update={"metadata_file": folder / webauthn.metadata_file})
    return settings.model_copy(update={"storage": storage, "mail": mail, "identity": identity, "webauthn": webauthn})
