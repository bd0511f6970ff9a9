"""Postfix's smtp-sink and smtp-source, without a postfix. Debian's package is unpacked, not installed.

So no daemon is started, no user is made, and it works without root.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

UNPACKED = Path("build/postfix").resolve()


@dataclass(frozen=True)
class Postfix:
    """Where the two programs are, and the environment they need."""

    sink: str
    source: str
    environ: dict[str, str]


def find() -> Postfix | None:
    """The installed programs, or the unpacked ones, or those of a package that is fetched now. None if none can be."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    sink, source = shutil.which("smtp-sink", path=path), shutil.which("smtp-source", path=path)
    if sink and source:
        return Postfix(sink, source, dict(os.environ))
    programs = UNPACKED / "usr/sbin"
    if not (programs / "smtp-sink").exists() and not _fetch():
        return None
    environ = {**os.environ, "LD_LIBRARY_PATH": str(UNPACKED / "usr/lib/postfix")}
    return Postfix(str(programs / "smtp-sink"), str(programs / "smtp-source"), environ)


def _fetch() -> bool:
    """Download and unpack. False where there is no apt, or no way to its mirror."""
    UNPACKED.mkdir(parents=True, exist_ok=True)
    if not _download() and not (_ran("apt-get", "update", "-q") and _download()):
        return False
    return any(_ran("dpkg-deb", "-x", package.name, ".") for package in UNPACKED.glob("postfix_*.deb"))


def _download() -> bool:
    return _ran("apt-get", "download", "-q", "postfix")


def _ran(*command: str) -> bool:
    if not shutil.which(command[0]):
        return False
    done = subprocess.run(command, cwd=UNPACKED, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    return done.returncode == 0
