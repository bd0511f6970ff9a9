"""Threads share two arenas of malloc in place of one each: by what glibc itself says of them."""

import subprocess
import sys

SCRIPT = """
import ctypes, sys, threading
from eed_delivery.runtime.arenas import keep_few_arenas
if sys.argv[1] == "few" and not keep_few_arenas():
    print("no glibc")
    raise SystemExit
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(12)
def allocate():
    together.wait()
    libc.malloc(100_000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(12)]
[one.start() for one in threads]
[one.join() for one in threads]
at, size = ctypes.c_char_p(), ctypes.c_size_t()
libc.open_memstream.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.open_memstream(ctypes.byref(at), ctypes.byref(size)))
libc.malloc_info(0, file)
libc.fclose(file)
print(at.value.count(b"<heap nr="))
"""


def arenas(which: str) -> str:
    command = [sys.executable, "-c", SCRIPT, which]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_process_keeps_few_arenas_however_many_threads_it_has() -> None:
    few = arenas("few")
    if few != "no glibc":
        assert int(few) <= 2 < int(arenas("many"))
