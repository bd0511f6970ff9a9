"""AWS's emulator of Lambda's runtime API: the program, fetched once for all clones, and what runs in it.

    with MeasuredEmulator(fetch(), SENDING, environ, log) as function:
        function.invoke({"Records": []})
        function.usage()

    python -m tests.servers.lambda_emulator      # fetches it, and prints where it is

The program is in the wheel of AWS's SAM CLI, for x86-64 and ARM, and needs nothing beside itself. The class that runs
it is the demo's (`eed_delivery/demo/lambda_emulator.py`).
"""

import functools
import os
import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from eed_delivery.demo.lambda_emulator import LambdaEmulator
from tests.servers import DIES_WITH_US

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "emulator.txt"
REQUIRED = "TESTS_REQUIRE_LAMBDA"
"""With this variable set to 1 a run that cannot have it fails. Otherwise its tests are skipped, with the reason."""
FETCH_SECONDS = 300
_MACHINES = {"x86_64": "x86_64", "aarch64": "arm64"}


class NoEmulator(RuntimeError):
    """It is not here, and cannot be fetched."""


def folder() -> Path:
    """Where it is kept: outside of any clone, so that a new one need not fetch it again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eed-delivery-tests" / "lambda"


def find() -> Path | None:
    """The program that the lock names, if it has been fetched."""
    found = folder() / f"aws-lambda-rie-{_version()}-{platform.machine()}"
    return found if found.exists() else None


def fetch() -> Path:
    """The program, fetched by pip if it is not there: a wheel of 8 MB. Raises `NoEmulator`."""
    found = find()
    if found is not None:
        return found
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise NoEmulator(f"AWS has no emulator for {platform.machine()}")
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder()) as fresh:
        wheel = _downloaded(Path(fresh))
        member = f"samcli/local/rapid/aws-lambda-rie-{machine}"
        try:
            with zipfile.ZipFile(wheel) as archive:
                program = Path(archive.extract(member, fresh))
        except KeyError as error:
            raise NoEmulator(f"{wheel.name} has no {member}") from error
        program.chmod(0o755)
        return program.replace(folder() / f"aws-lambda-rie-{_version()}-{platform.machine()}")


@functools.cache
def missing() -> str | None:
    """Why it cannot be run here. None if it can."""
    try:
        fetch()
    except (NoEmulator, OSError) as error:
        return str(error)
    return None


def is_required() -> bool:
    """Whether it is an error that it cannot be had."""
    return os.environ.get(REQUIRED) == "1"


@dataclass(frozen=True)
class Usage:
    """What the function's process has used so far: seconds of CPU, and the most memory in MB that it had resident."""

    cpu_seconds: float
    peak_mb: float


class MeasuredEmulator(LambdaEmulator):
    """It says what the function's process uses, and dies with us. The runtime client ends when it is gone."""

    def __init__(self, *args: Any, before: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, before=(*DIES_WITH_US, *before), **options)

    def usage(self) -> Usage:
        """It must have been invoked once."""
        (process,) = psutil.Process(self.pid).children()
        peak = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
        assert peak
        times = process.cpu_times()
        return Usage(times.user + times.system, int(peak[1]) / 1024)


def _downloaded(to: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--dest", str(to)]
    try:
        done = subprocess.run([*pip, "-r", LOCK], capture_output=True, text=True, timeout=FETCH_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NoEmulator(f"pip has not fetched what {LOCK.name} names in {FETCH_SECONDS} s") from error
    if done.returncode:
        raise NoEmulator(f"pip cannot fetch what {LOCK.name} names: {done.stderr.strip()[-300:]}")
    (wheel,) = to.glob("*.whl")
    return wheel


@functools.cache
def _version() -> str:
    found = re.search(r"^aws-sam-cli==(\S+)", LOCK.read_text(), re.MULTILINE)
    assert found
    return found[1]


if __name__ == "__main__":
    try:
        print(fetch())
    except NoEmulator as error:
        sys.exit(str(error))
