"""Debian's packages that the tests need, installed if they are missing and we may."""

import os
import shutil
import subprocess


def install(package: str) -> bool:
    """Install a package without a question. False if that cannot be."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", package]):
        done = subprocess.run(
            ["apt-get", *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=600
        )
    return done.returncode == 0
