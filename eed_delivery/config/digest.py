"""A short digest of the configuration, by which hosts that differ are seen. No secret is in it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from eed_delivery.config.settings import Settings

LENGTH = 12
OF_ONE_HOST = frozenset({"listen", "health_listen"})
"""Settings that differ from host to host."""
MAY_HOLD_SECRETS = (("webhooks", "url"), ("alerts", "audience"))
"""Some services put a token into the address of a webhook."""


def digest_of(settings: Settings) -> str:
    """The digest in hexadecimal. Of a secret it covers only whether it is set."""
    tree = tables(settings)
    for section, name in MAY_HOLD_SECRETS:
        tree[section][name] = _shape(tree[section][name])
    text = json.dumps(_shared(tree), sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def tables(value: Any) -> Any:
    """The settings as tables. pydantic would compile each section for that."""
    if isinstance(value, BaseModel):
        return {name: tables(one) for name, one in value}
    if isinstance(value, Mapping):
        return {name: tables(one) for name, one in value.items()}
    return [tables(one) for one in value] if isinstance(value, list | tuple) else value


def _shared(value: Any) -> Any:
    """Without what belongs to one host."""
    if isinstance(value, Mapping):
        return {str(name): _shared(one) for name, one in value.items() if name not in OF_ONE_HOST}
    if isinstance(value, list | tuple):
        return [_shared(one) for one in value]
    return value


def _shape(value: Any) -> Any:
    """What is set there, and not to what."""
    if isinstance(value, Mapping):
        return {name: _shape(one) for name, one in value.items()}
    return len(value) if isinstance(value, list | tuple) else value is not None


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return bool(value.get_secret_value())
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)
