"""The cache of finished answers: what the gate said of a session at an application, for at most five seconds.

An answer is the one branch's own, kept as the bytes that were sent. It is given again only while nothing that it was
made of can have changed: it dies when its session ends, when the settings change, when the age of its proof or its
session is over, and after five seconds whatever happens. While changes may be missed nothing is kept or given.

Two halves bound it: what is asked for moves into the newer one; each half is forgotten after a while, or when full.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from secondgate.flows.refresh import repeated
from secondgate.store.ports import Change, ChangeKind, Kind, LiveStore

LIFE_S = 5.0
REFRESH_AFTER_S = 3.5
REFRESH_EVERY_S = 0.1
REFRESHED_AT_ONCE = 500
ENDED_KEPT_S = 30.0
MAX_ANSWERS = 200_000


@dataclass(frozen=True, slots=True)
class Lasting:
    """What an answer depends on besides the settings: a live session, and the time until which it stays the same.

    `until` is Unix seconds, exclusive. `read_at` is when it was begun to find out, in Unix seconds, and `epoch` the
    state of the cache then.
    """

    session_id: str
    read_at: float
    until: float
    epoch: int


class KnownAnswer:
    """One finished answer: the bytes of its head without what is added to it, and how long it may be given."""

    __slots__ = ("dies_at", "head", "is_refreshed", "lasts_until", "read_at", "refreshed_from", "session_id")

    def __init__(self, head: bytes, lasting: Lasting) -> None:
        self.head = head
        self.session_id = lasting.session_id
        self.lasts_until = lasting.until
        self.is_refreshed = False
        self.proved_at(lasting.read_at)

    def proved_at(self, read_at: float) -> None:
        """Let it live from a moment at which its session was seen to live, in Unix seconds."""
        self.read_at = read_at
        self.dies_at = min(read_at + LIFE_S, self.lasts_until)
        self.refreshed_from = read_at + REFRESH_AFTER_S
        self.is_refreshed = False


class Decisions:
    """The answers of one process. It hears of changes (`ports.ChangeListener`); `clock` gives Unix seconds.

    `on_ended` is told the id of each session that ended, whoever ended it.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        max_answers: int = MAX_ANSWERS,
        on_ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._half = max(1, max_answers // 2)
        self._on_ended = on_ended
        self._newer: dict[bytes, KnownAnswer] = {}
        self._older: dict[bytes, KnownAnswer] = {}
        self._turned_at = clock()
        self._ended: dict[str, None] = {}
        self._ended_before: dict[str, None] = {}
        self._ended_turned_at = clock()
        self._due: list[KnownAnswer] = []
        self._hears_changes = False
        self.epoch = 0

    def find(self, key: bytes, now: float) -> KnownAnswer | None:
        """Give an answer that may be given at `now`, Unix seconds; one in use is noted to be refreshed in time."""
        found = self._newer.get(key)
        is_older = found is None
        if found is None:
            found = self._older.get(key)
            if found is None:
                return None
        if not found.read_at <= now < found.dies_at or found.session_id in self._ended:
            return None
        if found.session_id in self._ended_before:
            return None
        if is_older:
            del self._older[key]
            if len(self._newer) >= self._half:
                self._turn(now)
            self._newer[key] = found
        if now >= found.refreshed_from and not found.is_refreshed:
            found.is_refreshed = True
            self._due.append(found)
        return found

    def put(self, key: bytes, head: bytes, lasting: Lasting) -> None:
        """Keep an answer, unless anything happened since it was begun to find out."""
        if lasting.epoch != self.epoch or not self._hears_changes:
            return
        if lasting.session_id in self._ended or lasting.session_id in self._ended_before:
            return
        now = self._clock()
        answer = KnownAnswer(head, lasting)
        if not answer.read_at <= now < answer.dies_at:
            return
        if len(self._newer) >= self._half or not 0 <= now - self._turned_at < LIFE_S:
            self._turn(now)
        self._newer[key] = answer

    def take_due(self) -> list[KnownAnswer]:
        """Give the answers in use that die soon, each once."""
        due, self._due = self._due, []
        return due

    async def refresh(self, answers: Sequence[KnownAnswer], live: LiveStore) -> None:
        """Let answers live on whose sessions live. Raises Unavailable: they live out their time."""
        read_at = self._clock()
        ids = {one.session_id for one in answers}
        missing = await live.missing(Kind.APPLICATION_SESSION, list(ids))
        for one in answers:
            if one.session_id in missing:
                self.end(one.session_id)
            elif read_at >= one.read_at:  # a clock that was set back proves nothing of now
                one.proved_at(read_at)

    def clear(self) -> None:
        """Forget every answer, those that are being found out too."""
        self.epoch += 1
        self._newer, self._older, self._due = {}, {}, []

    def end(self, session_id: str) -> None:
        """Give no answer of a session any more. It is remembered for as long as an answer could be on its way.

        The answers turn with the memory of what ended, so that none outlasts it, wherever the clock goes.
        """
        now = self._clock()
        if now < self._ended_turned_at:
            self.clear()
        if not 0 <= now - self._ended_turned_at < ENDED_KEPT_S:
            self._ended, self._ended_before, self._ended_turned_at = {}, self._ended, now
            self._turn(now)
        self._ended[session_id] = None
        self._on_ended(session_id)

    def changed(self, change: Change) -> None:
        """Hear of a change. That settings changed is seen by whoever compiles them."""
        if change.kind is ChangeKind.SESSION_ENDED:
            self.end(change.key)

    def connected(self) -> None:
        """Keep answers from now on."""
        self.clear()
        self._hears_changes = True

    def disconnected(self) -> None:
        """Keep and give none until changes are heard again."""
        self._hears_changes = False
        self.clear()

    def _turn(self, now: float) -> None:
        """Forget the older half: what was not asked for since it became that."""
        self._older, self._newer, self._turned_at = self._newer, {}, now

    def __len__(self) -> int:
        """Give how many answers are kept, dead ones among them."""
        return len(self._newer) + len(self._older)


@asynccontextmanager
async def refreshed(decisions: Decisions, live: LiveStore) -> AsyncIterator[None]:
    """Let answers in use live on while their sessions do: five hundred in one question to the live store.

    A session's record is written once and then only deleted, so that one that is there is the one that was read. While
    the store cannot be asked, answers live out their time.
    """

    async def refresh() -> None:
        due = decisions.take_due()
        for begin in range(0, len(due), REFRESHED_AT_ONCE):
            await decisions.refresh(due[begin : begin + REFRESHED_AT_ONCE], live)

    async with repeated(refresh, every_s=REFRESH_EVERY_S):
        yield
