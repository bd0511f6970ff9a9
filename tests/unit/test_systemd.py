"""The systemd units: what they promise, and, where systemd-analyze is there, what systemd makes of them.

A machine without systemd-analyze still runs every check that only reads the units, and is warned about the rest.
"""

import re
import shutil
import subprocess
import warnings
from collections import defaultdict
from pathlib import Path

import pytest

from eed_delivery.config import ServiceSettings
from eed_delivery.config.environment import CREDENTIALS

UNITS = Path(__file__).parents[2] / "systemd"
NAMES = ["eed-delivery.service", "eed-delivery@.service"]
PROGRAM = "/opt/eed-delivery/venv/bin/eed-delivery"
ANALYZE = shutil.which("systemd-analyze")
MOST_EXPOSURE = 1.5

HARDENING = {
    "AmbientCapabilities": "",
    "CapabilityBoundingSet": "",
    "DevicePolicy": "closed",
    "KeyringMode": "private",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateMounts": "yes",
    "PrivateTmp": "yes",
    "PrivateUsers": "yes",
    "ProcSubset": "pid",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHome": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RemoveIPC": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
    "User": "eed-delivery",
}


def directives(name: str) -> dict[str, list[str]]:
    """Every value of every directive; a unit may name one several times."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in (UNITS / name).read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str] | None":
    if ANALYZE is None:
        warnings.warn(f"systemd-analyze is not here: `{arguments[0]}` was not run", stacklevel=2)
        return None
    return subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def installed(name: str, tmp_path: Path) -> Path:
    """The unit as on a host where the program exists: systemd-analyze looks for it."""
    text = (UNITS / name).read_text()
    assert PROGRAM in text
    unit = tmp_path / name
    unit.write_text(text.replace(PROGRAM, "/bin/true"))
    return unit


def test_systemd_finds_no_fault(installed: Path) -> None:
    result = analyze("verify", "--man=no", str(installed))
    if result is not None:
        assert [line for line in result.stderr.splitlines() if "eed-delivery" in line] == []
        assert result.returncode == 0


def test_verify_would_notice_a_fault(installed: Path) -> None:
    installed.write_text(installed.read_text().replace("WatchdogSec=", "WatchDogSec="))
    result = analyze("verify", "--man=no", str(installed))
    if result is not None:
        assert "WatchDogSec" in result.stderr


def test_the_exposure_is_low(installed: Path) -> None:
    result = analyze("security", "--offline=yes", "--no-pager", str(installed))
    if result is not None:
        level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", result.stdout)
        assert level, result.stdout + result.stderr
        assert float(level[1]) <= MOST_EXPOSURE


def test_the_service_is_hardened(name: str) -> None:
    found = directives(name)
    assert {key: found.get(key) for key in HARDENING} == {key: [value] for key, value in HARDENING.items()}
    assert found["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert "IPAddressDeny" not in found, "SQS, SES and most relays have no fixed addresses"


def test_systemd_waits_longer_than_the_service_takes_to_stop(name: str) -> None:
    found = directives(name)
    stop = float(found["TimeoutStopSec"][0])
    assert ServiceSettings().stop_seconds < stop
    with pytest.raises(ValueError, match="less than 90"):
        ServiceSettings(stop_seconds=stop)
    assert found["KillMode"] == ["mixed"]


def test_the_watchdogs_patience_is_the_services(name: str) -> None:
    found = directives(name)
    assert found["Type"] == ["notify"]
    assert found["NotifyAccess"] == ["main"]
    assert float(found["WatchdogSec"][0]) >= ServiceSettings().stall_seconds


def test_it_is_restarted_for_as_long_as_it_takes_but_not_with_a_bad_configuration(name: str) -> None:
    found = directives(name)
    assert found["Restart"] == ["on-failure"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert found["RestartPreventExitStatus"] == ["78"]


def test_every_credential_that_is_known_is_loaded_and_may_be_missing(name: str) -> None:
    tenant = ".%i" if "@" in name else ""
    assert directives(name)["LoadCredential"] == [f"{known}:eed-delivery{tenant}.{known}" for known in CREDENTIALS]


def test_the_folder_of_emails_is_below_what_can_be_written(name: str) -> None:
    found = directives(name)
    (state,) = found["StateDirectory"]
    assert found["WorkingDirectory"] == [f"%S/{state}"]


def test_a_tenants_unit_differs_only_in_its_tenant() -> None:
    one, tenant = (directives(name) for name in NAMES)
    assert tenant.pop("ExecStart") == [f"{PROGRAM} run --config /etc/eed-delivery/%i.toml"]
    assert one.pop("ExecStart") == [f"{PROGRAM} run --config /etc/eed-delivery/eed-delivery.toml"]
    plain = {key: [re.sub(r"[./]%i| \(%i\)", "", value) for value in values] for key, values in tenant.items()}
    assert plain == one
