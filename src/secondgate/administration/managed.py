"""The settings of this moment, and the one way to change them.

Every change is decided on the whole: the objects are read, the change is made to them, all of it is judged as a
configuration file is, and written in one step that fails when anybody was faster; then it is done anew. So a change is
applied whole or not at all, and two at once never mix. Where a file manages the objects nothing is changed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import structlog

from secondgate.access import compile_access
from secondgate.access.shapes import AccessShapes
from secondgate.administration.difference import describe_difference
from secondgate.administration.documents import Documents, documents_of_file, stored_documents
from secondgate.errors import Conflict, InvalidConfiguration, Problem, Reason, Unavailable
from secondgate.model.access import Access
from secondgate.model.access_object import AccessObject, ObjectKind, StoredAccess
from secondgate.model.audit import AuditEvent
from secondgate.store.ports import AccessObjects, ChangeKind, Changes
from secondgate.store.ports import Change as Announcement

log = structlog.get_logger("secondgate.administration")

T = TypeVar("T")

ATTEMPTS = 64
"""So many that fifty at once all get their turn: whoever loses one lost it to somebody who won."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one call does to one object: `saved` is what it becomes; None deletes the object of `kind` and `id`.

    `within` is the place in the object of what the call is about, where that is a part of it: `policies[1]`.
    """

    kind: ObjectKind
    id: str
    saved: AccessObject | None
    within: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """A change that was made, with the objects after it, and what the object was before (None: it is new)."""

    documents: Documents
    change: Change
    before: AccessObject | None

    @property
    def action(self) -> str:
        """What the audit log calls it."""
        verb = "deleted" if self.change.saved is None else "updated" if self.before else "created"
        return f"{self.change.kind}.{verb}"

    @property
    def detail(self) -> dict[str, str]:
        """What the audit log says of it: which fields changed, from what to what, without secrets."""
        before = self.before.document if self.before else {}
        after = self.change.saved.document if self.change.saved else {}
        name = str((after or before).get("name", ""))
        return {"id": self.change.id, "name": name, **describe_difference(before, after)}


class InvalidChange(InvalidConfiguration):
    """A change after which something would make no sense: every problem, in the objects as they would be."""

    def __init__(self, problems: tuple[Problem, ...], documents: Documents, change: Change) -> None:
        super().__init__(problems)
        self.documents = documents
        self.change = change


class ManagedAccess:
    """The managed objects, and the settings that they are. `file` names what manages them; empty: the store does.

    Until one of the two `manage_by_` was called, nothing is managed and nobody may enter anywhere.
    """

    def __init__(self, *, account_id: str) -> None:
        self._account_id = account_id
        self._store: AccessObjects | None = None
        self._changes: Changes | None = None
        self._of_file = AccessShapes()
        self._revocations: Mapping[str, int] = {}
        self._version, self._unreadable_version = 0, -1
        self._judge = ThreadPoolExecutor(1, thread_name_prefix="settings")
        self._taking = asyncio.Lock()  # what is read or written is taken in the order in which it was
        self._access = compile_access(AccessShapes(), account_id=account_id)
        self.file = ""
        self.documents = Documents()

    def __call__(self) -> Access:
        """Give the settings of this moment."""
        return self._access

    def manage_by_file(self, shapes: AccessShapes, *, file: str, now: int) -> Access:
        """Take what a configuration file says, from the next request on. Raises InvalidConfiguration: nothing changed.

        `now` is Unix seconds: when what is new in the file was made, as far as anybody knows.
        """
        access = compile_access(shapes, account_id=self._account_id, revocations=self._revocations)
        self.documents = documents_of_file(shapes, account_id=self._account_id, now=now, before=self.documents)
        self.file, self._of_file, self._access = file, shapes, access
        return access

    async def manage_by_store(self, store: AccessObjects, changes: Changes | None = None) -> None:
        """Take what a store holds: all objects, or where a file manages them, only what was revoked.

        What is changed here is told by `changes`.

        Raises Unavailable, and InvalidConfiguration for what cannot be read.
        """
        self._store, self._changes = store, changes
        await self._take(await store.load_access_objects())

    async def refresh(self) -> bool:
        """Read the objects again if they changed; whether they did. Raises Unavailable.

        What a newer version wrote and this one cannot read changes nothing, and is logged once.
        """
        store = self._store
        if store is None or await store.load_access_version() in {self._version, self._unreadable_version}:
            return False
        async with self._taking:
            stored = await store.load_access_objects()
            try:
                await self._take(stored)
            except InvalidConfiguration as error:
                self._unreadable_version, self._revocations = stored.version, stored.revocations
                self._access = self._compile(
                    self.documents, stored.revocations
                )  # what was revoked is revoked whatever else stands there
                log.error("access.unreadable", problems=list(map(str, error.problems)))  # noqa: TRY400 - all named
                return False
        return True

    async def change(
        self, decide: Callable[[Documents], Change], *, event: Callable[[Changed], AuditEvent] | None = None
    ) -> Changed:
        """Make a change, decided on the objects of this moment (again, when somebody was faster).

        The event of the audit log is written with it, in one transaction: there is no change without its event.

        Raises what `decide` raises; Conflict: MANAGED_BY_FILE, and CHANGED_MEANWHILE when others are faster all the
        time; InvalidChange; Unavailable.
        """
        if self._store is None or self.file:
            raise Conflict(Reason.MANAGED_BY_FILE, f"this is managed by {self.file}: change it there")
        async with self._taking:
            changed = await self._change(self._store, decide, event)
        await self._tell()
        return changed

    async def imagine(self, change: Change) -> Access:
        """Give the settings as they would be with a change that nobody makes. Raises InvalidChange."""
        return (await self._in_thread(partial(self._changed, self.documents, change, self._revocations)))[1]

    async def revoke(self, application_id: str) -> None:
        """End all grants of an application: here at once, on other replicas when they read again. Raises Unavailable.

        Whatever manages the objects: that an application's sessions end is no setting of it.
        """
        if self._store is None:
            raise Unavailable("the store of revocations is not open")
        await self._store.revoke_application(application_id)
        await self.refresh()
        await self._tell()

    async def _change(
        self,
        store: AccessObjects,
        decide: Callable[[Documents], Change],
        event: Callable[[Changed], AuditEvent] | None,
    ) -> Changed:
        for _ in range(ATTEMPTS):
            stored = await store.load_access_objects()
            changed, access = await self._in_thread(partial(self._decided, stored, decide))
            after, change = changed.documents, changed.change
            is_written = await store.replace_access_objects(
                expected_version=stored.version,
                saved=(change.saved,) if change.saved else (),
                deleted=() if change.saved else ((change.kind, change.id),),
                event=event(changed) if event else None,
            )
            if is_written:
                self._version, self._revocations = after.version, stored.revocations
                self.documents, self._access = after, access
                return changed
        raise Conflict(Reason.CHANGED_MEANWHILE, "others change the settings at the same time: try again")

    async def _tell(self) -> None:
        """Tell other processes; one that cannot be told looks for itself every second."""
        if self._changes is not None:
            with suppress(Unavailable):
                await self._changes.publish(Announcement(ChangeKind.ACCESS))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Judge a thousand applications elsewhere: it takes a while, in which the gate has to answer."""
        return await asyncio.get_running_loop().run_in_executor(self._judge, work)

    def _decided(self, stored: StoredAccess, decide: Callable[[Documents], Change]) -> tuple[Changed, Access]:
        documents = stored_documents(stored)
        change = decide(documents)
        after, access = self._changed(documents, change, stored.revocations)
        after = replace(after, version=documents.version + 1)
        return Changed(after, change, documents.find(change.kind, change.id)), access

    def _changed(
        self, documents: Documents, change: Change, revocations: Mapping[str, int]
    ) -> tuple[Documents, Access]:
        after = documents.saved(change.saved) if change.saved else documents.without(change.kind, change.id)
        try:
            return after, self._compile(after, revocations)
        except InvalidConfiguration as error:
            raise InvalidChange(error.problems, after, change) from error

    async def _take(self, stored: StoredAccess) -> None:
        documents, revocations = stored_documents(stored), stored.revocations
        if self.file:  # at one go: another file may be taken at any time
            documents = self.documents
            access = compile_access(self._of_file, account_id=self._account_id, revocations=revocations)
        else:
            access = await self._in_thread(partial(self._compile, documents, revocations))
        self._version, self._revocations = stored.version, revocations
        self.documents, self._access = documents, access

    def _compile(self, documents: Documents, revocations: Mapping[str, int]) -> Access:
        return compile_access(documents.shapes(), account_id=self._account_id, is_whole=False, revocations=revocations)
