"""The README is held to the program: its settings, commands, examples and files."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from secondgate import cli
from secondgate.access import AccessShapes, compile_access
from secondgate.access.fields import Shape
from secondgate.access.introspection import is_list_at, model_at, secret_keys
from secondgate.config import load
from secondgate.config.settings import Settings
from secondgate.model.secret import Secret

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Give the text under a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(title: str) -> list[list[str]]:
    """Give the cells of the one table of a section, without its headings."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def settings_of(model: type[Shape], location: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Give every setting with its default, as the table writes them."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        here = (*location, key)
        inner = model_at(Settings, here)
        if inner is AccessShapes:
            yield f"`{key}`", "empty"
        elif inner is not None:
            yield from settings_of(inner, here)
        else:
            above = "".join(
                f"{part}[]." if is_list_at(Settings, location[: n + 1]) else f"{part}."
                for n, part in enumerate(location)
            )
            yield f"`{above}{key}`" + ("*" if key in secret_keys(model) else ""), default_text(field.default)


def default_text(default: object) -> str:
    """Write a default as the table does."""
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, Secret):
        return "empty"
    return f"`{', '.join(map(str, default)) if isinstance(default, tuple) else default}`"


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Give every command of the program."""
    groups = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
    if not groups:
        yield " ".join(words)
    for choices in groups:
        for name, inner in choices.items():
            yield from commands(inner, (*words, name))


def test_the_table_has_every_setting_with_its_default() -> None:
    assert [(key, default) for key, default, _ in rows("Settings")] == list(settings_of(Settings))


def test_the_table_has_every_command_and_no_other() -> None:
    named = []
    for cell, _ in rows("Commands"):
        found = re.match(r"`secondgate ([a-z-]+(?: [a-z]+)*)", cell)
        assert found, cell
        named.append(found[1])
    assert sorted(named) == sorted(commands(cli.make_parser()))


def test_every_command_elsewhere_in_the_text_exists() -> None:
    known = set(commands(cli.make_parser()))
    for words in re.findall(r"`secondgate ([a-z]+(?:-[a-z]+)*(?: [a-z]+)*?)(?= -| [a-z.]+@|`)", TEXT):
        assert words in known, words


@pytest.mark.parametrize("example", re.findall(r"^ *```yaml\n( *public_url.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL))
def test_the_examples_are_sound(example: str, tmp_path: Path) -> None:
    indent = len(example) - len(example.lstrip())
    file = tmp_path / "secondgate.yaml"
    file.write_text("\n".join(line[indent:] for line in example.splitlines()))
    settings = load(file, {})
    assert compile_access(settings.access, account_id=settings.account_id).applications


def test_there_are_examples() -> None:
    assert len(re.findall(r"```yaml\n *public_url", TEXT)) == 2


def test_the_files_it_names_are_there() -> None:
    linked = re.findall(r"\]\(([\w./-]+)\)", TEXT)
    included = [f"nginx/{name}" for name in re.findall(r"secondgate/(secondgate[\w-]*\.conf)", TEXT)]
    named = re.findall(r"`\.?/?((?:deploy|tests|traefik)/[\w./-]+)", TEXT)
    for name in {*linked, *included, *named}:
        assert (ROOT / name).is_file(), name
    assert len(linked) >= 4
    assert included
    assert named


def test_the_kinds_of_rules_are_those_there_are() -> None:
    rule = model_at(Settings, ("access", "groups", "include"))
    assert rule is not None
    sentence = re.search(r"Kinds of rules: (.*?);", TEXT)
    assert sentence
    assert re.findall(r"`(\w+)`", sentence[1]) != []
    assert sorted(re.findall(r"`(\w+)`", sentence[1])) == sorted(rule.model_fields)
