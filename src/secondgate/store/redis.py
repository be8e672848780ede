"""The live store in Redis; implements `ports.LiveStore` for any number of processes.

Keys are `{prefix}:{kind}:{key}`; the prefix is a hash tag, so that scripts may touch several keys on a Redis
Cluster. A record's value is NUL, the owner's length in two octets, the owner, then the value itself; a counter's
or a mark's is decimal digits, which Redis counts itself. An owner's records of one kind are found by a sorted set
of their keys by expiry: what it holds too much is left out when it is read. Each method is one round trip.

Of every application session that is deleted the other processes are told by the script that deletes it
(`redis_changes`): both happen, or neither. `redis_pool` says how Redis is reached.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis

from secondgate.store.change_text import encode_change
from secondgate.store.ports import Change, ChangeKind, Kind, LiveRecord
from secondgate.store.redis_changes import channel_of
from secondgate.store.redis_pool import DEFAULT_PREFIX, connect_redis, errors_translated

__all__ = ["DEFAULT_PREFIX", "RedisLiveStore", "connect_redis"]

_RECORD = b"\0"
_LENGTH_BYTES = 2
_MARK = b"1"

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
# KEYS: record · ARGV: channel, what is told there
_DELETE_TOLD = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return redis.call('DEL', KEYS[1])
"""
# KEYS: record · ARGV: channel, what is told there
_CLAIM_TOLD = """
local value = redis.call('GET', KEYS[1])
if value then
  redis.call('PUBLISH', ARGV[1], ARGV[2])
  redis.call('DEL', KEYS[1])
end
return value
"""
# KEYS: one index a kind · ARGV: what an owned value begins with, channel, what is told there before the key, the
# number of the kind that is told of or 0, then the prefix of each kind's records
_DELETE_OWNED = """
local count = 0
for i, index in ipairs(KEYS) do
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local key = ARGV[i + 4] .. member
    local value = redis.call('GET', key)
    if value and string.sub(value, 1, #ARGV[1]) == ARGV[1] then
      if i == tonumber(ARGV[4]) then redis.call('PUBLISH', ARGV[2], ARGV[3] .. member) end
      count = count + redis.call('DEL', key)
    end
  end
  redis.call('DEL', index)
end
return count
"""
# KEYS: the records that are asked for
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


class RedisLiveStore:
    """Live records in Redis, through a client it closes. The methods are described in the port."""

    def __init__(self, client: Redis, *, prefix: str = DEFAULT_PREFIX) -> None:
        self._client = client
        self._prefix = prefix
        self._channel = channel_of(prefix)
        self._save_owned = client.register_script(_SAVE_OWNED)
        self._list_owned = client.register_script(_LIST_OWNED)
        self._delete_told = client.register_script(_DELETE_TOLD)
        self._claim_told = client.register_script(_CLAIM_TOLD)
        self._missing = client.register_script(_MISSING)
        self._delete_owned = client.register_script(_DELETE_OWNED)
        self._increment = client.register_script(_INCREMENT)

    async def save(self, kind: Kind, key: str, value: bytes, *, ttl_s: int, owner: str = "") -> None:
        """Write or replace a record."""
        record = _owned_by(owner) + value
        with errors_translated():
            if owner:
                keys = [self._key(kind, key), self._index(kind, owner)]
                await self._save_owned(keys=keys, args=[record, ttl_s * 1000, key])
            else:
                await self._client.set(self._key(kind, key), record, px=ttl_s * 1000)

    async def load(self, kind: Kind, key: str) -> bytes | None:
        """Read a record that has not expired."""
        with errors_translated():
            return _value(await self._client.get(self._key(kind, key)))

    async def missing(self, kind: Kind, keys: Sequence[str]) -> frozenset[str]:
        """Give those of the keys of which there is no record; a second question only where there are some."""
        if not keys:
            return frozenset()
        records = [self._key(kind, key) for key in keys]
        with errors_translated():
            if await self._client.exists(*records) == len(keys):
                return frozenset()
            return frozenset(keys[place - 1] for place in await self._missing(keys=records))

    async def claim(self, kind: Kind, key: str) -> bytes | None:
        """Read and delete in one step."""
        record = self._key(kind, key)
        with errors_translated():
            if kind is Kind.APPLICATION_SESSION:
                return _value(await self._claim_told(keys=[record], args=[self._channel, _ended(key)]))
            return _value(await self._client.getdel(record))

    async def claim_once(self, kind: Kind, key: str, *, ttl_s: int) -> bool:
        """Mark a key as used; True for the first caller."""
        with errors_translated():
            return await self._client.set(self._key(kind, key), _MARK, nx=True, px=ttl_s * 1000) is not None

    async def increment(self, kind: Kind, key: str, *, ttl_s: int) -> int:
        """Count up from the first count on."""
        with errors_translated():
            return int(await self._increment(keys=[self._key(kind, key)], args=[ttl_s * 1000]))

    async def delete(self, kind: Kind, key: str) -> bool:
        """Delete; whether there was one."""
        record = self._key(kind, key)
        with errors_translated():
            if kind is Kind.APPLICATION_SESSION:
                return bool(await self._delete_told(keys=[record], args=[self._channel, _ended(key)]))
            return bool(await self._client.delete(record))

    async def list_owned(self, kind: Kind, owner: str) -> tuple[LiveRecord, ...]:
        """List an owner's records of one kind that have not expired."""
        if not owner:
            return ()
        with errors_translated():
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
        told = kinds.index(Kind.APPLICATION_SESSION) + 1 if Kind.APPLICATION_SESSION in kinds else 0
        prefixes = [self._key(kind, "").encode() for kind in kinds]
        args: list[bytes | str | int] = [_owned_by(owner), self._channel, _ended(""), told, *prefixes]
        with errors_translated():
            return int(await self._delete_owned(keys=keys, args=args))

    async def ping(self) -> None:
        """Answer, or raise Unavailable."""
        with errors_translated():
            await self._client.ping()

    async def close(self) -> None:
        """Give back all connections."""
        await self._client.aclose()

    def _key(self, kind: Kind, key: str) -> str:
        return f"{self._prefix}:{kind.value}:{key}"

    def _index(self, kind: Kind, owner: str) -> str:
        return f"{self._prefix}:owner:{kind.value}:{owner}"


def _ended(key: str) -> bytes:
    """Give what is told of an application session that is deleted."""
    return encode_change(Change(ChangeKind.SESSION_ENDED, key))


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
