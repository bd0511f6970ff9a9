"""A file system with little room, in memory, for servers whose disk is to be full. Only root can mount one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoMount(Exception):
    """A file system cannot be mounted here."""


@contextmanager
def small_disk(directory: Path, megabytes: int = 1) -> Iterator[Path]:
    """A file system at a directory, which is made. Everyone may write to it. Raises `NoMount`."""
    directory.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=777", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, timeout=30).returncode != 0:
        raise NoMount("a small file system can only be mounted by root")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True, timeout=30)
