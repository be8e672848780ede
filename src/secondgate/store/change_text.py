"""A change as text, the same in every store: the kind, a blank, the key."""

from __future__ import annotations

from secondgate.store.ports import Change, ChangeKind


def encode_change(change: Change) -> bytes:
    """Give a change's text."""
    return f"{change.kind.value} {change.key}".encode()


def decode_change(text: bytes) -> Change | None:
    """Read a change; None for what a newer version tells of."""
    kind, _, key = text.decode(errors="replace").partition(" ")
    try:
        return Change(ChangeKind(kind), key)
    except ValueError:
        return None
