"""The image of functions without Docker: the tree that its Dockerfile makes, by the same script.

Its packages are fetched once for all clones, and kept beside the emulator. Those of earlier locks are removed when new
ones are fetched. The rest is made anew: 3 s of CPU.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers import lambda_emulator
from tests.servers.lambda_emulator import ROOT, folder

DOCKERFILE = ROOT / "deploy" / "lambda" / "Dockerfile"
LOCK = ROOT / "requirements" / "lambda.txt"
SCRIPT = ROOT / "deploy" / "lambda" / "tree.sh"
SECONDS = 300
UNUSED_SECONDS = 24 * 3600.0
"""Packages of another lock that were used since then are kept: a clone with that lock may be running its tests."""


class NoImage(RuntimeError):
    """Its packages are not here, and cannot be fetched."""


@dataclass(frozen=True)
class Image:
    """What the Dockerfile says, with folders of this machine in the place of its own."""

    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path

    @property
    def python(self) -> tuple[str, ...]:
        """Python without the packages of the tests, and of this machine's distribution."""
        base = Path(sys._base_executable)  # type: ignore[attr-defined]
        return (str(base), "-S")


def image(made: Path) -> Image:
    """It is made in a new folder. Raises `NoImage`."""
    fetched = packages()
    _run("app", made)
    lines = re.sub(r"\\\n", " ", DOCKERFILE.read_text()).splitlines()
    last = lines[max(n for n, line in enumerate(lines) if line.startswith("FROM ")) :]
    words = {line.partition(" ")[0]: line.partition(" ")[2] for line in last}
    copied = dict(re.findall(r"^COPY --from=build (\S+) (\S+)$", "\n".join(last), re.MULTILINE))
    here = {copied["/tree/packages"]: fetched / "packages", copied["/tree/app"]: made / "app"}
    variables = dict(word.split("=", 1) for word in words["ENV"].split())
    path = ":".join(str(here[part]) for part in variables["PYTHONPATH"].split(":"))
    return Image(
        tuple(json.loads(words["ENTRYPOINT"])),
        tuple(json.loads(words["CMD"])),
        {**variables, "PYTHONPATH": path},
        here[words["WORKDIR"]],
    )


def missing() -> str | None:
    """Why a function cannot be run from it. None if it can."""
    try:
        packages()
    except (NoImage, OSError) as error:
        return str(error)
    return lambda_emulator.missing()


def packages() -> Path:
    """Its packages, fetched if they are not there: 60 MB. Raises `NoImage`."""
    key = hashlib.sha256(LOCK.read_bytes() + SCRIPT.read_bytes()).hexdigest()[:12]
    made = folder() / f"packages-{key}-{sys.implementation.cache_tag}-{platform.machine()}"
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            # Fresh, so that nothing of a run that was ended comes into it.
            with tempfile.TemporaryDirectory(dir=folder()) as fresh:
                part = Path(fresh) / "tree"
                _run("packages", part)
                part.rename(made)
            remove_others(folder(), key, time.time() - UNUSED_SECONDS)
        made.touch()
    return made


def remove_others(kept_in: Path, key: str, before: float) -> None:
    """Remove packages of other locks than `key` that nobody used since `before`, in seconds since 1970.

    The caller holds the lock of the folder.
    """
    others = [one for one in kept_in.glob("packages-*") if not one.name.startswith(f"packages-{key}-")]
    # Renamed first, so that a removal that is broken off leaves no half of them under a name that is looked for.
    with tempfile.TemporaryDirectory(dir=kept_in) as away:
        for one in others:
            if one.stat().st_mtime < before:
                one.rename(Path(away) / one.name)


def _run(part: str, to: Path) -> None:
    command = [str(SCRIPT), part, str(to)]
    environ = {**os.environ, "PYTHON": sys.executable}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, env=environ, stdout=said, stderr=said, start_new_session=True)
        try:
            status = process.wait(SECONDS)
        except subprocess.TimeoutExpired as error:
            raise NoImage(f"{SCRIPT.name} {part} takes longer than {SECONDS} s") from error
        finally:
            if process.poll() is None:  # its pip too, which would go on writing there
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said.seek(0)
        if status:
            raise NoImage(f"{SCRIPT.name} {part}: {said.read().strip()[-400:]}")
