"""Secrets of a function: a variable may name a secret of AWS Secrets Manager in place of its value.

    EED_DATABASE__PASSWORD=aws-secret:arn:aws:secretsmanager:us-east-2:123456789012:secret:eed-AbCdEf:password::

The part behind the secret's name is a key of its JSON, as ECS has it. Without it the secret is the whole text. Parts
for a version or its stage must be empty.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from eed_delivery.config import AwsSettings, Settings
from eed_delivery.config.environment import AWS_VARIABLES, PREFIX
from eed_delivery.config.references import AWS_SECRET
from eed_delivery.errors import ConfigError, Problem

_OF_CHANNELS = f"{PREFIX}CHANNEL__"
"""Settings of channels hold references themselves, and keep them."""
_ARN_PARTS = 7
"""arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME"""
SecretText = Callable[[str], str]
"""The text of a secret by its ARN. Raises botocore's errors."""


def with_secrets(environ: Mapping[str, str], text_of: SecretText | None = None) -> dict[str, str]:
    """The environment with each secret in the place of its ARN. Each is read once. Raises `ConfigError` with every
    one that cannot be read. No error shows a secret."""
    named = {
        name: value.removeprefix(AWS_SECRET)
        for name, value in environ.items()
        if name.startswith(PREFIX) and not name.startswith(_OF_CHANNELS) and value.startswith(AWS_SECRET)
    }
    read = cache(text_of or _reader(environ))
    found, problems = dict(environ), list[Problem]()
    for name, reference in named.items():
        try:
            found[name] = _secret(reference, read)
        except (BotoCoreError, ClientError, LookupError, TypeError, ValueError) as error:
            said = str(error) if isinstance(error, BotoCoreError | ClientError) else _WORDS[type(error) is KeyError]
            remedy = "Check the ARN, and that the function's role may call secretsmanager:GetSecretValue."
            problems.append(Problem(name, f"its secret cannot be read: {said}", remedy))
    if problems:
        raise ConfigError(problems)
    return found


def credentials_problems(settings: Settings) -> list[Problem]:
    """Whether a function gets its credentials from where Lambda puts them."""
    if settings.aws.credentials == "environment":
        return []
    what = "a function has no instance role. Lambda gives it credentials in its environment"
    return [Problem("aws.credentials", what, 'Set aws.credentials = "environment".')]


_WORDS = {True: "its JSON has no such key", False: "it is no ARN of a secret, or the secret is not what it says"}


def _secret(reference: str, read: SecretText) -> str:
    parts = reference.split(":")
    if len(parts) < _ARN_PARTS or parts[2] != "secretsmanager" or any(parts[_ARN_PARTS + 1 :]):
        raise ValueError(reference)
    text = read(":".join(parts[:_ARN_PARTS]))
    key = parts[_ARN_PARTS] if len(parts) > _ARN_PARTS else ""
    return str(json.loads(text)[key]) if key else text


def _reader(environ: Mapping[str, str]) -> SecretText:
    """Reads secrets in the region that their ARN names, with the function's own credentials and no others."""

    def text_of(arn: str) -> str:
        from botocore.config import Config  # most functions send without it

        from eed_delivery.aws.sessions import session

        keys: dict[str, Any] = {key: SecretStr(environ.get(name, "")) for name, (_, key) in AWS_VARIABLES.items()}
        settings = AwsSettings(region=arn.split(":")[3], credentials="environment", **keys)
        config = Config(retries={"total_max_attempts": 3}, connect_timeout=3, read_timeout=5)
        client: Any = session(settings).client("secretsmanager", config=config)
        return str(client.get_secret_value(SecretId=arn)["SecretString"])

    return text_of
