"""How glibc's malloc gives memory back.

By its own choice it keeps eight arenas for each core, so that threads never wait for memory. Threads of Python wait for
each other anyway. What one arena has freed, no other one uses, and the process grows.

A large block is a mapping of its own, which is given back when it is freed. After the first one, malloc takes blocks up
to that size from its heap, where they stay. A password's check takes 19 MB, so a role kept that for good.
"""

import ctypes

ARENAS = 2
LARGE_BYTES = 2**18
_M_ARENA_MAX, _M_MMAP_THRESHOLD = -8, -3
"""https://man7.org/linux/man-pages/man3/mallopt.3.html"""


def keep_little_memory() -> bool:
    """Keep `ARENAS` at most, in place of those that further threads would get, and no large block. False where malloc
    is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all([mallopt(_M_ARENA_MAX, ARENAS) == 1, mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES) == 1])
