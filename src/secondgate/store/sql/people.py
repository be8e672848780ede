"""Persons in SQL; implements `ports.People`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Row, bindparam, case, delete, exc, func, select, update

from secondgate.errors import NotFound, Reason
from secondgate.model.organization import Method
from secondgate.model.person import ADDRESS_SOURCES, Person, folded_email
from secondgate.store.ports import PeopleFilter, PeoplePage
from secondgate.store.sql.database import Database
from secondgate.store.sql.tables import StorableText, authenticators, identities, passes, persons, wrong_codes

_PERSON = (
    persons.c.id,
    persons.c.email,
    persons.c.name,
    persons.c.created_at,
    persons.c.last_login_at,
    persons.c.disabled,
    persons.c.last_method,
    persons.c.updated_at,
)
_TO_LOWER = {number: chr(number + 32) for number in range(ord("A"), ord("Z") + 1)}


def _person(row: Row[*tuple[Any, ...]] | None) -> Person | None:
    if row is None:
        return None
    return Person(
        id=row.id,
        email=row.email,
        name=row.name,
        created_at=row.created_at,
        last_login_at=row.last_login_at,
        disabled=row.disabled,
        last_method=Method(row.last_method) if row.last_method else None,
        updated_at=row.updated_at,
    )


def _text(value: str) -> BindParameter[str]:
    return bindparam(None, value, StorableText)


class SqlPeople:
    """Persons. The methods are described in the port."""

    _database: Database

    async def find_or_create_person(self, *, new_id: str, email: str, name: str, now: int) -> Person:
        """Find or make the person with this address."""
        insert = self._database.insert(persons).values(
            id=new_id, email=folded_email(email), name=name, created_at=now, disabled=False, wrong_in_a_row=0
        )
        # an update that changes nothing: only a row that was written is returned
        upsert = insert.on_conflict_do_update(
            index_elements=[persons.c.email], set_={"email": insert.excluded.email}
        ).returning(*_PERSON)
        async with self._database.writing() as connection:
            person = _person((await connection.execute(upsert)).one())
        assert person is not None  # noqa: S101 - one() gave a row
        return person

    async def load_person_by_subject(self, namespace: str, subject: str) -> Person | None:
        """Load who is known by this subject."""
        of_subject = select(identities.c.person_id).where(
            identities.c.namespace == namespace, identities.c.subject == subject
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(select(*_PERSON).where(persons.c.id.in_(of_subject)))
            return _person(rows.one_or_none())

    async def add_subject(self, person_id: str, *, namespace: str, subject: str, only_as_first: bool, now: int) -> bool:
        """Make a subject this person's; whoever adds one, or an authenticator, locks the person's row first."""
        insert = self._database.insert(identities).values(
            namespace=namespace, subject=subject, person_id=person_id, created_at=now
        )
        async with self._database.writing() as connection:
            person = select(persons.c.id).where(persons.c.id == person_id).with_for_update()
            if (await connection.execute(person)).one_or_none() is None:
                raise NotFound(Reason.NOT_FOUND, "there is no such person")
            if only_as_first:
                for table in (identities, authenticators):
                    found = await connection.execute(
                        select(table.c.person_id).where(table.c.person_id == person_id).limit(1)
                    )
                    if found.one_or_none() is not None:
                        return False
            done = await connection.execute(insert.on_conflict_do_nothing())
            return done.rowcount == 1

    async def save_last_login(self, person_id: str, *, name: str, now: int) -> None:
        """Write when a person logged in last, and how they are called now."""
        values: dict[str, Any] = {"last_login_at": now}
        if name:
            is_new = persons.c.name != name
            values |= {"name": name, "updated_at": case((is_new, now), else_=persons.c.updated_at)}
        async with self._database.writing() as connection:
            await connection.execute(update(persons).where(persons.c.id == person_id).values(values))

    async def save_person_email(self, person_id: str, email: str, *, now: int) -> bool:
        """Give a person another address; the unique key decides who has it."""
        email = folded_email(email)
        stale = delete(identities).where(
            identities.c.person_id == person_id,
            identities.c.namespace.in_([source.value for source in ADDRESS_SOURCES]),
            identities.c.subject != email,
        )
        try:
            async with self._database.writing() as connection:
                change = update(persons).where(persons.c.id == person_id).values(email=email, updated_at=now)
                done = await connection.execute(change)
                await connection.execute(stale)
                return done.rowcount == 1
        except exc.IntegrityError:
            return False

    async def load_person(self, person_id: str) -> Person | None:
        """Load by id."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(*_PERSON).where(persons.c.id == person_id))
            return _person(rows.one_or_none())

    async def load_person_by_email(self, email: str) -> Person | None:
        """Load by folded address."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(*_PERSON).where(persons.c.email == folded_email(email)))
            return _person(rows.one_or_none())

    async def list_people(self) -> tuple[Person, ...]:
        """List everyone, by address."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(*_PERSON))
            people = [person for row in rows if (person := _person(row))]
        # sorted here: the order of PostgreSQL depends on its locale
        return tuple(sorted(people, key=lambda person: person.email))

    async def page_people(self, wanted: PeopleFilter, *, offset: int, limit: int) -> PeoplePage:
        """List those who fit, by address; the two reads are of one moment on SQLite alone, which paging can bear."""
        fits = self._fits(wanted)
        total = select(func.count()).select_from(persons).where(*fits)
        # by octets, as everywhere else: the order of PostgreSQL depends on its locale
        order = persons.c.email if self._database.is_sqlite else persons.c.email.collate("C")
        page = select(*_PERSON).where(*fits).order_by(order).offset(offset).limit(limit)
        async with self._database.reading() as connection:
            count = (await connection.execute(total)).scalar_one()
            rows = await connection.execute(page)
            return PeoplePage(tuple(person for row in rows if (person := _person(row))), count)

    def _fits(self, wanted: PeopleFilter) -> list[ColumnElement[bool]]:
        """Give the conditions; letters beyond ASCII are compared as they are, which both databases do alike."""
        # no LIKE: its wildcards would have to be escaped, and its patterns may not be long
        place = func.instr if self._database.is_sqlite else func.strpos
        name = func.lower(persons.c.name if self._database.is_sqlite else persons.c.name.collate("C"))
        fits: list[ColumnElement[bool]] = []
        if wanted.email:
            fits.append(persons.c.email == folded_email(wanted.email))
        if wanted.name:
            fits.append(name == _text(wanted.name.translate(_TO_LOWER)))
        if wanted.search:
            in_email = place(persons.c.email, _text(folded_email(wanted.search))) > 0
            fits.append(in_email | (place(name, _text(wanted.search.translate(_TO_LOWER))) > 0))
        return fits

    async def change_person(
        self, person_id: str, *, name: str | None = None, disabled: bool | None = None, now: int
    ) -> bool:
        """Rename, disable or enable a person."""
        sent = {"name": name, "disabled": disabled}
        values = {column: value for column, value in sent.items() if value is not None}
        async with self._database.writing() as connection:
            change = update(persons).where(persons.c.id == person_id).values(**values, updated_at=now)
            return (await connection.execute(change)).rowcount == 1

    async def save_last_method(self, person_id: str, method: Method) -> None:
        """Remember the method used last."""
        async with self._database.writing() as connection:
            await connection.execute(update(persons).where(persons.c.id == person_id).values(last_method=method.value))

    async def delete_person(self, person_id: str) -> bool:
        """Delete a person with authenticators and wrong codes; False when there is none."""
        async with self._database.writing() as connection:
            # the person's row first, as everyone locks it first
            await connection.execute(select(persons.c.id).where(persons.c.id == person_id).with_for_update())
            await connection.execute(delete(authenticators).where(authenticators.c.person_id == person_id))
            await connection.execute(delete(identities).where(identities.c.person_id == person_id))
            await connection.execute(delete(passes).where(passes.c.person_id == person_id))
            await connection.execute(delete(wrong_codes).where(wrong_codes.c.person_id == person_id))
            done = await connection.execute(delete(persons).where(persons.c.id == person_id))
            return done.rowcount == 1
