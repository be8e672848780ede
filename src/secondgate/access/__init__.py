"""What administrators write: the wire shapes of the managed objects, their checks, their compilation.

`shapes` says what may be written, `problems` what makes no sense, `compile` makes the values that the gate and the
portal decide by.
"""

from __future__ import annotations

from secondgate.access.compile import compile_access
from secondgate.access.problems import Finding, find_problems
from secondgate.access.shapes import AccessShapes

__all__ = ["AccessShapes", "Finding", "compile_access", "find_problems"]
