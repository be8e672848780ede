"""Values and decisions: pure functions over immutable values.

No I/O, no clock, no randomness: what time it is and who asks are arguments.
"""
