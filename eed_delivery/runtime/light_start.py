"""Imported before all else, it makes the start of a process lighter.

structlog is loaded without rich, which it has for terminals. No process of ours logs to one by structlog. rich and what
it brings took a tenth of a function's start, and 6 MB. A command that prints tables loads it later all the same.

Loading makes hundreds of thousands of objects that stay. Python would look through them for garbage hundreds of times,
which took a seventh of a start.
"""

import gc
import sys

ALLOCATIONS = 20_000
"""Objects that are made, less those that are gone, before the young ones are looked through. Python's own is 700."""

gc.set_threshold(ALLOCATIONS, 10, 10)
if "structlog" not in sys.modules and "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # what Python takes for "there is none"
    try:
        import structlog  # noqa: F401 - loaded for those who come after
    finally:
        del sys.modules["rich"]
