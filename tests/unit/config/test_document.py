"""YAML with places, and what is no plain data."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondgate.config.document import MAX_FILE_BYTES, Document, Place, parse_scalar, read_document, rendered


def read(folder: Path, raw: str | bytes) -> Document:
    file = folder / "c.yaml"
    file.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    return read_document(file)


def test_every_value_has_its_place(tmp_path: Path) -> None:
    document = read(tmp_path, "a:\n  b: [1, {c: x}]\n")
    name = str(tmp_path / "c.yaml")
    assert document.data == {"a": {"b": [1, {"c": "x"}]}}
    assert document.place(("a", "b", 1)) == Place(name, 2, 10)
    assert document.place(("a", "b", 1, "c")) == Place(name, 2, 11)
    assert document.place(("a", "b", 1, "d", "e")) == document.place(("a", "b", 1))
    assert document.place(("z",)) == Place(name)
    assert document.place_of("a.b[1].c.d") == Place(name, 2, 11)
    assert document.place_of("z") == Place(name)


def test_locations_are_written_as_paths() -> None:
    assert rendered(("access", "applications", 1, "domain")) == "access.applications[1].domain"
    assert rendered(()) == ""


def test_an_empty_file_is_an_empty_object(tmp_path: Path) -> None:
    for raw in ("", "# nothing\n", "---\n", "~\n"):
        document = read(tmp_path, raw)
        assert (document.data, document.problems, document.is_readable) == ({}, [], True)


@pytest.mark.parametrize(
    ("raw", "line", "message"),
    [
        (b"a: [1\n", 2, "is no YAML"),
        (b"a: b: c\n", 1, "is no YAML"),
        (b"\ta: 1\n", 1, "is no YAML"),
        (b"a: *b\n", 1, "is no YAML"),
        (b"a: 1\n---\nb: 2\n", 2, "is no YAML"),
        (b"a: 1\nb: \x07\n", 2, "is no YAML"),
        (b"a: 1\nb: \xff\n", 2, "is not UTF-8"),
        (b"- a\n", 1, "must be an object"),
        (b"text\n", 1, "must be an object"),
        (b"a: &x [*x]\n", 1, "an alias contains itself"),
        (b"x" * (MAX_FILE_BYTES + 1), 0, "is larger than 4 MiB"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, 0, "is nested deeper than 50 levels"),
        (b"a: " + b"[" * 60 + b"]" * 60, 1, "levels"),
        (
            b"a0: &a0 [1]\n"
            + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 9)),
            0,
            "200000 values",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_plain_document_has_one_problem_and_no_data(
    tmp_path: Path, raw: bytes, line: int, message: str
) -> None:
    document = read(tmp_path, raw)
    assert not document.is_readable
    (problem,) = document.problems
    assert message in problem.message
    assert problem.line == line or not line
    assert document.data == {}


def test_a_file_that_is_not_there_is_one_problem(tmp_path: Path) -> None:
    assert [p.message for p in read_document(tmp_path / "no").problems] == ["cannot be read: No such file or directory"]
    assert [p.message for p in read_document(tmp_path).problems] == ["cannot be read: Is a directory"]


def test_a_key_that_stands_twice_is_a_problem_and_not_the_last_ones_victory(tmp_path: Path) -> None:
    document = read(tmp_path, "a: {b: 1}\na: 2\nc:\n  d: 1\n  d: 2\n")
    assert [(p.path, p.line, p.message) for p in document.problems] == [
        ("a", 2, "stands here already, in line 1"),
        ("c.d", 5, "stands here already, in line 4"),
    ]
    assert document.data == {"a": {"b": 1}, "c": {"d": 1}}


def test_aliases_are_read_and_merge_keys_are_keys(tmp_path: Path) -> None:
    document = read(tmp_path, "a: &x {b: 1}\nc: *x\nd: {<<: *x}\n")
    assert document.data == {"a": {"b": 1}, "c": {"b": 1}, "d": {"<<": {"b": 1}}}


@pytest.mark.parametrize(
    "raw", ["? [a]\n: 1\n", "a: !thing 1\n", "a: !!python/object:os.system {}\n", "a: !thing [1]\n"]
)
def test_what_is_no_plain_data_is_a_problem(tmp_path: Path, raw: str) -> None:
    (problem,) = read(tmp_path, raw).problems
    assert problem.line == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("no", False),
        ("7", 7),
        ("0x10", 16),
        ("1.5", 1.5),
        ("~", None),
        ("", None),
        ("2026-01-01", "2026-01-01"),
        ("12:30:45", "12:30:45"),
        ("127.0.0.1:9180", "127.0.0.1:9180"),
        ("a: b", "a: b"),
        ("=", "="),
        ("0_", 0),
        ("hunter2 #x", "hunter2 #x"),
    ],
)
def test_a_plain_word_is_read_as_yaml_reads_it_but_nothing_is_a_date(text: str, value: object) -> None:
    assert parse_scalar(text) == value


def test_a_wrong_explicit_tag_leaves_the_text(tmp_path: Path) -> None:
    assert read(tmp_path, "a: !!int x\nb: !!float y\nc: !!bool z\n").data == {"a": "x", "b": "y", "c": "z"}
