"""One standard a module: bytes in and values out, the time an argument."""
