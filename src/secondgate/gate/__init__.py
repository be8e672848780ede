"""The gate: the listener that a proxy asks about every request. It answers yes in one place, `server.answer`."""
