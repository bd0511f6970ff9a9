"""References to secrets: a channel's settings say where a secret is, and never hold it.

- `credential:NAME`  a file of systemd's credentials (https://systemd.io/CREDENTIALS/)
- `env:NAME`         a variable of the environment
- `aws-secret:ARN`   a secret of AWS Secrets Manager
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from eed_delivery.config.formats import mistake
from eed_delivery.errors import ConfigError, Problem

CREDENTIAL, VARIABLE, AWS_SECRET = "credential:", "env:", "aws-secret:"
_FORMS = re.compile(
    r"credential:[A-Za-z0-9_.-]{1,128}|env:[A-Za-z_][A-Za-z0-9_]{0,127}|aws-secret:arn:aws[a-z-]*:secretsmanager:\S{1,400}"
)


def _reference(text: str) -> str:
    """The value itself is never shown: it may be the secret."""
    if not _FORMS.fullmatch(text) or text.startswith(f"{CREDENTIAL}."):
        raise mistake(
            "the value is not a reference to a secret",
            "Write credential:NAME, env:NAME or aws-secret:ARN, and keep the secret there.",
        )
    return text


FORMAT = "secret-reference"
"""What the JSON Schema of a setting says that is one."""
_SCHEMA = {"type": "string", "format": FORMAT, "pattern": f"^({_FORMS.pattern})$"}
SecretReference = Annotated[str, AfterValidator(_reference), WithJsonSchema(_SCHEMA)]
"""Where a secret is."""


_VARIABLES = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\*?")
_OF_THE_SERVICE = ("EED_", "AWS_")
"""Beginnings of variables that are the service's own."""


def _channel_variable(text: str) -> str:
    if not _VARIABLES.fullmatch(text):
        raise mistake(f"{text!r} names no variable", 'Write a name, or the beginning of names and *: "CHANNEL_*".')
    if text.startswith(_OF_THE_SERVICE):
        raise mistake(f"{text} is the service's own", "Give channels variables of their own.")
    return text


ChannelVariable = Annotated[str, AfterValidator(_channel_variable)]
"""A variable, or with * the beginning of some."""


_SECRETS = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}\*?")


def _channel_secret(text: str) -> str:
    if not _SECRETS.fullmatch(text):
        raise mistake(f"{text!r} names no secret", 'Write a name, or the beginning of names and *: "eed-channel/*".')
    return text


ChannelSecret = Annotated[str, AfterValidator(_channel_secret)]
"""A secret of AWS Secrets Manager by its name, or with * the beginning of some."""
_NAME_IN_ARN = re.compile(r"arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:([^:]+?)(-[A-Za-z0-9]{6})?(:.*)?")


def refuse_reference(reference: str, variables: Sequence[str], secrets: Sequence[str]) -> str | None:
    """Why a channel of the ledger must not read what a reference leads to. None if it may."""
    if reference.startswith(VARIABLE):
        name = reference.removeprefix(VARIABLE)
        if name.startswith(_OF_THE_SERVICE):
            return f"{name} is a variable of the service itself"
        if not _is_named(name, variables):
            return f"the variable {name} is not one of security.channel_variables ({', '.join(variables) or 'none'})"
    if reference.startswith(AWS_SECRET):
        found = _NAME_IN_ARN.fullmatch(reference.removeprefix(AWS_SECRET))
        if found is None or not _is_named(found[1], secrets):
            return f"the secret is not one of security.channel_secrets ({', '.join(secrets) or 'none'})"
    return None


def _is_named(name: str, allowed: Sequence[str]) -> bool:
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in allowed)


def is_reference(text: str) -> bool:
    """Whether a text says where a secret is."""
    return _FORMS.fullmatch(text) is not None


def texts_of(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Each setting that is a text, by its dotted key."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from texts_of(value, f"{above}{key}.")
        elif isinstance(value, str):
            yield f"{above}{key}", value


def resolve(
    reference: str,
    setting: str,
    aws_secret: Callable[[str], str],
    environ: Mapping[str, str] | None = None,
) -> str:
    """The secret that a reference of `setting` leads to, without the newline that editors add.

    `aws_secret`: reads a secret by its ARN. Raises `ConfigError` if there is none; the error never shows a secret.
    """
    environ = os.environ if environ is None else environ
    if reference.startswith(CREDENTIAL):
        secret = _credential(reference.removeprefix(CREDENTIAL), setting, environ)
    elif reference.startswith(VARIABLE):
        secret = environ.get(reference.removeprefix(VARIABLE), "")
    else:
        secret = aws_secret(reference.removeprefix(AWS_SECRET))
    if not secret.rstrip("\r\n"):
        what, remedy = f"{reference} is empty or not set", "Put the secret there, or correct the reference."
        raise ConfigError([Problem(setting, what, remedy)])
    return secret.rstrip("\r\n")


def _credential(name: str, setting: str, environ: Mapping[str, str]) -> str:
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        what = f"it refers to the credential {name}, but systemd has given none"
        raise ConfigError([Problem(setting, what, "Add LoadCredential= to the unit, or use env:NAME.")])
    try:
        return (Path(directory) / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        what = f"the credential {name} cannot be read: {reason}"
        raise ConfigError([Problem(setting, what, "Check LoadCredential= in the unit.")]) from None
