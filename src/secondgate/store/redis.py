"""The live store in Redis; implements `ports.LiveStore` for any number of processes.

Keys are `{prefix}:{kind}:{key}`; the prefix is a hash tag, so that scripts may touch several keys on a Redis
Cluster. A record's value is NUL, the owner's length in two octets, the owner, then the value itself; a counter's
or a mark's is decimal digits, which Redis counts itself. An owner's records of one kind are found by a sorted set
of their keys by expiry: what it holds too much is left out when it is read. Each method is one round trip.

Redis answers in the order of the questions: a connection whose question was given up would give its answer to the
next one (CVE-2023-28858). redis-py closes such a connection; nothing is retried here, since a claim that was sent
may have been carried out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from secondgate.errors import InvalidConfiguration, Problem, Unavailable
from secondgate.store.ports import ChangeKind, Kind, LiveRecord
from secondgate.store.redis_changes import channel_of

DEFAULT_PREFIX = "sg:{live}"
_CONNECTIONS = 32
_RECORD = b"\0"
_LENGTH_BYTES = 2
_MARK = b"1"
_TOLD = {Kind.APPLICATION_SESSION: ChangeKind.SESSION_ENDED.value}

# KEYS: record, index · ARGV: value, ttl in ms, member
_SAVE_OWNED = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[3])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
"""
# KEYS: index · ARGV: prefix of the kind's records, what an owned value begins with
_LIST_OWNED = """
local found = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local value = redis.call('GET', ARGV[1] .. member)
  if value and string.sub(value, 1, #ARGV[2]) == ARGV[2] then
    found[#found + 1] = member
    found[#found + 1] = value
  else
    redis.call('ZREM', KEYS[1], member)
  end
end
return found
"""
# KEYS: one index a kind · ARGV: what an owned value begins with, the channel, then for each kind the prefix of its
# records and what is told of each that is deleted, empty where nothing is
_DELETE_OWNED = """
local count = 0
for i, index in ipairs(KEYS) do
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local key = ARGV[2 * i + 1] .. member
    local value = redis.call('GET', key)
    if value and string.sub(value, 1, #ARGV[1]) == ARGV[1] then
      count = count + redis.call('DEL', key)
      local told = ARGV[2 * i + 2]
      if told ~= '' then redis.call('PUBLISH', ARGV[2], told .. ' ' .. member) end
    end
  end
  redis.call('DEL', index)
end
return count
"""
# KEYS: record · ARGV: the channel, what is told
_TAKE_TOLD = """
local value = redis.call('GET', KEYS[1])
if value then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
return value
"""
# KEYS: records · gives the numbers of those that are missing
_MISSING = """
local missing = {}
for i, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 0 then missing[#missing + 1] = i end
end
return missing
"""
# KEYS: counter · ARGV: ttl in ms
_INCREMENT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count
"""


def connect_redis(url: str, *, timeout_s: float = 1.0) -> Redis:
    """Make a client with a bounded pool; it connects when it is first asked.

    `url` is `redis://` or `rediss://`. `timeout_s` bounds connecting, each answer, and the wait for a connection.
    Raises InvalidConfiguration for another URL.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=False,
        )
    except ValueError as error:
        problem = Problem("storage.redis", "must be a redis:// or rediss:// URL")
        raise InvalidConfiguration((problem,)) from error
    return Redis.from_pool(pool)


class RedisLiveStore:
    """Live records in Redis, through a client it closes. The methods are described in the port."""

    def __init__(self, client: Redis, *, prefix: str = DEFAULT_PREFIX) -> None:
        self._client = client
        self._prefix = prefix
        self._save_owned = client.register_script(_SAVE_OWNED)
        self._list_owned = client.register_script(_LIST_OWNED)
        self._delete_owned = client.register_script(_DELETE_OWNED)
        self._increment = client.register_script(_INCREMENT)
        self._take_told = client.register_script(_TAKE_TOLD)
        self._missing = client.register_script(_MISSING)

    async def save(self, kind: Kind, key: str, value: bytes, *, ttl_s: int, owner: str = "") -> None:
        """Write or replace a record."""
        record = _owned_by(owner) + value
        with _errors_translated():
            if owner:
                keys = [self._key(kind, key), self._index(kind, owner)]
                await self._save_owned(keys=keys, args=[record, ttl_s * 1000, key])
            else:
                await self._client.set(self._key(kind, key), record, px=ttl_s * 1000)

    async def load(self, kind: Kind, key: str) -> bytes | None:
        """Read a record that has not expired."""
        with _errors_translated():
            return _value(await self._client.get(self._key(kind, key)))

    async def missing(self, kind: Kind, keys: Sequence[str]) -> frozenset[str]:
        """Give those of the keys of which there is no record."""
        if not keys:
            return frozenset()
        names = [self._key(kind, key) for key in keys]
        with _errors_translated():
            if await self._client.exists(*names) == len(names):
                return frozenset()
            found = await self._missing(keys=names)
        return frozenset(keys[number - 1] for number in found)

    async def claim(self, kind: Kind, key: str) -> bytes | None:
        """Read and delete in one step."""
        with _errors_translated():
            return _value(await self._take(kind, key))

    async def claim_once(self, kind: Kind, key: str, *, ttl_s: int) -> bool:
        """Mark a key as used; True for the first caller."""
        with _errors_translated():
            return await self._client.set(self._key(kind, key), _MARK, nx=True, px=ttl_s * 1000) is not None

    async def increment(self, kind: Kind, key: str, *, ttl_s: int) -> int:
        """Count up from the first count on."""
        with _errors_translated():
            return int(await self._increment(keys=[self._key(kind, key)], args=[ttl_s * 1000]))

    async def delete(self, kind: Kind, key: str) -> bool:
        """Delete; whether there was one."""
        with _errors_translated():
            if kind in _TOLD:
                return await self._take(kind, key) is not None
            return bool(await self._client.delete(self._key(kind, key)))

    async def list_owned(self, kind: Kind, owner: str) -> tuple[LiveRecord, ...]:
        """List an owner's records of one kind that have not expired."""
        if not owner:
            return ()
        with _errors_translated():
            found = await self._list_owned(
                keys=[self._index(kind, owner)], args=[self._key(kind, ""), _owned_by(owner)]
            )
        pairs = zip(found[::2], found[1::2], strict=True)
        return tuple(LiveRecord(key.decode(), _value(value) or b"") for key, value in pairs)

    async def delete_owned(self, owner: str, *, kinds: tuple[Kind, ...]) -> int:
        """Delete an owner's records of these kinds; how many there were."""
        if not owner or not kinds:
            return 0
        keys = [self._index(kind, owner) for kind in kinds]
        args: list[bytes] = [_owned_by(owner), channel_of(self._prefix).encode()]
        for kind in kinds:
            args += [self._key(kind, "").encode(), _TOLD.get(kind, "").encode()]
        with _errors_translated():
            return int(await self._delete_owned(keys=keys, args=args))

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""
        with _errors_translated():
            await self._client.ping()

    async def close(self) -> None:
        """Give back all connections."""
        await self._client.aclose()

    async def _take(self, kind: Kind, key: str) -> object:
        """Read and delete; of what others remember they are told in the same step."""
        name = self._key(kind, key)
        told = _TOLD.get(kind)
        if told is None:
            return await self._client.getdel(name)
        return await self._take_told(keys=[name], args=[channel_of(self._prefix), f"{told} {key}"])

    def _key(self, kind: Kind, key: str) -> str:
        return f"{self._prefix}:{kind.value}:{key}"

    def _index(self, kind: Kind, owner: str) -> str:
        return f"{self._prefix}:owner:{kind.value}:{owner}"


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis cannot answer: {type(error).__name__}") from error


def _owned_by(owner: str) -> bytes:
    """Give what the value of an owner's record begins with."""
    name = owner.encode()
    return _RECORD + len(name).to_bytes(_LENGTH_BYTES, "big") + name


def _value(stored: object) -> bytes | None:
    """Give a record's own value; a counter's or a mark's is its digits. The client decodes nothing: it is bytes."""
    if not isinstance(stored, bytes) or not stored.startswith(_RECORD):
        return stored if isinstance(stored, bytes) else None
    begin = len(_RECORD) + _LENGTH_BYTES
    return stored[begin + int.from_bytes(stored[len(_RECORD) : begin], "big") :]
