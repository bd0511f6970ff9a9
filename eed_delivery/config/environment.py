"""What the surroundings say: EED_ variables, systemd's credentials and its supervision.

This package is the only place that reads the environment, so that a test or a second tenant can hand in its own.
"""

import difflib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from eed_delivery.config.problems import variable
from eed_delivery.config.settings import Settings
from eed_delivery.config.tree import Key
from eed_delivery.errors import Problem
from eed_delivery.runtime import failpoints

PREFIX = "EED_"
CONFIG_FILE = "EED_CONFIG"  # where the file is
NO_SETTINGS = frozenset({CONFIG_FILE, failpoints.VARIABLE})  # EED_ variables that set nothing

# The names that LoadCredential= gives in the unit, and the settings they fill.
# https://systemd.io/CREDENTIALS/
CREDENTIALS: dict[str, Key] = {
    "database_url": ("database", "url"),
    "database_password": ("database", "password"),
    "rehearsal_database_url": ("rehearsal", "database_url"),
    "smtp_password": ("smtp", "password"),
    "bounces_secret": ("bounces", "secret"),
    "bounces_former_secrets": ("bounces", "former_secrets"),
    "web_secret": ("web", "secret"),
    "web_former_secrets": ("web", "former_secrets"),
    "operators_secret": ("operators", "secret"),
    "webhooks_secret": ("webhooks", "secret"),
    "webhooks_former_secrets": ("webhooks", "former_secrets"),
    "privacy_secret": ("privacy", "secret"),
    "privacy_former_secrets": ("privacy", "former_secrets"),
    "alerts_webhook_token": ("alerts", "webhook_token"),
    "aws_access_key_id": ("aws", "access_key_id"),
    "aws_secret_access_key": ("aws", "secret_access_key"),
    "aws_session_token": ("aws", "session_token"),
}
# AWS's own names, read only when `aws.credentials = "environment"` says so.
AWS_VARIABLES: dict[str, Key] = {
    "AWS_ACCESS_KEY_ID": ("aws", "access_key_id"),
    "AWS_SECRET_ACCESS_KEY": ("aws", "secret_access_key"),
    "AWS_SESSION_TOKEN": ("aws", "session_token"),
}


@dataclass(frozen=True, slots=True)
class Supervision:
    """How systemd watches this process. It holds where to notify, and the watchdog's timeout (WatchdogSec=) in seconds.

    Both are None without systemd's watchdog, so it also says whether systemd is there.
    """

    notify_socket: str | None = None
    watchdog_seconds: float | None = None


def supervision(environ: Mapping[str, str] | None = None, pid: int | None = None) -> Supervision:
    """Read sd_notify(3)'s and sd_watchdog_enabled(3)'s variables. Another process's watchdog is not ours."""
    environ = os.environ if environ is None else environ
    mine = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid() if pid is None else pid))
    microseconds = environ.get("WATCHDOG_USEC", "")
    watched = mine and microseconds.isdecimal() and int(microseconds) > 0
    return Supervision(environ.get("NOTIFY_SOCKET") or None, int(microseconds) / 1e6 if watched else None)


def without_settings(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without all that this service or AWS's clients would read from it.

    For a child process that has settings of its own and must not reach a real account through the parent's.
    """
    environ = os.environ if environ is None else environ
    ours = (PREFIX, "AWS_")
    systemd = ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
    return {name: value for name, value in environ.items() if not name.startswith(ours) and name not in systemd}


def is_own_secret(reference: str) -> bool:
    """Whether a reference to a secret leads to one of the service itself."""
    if reference.startswith("credential:"):
        return reference.removeprefix("credential:") in CREDENTIALS
    return reference.startswith(("env:EED_", "env:AWS_"))


def same_modules(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child process of ours, which finds the same modules as this one."""
    environ = os.environ if environ is None else environ
    return {**environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def share_metrics(directory: Path) -> None:
    """Have prometheus_client keep the metrics of this process and its children there."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def variables() -> dict[str, str]:
    """The environment as it is now."""
    return dict(os.environ)


def sandbox_name(environ: Mapping[str, str] | None = None) -> str:
    """What a sandbox of AWS Lambda is called in the ledger: the end of its log stream's name, which is its own.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    stream = (os.environ if environ is None else environ).get("AWS_LAMBDA_LOG_STREAM_NAME", "")
    own = "".join(letter for letter in stream if letter.isascii() and letter.isalnum())
    return f"lambda:{own[-32:] or os.getpid()}"


def failpoints_wanted(environ: Mapping[str, str] | None = None) -> str:
    """The faults that the fault tests want in this process. Empty everywhere else."""
    return (os.environ if environ is None else environ).get(failpoints.VARIABLE, "")


def sudo_user(environ: Mapping[str, str] | None = None) -> str | None:
    """Who called sudo(8), if that is how this process was started."""
    return (os.environ if environ is None else environ).get("SUDO_USER") or None


def wants_colours(environ: Mapping[str, str] | None = None) -> bool:
    """Whether a terminal is to be given colours (https://no-color.org, and terminals that know none)."""
    environ = os.environ if environ is None else environ
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


class _Variables(EnvSettingsSource):
    """pydantic-settings' reading of nested variables, from the environment we are given."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(Settings, case_sensitive=False, env_prefix=PREFIX, env_nested_delimiter="__")
        self.env_vars = {name.lower(): value for name, value in environ.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """A list or table is written as JSON. What isn't JSON stays unchanged, to be reported with all the rest."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def read_variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """The EED_ variables as nested settings."""
    return _Variables(environ)()


def variables_by_key(environ: Mapping[str, str]) -> dict[Key, str]:
    """Which variable sets which setting."""
    return {
        tuple(name[len(PREFIX) :].lower().split("__")): name
        for name in environ
        if name.upper().startswith(PREFIX) and name not in NO_SETTINGS
    }


def unknown_variables(environ: Mapping[str, str]) -> Iterator[Problem]:
    """EED_ variables of no section. An unknown key within a section is found when the section is validated."""
    for key, name in variables_by_key(environ).items():
        if key[0] in Settings.model_fields:
            continue
        close = difflib.get_close_matches(key[0], [*Settings.model_fields, "config"], n=1)
        remedy = f"Did you mean {variable((close[0], *key[1:]))}?" if close else "See docs/configuration.md."
        yield Problem(name, "there is no such setting", remedy)


def read_credentials(directory: Path, problems: list[Problem]) -> dict[Key, str]:
    """The secrets that systemd put into $CREDENTIALS_DIRECTORY, without the newline that editors add."""
    found: dict[Key, str] = {}
    for name, key in CREDENTIALS.items():
        try:
            text = (directory / name).read_text("utf-8").rstrip("\r\n")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            problems.append(Problem(f"credential {name}", f"it cannot be read: {reason}", "Write the file again."))
            continue
        if text:
            found[key] = text
        else:
            problems.append(Problem(f"credential {name}", "it is empty", "Put the secret in, or remove the file."))
    problems.extend(_misnamed(directory))
    return found


def _misnamed(directory: Path) -> Iterator[Problem]:
    """Credentials of other names may be there for other reasons, but a near miss is a typing error."""
    try:
        names = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        yield Problem(
            "CREDENTIALS_DIRECTORY", f"it cannot be read: {error.strerror}", "Check the unit's LoadCredential=."
        )
        return
    for name in names:
        close = difflib.get_close_matches(name, CREDENTIALS, n=1, cutoff=0.8)
        if name not in CREDENTIALS and close:
            yield Problem(f"credential {name}", "there is no such credential", f"Did you mean {close[0]}?")
