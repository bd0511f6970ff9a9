"""Reading the configuration: one TOML file, systemd's credentials over it, EED_ variables over both."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eed_delivery.config import tree
from eed_delivery.config.checks import clashes
from eed_delivery.config.database_address import UnusableUrl
from eed_delivery.config.database_url import parse_database_url
from eed_delivery.config.environment import (
    AWS_VARIABLES,
    CONFIG_FILE,
    CREDENTIALS,
    read_credentials,
    read_variables,
    unknown_variables,
    variables_by_key,
)
from eed_delivery.config.problems import keys_of, problems_of, variable, where
from eed_delivery.config.renamed import rename_kind, rename_sections, rename_variables
from eed_delivery.config.settings import OldName, Settings
from eed_delivery.config.tree import Key
from eed_delivery.errors import ConfigError, Problem

# Stand in for required settings that are missing or wrong, so that the rest can still be checked against each other.
STAND_INS: dict[Key, str] = {
    ("database", "url"): "sqlite://",
    ("aws", "region"): "us-east-1",
    ("queue", "url"): "https://localhost/queue",
    ("rendering", "message_id_domain"): "localhost",
}
# Without any of these and without a file, there is no configuration. A database's URL alone is often a variable.
_OF_THE_FILE = STAND_INS.keys() - {("database", "url")}
NO_CONFIGURATION = Problem(
    "configuration",
    "there is none",
    f"Name the file with --config FILE or in {CONFIG_FILE}, or set at least "
    f"{', '.join(variable(key) for key in STAND_INS)}.",
)


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from a TOML file (None is the one $EED_CONFIG names, or none), credentials and environment.

    `environ` defaults to the process's own. Raises ConfigError with every mistake. The error never shows a secret.
    """
    environ = os.environ if environ is None else environ
    problems: list[Problem] = []
    file = path or _named_file(environ)
    data = _read_file(file)
    problems.extend(_secrets_in_file(data))
    old_names = list(rename_sections(data, problems))
    environ, had_name = rename_variables(environ)
    old_names += [OldName(old, new) for new, old in had_name.items()]
    origin = {key: had_name.get(name, name) for key, name in _overlay(data, environ, problems).items()}
    old_names += rename_kind(data, origin)
    problems.extend(unknown_variables(environ))
    if file is None and not any(tree.get(data, key) for key in _OF_THE_FILE):
        raise ConfigError([NO_CONFIGURATION, *problems])
    settings = _validate(data, origin, problems)
    if problems or settings is None:
        raise ConfigError(problems)
    settings.note_old_names(old_names)
    return settings


def _named_file(environ: Mapping[str, str]) -> Path | None:
    name = environ.get(CONFIG_FILE)
    return Path(name) if name else None


def _read_file(path: Path | None) -> dict[str, Any]:
    """The file's content. A file that can't be read at all is the only problem worth telling."""
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            [
                Problem(
                    str(path), f"it cannot be read: {error.strerror}", f"Give the file with --config or {CONFIG_FILE}."
                )
            ]
        ) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(path), "it is not UTF-8 text", "Save it as UTF-8.")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(str(path), f"it is not TOML: {error}", "See https://toml.io/en/v1.0.0.")]) from None


def _secrets_in_file(data: dict[str, Any]) -> Iterator[Problem]:
    """Passwords have no place in a file that is copied, diffed and put under version control."""
    for name, key in CREDENTIALS.items():
        value = tree.get(data, key)
        if value is None or (key == ("database", "url") and not _has_password(value)):
            continue
        yield Problem(
            ".".join(key),
            "there is a password in it, in the file" if name == "database_url" else "there is a secret in the file",
            f"Remove it, and give it as the systemd credential {_home_of(name)}.",
        )


def _home_of(credential: str) -> str:
    """A URL may stay in the file once its password is out of it."""
    name = "database_password" if credential == "database_url" else credential
    return f"{name} or as {variable(CREDENTIALS[name])}"


def _has_password(url: Any) -> bool:
    try:
        return parse_database_url(str(url)).url.password is not None
    except UnusableUrl:
        return False  # reported when it is validated, without quoting it


def _overlay(data: dict[str, Any], environ: Mapping[str, str], problems: list[Problem]) -> dict[Key, str]:
    """Put credentials and variables over the file's data. Returns where the values came from that aren't the file's."""
    origin: dict[Key, str] = {}
    if directory := environ.get("CREDENTIALS_DIRECTORY"):
        names = {key: name for name, key in CREDENTIALS.items()}
        for key, secret in read_credentials(Path(directory), problems).items():
            tree.put(data, key, secret)
            origin[key] = f"credential {names[key]}"
    tree.merge(data, read_variables(environ))
    origin |= variables_by_key(environ)
    _take_aws_variables(data, environ, origin)
    return origin


def _take_aws_variables(data: dict[str, Any], environ: Mapping[str, str], origin: dict[Key, str]) -> None:
    """AWS's own variables, all three together, so that a key is never paired with another's secret or token."""
    if tree.get(data, ("aws", "credentials")) != "environment" or any(
        tree.get(data, key) for key in AWS_VARIABLES.values()
    ):
        return
    for name, key in AWS_VARIABLES.items():
        if environ.get(name):
            tree.put(data, key, environ[name])
            origin[key] = name


def _validate(data: dict[str, Any], origin: Mapping[Key, str], problems: list[Problem]) -> Settings | None:
    """Check each value, then the values against each other as far as they are good."""
    for section in {key[0] for key in STAND_INS}:
        data.setdefault(section, {})
    faulty: set[Key] = set()
    settings: Settings | None = None
    checked: Settings | None
    try:
        settings = checked = Settings(**data)
    except ValidationError as error:
        problems.extend(problems_of(error, origin))
        faulty = set(keys_of(error))
        checked = _without(data, faulty)
    if checked is not None:
        for clash in clashes(checked):
            if not any(_touches(fault, key) for fault in faulty for key in clash.keys):
                problems.append(
                    Problem(" and ".join(where(key, origin) for key in clash.keys), clash.what, clash.remedy)
                )
    return settings


def _touches(fault: Key, key: Key) -> bool:
    return fault[: len(key)] == key or key[: len(fault)] == fault


def _without(data: dict[str, Any], faulty: set[Key]) -> Settings | None:
    """The settings with defaults in place of the faulty values. None if that isn't enough to mend them."""
    data = deepcopy(data)
    for key in faulty:
        tree.remove(data, key)
        if key in STAND_INS:
            tree.put(data, key, STAND_INS[key])
    try:
        return Settings(**data)
    except ValidationError:
        return None
