"""Threads share two arenas of malloc in place of one each, by what glibc says of them. Large blocks are given back."""

import subprocess
import sys

SCRIPT = """
import ctypes, sys, threading
from eed_delivery.runtime.arenas import keep_little_memory
if sys.argv[1] == "few" and not keep_little_memory():
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


LARGE = """
import ctypes, sys
from eed_delivery.runtime.arenas import keep_little_memory
if sys.argv[1] == "few" and not keep_little_memory():
    print("no glibc")
    raise SystemExit
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
for _ in range(3):
    block = ctypes.c_void_p(libc.malloc(20_000_000))
    ctypes.memset(block, 1, 20_000_000)
    libc.malloc(1000)  # it stays, and nothing below it in the heap is given back
    libc.free(block)
print(int(open("/proc/self/statm").read().split()[1]) * 4096)
"""


def test_a_large_block_is_given_back() -> None:
    few, many = (
        subprocess.run([sys.executable, "-c", LARGE, which], check=True, capture_output=True, text=True).stdout.strip()
        for which in ("few", "many")
    )
    if few != "no glibc":
        assert int(few) + 15_000_000 < int(many)
