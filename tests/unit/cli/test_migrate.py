"""`migrate`: makes the database, leaves it alone the second time, and never begins anew."""

from __future__ import annotations

import pytest

from tests.unit.cli.installation import Installation


def test_the_database_is_made_with_its_key_and_then_left_as_it_is(empty: Installation) -> None:
    database = empty.data_dir / "secondgate.sqlite3"
    code, out, err = empty.run("migrate")
    assert (code, err) == (0, "")
    assert out.startswith(f"ok: the database {database} has the shape ")
    key = (empty.data_dir / "sealing.key").read_bytes()
    assert empty.data("migrate") == {"database": str(database), "revision": out.split()[-1]}
    assert (empty.data_dir / "sealing.key").read_bytes() == key


@pytest.mark.case(88)
def test_a_database_that_is_gone_is_refused_and_not_made_anew(empty: Installation) -> None:
    empty.run("migrate")
    for file in empty.data_dir.glob("secondgate.sqlite3*"):
        file.unlink()
    code, out, err = empty.run("migrate")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "restore it from a backup" in err
    assert not list(empty.data_dir.glob("secondgate.sqlite3*"))
