"""A channel's settings from the command line: from options, from JSON, or asked for at a terminal."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from eed_delivery.cli.text_input import opened_text
from eed_delivery.operations.channel_fields import NESTED, ChannelField, fields_of, value_of


def assigned(values: Sequence[str]) -> dict[str, Any]:
    """`key=value` pairs as a tree. `queue.url=…` is `url` within `queue`. A value that begins with [ or { is JSON."""
    found: dict[str, Any] = {}
    for pair in values:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise click.UsageError(f"--set {pair}: write KEY=VALUE, like --set port=22 or --set queue.url=https://…")
        put(found, key.strip(), _value(pair, value))
    return found


def _value(pair: str, value: str) -> Any:
    try:
        return value_of(value)
    except ValueError as error:
        raise click.UsageError(f"--set {pair}: the value begins like JSON, and is none: {error}") from error


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key. None removes it, and a table that is empty then."""
    name, nested, below = key.partition(NESTED)
    if not nested:
        if value is None:
            tree.pop(name, None)
        else:
            tree[name] = value
        return
    table = tree.setdefault(name, {})
    if not isinstance(table, dict):
        raise click.UsageError(f"{name} is not a table, so {key} cannot be set")
    put(table, below, value)
    if not table:
        del tree[name]


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`old` with what `new` sets, table by table."""
    both = dict(old)
    for key, value in new.items():
        before = both.get(key)
        both[key] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return both


def from_file(path: Path) -> dict[str, Any]:
    """Settings as one JSON object, from a file, or - for stdin."""
    with opened_text(path) as text:
        try:
            found = json.loads(text.stream.read())
        except ValueError as error:
            raise click.UsageError(f"{path}: this is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise click.UsageError(f"{path}: the settings are one JSON object")
    return found


def asked(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for each setting of `schema` at the terminal, but for those that are `known`. Enter takes the default."""
    found: dict[str, Any] = merged(known, {})
    for field in fields_of(schema):
        if _at(found, field.key) is None:
            put(found, field.key, _ask(field))
    return found


def asked_again(schema: Mapping[str, Any], known: Mapping[str, Any], wrong: Sequence[str]) -> dict[str, Any]:
    """Ask once more for the settings that were `wrong`, each a key or a table of keys.

    A refused answer may be a secret, so it is not offered again. Where no single setting is wrong, all are asked for,
    and Enter takes the answer that was given before.
    """
    found: dict[str, Any] = merged(known, {})
    fields = list(fields_of(schema))
    refused = [one for one in fields if any(f"{one.key}.".startswith(f"{key}.") for key in wrong)]
    for field in refused or fields:
        before = None if refused else _at(found, field.key)
        put(found, field.key, _ask(field, default=before))
    return found


def _ask(field: ChannelField, *, default: Any = None) -> Any:
    standard = field.default if default is None else default
    hint = f" ({', '.join(field.choices)})" if field.choices else ""
    shown = None if field.required and standard is None else "" if standard is None else str(standard)
    answer = click.prompt(f"{field.key}{hint}", default=shown, show_default=bool(shown), err=True)
    if answer == "" or (standard is not None and str(answer) == str(standard) and default is None):
        return None  # the default is not written down: a later release may have a better one
    return _value(f"{field.key}={answer}", str(answer))


def _at(tree: Mapping[str, Any], key: str) -> Any:
    found: Any = tree
    for name in key.split(NESTED):
        found = found.get(name) if isinstance(found, dict) else None
    return found
