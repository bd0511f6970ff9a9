"""How many arenas glibc's malloc keeps: by its own choice eight for each core, so that threads never wait for memory.

Threads of Python wait for each other anyway. What one arena has freed, no other one uses, and the process grows.
"""

import ctypes

ARENAS = 2
_M_ARENA_MAX = -8
"""https://man7.org/linux/man-pages/man3/mallopt.3.html"""


def keep_few_arenas() -> bool:
    """Keep `ARENAS` at most, in place of those that further threads would get. False where malloc is another one."""
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS) == 1)
    except (AttributeError, OSError):
        return False
